"""Fitting a file: the same as fitting its columns, and in bounded memory where it is large."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from relufit import SGD, Diverged, RelufitError, fit
from relufit.files import fit_file
from relufit.fitting import file
from relufit.reading.columns import Columns


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
    monkeypatch.setattr(file, "ROWS", 100)
    found = fit_file(path, x="x", y="y", weight="w", hidden=9, test_fraction=0)
    assert found.metrics["rows"] == 5000
    assert found.metrics["mse"] == pytest.approx(whole.metrics["mse"], rel=1e-6)
    grid = np.linspace(-1.9, 1.9, 50)
    np.testing.assert_allclose(found.predict(grid), whole.predict(grid), atol=1e-6)
    with pytest.raises(RelufitError, match="spline"):
        fit_file(path, x="x", y="y", solver="adam")
    with pytest.raises(RelufitError, match="one x"):
        fit_file(path, x=["x", "w"], y="y")
    with pytest.raises(RelufitError, match="'spline' does not use learning_rate"):
        fit_file(path, x="x", y="y", solver="spline", learning_rate=0.1)
    with pytest.raises(RelufitError, match="'spline' does not use optimizer"):
        fit_file(path, x="x", y="y", solver="spline", optimizer=SGD())
    with pytest.raises(RelufitError, match="more than 100 rows, which needs solver='spline'"):
        fit_file(path, x="x", y="y", epochs=3)
    assert found.metrics["passed_over"] == {}
    types = {type(value) for name, value in found.metrics.items() if name != "passed_over"}
    assert types == {int, float, str}  # as json wants them


@pytest.mark.parametrize("rows", [100, file.ROWS])
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"hiden": 3}, TypeError, "hiden"),
        ({"solver": "adam", "dtype": "int3"}, RelufitError, "dtype must be"),
        ({"solver": "lbfgs", "epochs": 0}, RelufitError, "epochs must be"),
        ({"solver": "adam", "batch_size": "many"}, RelufitError, "batch_size must be"),
        ({"solver": "adam", "backend": ["numpy", "nosuch"]}, RelufitError, "unknown backend 'nosuch'"),
        ({"solver": "adam", "scheme": "nosuch"}, RelufitError, "unknown init scheme 'nosuch'"),
        ({"solver": "nosuch"}, RelufitError, "unknown solver 'nosuch'"),
        ({"domain": (0, 1)}, RelufitError, "domain is the interval of a function"),
        ({"n": 50}, RelufitError, "n is the number of samples of a function"),
        ({"dtype": "float32"}, RelufitError, "'spline', which solver='auto' takes for one .* does not use dtype"),
        ({"epochs": 9, "tolerance": 1}, RelufitError, "because epochs is given, does not use tolerance"),
        ({"solver": "spline", "epochs": 9, "dtype": "float32"}, RelufitError, "'spline' does not use epochs, dtype"),
        ({"hidden": 0}, RelufitError, "hidden must be"),
        ({"hidden": 9, "tolerance": 0.1}, RelufitError, "give hidden or tolerance, not both"),
        ({"tolerance": -1}, RelufitError, "must be a positive number"),
        ({"seed": -1}, RelufitError, "seed must be"),
    ],
)
def test_options_are_checked_before_the_file_is_read(
    rows: int,
    options: dict[str, Any],
    error: type[Exception],
    message: str,
    samples: tuple[Path, np.ndarray, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Be it large or small: those that `fit` knows, with values that it takes."""
    monkeypatch.setattr(file, "ROWS", rows)
    monkeypatch.setattr(file, "read_table", lambda *_: pytest.fail("the file was read"))
    with pytest.raises(error, match=message):
        fit_file(samples[0], x="x", y="y", **options)


@pytest.mark.parametrize("most", [20, file.ROWS])
def test_a_fit_knows_the_columns_of_its_file(tmp_path: Path, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit of a small or a large table has the names of its columns, and their types."""
    monkeypatch.setattr(file, "ROWS", most)
    days = np.datetime64("2024-01-01") + np.arange(50)
    for end, types in (("", ("time",)), ("T00:00Z", ("time with zone",))):
        (tmp_path / "a.csv").write_text("day,load\n" + "".join(f"{day}{end},{i}\n" for i, day in enumerate(days)))
        found = fit_file(tmp_path / "a.csv", x="day", y="load", hidden=1, test_fraction=0)
        assert found.columns == Columns(("day",), ("load",), types)
        assert found.predict(days[10:11]) == pytest.approx([10], abs=1e-6)


def test_a_diverged_fit_knows_its_columns_too(samples: tuple[Path, np.ndarray, np.ndarray]) -> None:
    """The last good fit of a training that diverged has its columns too."""
    with pytest.raises(Diverged) as caught:
        fit_file(samples[0], x=["x"], y=["y"], solver="sgd", learning_rate=1e3, epochs=2, progress=False)
    assert caught.value.fit is not None
    assert caught.value.fit.columns == Columns(("x",), ("y",), ("number",))


PEAKS = """
import sys
import pyarrow, pyarrow.parquet, scipy.linalg.lapack
from pathlib import Path
from relufit.fitting import file

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

file.ROWS, before = 2**17, resident()
metrics = file.fit_file(sys.argv[1], x="x", y="y", hidden=20).metrics
print(resident() - before, pyarrow.default_memory_pool().max_memory(), metrics["rows"], metrics["mse"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells the peak of a process's memory on Linux only")
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Eight times the rows, a quarter more memory at the most; Arrow's own, which numpy does not see, likewise.

    In a process of its own, whose peak nothing else has set.
    """
    peaks = []
    for rows in (500_000, 4_000_000):
        x = np.round(np.random.default_rng(0).uniform(0, 10, rows), 3)
        path = write(tmp_path / f"{rows}.parquet", x=x, y=np.sqrt(x))
        done = subprocess.run(
            [sys.executable, "-c", PEAKS, str(path)], capture_output=True, text=True, check=True, timeout=120
        )
        resident, of_arrow, found, mse = (float(word) for word in done.stdout.split())
        peaks.append((resident, of_arrow))
        assert mse < 1e-5
        assert found == rows
    (resident, of_arrow), (more_resident, more_of_arrow) = peaks
    assert more_resident < 1.25 * resident
    assert more_of_arrow < 1.5 * of_arrow


@pytest.mark.parametrize("most", [100, file.ROWS])
def test_reading_shows_its_rows(
    most: int,
    samples: tuple[Path, np.ndarray, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In one line, before that of the search, where it is wanted; be the table large or small."""
    monkeypatch.setattr(file, "ROWS", most)
    fit_file(samples[0], x="x", y="y", tolerance=0.1, progress=True)
    shown = [part.rstrip() for part in capsys.readouterr().err.split("\r")]
    assert shown[:3] == ["", "5000 rows read", ""]
    assert "1 unit:" in "".join(shown[3:])
    fit_file(samples[0], x="x", y="y", tolerance=0.1)
    assert capsys.readouterr().err == ""


def test_a_fit_of_a_file_says_which_backends_it_passed_over(samples: tuple[Path, np.ndarray, np.ndarray]) -> None:
    """The options of `fit` reach it: here a list of backends, of which the first takes one input only."""
    preferred = ["numpy-hinge", "numpy"]
    metrics = fit_file(
        samples[0], x=["x", "w"], y="y", solver="adam", hidden=4, epochs=1, backend=preferred, progress=False
    ).metrics
    assert metrics["backend"] == "numpy"
    assert "needs one input" in metrics["passed_over"]["numpy-hinge"]
