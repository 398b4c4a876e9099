"""A piecewise-linear function as a value: evaluated, solved, integrated, and as a network."""

import copy
import pickle
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest
from random_networks import EPS

from relufit import PiecewiseLinear, RelufitError
from relufit.network.params import Params

HAT = PiecewiseLinear([0.0, 1.0, 3.0], [0.0, 2.0, 1.0])
LEVEL = PiecewiseLinear([0, 1, 2, 3, 4], [0, 1, 1, 1, 0], left_slope=0.0)
TWO = PiecewiseLinear([0.0, 1.0, 2.0], [[0.0, 1.0], [1.0, 1.0], [0.0, 3.0]], right_slope=[0.0, 2.0])


def network_of(params: Params, x: np.ndarray) -> np.ndarray:
    """The network's output by its formula, (N, O)."""
    return np.maximum(x[:, None] * params.w1 + params.b1, 0.0) @ params.w2 + params.b2


def terms_of(params: Params, x: np.ndarray) -> np.ndarray:
    """The sums of the magnitudes of the network's terms, |w2 relu(z)| and |b2|: (N, O)."""
    return network_of(params._replace(w2=np.abs(params.w2), b2=np.abs(params.b2)), x)


def test_slopes_and_intercepts() -> None:
    """Each piece is y = slope x + intercept; outside, the first and the last slope go on."""
    np.testing.assert_array_equal(HAT.slopes, [2.0, -0.5])
    np.testing.assert_array_equal(HAT.intercepts, [0.0, 2.5])
    assert (HAT.left_slope, HAT.right_slope) == (2.0, -0.5)
    np.testing.assert_array_equal(TWO.slopes, [[1, 0], [-1, 2]])
    np.testing.assert_array_equal(TWO.intercepts, [[0, 1], [2, -1]])
    np.testing.assert_array_equal(TWO.left_slope, [1, 0])


@pytest.mark.parametrize(
    ("x", "y"),
    [(0.5, 1.0), ([-1, 0, 1, 2, 3, 5], [-2, 0, 2, 1.5, 1, 0]), ([[1], [2]], [[2], [1.5]]), ([], []), (np.inf, -np.inf)],
)
def test_values_have_the_shape_of_x(x: Any, y: Any) -> None:
    """The function takes any shape, is exact at breaks, and goes on outside."""
    found = HAT(x)
    assert found.shape == np.shape(x)
    np.testing.assert_array_equal(found, y)


def test_several_outputs_nan_and_infinity() -> None:
    """Outputs are the last axis; nan is nan, and where the slope outside is 0 the limit is the constant."""
    assert TWO(np.zeros((2, 3))).shape == (2, 3, 2)
    np.testing.assert_array_equal(
        TWO([0.5, np.inf, -np.inf, np.nan]), [[0.5, 1], [0, np.inf], [-np.inf, 1], [np.nan] * 2]
    )
    with pytest.raises(RelufitError, match="text"):
        HAT("a")


