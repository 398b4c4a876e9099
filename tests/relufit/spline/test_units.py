"""A spline and its network are one function, whatever side its units face."""

import numpy as np
import pytest

from relufit.network import dense
from relufit.spline.units import closure_of, closures, to_params


def network(params: tuple[np.ndarray, ...], x: np.ndarray) -> np.ndarray:
    return dense.forward(params, x[:, None], xp=np)[:, 0]  # type: ignore[arg-type]


@pytest.mark.parametrize("pieces", [1, 2, 3, 8, 65])
@pytest.mark.parametrize("offset", [0.0, 1.7e9])
def test_an_open_spline_takes_a_unit_a_piece(pieces: int, offset: float) -> None:
    """An open spline needs one unit per piece, and continues straight outside."""
    rng = np.random.default_rng(pieces)
    knots = offset + np.cumsum(rng.uniform(0.5, 1, pieces + 1))
    values = rng.normal(size=pieces + 1)
    params = to_params(knots, values)
    assert params.b1.shape == (pieces,)
    assert set(np.abs(params.w1[0])) == {1.0}
    x = np.linspace(knots[0], knots[-1], 1001)
    atol = 1e-6 if offset else 1e-12  # a float near 1.7e9 has a rounding of 2e-7
    np.testing.assert_allclose(network(params, x), np.interp(x, knots, values), atol=atol)
    slopes, length = np.diff(values) / np.diff(knots), knots[-1] - knots[0]
    outside = np.array([knots[0] - length / 2, knots[-1] + length / 2])
    wanted = [values[0] - slopes[0] * length / 2, values[-1] + slopes[-1] * length / 2]
    np.testing.assert_allclose(network(params, outside), wanted, atol=atol * 100)


def test_a_closed_spline_takes_a_unit_less() -> None:
    """A closed spline needs one unit less than pieces."""
    rng = np.random.default_rng(0)
    knots, left = np.linspace(0, 1, 8), np.array([1, 0, 0, 1, 1, 0], bool)
    slopes = rng.normal(size=7)
    # Move the slope of a piece that the closure counts until it holds.
    a = closure_of(left)
    counted = np.flatnonzero(a)[0]
    slopes[counted] -= a @ slopes / a[counted]
    values = np.concatenate([[0.3], 0.3 + np.cumsum(slopes * np.diff(knots))])
    params = to_params(knots, values, left)
    assert params.b1.shape == (6,)
    np.testing.assert_array_equal(params.w1[0] < 0, left)
    x = np.linspace(0, 1, 501)
    np.testing.assert_allclose(network(params, x), np.interp(x, knots, values), atol=1e-12)


def test_a_closure_counts_the_first_slope_and_the_turns_of_its_set() -> None:
    """The closure is the first slope and the turns of its set, for any slopes."""
    rng = np.random.default_rng(0)
    for turns in (1, 4, 30):
        slopes, left = rng.normal(size=turns + 1), rng.random(turns) < 0.5
        assert closure_of(left) @ slopes == pytest.approx(slopes[0] + np.diff(slopes)[left].sum())


def test_the_best_of_few_sets_is_found() -> None:
    """Of eight turns, the one of 256 sets that misses least comes first."""
    slopes = np.random.default_rng(3).normal(size=9)
    missed = [
        abs(slopes[0] + np.diff(slopes)[np.array([mask >> j & 1 for j in range(8)], bool)].sum()) for mask in range(256)
    ]
    first = closures(slopes)[0]
    assert abs(slopes[0] + np.diff(slopes)[first].sum()) == pytest.approx(min(missed))


def test_of_many_turns_a_set_that_all_but_closes_is_found() -> None:
    """Exchanges find a set of 500 turns that misses by less than a thousandth of the flattest piece."""
    slopes = np.cos(np.linspace(0, 12, 501)) + 0.013
    misses = [abs(slopes[0] + np.diff(slopes)[left].sum()) for left in closures(slopes)]
    assert min(misses) < 1e-3 * np.abs(slopes).min()
