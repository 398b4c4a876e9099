"""fit(..., solver="spline") of tables as they come, and of tables summed into cells."""

import time
from typing import Any

import numpy as np
import pytest

from relufit import RelufitError, Target, fit, sample, split, targets
from relufit.network.scaling import Scaling
from relufit.solvers.spline import fit_cells
from relufit.spline import selection
from relufit.spline.moments.cells import merge_sorted
from relufit.spline.search import best_spline
from relufit.spline.selection import data_pieces


def spline(*data: Any, **options: Any) -> Any:
    return fit(*data, solver="spline", progress=False, **options)


def test_noise_means_samples() -> None:
    """A target with noise is fitted by its samples: held-out ones are no better than the noise, and not much worse."""
    found = spline(Target("noisy", np.sin, noise=0.3), hidden=12, n=4000)
    assert found.metrics["test_mse"] == pytest.approx(0.09, rel=0.15)
    assert found.metrics["mse"] < 2e-3


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (1.7e9, 1e5), (-3e-4, 1e-6)])
def test_raw_numbers_of_any_size(shift: float, scale: float) -> None:
    """Timestamps, and y near a million, have the same relative error as numbers near 1."""
    x = np.linspace(-3, 3, 500)
    found = spline(x * scale + shift, np.sin(x) * 1e3 + 1e6, hidden=40)
    assert found.metrics["mse"] / 1e6 < 1e-6
    assert found.metrics["test_mse"] / 1e6 < 1e-6


def test_tables_as_people_have_them() -> None:
    """An unsorted table whose duplicates in x disagree is fitted at their mean, and the rest stays as error."""
    rng = np.random.default_rng(0)
    x = np.repeat(np.linspace(0, 1, 51), 4)
    y = np.abs(x - 0.5) + np.tile([0.1, -0.1, 0.1, -0.1], 51)
    order = rng.permutation(204)
    found = spline(x[order], y[order], hidden=3, test_fraction=0)
    np.testing.assert_allclose(found.predict([0.0, 0.5, 1.0]), [0.5, 0, 0.5], atol=1e-9)
    assert found.metrics["mse"] == pytest.approx(0.01, rel=1e-9)
    assert np.isnan(found.metrics["test_mse"])


@pytest.mark.parametrize("name", ["square", "sin", "sines", "runge"])
@pytest.mark.parametrize("hidden", [300, 512, 600])
@pytest.mark.parametrize("seed", [0, 1])
def test_between_samples_a_close_fit_is_close_too(name: str, hidden: int, seed: int) -> None:
    """A fit with few samples a piece is as near to what is held out as joining samples."""
    x, y = sample(targets.ZOO[name], 1000)
    found = spline(x, y, hidden=hidden, seed=seed)
    train, test = (np.sort(part) for part in split(1000, seed=seed))
    inside = test[(test > train[0]) & (test < train[-1])]
    x, y = found.x[:, 0], found.y[:, 0]
    joined = np.mean((np.interp(x[inside], x[train], y[train]) - y[inside]) ** 2)
    error = np.mean((found.predict(x[inside, None])[:, 0] - y[inside]) ** 2)
    assert error < 50 * (joined + found.metrics["train_mse"])


def test_weights_count() -> None:
    """A sample of weight 3 is three samples, one of weight 0 is left out; mse is weighted too."""
    rng = np.random.default_rng(0)
    x, y, weight = rng.uniform(-1, 1, 80), rng.normal(size=80), rng.integers(0, 4, 80)
    weighted = spline(x, y, weight=weight, hidden=5, test_fraction=0)
    repeated = spline(np.repeat(x, weight), np.repeat(y, weight), hidden=5, test_fraction=0)
    assert weighted.metrics["mse"] == pytest.approx(repeated.metrics["mse"], rel=1e-6)
    grid = np.linspace(-0.9, 0.9, 50)
    np.testing.assert_allclose(weighted.predict(grid), repeated.predict(grid), atol=1e-3)


def test_cells_of_a_table_give_what_the_table_gives() -> None:
    """Cells give the network of the table, and errors that count the spread within cells."""
    rng = np.random.default_rng(0)
    x = np.round(rng.uniform(-2, 2, 3000), 2)
    y = np.sin(2 * x) + rng.normal(0, 0.2, 3000)
    by_cells, by_rows = (
        fit_cells(merge_sorted(x, y), hidden=9, test_fraction=0),
        spline(x, y, hidden=9, test_fraction=0),
    )
    assert by_cells.metrics["mse"] == pytest.approx(by_rows.metrics["mse"], rel=1e-6)
    assert by_cells.metrics["train_mse"] == pytest.approx(by_rows.metrics["train_mse"], rel=1e-6)
    held = fit_cells(merge_sorted(x, y), hidden=9)
    assert held.metrics["test_mse"] == pytest.approx(0.04, rel=0.2)


def test_cells_of_one_x_are_a_constant_as_a_table_is() -> None:
    """Cells of one x are fitted by their mean, whose error is their spread."""
    x, y = np.full(9, 3.0), np.arange(9.0)
    for found in (spline(x, y, test_fraction=0), fit_cells(merge_sorted(x, y), test_fraction=0)):
        assert found.predict([-1.0, 3.0, 5.0]) == pytest.approx([4, 4, 4])
        assert found.metrics["train_mse"] == pytest.approx(np.var(y))
    half = fit_cells(merge_sorted(np.array([0.0, 1.0]), np.array([2.0, 5.0])), test_fraction=0.5)
    assert {half.metrics["train_mse"], half.metrics["test_mse"]} == {0.0, 9.0}
    with pytest.raises(RelufitError, match="one hidden unit"):
        fit_cells(merge_sorted(x, y), hidden=2)
    with pytest.raises(RelufitError, match="all samples share one x"):
        fit_cells(merge_sorted(x, y), tolerance=1.0)


def test_a_million_samples_take_little_longer_than_a_thousand() -> None:
    """A million samples, once in totals, take little longer, for a piece costs the same."""
    seconds = {}
    for n in (10**4, 10**6):
        x = np.linspace(-6, 6, n)[:, None]
        pieces = data_pieces(merge_sorted(x, np.sin(x)), Scaling.of(x, np.sin(x)))
        best_spline(pieces, 64)
        times = []
        for _ in range(3):
            start = time.process_time()  # what other processes take meanwhile is not counted
            best_spline(pieces, 64)
            times.append(time.process_time() - start)
        seconds[n] = min(times)
    assert seconds[10**6] < 10 * seconds[10**4]  # samples worked off one by one would take 100 times as long


def test_ctrl_c_with_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C with cells keeps the best so far and what it leaves, as with arrays."""
    x = np.linspace(0, 1, 500)
    tried: list[int] = []

    def best(pieces: Any, hidden: int) -> Any:
        if len(tried) == 3:
            raise KeyboardInterrupt
        tried.append(hidden)
        return original(pieces, hidden)

    original = selection.best_spline
    monkeypatch.setattr(selection, "best_spline", best)
    found = fit_cells(merge_sorted(x, np.sqrt(x)), tolerance=1e-12)
    assert tried == [1, 2, 4]
    assert (found.metrics["status"], found.metrics["hidden"]) == ("interrupted", 4)
    assert 1e-12 < found.metrics["mse"] < 1e-4