def test_times_are_seconds() -> None:
    """Breaks and arguments may be times."""
    days = PiecewiseLinear([date(1970, 1, 1), date(1970, 1, 3)], [0.0, 2.0])
    assert days.x[1] == 2 * 86400
    np.testing.assert_allclose(days([date(1970, 1, 2)]), 1.0)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: PiecewiseLinear([0.0], [1.0]), "at least 2 breaks, not of shape"),
        (lambda: PiecewiseLinear([[0.0, 1.0]], [1.0]), "at least 2 breaks, not of shape"),
        (lambda: PiecewiseLinear([0.0, 1.0, 1.0], [1.0] * 3), "1.0 is followed by 1.0"),
        (lambda: PiecewiseLinear([0.0, np.nan], [1.0] * 2), "x must hold finite numbers"),
        (lambda: PiecewiseLinear([0.0, 1.0], [1.0, np.inf]), "y must hold finite numbers"),
        (lambda: PiecewiseLinear([0.0, 1.0], [1.0] * 3), "y must have shape"),
        (lambda: PiecewiseLinear([0.0, 1.0], np.zeros((2, 0))), "y must have shape"),
        (lambda: PiecewiseLinear([0.0, 1e-300], [0.0, 1e200]), "too steep"),
        (lambda: PiecewiseLinear([0.0, 1.0], [1.0, 2.0], left_slope=[1.0, 2.0]), "left_slope must be a number"),
        (lambda: PiecewiseLinear([0.0, 1.0], [1.0, 2.0], right_slope=np.nan), "right_slope must hold finite"),
        (lambda: PiecewiseLinear([0.0, 1.0], ["a", "b"]), "real numbers"),
        (lambda: HAT.integrate(0.0, np.inf), "b must hold finite"),
        (lambda: HAT.solve(np.nan), "y must hold finite"),
        (lambda: HAT.solve([1.0, 2.0]), "y must be one number"),
        (lambda: HAT.integrate([0.0, 1.0], 2.0), "a must be one number"),
        (lambda: HAT.to_csv("pieces.txt"), "must end in .csv"),
        (lambda: HAT.to_csv("no/such/pieces.csv"), "no folder"),
    ],
)
def test_bad_input_is_one_sentence(make: Callable[[], Any], sentence: str) -> None:
    """What is given is named, with what is valid."""
    with pytest.raises(RelufitError, match=sentence):
        make()


def test_solutions() -> None:
    """Every x with the value, once: at breaks, between them, outside; a level piece is its start and nan."""
    for function, level, wanted in (
        (HAT, 1.0, [0.5, 3.0]),
        (HAT, 2.0, [1.0]),
        (HAT, -1.0, [-0.5, 7.0]),
        (HAT, 9.0, []),
        (LEVEL, 1.0, [1, np.nan, 2, np.nan, 3]),
        (LEVEL, 0.0, [-np.inf, np.nan, 0, 4]),
        (PiecewiseLinear([0.0, 1.0], [2.0, 2.0]), 2.0, [-np.inf, np.nan, 0, np.nan, 1, np.nan]),
        (PiecewiseLinear([0.0, 1.0], [-1e-200, 1e-200]), 0.0, [0.5]),  # products of these values underflow
    ):
        np.testing.assert_array_equal(function.solve(level), wanted)
    found = TWO.solve(1.0)
    assert found.shape == (2,)
    np.testing.assert_array_equal(found[0], [1.0])
    np.testing.assert_array_equal(found[1], [-np.inf, np.nan, 0, np.nan, 1])


