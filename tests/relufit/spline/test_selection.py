"""How many units a spline gets."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from relufit import fit
from relufit.network.scaling import Scaling
from relufit.solvers.progress import silent
from relufit.spline import selection
from relufit.spline.criterion import Criterion
from relufit.spline.moments.cells import Cells, join_evenly, merge_sorted
from relufit.spline.search import best_spline, rough_splines
from relufit.spline.selection import MOST_SCORED, choose_for_table, choose_spline, chosen_cells, data_pieces, squares_on


def test_a_tolerance_takes_the_fewest_units() -> None:
    """A tolerance gives a number of units of which one less does not reach it."""
    found = fit("exp", solver="spline", tolerance=0.1)
    units = found.metrics["hidden"]
    assert found.metrics["mse"] <= 0.1
    assert fit("exp", solver="spline", hidden=units - 1).metrics["mse"] > 0.1


def noisy(n: int, noise: float, kinks: int) -> tuple[np.ndarray, np.ndarray]:
    """A zigzag with this number of kinks, and noise."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, kinks + 1, n)
    return x, np.abs((x % 2) - 1) + rng.normal(0, noise, n)


def units_for(x: np.ndarray, y: np.ndarray) -> int:
    """The number of units chosen for a table."""
    return best_of(merge_sorted(x, y), Scaling.of(x[:, None], y[:, None]))


def best_of(cells: Cells, scaling: Scaling) -> int:
    """The number of units chosen for cells."""
    (spline, left), status = choose_for_table(cells, scaling, silent)
    assert status == "finished"
    return len(spline.knots) - 1 - (left is not None)


@pytest.mark.parametrize("kinks", [1, 3, 7])
def test_auto_finds_the_kinks(kinks: int) -> None:
    """As many units are chosen as the zigzag has turns, or one more, whatever a closer fit would take."""
    x, y = noisy(2000, 0.1, kinks)
    found = fit(x, y, solver="spline")
    assert kinks <= found.metrics["hidden"] <= kinks + 1
    assert found.metrics["test_mse"] == pytest.approx(0.01, rel=0.2)


ROWS = np.arange(20.0)


