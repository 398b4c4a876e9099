"""Fitting a file: the same as fitting its columns, and in bounded memory where it is large."""

import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from relufit import RelufitError, files, fit
from relufit.files import fit_file


def write(path: Path, **columns: np.ndarray) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


@pytest.fixture
def samples(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, 5000)
    y = np.sin(2 * x) + rng.normal(0, 0.1, 5000)
    return write(tmp_path / "a.parquet", x=x, y=y, w=rng.integers(0, 3, 5000)), x, y


def test_a_small_file_is_fitted_as_its_columns(samples: tuple[Path, np.ndarray, np.ndarray]) -> None:
    """Bit for bit the same network."""
    path, x, y = samples
    found, wanted = fit_file(path, x="x", y="y", hidden=9), fit(x, y, hidden=9, solver="spline")
    np.testing.assert_array_equal(found.params.w2, wanted.params.w2)
    assert (found.metrics["rows"], found.metrics["dropped"]) == (5000, 0)


def test_a_large_file_is_summed_into_cells(
    samples: tuple[Path, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where more rows come than are kept: nearly the same network, errors of all rows, weights and options kept."""
    path, _, _ = samples
    whole = fit_file(path, x="x", y="y", weight="w", hidden=9, test_fraction=0)
    monkeypatch.setattr(files, "ROWS", 100)
    found = fit_file(path, x="x", y="y", weight="w", hidden=9, test_fraction=0)
    assert found.metrics["rows"] == 5000
    assert found.metrics["mse"] == pytest.approx(whole.metrics["mse"], rel=1e-6)
    grid = np.linspace(-1.9, 1.9, 50)
    np.testing.assert_allclose(found.predict(grid), whole.predict(grid), atol=1e-6)
    with pytest.raises(RelufitError, match="spline"):
        fit_file(path, x="x", y="y", solver="adam")
    with pytest.raises(RelufitError, match="one x"):
        fit_file(path, x=["x", "w"], y="y")
    with pytest.raises(RelufitError, match="spline has no learning rate"):
        fit_file(path, x="x", y="y", learning_rate=0.1)


def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times the rows, half as much again of memory at the most, where x is rounded to three digits."""
    peaks = []
    monkeypatch.setattr(files, "ROWS", 2**17)
    for rows in (500_000, 2_000_000):
        x = np.round(np.random.default_rng(0).uniform(0, 10, rows), 3)
        path = write(tmp_path / f"{rows}.parquet", x=x, y=np.sqrt(x))
        tracemalloc.start()
        metrics = fit_file(path, x="x", y="y", hidden=20).metrics
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert metrics["mse"] < 1e-5
        assert metrics["rows"] == rows
    assert peaks[1] < 1.5 * peaks[0]
