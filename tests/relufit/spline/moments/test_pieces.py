"""Moments of pieces: of functions against dense quadrature, of tables against sums over the samples."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from relufit.spline.least_squares import solve
from relufit.spline.moments.functions import FunctionPieces
from relufit.spline.moments.pieces import Moments
from relufit.spline.moments.samples import DataPieces

KNOTS = np.array([-2.0, -1.1, -0.3, 0.05, 0.9, 2.0])


def counted(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> list[float]:
    """The six moments of samples by plain sums."""
    mass = weight.sum()
    mean_x, mean_y = weight @ x / mass, weight @ y / mass
    dx, dy = x - mean_x, y - mean_y
    sxx, sxy = weight @ (dx * dx), weight @ (dx * dy)
    return [mass, mean_x, mean_y, sxx, sxy, weight @ (dy - (sxy / sxx if sxx > 0 else 0.0) * dx) ** 2]


def by_piece(m: Moments) -> np.ndarray:
    return np.stack(m, axis=1)


@pytest.mark.parametrize("function", [np.sin, np.exp, lambda x: x**3 - x, lambda x: 1 / (1 + x * x)])
@pytest.mark.parametrize("cuts", [[], [-0.7, 0.01, 0.9, 1.5]])
def test_moments_of_a_function_are_its_integrals(
    function: Callable[[np.ndarray], np.ndarray], cuts: list[float]
) -> None:
    """Moments equal a midpoint rule of 20 000 points a piece, with cuts inside pieces and on knots."""
    pieces = FunctionPieces(function, -2.0, 2.0)
    pieces.refine(np.array(cuts))
    found = by_piece(pieces.moments(KNOTS))
    for row, (a, b) in zip(found, pairwise(KNOTS), strict=True):
        x = a + (b - a) * (np.arange(20_000) + 0.5) / 20_000
        np.testing.assert_allclose(
            row, counted(x, function(x), np.full(20_000, (b - a) / 20_000)), rtol=2e-5, atol=1e-9
        )


def test_breaks_make_integrals_exact() -> None:
    """The integral of |x - 0.3| over its kink is exact with the break, and Gauss points miss it without."""
    kink = 0.3
    exact = FunctionPieces(lambda x: np.abs(x - kink), 0.0, 1.0, np.array([kink])).moments(np.array([0.0, 1.0]))
    assert exact.y[0] == pytest.approx((kink**2 + (1 - kink) ** 2) / 2, rel=1e-14)
    rough = FunctionPieces(lambda x: np.abs(x - kink), 0.0, 1.0).moments(np.array([0.0, 1.0]))
    assert abs(rough.y[0] - exact.y[0]) > 1e-4


@pytest.mark.parametrize("offset", [0.0, 1.7e9])
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_of_a_table_are_sums_over_its_samples(offset: float, weighted: bool) -> None:
    """Moments of a table are sums, near zero and of timestamps; a sample on a knot belongs to the piece after."""
    rng = np.random.default_rng(0)
    x = offset + np.sort(rng.uniform(-2, 2, 500))
    y, weight = rng.normal(size=500), rng.uniform(0.1, 3, 500) if weighted else np.ones(500)
    knots = np.concatenate([[x[0]], offset + KNOTS[1:-2], [x[400]], [x[-1]]])
    found = by_piece(DataPieces(x, y, weight).moments(knots))
    piece = np.searchsorted(knots[1:-1], x, side="right")
    for k, row in enumerate(found):
        wanted = counted(x[piece == k], y[piece == k], weight[piece == k])
        np.testing.assert_allclose(row, wanted, rtol=1e-5 if offset else 1e-9)


def test_a_short_stretch_of_a_long_table_keeps_its_digits() -> None:
    """A piece of 100 of 10^6 samples keeps its digits, by the second float of each running total."""
    n = 10**6
    x = np.linspace(-1, 1, n)
    y = np.sin(3 * x) + 5
    piece = slice(700_000, 700_100)
    knots = np.array([x[0], x[piece.start], x[piece.stop], x[-1]])
    pieces = DataPieces(x, y, np.ones(n))
    wanted = counted(x[piece], y[piece], np.ones(100))
    np.testing.assert_allclose(by_piece(pieces.moments(knots))[1][:5], wanted[:5], rtol=1e-6)
    pieces.ranges.totals[1] = 0.0
    assert abs(pieces.moments(knots).sxy[1] / wanted[4] - 1) > 1e-6


def test_spreads_within_cells_count() -> None:
    """Two samples at each x summed into cells with their spread give what all samples give, but the order."""
    rng = np.random.default_rng(1)
    x = np.repeat(np.sort(rng.uniform(-1, 1, 50)), 2)
    y = rng.normal(size=100)
    pairs = y.reshape(-1, 2)
    spreads = np.stack([np.zeros(50), np.zeros(50), ((pairs - pairs.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)])
    cells = DataPieces(x[::2], pairs.mean(axis=1), np.full(50, 2.0), spreads)
    knots = np.array([x[0], 0.1, x[-1]])
    piece = (x >= 0.1).astype(int)
    for k, row in enumerate(by_piece(cells.moments(knots))):
        np.testing.assert_allclose(row, counted(x[piece == k], y[piece == k], np.ones((piece == k).sum())), rtol=1e-10)


def test_pieces_without_samples_weigh_nothing() -> None:
    """A piece between two knots without samples weighs nothing."""
    pieces = DataPieces(np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 0.0]), np.ones(3))
    m = pieces.moments(np.array([0.0, 1.2, 1.8, 2.0]))
    np.testing.assert_array_equal(m.mass, [2, 0, 1])
    assert np.isfinite(by_piece(m)).all()
    assert m.rest[1] == m.sxx[1] == m.sxx[2] == 0


@pytest.mark.parametrize("samples", [40, 400, 40_000])
def test_a_table_knows_its_value_at_a_knot(samples: int) -> None:
    """The value of a smooth table at a knot is closer than that of a piece's own line; its density is right."""
    x = np.linspace(-2, 2, samples)
    pieces = DataPieces(x, np.exp(x), np.ones(samples))
    density, value = pieces.at_knots(KNOTS, pieces.moments(KNOTS))
    np.testing.assert_allclose(value[1:-1], np.exp(KNOTS[1:-1]), atol=0.03)
    np.testing.assert_allclose(density[1:-1], samples / 4, rtol=0.5 if samples < 100 else 0.1)