@pytest.mark.parametrize(
    ("y", "fewest"),
    [
        (2 * ROWS, 1),
        (0 * ROWS, 1),
        (np.minimum(ROWS, 8), 1),
        (np.maximum(ROWS, 8), 1),
        (-np.minimum(ROWS, 12), 1),
        (np.abs(ROWS - 10), 2),
        (np.where(ROWS < 10, ROWS, 30 - 2 * ROWS), 2),
        (np.clip(ROWS, 5, 12), 2),
        (np.arange(50.0) % 7, 14),
        (np.arange(100.0) % 7, 28),
        (np.arange(1000.0) // 100, 18),
        (np.arange(1000.0) % 50, 39),
    ],
)
def test_the_fewest_units_that_are_exact_are_chosen(y: np.ndarray, fewest: int) -> None:
    """If few units fit a table exactly, the smallest such number is chosen, however close its jumps are."""
    found = fit(np.arange(float(len(y))), y, solver="spline", test_fraction=0)
    assert found.metrics["hidden"] == fewest
    assert found.metrics["max_error"] < 1e-6


@pytest.mark.parametrize(
    ("function", "largest"),
    [
        (np.sqrt, 1e-11),
        (lambda x: np.exp(10 * x), 3e-3),
        (lambda x: np.exp(10 - 10 * x), 6e-3),
        (lambda x: np.sqrt(np.abs(x - 0.5)), 1e-9),
        (lambda x: np.log(x + 1e-3), 1e-6),
    ],
)
def test_steep_ends_and_cusps_get_units(function: Callable[[np.ndarray], np.ndarray], largest: float) -> None:
    """A function without noise gets many units, even if it is so steep at one place that no sample predicts another."""
    x = np.linspace(0, 1, 200)
    assert fit(x, function(x), solver="spline", test_fraction=0).metrics["mse"] < largest


def test_without_noise_more_units_are_chosen() -> None:
    """A table without noise gets more units, because nothing is overfitted."""
    x = np.linspace(-3, 3, 1000)
    found = fit(x, np.sin(2 * x), solver="spline")
    assert found.metrics["hidden"] >= 256
    assert found.metrics["train_mse"] < 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_small_noisy_tables_get_few_units(seed: int) -> None:
    """A break and a sine with noise get about as many units as are best, and the splines stay near the data."""
    rng = np.random.default_rng(seed)
    x, noise = rng.uniform(0, 1, 300), rng.normal(size=300)
    broken = np.where(x < 0.4, 10 * x, 12 - 20 * x) + noise
    one_break = fit(x[:100], broken[:100], solver="spline", seed=seed)
    assert one_break.metrics["hidden"] <= 3
    sine = fit(x, np.sin(12 * x) + 0.1 * noise, solver="spline", seed=seed)
    assert 7 <= sine.metrics["hidden"] <= 12
    at = np.linspace(x.min(), x.max(), 2000)
    assert np.mean((sine.predict(at) - np.sin(12 * at)) ** 2) < 0.003
    assert np.abs(sine.predict(at)).max() < 1.3


def test_outliers_get_no_units() -> None:
    """A line with outliers is fitted by a line, although peaks for the outliers would have a smaller error."""
    rng = np.random.default_rng(0)
    x, y = np.linspace(0, 1, 200), 0.1 * rng.normal(size=200)
    y[[30, 90, 140]] += 5, -8, 20
    assert units_for(x, x + y) == 1


@pytest.mark.parametrize("seed", range(3))
def test_gaps_and_clusters_get_few_units(seed: int) -> None:
    """Samples in clusters with noise get a unit for each turn, and not one for each gap."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.uniform(0, 1, 60), rng.uniform(5, 5.2, 60), rng.uniform(30, 31, 60)])
    assert units_for(x, np.abs(x - 5.1) + 0.05 * rng.normal(size=180)) <= 3


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_extrapolated_far_into_a_gap(seed: int) -> None:
    """In a gap between samples without noise, which many units fit, the spline stays near them."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.uniform(0, 1, 50), rng.uniform(5, 6, 50)])
    found = fit(x, np.sin(3 * x), solver="spline", test_fraction=0)
    assert found.metrics["mse"] < 1e-4
    assert np.abs(found.predict(np.linspace(x.min(), x.max(), 1000))).max() < 4


def test_a_weight_of_two_is_a_sample_given_twice() -> None:
    """Weights and repeated samples choose as many units, and a multiple of all weights changes nothing."""
    x, y = noisy(100, 0.1, 1)
    weight = np.random.default_rng(1).integers(1, 4, 100)
    scaling = Scaling.of(x[:, None], y[:, None], weight.astype(np.float64))
    repeated = best_of(merge_sorted(np.repeat(x, weight), np.repeat(y, weight)), scaling)
    for factor in (1, 1e-9):
        assert best_of(merge_sorted(x, y, factor * weight), scaling) == repeated


@pytest.mark.parametrize(("waves", "n", "fewest"), [(5, 10**4, 40), (12, 10**5, 112)])
def test_few_units_that_are_no_good_do_not_end_it(waves: int, n: int, fewest: int) -> None:
    """A sine of many periods is fitted, although few units do not reduce its error."""
    rng = np.random.default_rng(0)
    x = np.linspace(-6, 6, n)
    found = fit(x, np.sin(waves * x) + rng.normal(0, 0.1, n), solver="spline")
    assert found.metrics["hidden"] >= fewest
    assert found.metrics["test_mse"] == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_very_few_samples_get_what_they_support(n: int) -> None:
    """A table of a few samples gets no more knots and values than it has samples, and one unit at least."""
    x = np.arange(float(n))
    assert 1 <= units_for(x, x * x) <= max(1, (n - 1) // 2)


def test_squares_on_other_cells_count_their_spread() -> None:
    """The squares that cells leave equal those of their samples, inside the ends and outside."""
    rng = np.random.default_rng(0)
    x, y = np.round(rng.uniform(-1, 1, 500), 1), rng.normal(size=500)
    scaling = Scaling.of(x[:, None], y[:, None])
    cells = merge_sorted(x, y)
    inner = chosen_cells(cells, np.abs(cells.x) < 0.75)
    spline = best_spline(data_pieces(inner, scaling), 4).spline
    at = (x - scaling.x_shift[0]) / scaling.x_scale[0]
    piece = np.searchsorted(spline.knots[1:-1], at, side="right")
    e = spline.values[piece] + spline.slopes[piece] * (at - spline.knots[piece])
    e -= (y - scaling.y_shift[0]) / scaling.y_scale
    assert squares_on(spline.knots, spline.values, cells, scaling) == pytest.approx(e @ e, rel=1e-9)


def test_choosing_for_a_large_table_is_frugal() -> None:
    """Choosing units for a table of 2^20 cells, 50 MB, needs little more memory than the table itself."""
    rng = np.random.default_rng(0)
    x = np.linspace(-6, 6, 2**20)
    cells = merge_sorted(x, np.sin(x) + rng.normal(0, 0.3, len(x)))
    scored = join_evenly(cells, MOST_SCORED)
    scaling = Scaling.of(x[:, None], cells.y[:, None])
    tracemalloc.start()
    assert 12 <= best_of(scored, scaling) <= 32
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 50e6


def interrupted_at(call: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that raises KeyboardInterrupt at its call of this number only."""
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
    """Ctrl-C returns the most units tried while none reaches the tolerance, then the smallest number that does."""
    tolerance = fit("sin", solver="spline", hidden=11).metrics["mse"] * 1.001
    monkeypatch.setattr(selection, "best_spline", interrupted_at(call, best_spline))
    found = fit("sin", solver="spline", tolerance=tolerance)
    assert found.metrics["hidden"] == units
    assert found.metrics["status"] == "interrupted"
    assert (found.metrics["mse"] <= tolerance) == (units >= 11)


def test_ctrl_c_before_anything_is_found_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C before there is a fit goes on to one, with a tolerance, a number of units or neither."""
    x, y = noisy(200, 0.1, 1)
    monkeypatch.setattr(selection, "best_spline", interrupted_at(1, best_spline))
    with pytest.raises(KeyboardInterrupt):
        fit(x, y, solver="spline", tolerance=0.1)
    monkeypatch.setattr(selection, "best_spline", interrupted_at(1, best_spline))
    with pytest.raises(KeyboardInterrupt):
        fit(x, y, solver="spline", hidden=3)
    monkeypatch.setattr(selection, "rough_splines", interrupted_at(1, rough_splines))
    with pytest.raises(KeyboardInterrupt):
        fit(x, y, solver="spline")


def test_ctrl_c_leaves_the_scores_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the spline of 4 units is scored fits the best of 1, 2 and 3, which have scores; twice ends it."""
    x, score = np.linspace(0, 1, 500), Criterion.score
    assert fit(x, x * x, solver="spline").metrics["hidden"] > 3
    monkeypatch.setattr(Criterion, "score", interrupted_at(4, score))
    found, best = fit(x, x * x, solver="spline"), fit(x, x * x, solver="spline", hidden=3)
    assert (found.metrics["hidden"], found.metrics["status"]) == (3, "interrupted")
    assert (best.metrics["mse"], best.metrics["status"]) == (found.metrics["mse"], "finished")
    monkeypatch.setattr(Criterion, "score", interrupted_at(4, score))
    monkeypatch.setattr(selection, "best_spline", interrupted_at(1, best_spline))
    with pytest.raises(KeyboardInterrupt):
        fit(x, x * x, solver="spline")


def test_ctrl_c_keeps_the_best_spline_of_those_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C once a best spline has been found returns it, without a search for another."""
    x, y = noisy(300, 0.1, 3)
    chosen = fit(x, y, solver="spline").metrics["hidden"]
    monkeypatch.setattr(selection, "best_spline", interrupted_at(2, best_spline))
    found = fit(x, y, solver="spline")
    assert found.metrics["status"] == "interrupted"
    assert chosen / 2 <= found.metrics["hidden"] <= 2 * chosen


def test_each_number_of_units_is_shown() -> None:
    """Each number of units is shown with the error that it leaves, in the units of y."""
    x = np.linspace(0, 1, 50)
    cells, scaling = merge_sorted(x, 100 * x**2), Scaling.of(x[:, None], 100 * x[:, None] ** 2)
    shown: list[tuple[int, float]] = []
    pieces = data_pieces(cells, scaling)
    found, _ = choose_spline(pieces, None, 5.0, scaling.loss_unit, lambda *given: shown.append(given))
    assert [units for units, _ in shown] == [1, 2]
    assert shown[-1][1] == found.spline.mse * scaling.loss_unit <= 5.0 < shown[0][1]
