"""How many units a spline gets."""

import numpy as np
import pytest

from relufit import fit
from relufit.scaling import Scaling
from relufit.spline.cells import merge_sorted
from relufit.spline.search import best_spline
from relufit.spline.selection import cross_validated, data_pieces, squares_on, take, validate


def test_a_tolerance_takes_the_fewest_units() -> None:
    """One unit fewer does not reach it."""
    found = fit("exp", solver="spline", tolerance=0.1)
    units = found.metrics["hidden"]
    assert found.metrics["mse"] <= 0.1
    assert fit("exp", solver="spline", hidden=units - 1).metrics["mse"] > 0.1


def noisy(n: int, noise: float, kinks: int) -> tuple[np.ndarray, np.ndarray]:
    """A zigzag with so many kinks, and noise."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, kinks + 1, n)
    return x, np.abs((x % 2) - 1) + rng.normal(0, noise, n)


@pytest.mark.parametrize("kinks", [1, 3, 7])
def test_cross_validation_finds_the_kinks(kinks: int) -> None:
    """About as many units as the zigzag has turns, however many a closer fit of the samples would take."""
    x, y = noisy(2000, 0.1, kinks)
    units = cross_validated(merge_sorted(x, y), Scaling.of(x[:, None], y[:, None]), seed=0)
    assert kinks <= units <= 2 * kinks + 2
    found = fit(x, y, solver="spline")
    assert found.metrics["hidden"] <= 2 * kinks + 2
    assert found.metrics["test_mse"] == pytest.approx(0.01, rel=0.2)


def test_without_noise_more_units_are_taken() -> None:
    """Where nothing is overfitted, there is no reason to stop early."""
    x = np.linspace(-3, 3, 2000)
    assert fit(x, np.sin(2 * x), solver="spline").metrics["hidden"] >= 64


def test_scores_are_those_of_samples_left_out() -> None:
    """Of one unit by hand: five lines, each fitted to four fifths and judged by the rest."""
    x, y = noisy(200, 0.2, 1)
    cells, scaling = merge_sorted(x, y), Scaling.of(x[:, None], y[:, None])
    score = validate(cells, scaling, seed=0)[0]
    fold = np.random.default_rng([0, 200]).permutation(200) % 5
    squares = 0.0
    for k in range(5):
        line = np.polyfit(cells.x[fold != k], cells.y[fold != k], 1)
        squares += float(np.sum((np.polyval(line, cells.x[fold == k]) - cells.y[fold == k]) ** 2))
    assert score.hidden == 1
    assert score.mse * scaling.loss_unit == pytest.approx(squares / 200, rel=1e-6)
    assert score.standard_error > 0


def test_squares_on_other_cells_count_their_spread() -> None:
    """Against the samples themselves, inside the ends and outside."""
    rng = np.random.default_rng(0)
    x, y = np.round(rng.uniform(-1, 1, 500), 1), rng.normal(size=500)
    scaling = Scaling.of(x[:, None], y[:, None])
    cells = merge_sorted(x, y)
    inner = take(cells, np.abs(cells.x) < 0.75)
    found = best_spline(data_pieces(inner, scaling), 4)
    spline = found.spline
    at = (x - scaling.x_shift[0]) / scaling.x_scale[0]
    piece = np.searchsorted(spline.knots[1:-1], at, side="right")
    e = spline.values[piece] + spline.slopes[piece] * (at - spline.knots[piece])
    e -= (y - scaling.y_shift[0]) / scaling.y_scale
    assert squares_on(found, cells, scaling) == pytest.approx(e @ e, rel=1e-9)