def test_solutions_are_solutions() -> None:
    """At every solution of random functions the value is the one asked for, and none is missing."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        function = PiecewiseLinear(np.sort(rng.uniform(-3, 3, 12)), rng.normal(size=12))
        level = rng.normal()
        found = function.solve(level)
        assert (np.diff(found) > 0).all()
        scale = np.abs(function.y).max() + np.abs(level) + np.abs(function.slopes).max() * np.abs(found).max(initial=0)
        np.testing.assert_allclose(function(found), level, rtol=0, atol=8 * EPS * scale)
        wide = np.concatenate([[-1e9], function.x, [1e9]])
        assert len(found) == np.count_nonzero(np.diff(np.sign(function(wide) - level)))


def test_calculus() -> None:
    """Derivative, antiderivative and integral agree, outside the breaks too; the derivative is right-continuous."""
    x = np.array([-2.0, -0.1, 0.0, 0.4, 1.0, 2.9, 3.0, 8.0])
    function = PiecewiseLinear(HAT.x, HAT.y, left_slope=-1.0, right_slope=3.0)
    np.testing.assert_array_equal(function.derivative()(x), [-1, -1, 2, 2, -0.5, -0.5, 3, 3])
    integral = function.antiderivative()
    assert integral(0.0) == 0.0
    np.testing.assert_allclose(integral.derivative()(x), function(x), atol=1e-14)
    for a, b in ((-2.0, 8.0), (8.0, -2.0), (0.5, 0.5), (1.0, 3.0), (4.0, 5.0)):
        assert function.integrate(a, b) == pytest.approx(float(integral(b) - integral(a)), abs=1e-13)
    assert HAT.integrate(0, 3) == 4.0
    np.testing.assert_allclose(TWO.integrate(2, 0), [-1, -3])
    np.testing.assert_allclose(TWO.antiderivative()(2.0), [1, 3])


@pytest.mark.parametrize(
    ("function", "units"),
    [
        (HAT, 2),
        (LEVEL, 3),
        (PiecewiseLinear([0.0, 1.0, 2.0], [3.0, 4.0, 5.0]), 2),  # a line
        (PiecewiseLinear([0.0, 1.0], [3.0, 3.0]), 1),  # a constant
        (PiecewiseLinear([0.0, 1.0], [0.0, 1.0], left_slope=0.0), 1),  # relu
        (PiecewiseLinear([0.0, 1.0], [0.1, 0.4], left_slope=0.3, right_slope=0.3), 2),  # 0.4 - 0.1 is not 0.3
        (PiecewiseLinear([1.0, 1.0 + EPS], [0.0, 1.0], left_slope=0.0, right_slope=0.0), 2),  # a step
        (TWO, 3),
    ],
)
def test_as_a_network(function: PiecewiseLinear, units: int) -> None:
    """The network is the function, on the breaks, between them and beyond, with no idle unit."""
    params, x = function.to_params(), np.array([-7.0, 0.0, 0.3, 1.0, 1 + EPS, 1.7, 2.0, 3.5, 9.0])
    found, rounding = network_of(params, x), 8 * EPS * terms_of(params, x).max()
    np.testing.assert_allclose(found.reshape(function(x).shape), function(x), rtol=0, atol=rounding)
    assert len(params.b1) == units


def test_random_functions_are_their_networks() -> None:
    """Of 10 000 functions, some with steps and slopes of their own outside, network and function differ by rounding."""
    rng = np.random.default_rng(0)
    for _ in range(10_000):
        x = np.sort(rng.uniform(-6, 6, int(rng.integers(2, 40))))
        x = np.unique(np.append(x, np.nextafter(x[0], 9)))
        outer = {} if rng.random() < 0.5 else {"left_slope": rng.normal(), "right_slope": 0.0}
        function = PiecewiseLinear(x, rng.normal(size=len(x)) * 10.0 ** rng.integers(-3, 4), **outer)
        params, t = function.to_params(), np.concatenate([x, rng.uniform(x[0], x[-1], 50)])
        assert np.abs(network_of(params, t)[:, 0] - function(t)).max() <= 8 * EPS * terms_of(params, t).max()
        assert len(params.b1) <= len(x) + 1


def test_it_is_a_value() -> None:
    """Equal arrays are equal functions with one hash; a pickle and a copy are equal; nothing can be written to."""
    same, other = PiecewiseLinear([0, 1, 3], [0, 2, 1]), PiecewiseLinear([0, 1, 3], [0, 2, 1], left_slope=0)
    assert same == HAT
    assert hash(same) == hash(HAT)
    assert HAT not in (other, None, PiecewiseLinear([0, 1, 3], [[0], [2], [1]]))
    HAT(0.5)  # evaluated, so that something is cached
    for again in (pickle.loads(pickle.dumps(HAT)), copy.deepcopy(HAT)):
        assert again == HAT
        assert again(0.5) == HAT(0.5)
        with pytest.raises(ValueError, match="read-only"):
            again.x[0] = 1
    with pytest.raises(AttributeError):
        HAT.x = HAT.y  # type: ignore[misc]
    given = np.array([0.0, 1.0])
    made = PiecewiseLinear(given, given)
    given[0] = 9
    assert made.x[0] == made.y[0] == 0


def test_its_repr_is_short() -> None:
    """The number of pieces, the interval, and the number of outputs if there are several."""
    assert repr(HAT) == "PiecewiseLinear(2 pieces from 0 to 3)"
    assert repr(TWO) == "PiecewiseLinear(2 pieces from 0 to 2, 2 outputs)"
