"""bench.read gives a journal as a frame, and `import bench` loads no pandas."""

import subprocess
import sys
from pathlib import Path

import pytest
from journals import line, spline, write

import bench
from relufit import RelufitError


def test_a_journal_as_a_frame(tmp_path: Path) -> None:
    """A row for each case and backend, with passes together, absent backends with their reason, and stated types."""
    rounds = [line(**{"pass": number}, seconds=[1e-3 * (number + 1)] * 3) for number in range(2)]
    frame = bench.read(str(write(tmp_path / "r.jsonl", *rounds, spline(), "not a line")))
    assert list(zip(frame.work, frame.backend, frame.status, strict=True)) == [
        ("gradient", "numpy", "OK"), ("solving", "numpy", "OK"),
        ("gradient", "cupy", "SKIPPED"), ("solving", "cupy", "SKIPPED"),
    ]  # fmt: skip
    ours = frame.iloc[0]
    assert ours.seconds == [1e-3] * 3 + [2e-3] * 3
    assert ours.passes == {0: [1e-3] * 3, 1: [2e-3] * 3}
    assert frame.reason[2] == "no driver"
    assert {str(frame[name].dtype) for name in ("batch", "hidden", "epochs", "networks")} == {"int64"}
    assert {str(frame[name].dtype) for name in ("steps", "peak_bytes", "gpu_watts")} == {"float64"}


def test_what_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    """A file that is not there raises RelufitError; one without a case is an empty frame."""
    with pytest.raises(RelufitError, match="cannot read"):
        bench.read(tmp_path / "absent.jsonl")
    assert bench.read(write(tmp_path / "r.jsonl")).empty


def test_importing_bench_loads_no_pandas() -> None:
    """`import bench` alone loads no pandas."""
    code = "import sys, bench; sys.exit('pandas' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).resolve().parents[2], check=True, timeout=60)
