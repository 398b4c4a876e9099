"""A network of one input as a polyline: its breaks, exact values and slopes, and its limits."""

import numpy as np
import pytest
from random_networks import DOMAIN, EPS, exact_outputs, random_network, rounding_of

from relufit import Params, RelufitError, fit
from relufit.network.sorted import hinge
from relufit.network.sorted.polyline import Polyline, knots_of, polyline_of

AFTER = float(np.nextafter(0.3, 1))


def network(knots: list[float], w1: list[float], w2: list[float], b2: float = 0.0) -> Params:
    """A network with one output and these knots."""
    slopes = np.array(w1)
    return Params(slopes[None], -slopes * np.array(knots), np.array(w2)[:, None], np.array([b2]))


def demand_agreement(params: Params, rng: np.random.Generator) -> None:
    """Fail unless the polyline agrees with the exact network, on the domain and beyond."""
    line = polyline_of(params, *DOMAIN)
    x = np.concatenate([rng.choice(line.x, 4), rng.uniform(*DOMAIN, 4), [*DOMAIN, -20.0, 15.0]])
    wanted, terms = exact_outputs(params, x)
    inside = (DOMAIN[0] <= x) & (x <= DOMAIN[1])
    for part in (inside, ~inside):
        error = np.abs(line.at(x[part]) - wanted[part])
        assert (error <= rounding_of(params, terms[part])).all()


