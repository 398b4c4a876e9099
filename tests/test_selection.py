"""How many units a spline gets."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from relufit import fit
from relufit.progress import silent
from relufit.scaling import Scaling
from relufit.spline import selection
from relufit.spline.cells import merge_sorted
from relufit.spline.search import best_spline
from relufit.spline.selection import choose_spline, cross_validated, data_pieces, squares_on, take, validate


def test_a_tolerance_takes_the_fewest_units() -> None:
    """A tolerance takes so many units that one fewer does not reach it."""
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
    """Cross-validation takes about as many units as the zigzag has turns, whatever a closer fit would take."""
    x, y = noisy(2000, 0.1, kinks)
    units, status = cross_validated(merge_sorted(x, y), Scaling.of(x[:, None], y[:, None]), seed=0, show=silent)
    assert status == "finished"
    assert kinks <= units <= 2 * kinks + 2
    found = fit(x, y, solver="spline")
    assert found.metrics["hidden"] <= 2 * kinks + 2
    assert found.metrics["test_mse"] == pytest.approx(0.01, rel=0.2)


def test_without_noise_more_units_are_taken() -> None:
    """A table without noise takes more units, for nothing is overfitted."""
    x = np.linspace(-3, 3, 2000)
    assert fit(x, np.sin(2 * x), solver="spline").metrics["hidden"] >= 64


@pytest.mark.parametrize(("waves", "n", "fewest"), [(5, 10**4, 48), (12, 10**5, 150)])
def test_few_units_that_are_no_good_do_not_end_it(waves: int, n: int, fewest: int) -> None:
    """A sine of many periods is fitted, although few units leave everything, now a bit more, now less."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-6, 6, n)
    found = fit(x, np.sin(waves * x) + rng.normal(0, 0.1, n), solver="spline")
    assert found.metrics["hidden"] >= fewest
    assert found.metrics["test_mse"] == pytest.approx(0.01, rel=0.1)


def test_scores_are_those_of_samples_left_out() -> None:
    """The score of one unit is that of five lines, each fitted to four fifths and judged by the rest."""
    x, y = noisy(200, 0.2, 1)
    cells, scaling = merge_sorted(x, y), Scaling.of(x[:, None], y[:, None])
    score = next(validate(cells, scaling, seed=0))
    fold = np.random.default_rng([0, 200]).permutation(200) % 5
    squares = 0.0
    for k in range(5):
        line = np.polyfit(cells.x[fold != k], cells.y[fold != k], 1)
        squares += float(np.sum((np.polyval(line, cells.x[fold == k]) - cells.y[fold == k]) ** 2))
    assert score.hidden == 1
    assert score.mse * scaling.loss_unit == pytest.approx(squares / 200, rel=1e-6)
    assert score.standard_error > 0


def test_squares_on_other_cells_count_their_spread() -> None:
    """The squares that cells leave equal those of their samples, inside the ends and outside."""
    rng = np.random.default_rng(0)
    x, y = np.round(rng.uniform(-1, 1, 500), 1), rng.normal(size=500)
    scaling = Scaling.of(x[:, None], y[:, None])
    cells = merge_sorted(x, y)
    inner = take(cells, np.abs(cells.x) < 0.75)
    spline = best_spline(data_pieces(inner, scaling), 4).spline
    at = (x - scaling.x_shift[0]) / scaling.x_scale[0]
    piece = np.searchsorted(spline.knots[1:-1], at, side="right")
    e = spline.values[piece] + spline.slopes[piece] * (at - spline.knots[piece])
    e -= (y - scaling.y_shift[0]) / scaling.y_scale
    assert squares_on(spline.knots, spline.values, cells, scaling) == pytest.approx(e @ e, rel=1e-9)


def test_cross_validation_of_a_large_table_is_frugal() -> None:
    """Cross-validation takes three times a table of 2^20 cells, 50 MB, for all of its five folds."""
    rng = np.random.default_rng(0)
    x = np.linspace(-6, 6, 2**20)
    cells = merge_sorted(x, np.sin(x) + rng.normal(0, 0.3, len(x)))
    scaling = Scaling.of(x[:, None], cells.y[:, None])
    tracemalloc.start()
    units, _ = cross_validated(cells, scaling, seed=0, show=silent)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 12 <= units <= 32
    assert peak_bytes < 150e6


def interrupted_at(call: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose call of this number Ctrl-C interrupts, and only that."""
    calls = 0

    def called(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        return function(*arguments)

    return called


@pytest.mark.parametrize(("call", "units"), [(2, 1), (5, 8), (6, 16), (7, 12), (8, 12), (9, 11)])
def test_ctrl_c_keeps_the_best_spline_so_far(monkeypatch: pytest.MonkeyPatch, call: int, units: int) -> None:
    """Ctrl-C keeps the most units tried while none reach the tolerance, and then the fewest that do."""
    tolerance = fit("sin", solver="spline", hidden=11).metrics["mse"] * 1.001
    monkeypatch.setattr(selection, "best_spline", interrupted_at(call, best_spline))
    found = fit("sin", solver="spline", tolerance=tolerance)
    assert found.metrics["hidden"] == units
    assert found.metrics["status"] == ("interrupted" if call < 9 else "finished")
    assert (found.metrics["mse"] <= tolerance) == (units >= 11)


def test_ctrl_c_before_anything_is_found_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C before there is a fit goes on to one, with a tolerance, cross-validation or a number of units."""
    x, y = noisy(200, 0.1, 1)
    monkeypatch.setattr(selection, "best_spline", interrupted_at(1, best_spline))
    with pytest.raises(KeyboardInterrupt):
        fit(x, y, solver="spline", tolerance=0.1)
    monkeypatch.setattr(selection, "best_spline", interrupted_at(1, best_spline))
    with pytest.raises(KeyboardInterrupt):
        fit(x, y, solver="spline", hidden=3)
    monkeypatch.setattr(selection, "squares_on", interrupted_at(3, squares_on))
    with pytest.raises(KeyboardInterrupt):
        fit(x, y, solver="spline")


def test_ctrl_c_leaves_cross_validation_its_scores_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the folds of 4 units fits the best of 1, 2 and 3, which are judged; twice ends it."""
    x = np.linspace(0, 1, 500)
    assert fit(x, x * x, solver="spline").metrics["hidden"] > 3
    monkeypatch.setattr(selection, "squares_on", interrupted_at(19, squares_on))
    found, best = fit(x, x * x, solver="spline"), fit(x, x * x, solver="spline", hidden=3)
    assert (found.metrics["hidden"], found.metrics["status"]) == (3, "interrupted")
    assert (best.metrics["mse"], best.metrics["status"]) == (found.metrics["mse"], "finished")
    monkeypatch.setattr(selection, "squares_on", interrupted_at(19, squares_on))
    monkeypatch.setattr(selection, "best_spline", interrupted_at(1, best_spline))
    with pytest.raises(KeyboardInterrupt):
        fit(x, x * x, solver="spline")


def test_each_number_of_units_is_shown() -> None:
    """Each number of units is shown with the error that it leaves, in the units of y."""
    x = np.linspace(0, 1, 50)
    cells, scaling = merge_sorted(x, 100 * x**2), Scaling.of(x[:, None], 100 * x[:, None] ** 2)
    shown: list[tuple[int, float]] = []
    pieces = data_pieces(cells, scaling)
    found, _ = choose_spline(pieces, None, 5.0, scaling.loss_unit, lambda *given: shown.append(given))
    assert [units for units, _ in shown] == [1, 2]
    assert shown[-1][1] == found.spline.mse * scaling.loss_unit <= 5.0 < shown[0][1]
