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


def test_tests_see_the_chosen_device_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of the tests has the chosen device as its first one, out of those that are visible here."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert nvidia.alone(None) == {}
    assert nvidia.alone("cuda:1") == {"CUDA_VISIBLE_DEVICES": "1"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-aa")
    assert nvidia.alone("cuda:1") == {"CUDA_VISIBLE_DEVICES": "GPU-aa"}


def test_the_budget_is_for_all_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is spent comes out of the grid; the report, and with --sanitize a fifth, are kept for later."""
    now = 100.0
    monkeypatch.setattr(gpu.time, "monotonic", lambda: now)
    plain, sanitized = gpu.Clock(90.0, 540.0, False), gpu.Clock(90.0, 540.0, True)
    assert (plain.spent(), plain.report()) == (10.0, 530.0)
    assert plain.tests() == gpu.TESTS_SHARE * 540
    assert plain.grid() == plain.sanitizer() == 500.0
    assert sanitized.grid() == 500.0 - 108.0
    now = 560.0
    assert (plain.tests(), plain.grid()) == (20.0, 40.0)  # no more than half of what is left
    assert gpu.Clock(0.0, 540.0, False).grid() < 0


def test_the_sanitizer_gets_what_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its tools run one after the other while there is time, and one that finds a fault fails the run."""
    now, asked, said = 0.0, list[tuple[str, float]](), list[str]()
    monkeypatch.setattr(gpu.time, "monotonic", lambda: now)

    def check(tool: str, names: list[str], folder: Path, seconds: float) -> tuple[bool, str]:
        nonlocal now
        now += 60.0
        asked.append((tool, seconds))
        return tool == "racecheck", f"{tool} has run"

    monkeypatch.setattr(gpu.sanitizer, "check", check)
    clock = gpu.Clock(0.0, gpu.REPORT_SECONDS + 130.0, False)
    assert gpu._sanitize(said.append, clock, ["cupy-train"], tmp_path)
    assert asked == [("memcheck", 130.0), ("racecheck", 70.0)]
    assert said[-1] == "compute-sanitizer synccheck: not begun, for 10 s were left; --sanitize"
    assert not gpu._sanitize(said.append, clock, [], tmp_path)
    assert len(said) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--device", "gpu1", "--dry-run"], "--device must be cuda or cuda:N"),
        (["--gpu-memory", "0"], "--gpu-memory must be above 0 GiB, not 0"),
    ],
)
def test_a_wrong_option_is_a_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be asked ends with exit code 2 before anything is probed."""
    assert gpu.main(words) == 2
    (text,) = capsys.readouterr().err.splitlines()
    assert text.startswith(f"bench.gpu: {said}")


LONG = """
import time, pytest

@pytest.mark.gpu
def test_long():
    time.sleep(60)
"""


def test_reasons_to_slow_down_are_words() -> None:
    """Reasons to slow down are words; idle clocks and a user's own setting do not count."""
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
    assert re.search(r"gradient: \d+ cases, N = \d+ to \d+, up to [\d,]+ MiB a call.*, about \d+ s", said)
    assert re.search(r"compute-sanitizer.* would run memcheck, racecheck, synccheck over ", said)
    assert re.search(r"in all \d+ cases of [12] backends that are ready, 165 s, [\d.]+ s each", said)
