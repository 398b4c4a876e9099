"""Targets: names, expressions and callables become functions of x; anything else is refused."""

import copy
import math
import pickle
import random
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest

from relufit import RelufitError, Target, fit, fit_many, sample, targets, theory
from relufit.targets import ZOO, parse, resolve

X = np.linspace(-2, 2, 41)


def test_the_zoo_is_finite_on_its_domains() -> None:
    """Every target can be evaluated where it says that it is defined."""
    assert {"sin", "square", "abs", "exp", "runge", "step", "noisy_sine", "sines"} <= set(ZOO)
    for target in ZOO.values():
        assert np.isfinite(target(np.linspace(*target.domain, 1001))).all()
    assert targets.RUNGE.domain == (-1.0, 1.0)
    assert targets.RUNGE(np.array([0.2]))[0] == pytest.approx(0.5)
    np.testing.assert_array_equal(targets.STEP(np.array([-1.0, 0.0, 1.0])), [0, 1, 1])


def test_resolve_takes_what_people_have() -> None:
    """A target may be a name, an expression, a callable or a Target, each with a domain."""
    assert resolve("sin") is targets.SIN
    assert resolve("x*2")(np.array([3.0]))[0] == 6
    assert resolve(np.cos).name == "cos"
    assert resolve(targets.SIN, (0, 1)).domain == (0, 1)
    assert resolve(lambda x: 3.0)(X).shape == X.shape
    for bad in (None, 7, ["sin"], "sine(x)"):
        with pytest.raises(RelufitError):
            resolve(bad)


def test_an_unknown_name_is_answered_by_the_known_ones() -> None:
    """An unknown name is refused with the nearest one and the list of named targets, which parse does not know."""
    with pytest.raises(RelufitError, match=r"^unknown name .sqare. in the .*\(did you mean square\?\); .* are sin, "):
        resolve("sqare")
    with pytest.raises(RelufitError, match=r"functions such as sin\(x\)$"):  # not for a domain
        parse("sine")


@pytest.mark.parametrize(
    "function", [lambda x: x[:-1], lambda x: x + 1j, lambda x: np.array(["a"] * x.size), lambda x: 1 / (x * 0)]
)
def test_a_callable_that_is_no_real_function_is_named(function: object) -> None:
    """Wrong shape, complex, text and infinite values are refused when they appear."""
    with pytest.raises(RelufitError, match="odd"):
        Target("odd", function)(X)  # type: ignore[arg-type]


def test_functions_of_one_number_are_called_for_each() -> None:
    """Functions of one number, as math.sin and those with an `if`, are called for each."""
    np.testing.assert_allclose(resolve(math.sin)(X), np.sin(X))
    np.testing.assert_array_equal(resolve(lambda x: 1.0 if x > 0 else 0.0)(X), X > 0)


def test_a_function_cannot_change_x() -> None:
    """A function cannot change x, whatever it does with what it is given."""

    def doubles(x: np.ndarray) -> np.ndarray:
        x *= 2
        return x

    x = X.copy()
    np.testing.assert_array_equal(resolve(doubles)(x), 2 * X)
    np.testing.assert_array_equal(x, X)


def test_a_function_that_fails_is_named() -> None:
    """A function that fails is named with what it raised."""
    with pytest.raises(RelufitError, match="ZeroDivisionError"):
        resolve(lambda x: 1 / 0)(X)


def test_a_target_needs_a_function_and_a_domain() -> None:
    """A target's function and domain are checked when it is made."""
    with pytest.raises(RelufitError):
        Target("bad", None)  # type: ignore[arg-type]
    with pytest.raises(RelufitError):
        Target("bad", np.sin, (1, 0))
    with pytest.raises(RelufitError):
        Target("bad", np.sin, noise=-1)
    with pytest.raises(RelufitError, match="not an expression"):
        Target("bad", np.sin, expression="foo(")


@pytest.mark.parametrize("x", ["abc", [1, [2, 3]], 1j, np.array(["2020-01-01"], "datetime64[D]"), [10**400]])
def test_a_target_is_a_function_of_numbers(x: object) -> None:
    """Arguments that are not numbers are refused, for targets of all types."""
    for target in (targets.SIN, parse("x**2"), Target("mine", lambda t: t)):
        with pytest.raises(RelufitError, match="is a function of real numbers"):
            target(x)


@pytest.mark.parametrize("text", [*ZOO, "sin(x) + 2*x", " x**2 "])
def test_a_target_pickles(text: str) -> None:
    """A target of a name or an expression equals its copy from a pickle."""
    found = resolve(text)
    for other in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert other == found
        np.testing.assert_array_equal(other(X), found(X))


def test_a_fit_of_an_expression_pickles() -> None:
    """The network and the target of a fit are the same after a pickle."""
    found = fit("sin(x)", hidden=4, solver="spline")
    for other in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert other.target == found.target
        np.testing.assert_array_equal(other.predict(X), found.predict(X))


@pytest.mark.parametrize("domain", [[0, 1], np.array([0, 1]), (np.float32(0), np.int64(1)), iter((0, 1))])
def test_a_domain_is_a_pair_of_floats_however_it_is_given(domain: Any) -> None:
    """Any pair of numbers becomes a tuple of floats, so targets can be compared, hashed and fitted together."""
    target, plain = Target("one", np.sin, domain), Target("one", np.sin, (0.0, 1.0))
    assert target == plain
    assert hash(target) == hash(plain)
    assert [type(end) for end in target.domain] == [float, float]
    assert len(fit_many([target, Target("two", np.cos, (0, 1))], hidden=4, epochs=1, n=20, progress=False)) == 2


def numbered() -> Callable[[Any], Any]:
    """A function that gives another value each time."""
    calls = count()
    return lambda x: np.sin(x) + next(calls)


@pytest.mark.parametrize(
    ("function", "when"),
    [
        (lambda x: np.sin(x) + np.random.default_rng().normal(0, 0.1, np.shape(x)), "is called again"),
        (lambda x: math.sin(x) + random.gauss(0, 1e-6), "is called again"),
        (lambda x: np.where(x > 6, np.random.default_rng().uniform(size=np.shape(x)), x), "is called again"),
        (numbered(), "is called again"),
        (lambda x: x - np.mean(x) if np.size(x) else x, "is called with other x"),
        (np.sort, "is called with other x"),
    ],
)
def test_what_gives_two_answers_for_one_x_is_no_function(function: Any, when: str) -> None:
    """A callable that draws random numbers, counts its calls or depends on other samples is refused everywhere."""
    for take in (
        lambda: fit(function, hidden=4, epochs=1),
        lambda: fit(Target("mine", function), hidden=4, solver="spline"),
        lambda: fit_many(["sin", function], hidden=4, epochs=1),
        lambda: theory.units_for(function, mse=1.0),
        lambda: sample(function),
    ):
        with pytest.raises(RelufitError, match=f"is not a function of x: at x = .* when it {when}"):
            take()


@pytest.mark.parametrize(
    "function", [np.floor, lambda x: np.floor(np.log2(x)), lambda x: x % 0.1, math.sqrt, lambda x: 3]
)
def test_functions_that_jump_or_round_are_functions(function: Any) -> None:
    """Functions that jump or round are accepted, and so are functions of one number and constants."""
    assert resolve(function, (1, 8)).function is function