def test_it_is_the_network() -> None:
    """Random networks with repeated knots, steps, and idle units, one and several outputs, differ by rounding only."""
    rng = np.random.default_rng(0)
    for count in range(100):
        demand_agreement(random_network(rng, 1 + count % 3 // 2), rng)


@pytest.mark.slow
def test_ten_thousand_are_the_networks() -> None:
    """The same for 10^4 networks."""
    rng = np.random.default_rng(1)
    for count in range(10_000):
        demand_agreement(random_network(rng, 1 + count % 3 // 2), rng)


def test_values_at_breaks_do_not_depend_on_how_terms_cancel() -> None:
    """Between units of 1e12 that cancel, the values are those of the third unit, to the last bit."""
    params = network([0.0, 0.0, 1.0], [1.0, 1.0, 1.0], [1e12, -1e12, 0.1])
    line = polyline_of(params, -1.0, 3.0)
    np.testing.assert_array_equal(line.x, [-1, 1, 3])
    np.testing.assert_array_equal(line.y[:, 0], [0, 0, 0.2])
    np.testing.assert_array_equal(line.at(np.array([-1.0, 1.0, 3.0]))[:, 0], line.y[:, 0])


@pytest.mark.parametrize(
    ("params", "breaks"),
    [
        (network([1.0, 1.0, 1.0], [1.0, -2.0, 3.0], [1.0, 1.0, 1.0]), [1.0]),  # one knot, three units
        (network([1.0, 2.0], [1.0, 1.0], [0.0, 1.0]), [2.0]),  # a unit without weight
        (network([0.0, 0.0, 0.0], [0.1, 0.2, 0.3], [1.0, 1.0, -1.0]), []),  # 0.1 + 0.2 - 0.3 is rounding
        (network([0.3, AFTER], [1.0, 1.0], [1.0, 1.0], 1.0), [AFTER]),  # equal but for rounding
        (network([0.3, 0.4, 0.5], [1.0, 1.0, 1.0], [1.0, 1e-15, 1.0], 1.0), [0.3, 0.5]),  # invisible
        (network([0.3, AFTER], [1.0, 1.0], [2.0**53, -(2.0**53)]), [0.3, AFTER]),  # a step
        (network([9.0, -9.0], [1.0, 1.0], [1.0, 1.0]), [-9.0, 9.0]),  # outside the domain
        (Params(np.array([[0.0, -0.0, 1e-300]]), np.array([1.0, 1.0, 1e10]), np.ones((3, 1)), np.zeros(1)), []),
    ],
)  # fmt: skip
def test_breaks_are_where_the_slope_changes(params: Params, breaks: list[float]) -> None:
    """Beside the ends of the domain, there are only knots at which the slope changes visibly."""
    line = polyline_of(params, -4.0, 4.0)
    np.testing.assert_array_equal(np.setdiff1d(line.x, [-4, 4]), breaks)
    assert (line.x[line.first], line.x[line.last]) == (-4, 4)
    np.testing.assert_allclose(
        line.at(np.array([-3.0, 3.5])), hinge.forward(params, np.array([[-3.0], [3.5]])), atol=1e-15
    )


def test_many_invisible_bends_are_not_lost() -> None:
    """Breaks are left out only as long as the line passes all of them, so a parabola of invisible bends keeps some."""
    knots = np.linspace(0.0, 1.0, 4000)
    params = network(knots.tolist(), [1.0] * 4000, [3e-14] * 4000, 1.0)
    line = polyline_of(params, 0.0, 1.0)
    assert 3 < len(line.x) < 2000
    wanted, terms = exact_outputs(params, knots[::97])
    assert (np.abs(line.at(knots[::97]) - wanted) <= 5 * EPS * terms).all()


def test_knots_far_outside_do_not_disturb() -> None:
    """A knot at -1e12 leaves the digits near the domain as they are: left of it pieces begin at their right end."""
    params = network([-1e12, -4.5, 0.5], [-1.0, 1.0, -1.0], [3.0, 0.3, 0.7])
    line, x = polyline_of(params, -4.0, 4.0), np.array([-5.0, -4.1, -4.0, 0.1, 3.0])
    np.testing.assert_array_equal(line.anchors, [0, 1, 2, 2, 3, 4][: len(line.anchors)])
    np.testing.assert_allclose(line.at(x), exact_outputs(params, x)[0], rtol=1e-15)
    assert line.at(np.array([-2e12]))[0, 0] == pytest.approx(3e12 + 0.7 * 2e12)


def test_slopes_outside_are_those_beside_the_domain() -> None:
    """The piece that leaves the domain has the network's slope there, and a knot at its end is on it."""
    params = network([-4.0, 4.0, 0.0, 9.0], [1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 0.5, 100.0])
    line = polyline_of(params, -4.0, 4.0)
    np.testing.assert_array_equal(line.slope[[line.first, line.last + 1], 0], [0.0, 3.5])


@pytest.mark.parametrize(
    ("w1", "b1", "w2", "b2", "limits"),
    [
        ([1.0], [0.0], [[2.0, -2.0]], [0.0, 1.0], ([0, 1], [np.inf, -np.inf])),
        ([1.0, -1.0], [0.0, 0.0], [[1.0], [1.0]], [0.0], ([np.inf], [np.inf])),  # |x|
        ([1.0, 1.0, 0.0], [0.0, -1.0, 3.0], [[1.0], [-1.0], [2.0]], [0.5], ([6.5], [7.5])),  # two constants
        ([0.1, 0.2, 0.3], [0.0, 0.0, 0.0], [[1.0], [1.0], [-1.0]], [5.0], ([5], [5])),  # 0.1 + 0.2 - 0.3 is rounding
        ([0.0], [-1.0], [[4.0]], [2.0], ([2], [2])),
    ],
)
@pytest.mark.parametrize("domain", [(-3.0, 2.0), (5.0, 6.0)])
def test_the_limits_at_infinity(
    w1: list[float],
    b1: list[float],
    w2: list[list[float]],
    b2: list[float],
    limits: tuple[list[float], list[float]],
    domain: tuple[float, float],
) -> None:
    """The limit is infinite where the outermost slope is not 0, and else the constant there; nan stays nan."""
    line = polyline_of(Params(np.array([w1]), np.array(b1), np.array(w2), np.array(b2)), *domain)
    found = line.at(np.array([-np.inf, np.inf, np.nan]))
    np.testing.assert_array_equal(found[:2], limits)
    assert np.isnan(found[2]).all()


def test_inside_it_is_interpolation_to_the_last_bit() -> None:
    """Between the ends of the domain the values are those of np.interp."""
    found = fit("sin", solver="spline", hidden=64)
    line, x = polyline_of(found.params, *found.target.domain), np.linspace(-6.3, 6.3, 999)
    inside = np.clip(x, line.x[0], line.x[-1])
    np.testing.assert_array_equal(line.at(inside)[:, 0], np.interp(inside, line.x, line.y[:, 0]))
    assert line.at(np.empty(0)).shape == (0, 1)


def test_what_float64_cannot_hold_is_refused() -> None:
    """An output that overflows on the domain is an error; far outside it may overflow."""
    with pytest.raises(RelufitError, match="not finite"):
        polyline_of(network([0.0], [1e200], [1e200]), -1.0, 1.0)
    far = polyline_of(network([1e300, 0.0], [1e-5, 1.0], [1e5, 1e100]), -1.0, 1.0)
    assert isinstance(far, Polyline)
    assert far.at(np.array([0.5]))[0, 0] == 5e99


def test_knots_inside_an_interval() -> None:
    """Knots are sorted, those of w1 = 0 and at the ends are left out."""
    params = network([3.0, -1.0, 2.0, 0.0], [1.0, -2.0, 4.0, 1.0], [1.0] * 4)
    params.w1[0, 3] = 0.0
    np.testing.assert_array_equal(knots_of(params, -1.0, 5.0), [2, 3])
