"""What `python -m bench.gpu` does where there is no GPU, and what it makes of a run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import gpu
from bench.hardware import nvidia
from bench.measure import isolation
from bench.measure.backends import unavailable

ROOT = Path(__file__).parents[2]


def test_without_a_gpu_it_says_why() -> None:
    """Without a GPU each backend has a line with its reason, exit code 2, and nothing is measured."""
    if unavailable("cupy") is None or unavailable("torch-cuda") is None:
        pytest.skip("there is a GPU")
    done = subprocess.run([sys.executable, "-m", "bench.gpu"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "cupy-train: " in done.stderr
    assert done.stderr.strip().endswith("no backend can use a GPU here; the reasons are above")
    assert "Traceback" not in done.stderr


def test_a_budget_has_room_for_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    """A budget without room for the report is refused in one sentence."""
    assert gpu.main(["--budget", "5"]) == 2
    assert "--budget must be above 30 s, not 5" in capsys.readouterr().err


def test_tests_that_do_not_end_are_killed(tmp_path: Path) -> None:
    """Tests that take longer than their share are ended, and the exit code says so."""
    (tmp_path / "test_long.py").write_text(LONG)
    assert isolation.run_tests([str(tmp_path / "test_long.py")], [], 0.5) == -1
    assert isolation.run_tests([str(tmp_path / "test_long.py"), "--co"], [], 60) == 0


LONG = """
import time, pytest

@pytest.mark.gpu
def test_long():
    time.sleep(60)
"""


def test_reasons_to_slow_down_are_words() -> None:
    """Reasons to slow down are words; idle clocks and a user's own setting are none."""
    assert nvidia.throttled(0x1 | 0x2) == ""
    assert nvidia.throttled(0x4 | 0x40) == "software power cap, hardware thermal slowdown"


def test_without_nvml_nothing_is_known() -> None:
    """Without NVML nothing is known, and without a device no kernels are counted; neither is an error."""
    if unavailable("torch-cuda") is None:
        assert nvidia.state()
    else:
        assert nvidia.state() is None
        assert nvidia.kernels_per_call(lambda: None, lambda: None) is None


def test_a_dry_run_needs_no_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    """It lists devices, backends with their reasons, cases with their memory and seconds, and ends with 0."""
    assert gpu.main(["--dry-run", "--budget", "300", "--backend", "numpy,cupy"]) == 0
    said = capsys.readouterr().err
    assert "bench.gpu: device: " in said
    assert "bench.gpu: backend numpy: ready" in said
    assert "bench.gpu: backend cupy: " in said
    assert re.search(r"gradient: \d+ cases, N = \d+ to \d+, up to [\d,]+ MiB a call", said)
    assert re.search(r"in all \d+ cases of [12] backends that are ready, 165 s, [\d.]+ s each", said)
