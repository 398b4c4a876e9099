"""How runs of `pytest bench` and the command `bench.crossover` end, whatever a backend, a user or a disk does."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from bench_runs import ROOT, bench, command, lines

from bench.analysis import frames
from bench.grid.case import Case
from bench.journal import plan
from bench.journal.status import row
from bench.journal.writer import Journal

SLEEPING = """
import time
from relufit.backends.numpy import NumpyBackend
right = NumpyBackend.forward
def sleeping(self, params, x):
    time.sleep(100 if len(x) == 33 else 0)
    return right(self, params, x)
NumpyBackend.forward = sleeping
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize(
    ("how", "sent", "code"),
    [
        ((), signal.SIGINT, 2),
        (("--isolate",), signal.SIGTERM, 143),
        pytest.param((), signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(("--isolate",), signal.SIGINT, 2, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_ended_leaves_nothing_that_measures(
    how: tuple[str, ...], sent: int, code: int, tmp_path: Path
) -> None:
    """Ctrl-C, and SIGTERM of a cancelled job: the case is a row, no process is left, the last line says --resume."""
    (tmp_path / "sleeping.py").write_text(SLEEPING)
    words = ("--benchmark-only", "-p", "sleeping", "--backend", "numpy", "--batch", "33", "-k", "test_forward", *how)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    child = subprocess.Popen(command(tmp_path, *words), cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # fmt: skip
    deadline = time.monotonic() + 100
    while not list(tmp_path.rglob("*.now")) and time.monotonic() < deadline:
        time.sleep(0.05)
    measuring = psutil.Process(child.pid).children(recursive=True)
    assert measuring
    child.send_signal(sent)
    said = child.communicate(timeout=100)[1].splitlines()
    assert child.returncode == code
    assert psutil.wait_procs(measuring, 1)[1] == []
    assert [case["status"] for case in lines(tmp_path)[1:]] == ["INTERRUPTED"]
    assert re.fullmatch(r"bench: 1 of 1 cases were not measured: .*; --resume .*jsonl measures them", said[-1]), said


FULL = """
import errno, os
from bench.journal import writer
calls = [0]
def fsync(file, right=os.fsync):
    calls[0] += 1
    if calls[0] > {lines}:
        raise OSError(errno.ENOSPC, "No space left on device")
    right(file)
writer.os.fsync = fsync
"""


@pytest.mark.parametrize("how", [(), pytest.param(("--isolate",), marks=pytest.mark.slow)], ids=["watched", "isolated"])
def test_a_full_disk_is_a_sentence(how: tuple[str, ...], tmp_path: Path) -> None:
    """What was written before is kept, the run ends with a sentence and how to resume it, and then it is measured."""
    (tmp_path / "full.py").write_text(FULL.format(lines=2))
    words = ("--benchmark-only", "--backend", "numpy", "--batch", "33,40,50", "--hidden", "8", "-k", "test_forward")
    done = bench(tmp_path, *words, "-p", "full", *how, PYTHONPATH=str(tmp_path))
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    assert "Traceback" not in said
    assert "No space left on device; what it holds is kept; --resume continues it" in said
    *_, last = done.stderr.splitlines()
    (path,) = tmp_path.rglob("*.jsonl")
    assert last == f"bench: 2 of 3 cases were not measured: the run ended; --resume {path} measures them"
    assert [case["status"] for case in lines(tmp_path)[1:]] == ["OK"]
    if not how:
        assert bench(tmp_path, *words, "--resume", str(path)).returncode == 0
        assert [case["status"] for case in lines(tmp_path) if case["kind"] == "case"] == ["OK"] * 3


def test_a_killed_run_that_is_resumed_has_failed(tmp_path: Path) -> None:
    """What was planned and is not measured, and the case during which a run was killed, are failures of the run."""
    cases = [Case("forward", batch, 8) for batch in (33, 40, 50)]
    header = {"machine": {"slug": "m"}, "plan": plan.compact((case, "numpy", 0) for case in cases)}
    journal = Journal.begin(tmp_path, header)
    journal.begin_case(row(cases[0], "numpy"))
    journal.close()
    words = ("--benchmark-only", "--backend", "numpy", "--batch", "33,40", "--hidden", "8", "-k", "test_forward")
    done = bench(tmp_path, *words, "--resume", str(journal.path))
    assert done.returncode == 1, done.stdout + done.stderr
    failed, missing = done.stderr.splitlines()
    assert failed == "bench: numpy: 1 CRASHED"
    assert missing.startswith("bench: 1 of 3 cases were not measured: the run ended; --resume ")


SLOW = """
import time
from relufit import backends
from relufit.backends import Row
from relufit.backends.numpy import NumpyBackend

class Slow(NumpyBackend):
    def loss_and_grads(self, params, samples):
        time.sleep(0.5 if len(samples) > 2 else 0)
        return super().loss_and_grads(params, samples)

backends.TABLE["slow"] = Row("slow:Slow", "cpu", "numpy", "-")
"""


def test_a_slow_backend_leaves_the_others_their_time(tmp_path: Path) -> None:
    """What would take longer than a backend has is not begun, and says so; the other backend gets its times."""
    (tmp_path / "slow.py").write_text(SLOW)
    words = ("--benchmark-only", "-p", "slow", "--backend", "slow,numpy", "--hidden", "8", "--batch", "800,32")
    chosen = ("-k", "gradient or step or convergence", "--seconds", "8")
    assert bench(tmp_path, *words, *chosen, PYTHONPATH=str(tmp_path)).returncode == 0
    cases = [case for case in lines(tmp_path) if case["kind"] == "case"]
    slow = [case for case in cases if case["backend"] == "slow"]
    assert {case["status"] for case in slow} == {"SKIPPED"}
    assert {case["work"] for case in slow} == {"gradient", "step", "convergence"}
    reasons = [str(case["reason"]) for case in slow]
    assert reasons[0].startswith("would take about 6 s, and slow has 4 s for all its cases; --seconds")
    timed = [case["status"] for case in cases if case["backend"] == "numpy" and case["work"] != "convergence"]
    assert timed == ["OK"] * 6
    begun = [float(str(case["at"])) for case in cases]
    assert max(begun) - min(begun) <= 8


ENDING = """
import os
import tests.without_ceilings
from relufit import backends
from relufit.backends import Row
from relufit.backends.numpy import NumpyBackend

class Ending(NumpyBackend):
    def loss_and_grads(self, params, samples):
        if len(samples) == 8:
            os._exit(0)
        return super().loss_and_grads(params, samples)

backends.TABLE["ending"] = Row("sitecustomize:Ending", "cpu", "numpy", "-")
"""


def test_a_backend_cannot_end_the_command_with_success(tmp_path: Path) -> None:
    """A backend that ends the process with code 0 ends the command with 1 and a sentence, and its block is CRASHED."""
    (tmp_path / "sitecustomize.py").write_text(ENDING)
    words = ["ending", "numpy", "--least", "8", "--most", "16", "--hidden", "4", "--results", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "bench.crossover", *words], cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.endswith("bench.crossover: the process of the run ended before the run did\n")
    (path,) = tmp_path.rglob("*.jsonl")
    (case,) = frames.read(path).cases.to_dict("records")
    assert (case["backend"], case["status"]) == ("ending", "CRASHED")