def test_samples_of_a_function_tell_its_moments() -> None:
    """Samples of a function have its breaks, and nearly its moments."""
    pieces = FunctionPieces(lambda x: np.where(x < 0.3, np.sin(5 * x), 2 - x), -1.0, 1.0, np.array([0.3 - 1e-9, 0.3]))
    knots = np.array([[-1.0, -0.62, -0.1, 0.3, 0.77, 1.0], [-1.0, -0.4, 0.0, 0.3, 0.5, 1.0]])
    together = pieces.sampled.moments(knots)
    for i, row in enumerate(knots):
        for rough, exact in zip(together, pieces.moments(row), strict=True):
            np.testing.assert_allclose(rough[i], exact, rtol=0.02, atol=2e-3)
    np.testing.assert_array_equal(pieces.sampled.breaks, pieces.breaks)
    assert pieces.sampled.sampled is pieces.sampled


def test_a_line_across_a_jump_leaves_a_twelfth_of_its_square() -> None:
    """The mean square of a line across a jump is a twelfth of height^2, the only error of a spline of a step."""
    width = 2e-9
    step = FunctionPieces(
        lambda x: np.where(x < 0.5, -1.0, 2.0), -1.0, 1.0, np.array([0.5 - width / 2, 0.5 + width / 2])
    )
    assert step.least == pytest.approx(9 * width / 12)
    line = solve(step, np.array([-1.0, 0.5 - width / 2, 0.5 + width / 2, 1.0]))
    assert line.is_exact
    assert not solve(step, np.array([-1.0, 0.5, 1.0])).is_exact
    assert FunctionPieces(np.sin, -1.0, 1.0, np.array([0.0, 0.5])).least == 0.0
