"""The least-squares spline and Newton's step, against dense linear algebra and finite differences."""

import numpy as np
import pytest

from relufit.spline.least_squares import indefinite, solve
from relufit.spline.moments.functions import FunctionPieces
from relufit.spline.moments.pieces import Pieces
from relufit.spline.moments.samples import DataPieces
from relufit.spline.newton import _equations, _newton_step, improve, improve_all
from relufit.spline.units import closure_of

LOW, HIGH = -2.0, 2.0
KNOTS = np.array([-2.0, -1.2, -0.5, 0.1, 0.6, 1.5, 2.0])
LEFT = np.array([True, False, True, True, False])  # of the five turns


def sine() -> FunctionPieces:
    return FunctionPieces(lambda x: np.sin(2 * x) + x, LOW, HIGH)


def table(samples: int = 3000) -> DataPieces:
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(LOW, HIGH, samples))
    x[[0, -1]] = LOW, HIGH
    return DataPieces(x, np.sin(2 * x) + x + rng.normal(0, 0.1, samples), rng.uniform(0.5, 2, samples))


def hats(knots: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The hat functions of the knots at x: (len(x), K + 1)."""
    return np.stack([np.interp(x, knots, row) for row in np.eye(len(knots))], axis=1)


def half_squares(values: np.ndarray, knots: np.ndarray) -> float:
    """Half the integral of (spline - sine)^2 by 4000 Gauss points per piece, independent of the moments."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    h = np.diff(knots)
    x = (knots[:-1, None] + h[:, None] * (nodes + 1) / 2).ravel()
    e = np.interp(x, knots, values) - sine().function(x)
    return float((e * e).reshape(len(h), -1) @ weights @ h / 4)


def test_values_are_those_of_least_squares() -> None:
    """Values, squares and residual sums of a weighted table equal those of numpy's dense solution."""
    pieces = table()
    spline = solve(pieces, KNOTS)
    weight, y = pieces.weight, pieces.y
    phi = hats(KNOTS, pieces.x)
    wanted = np.linalg.lstsq(phi * np.sqrt(weight)[:, None], y * np.sqrt(weight), rcond=None)[0]
    np.testing.assert_allclose(spline.values, wanted, rtol=1e-9)
    e = phi @ spline.values - y
    assert spline.squares == pytest.approx(weight @ (e * e), rel=1e-9)
    left, right = spline.residuals
    np.testing.assert_allclose(left[1:] + right[:-1], 0, atol=1e-9)  # orthogonal to every inner hat


def test_a_closed_spline_is_the_best_that_is_closed() -> None:
    """The constraint holds, and Lagrange's conditions: the residual is orthogonal to all that keeps it."""
    a = closure_of(LEFT)
    spline = solve(sine(), KNOTS, a)
    assert a @ spline.slopes == pytest.approx(0, abs=1e-12)
    phi, x = None, np.linspace(LOW, HIGH, 200_001)
    phi = hats(KNOTS, x)
    gradient = phi.T @ (phi @ spline.values - sine().function(x)) * (x[1] - x[0])
    border = np.array([a @ (np.diff(row) / np.diff(KNOTS)) for row in np.eye(len(KNOTS))])
    np.testing.assert_allclose(gradient, -spline.multiplier * border, atol=1e-4)
    assert spline.squares > solve(sine(), KNOTS).squares


def joint_newton_step(spline_values: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Newton's step of all values and inner knots, by finite differences of half the squares: the knots' part."""
    free = np.concatenate([np.arange(len(knots)), len(knots) + np.arange(1, len(knots) - 1)])
    at = np.concatenate([spline_values, knots])

    def value(z: np.ndarray) -> float:
        full = at.copy()
        full[free] = z
        return half_squares(full[: len(knots)], full[len(knots) :])

    n, step = len(free), 1e-4
    z, shifts = at[free], np.eye(n) * step
    gradient = np.array([(value(z + d) - value(z - d)) / (2 * step) for d in shifts])
    hessian = np.array(
        [[(value(z + a + b) - value(z + a - b) - value(z - a + b) + value(z - a - b)) for b in shifts] for a in shifts]
    ) / (4 * step * step)
    return -np.linalg.solve(hessian, gradient)[len(knots) :]


def test_newtons_step_is_that_of_finite_differences() -> None:
    """The undamped step near the optimum equals that by finite differences."""
    near = improve(solve(sine(), KNOTS), np.empty(0), steps=50).knots.copy()
    near[1:-1] += [0.01, -0.012, 0.008, -0.01, 0.011]
    spline = solve(sine(), near)
    free = np.array([False, *[True] * 5, False])
    step = _newton_step(_equations(spline, free), 0.0)
    assert step is not None
    np.testing.assert_allclose(step[1:-1], joint_newton_step(spline.values, near), rtol=1e-3, atol=1e-6)
    assert step[0] == step[-1] == 0


@pytest.mark.parametrize("left", [None, LEFT])
@pytest.mark.parametrize("pieces", [sine(), table()], ids=["function", "table"])
def test_an_improved_spline_is_a_local_optimum(pieces: Pieces, left: np.ndarray | None) -> None:
    """Moving any single knot of an improved spline by a little increases the error, open and closed."""
    closure = None if left is None else closure_of(left)
    start = solve(pieces, KNOTS, closure)
    best = improve(start, np.empty(0), steps=200)
    assert best.squares < 0.9 * start.squares
    slack = 0.0 if isinstance(pieces, FunctionPieces) else 1e-3  # a table's squares have a kink at every sample
    for j in range(1, len(KNOTS) - 1):
        for shift in (-1e-2, 1e-2):
            moved = best.knots.copy()
            moved[j] += shift
            assert solve(pieces, moved, closure).squares >= best.squares * (1 - slack)


def test_newton_converges_in_a_few_steps() -> None:
    """Convergence is quadratic: from near the optimum, four steps reach what forty do."""
    best = improve(solve(sine(), KNOTS), np.empty(0), steps=60)
    off = best.knots.copy()
    off[1:-1] += [0.01, -0.01, 0.01, -0.01, 0.01]
    assert improve(solve(sine(), off), np.empty(0), steps=4).squares == pytest.approx(best.squares, rel=1e-6)


def test_held_knots_stay() -> None:
    """Held knots and the ends stay bit for bit."""
    held = KNOTS[[2, 4]]
    found = improve(solve(sine(), KNOTS), held).knots
    assert set(held) <= set(found)
    assert (found[0], found[-1]) == (LOW, HIGH)
    assert not set(KNOTS[[1, 3, 5]]) & set(found)


def test_it_is_never_worse_and_knots_stay_in_order() -> None:
    """From random starts, also with crowded knots, the error never rises and knots stay sorted."""
    rng = np.random.default_rng(0)
    for pieces in (sine(), table(60)):
        for _ in range(20):
            knots = np.concatenate([[LOW], np.sort(rng.uniform(LOW, HIGH, 9)), [HIGH]])
            start = solve(pieces, knots)
            found = improve(start, np.empty(0))
            assert found.squares <= start.squares
            assert (np.diff(found.knots) > 0).all()


@pytest.mark.parametrize("left", [None, LEFT])
def test_splines_side_by_side_improve_as_alone(left: np.ndarray | None) -> None:
    """Splines side by side never get worse, and end where each ends alone."""
    rng = np.random.default_rng(0)
    pieces = sine()
    starts = np.array([[LOW, *np.sort(rng.uniform(LOW, HIGH, 5)), HIGH] for _ in range(12)])
    closure = None if left is None else np.tile(closure_of(left), (12, 1))
    begun = solve(pieces.sampled, starts, closure)
    ended = improve_all(begun, np.empty(0), 60)
    assert (ended.squares <= begun.squares).all()
    for knots, squares in zip(ended.knots, ended.squares, strict=True):
        alone = solve(pieces.sampled, knots, None if left is None else closure_of(left))
        assert squares == pytest.approx(alone.squares, rel=1e-9)
    converged = [
        improve(solve(pieces.sampled, k, None if left is None else closure_of(left)), np.empty(0)).squares
        for k in ended.knots
    ]
    assert np.mean(ended.squares <= 1.01 * np.array(converged)) > 0.7


def test_systems_side_by_side_are_those_of_dense_algebra() -> None:
    """Solutions and signs of determinants equal those of dense algebra."""
    rng = np.random.default_rng(0)
    band = rng.normal(size=(4, 7, 10))
    for k in range(3):
        band[k, :, : 3 - k] = 0.0
    wanted = rng.normal(size=(2, 7, 10))
    found, sign = indefinite(band, wanted)
    for i in range(7):
        dense = sum(np.diag(band[3 - k, i, k:], k) + np.diag(band[3 - k, i, k:], -k) * (k > 0) for k in range(4))
        np.testing.assert_allclose(found[:, i], np.linalg.solve(dense, wanted[:, i].T).T, rtol=1e-9, atol=1e-11)
        assert sign[i] == np.linalg.slogdet(dense)[0]
    assert len(set(sign.ravel())) == 2


def test_damping_does_not_depend_on_the_steepest_turn() -> None:
    """A very sharp kink at a held knot does not change how far the other knots move."""

    def kinked(steepness: float) -> FunctionPieces:
        return FunctionPieces(lambda x: np.sin(2 * x) + steepness * np.maximum(x - 1.5, 0), LOW, HIGH, np.array([1.5]))

    found = [improve(solve(kinked(a), KNOTS), np.array([1.5]), steps=6) for a in (0.0, 1e6)]
    np.testing.assert_allclose(found[0].knots[:4], found[1].knots[:4], atol=1e-3)
