"""Targets and the parser: right values, a whitelist that holds, and answers at once."""

import contextlib
import copy
import math
import pickle
import random
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relufit import RelufitError, Target, fit, fit_many, sample, targets, theory
from relufit.targets import FUNCTIONS, ZOO, parse, resolve

X = np.linspace(-2, 2, 41)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("sin(3*x) + x**2", np.sin(3 * X) + X**2),
        ("-x", -X),
        ("+x - -1", X + 1),
        ("2**-x", 2.0**-X),
        ("x % 0.3", X % 0.3),
        ("pi*e", np.full_like(X, math.pi * math.e)),
        ("3", np.full_like(X, 3.0)),
        ("1e-3*x/7", 1e-3 * X / 7),
        ("max(x, min(0.5, x*x))", np.maximum(X, np.minimum(0.5, X * X))),
        ("relu(x) + abs(x) - step(x)", np.maximum(X, 0) + np.abs(X) - (X >= 0)),
        ("2 - 3 - 4*x", -1 - 4 * X),
        ("x**3 - x**4 + 2*x**5", np.power(X, 3) - np.power(X, 4) + 2 * np.power(X, 5)),
        ("(x - 1)**3", np.power(X - 1, 3)),
        ("2**3**2 + 0*x", np.full_like(X, 512.0)),
        ("  (x)\t", X),
    ],
)
def test_parse_means_what_python_means(text: str, wanted: np.ndarray) -> None:
    """Precedence, associativity and functions are those of Python, and constants are functions of x."""
    np.testing.assert_allclose(parse(text).function(X), wanted, rtol=1e-14)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_of_the_table_can_be_called(name: str) -> None:
    """Every function of the table is called elementwise, on any shape."""
    text = f"{name}(x, x)" if name in ("min", "max") else f"{name}(x)"
    assert parse(text).function(np.full((2, 3), 0.5)).shape == (2, 3)


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "y", "x y", "x +", "sin", "sin x", "sin()", "sin(x, x)", "max(x)", "f(x)", "x^2", "x == 1",
        "x if x else 1", "lambda: x", "[x]", "x[0]", "x.real", "x.__class__", "().__class__.__bases__",
        "__import__('os')", "'x'", "1j*x", "True", "None", "x @ x", "x // 2", "x & 1", "~x", "not x", "x and x",
        "(x, x)", "{x}", "sin(x=1)", "sin(*x)", "x := 1", "f'{x}'", "...", "x\0", "\ud800", "x; x", "x\nx", "import os",
        "(" * 60 + "x" + ")" * 60, "-" * 60 + "x", "x**" * 60 + "x", "sin(" * 51 + "x" + ")" * 51, "x" + "+x" * 500,
        "(" * 900, "not " * 200 + "x", "9" * 1001,
    ],
)  # fmt: skip
def test_everything_else_is_one_sentence(text: str) -> None:
    """Whatever is not on the whitelist is refused, with a reason."""
    with pytest.raises(RelufitError) as caught:
        parse(text)
    assert 0 < len(str(caught.value)) < 400


@pytest.mark.parametrize("text", [None, 3, b"x", ["x"]])
def test_only_text_is_parsed(text: object) -> None:
    """Anything but a text is refused in a sentence."""
    with pytest.raises(RelufitError):
        parse(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["9**9**9**9", "9**9**9**9*x", "(-8)**(1/3)", "1/0", "0/0*x", "9" * 999, "log(-1)", "exp(exp(exp(9)))"]
)
def test_what_has_no_finite_value_answers_at_once(text: str) -> None:
    """A text without a finite value answers at once: the target says where it is not finite."""
    start = time.perf_counter()
    target = parse(text)
    assert target.function(X).shape == X.shape
    with pytest.raises(RelufitError, match="finite"):
        target(X)
    assert time.perf_counter() - start < 0.5


def test_a_long_sum_is_not_deep() -> None:
    """400 terms in under 1000 characters are an ordinary expression."""
    np.testing.assert_allclose(parse("+".join(["x"] * 400)).function(X), 400 * X)


@given(st.text(alphabet="x0123456789.+-*/%() ,sincoexplgbt^'_[]{}", max_size=60))
def test_no_text_can_do_more_than_fail(text: str) -> None:
    """Random text is an expression or a RelufitError, never another exception."""
    with contextlib.suppress(RelufitError):
        assert parse(text).function(X).shape == X.shape


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
    """Anything else is a sentence, for functions of all kinds."""
    for target in (targets.SIN, parse("x**2"), Target("mine", lambda t: t)):
        with pytest.raises(RelufitError, match="is a function of real numbers"):
            target(x)


@pytest.mark.parametrize("text", [*ZOO, "sin(x) + 2*x", " x**2 "])
def test_a_target_pickles(text: str) -> None:
    """One of a name or an expression is equal to what comes back."""
    found = resolve(text)
    for other in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert other == found
        np.testing.assert_array_equal(other(X), found(X))


def test_a_fit_of_an_expression_pickles() -> None:
    """Network and target."""
    found = fit("sin(x)", hidden=4, solver="spline")
    for other in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert other.target == found.target
        np.testing.assert_array_equal(other.predict(X), found.predict(X))


def test_a_named_argument_is_told_from_an_unknown_function() -> None:
    """The function is known; it takes no names."""
    with pytest.raises(RelufitError, match=r"^sin takes its arguments without names: write sin\(x\)$"):
        parse("sin(x=1)")


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
