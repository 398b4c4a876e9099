"""A run that is watched: what crashes or hangs costs its own case, and the run goes on."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from bench_runs import ROOT, SHORT
from journals import line, write

from bench.analysis.frames import read
from bench.grid.case import Case
from bench.hardware import cpu_peaks, gpu_peaks
from bench.journal import plan, resume
from bench.journal.reader import read_lines
from bench.journal.status import row
from bench.journal.writer import Journal, in_flight_file
from bench.measure import backends, isolation, process, session
from bench.measure.session import Session

PLUGIN = """
import os, signal, time
from relufit import backends
from relufit.backends import Row
from relufit.backends.numpy import NumpyBackend

class Broken(NumpyBackend):
    def forward(self, params, x):
        if len(x) == 33:
            {what}
        return super().forward(params, x)

backends.TABLE["broken"] = Row("broken:Broken", "cpu", "numpy", "-")
"""
GRID = ["bench", "--benchmark-only", "-q", *SHORT, "-p", "broken", "-k", "test_forward", "--backend", "broken,numpy",
        "--batch", "33,40", "--hidden", "8", "--seconds", "5"]  # fmt: skip


ISOLATED = """
class Deadly(NumpyBackend):
    def __init__(self, name, device):
        if "RELUFIT_BENCH_WATCHED" in os.environ:
            os.abort()
        super().__init__(name, device)

backends.TABLE["deadly"] = Row("broken:Deadly", "cpu", "numpy", "-")
backends.TABLE["absent"] = Row("broken:Absent", "cpu", "no_such_library", "-")
"""


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes the plugin, where processes find it: a backend that does `what` at 33 samples, and what else is given."""

    def write(what: str, more: str = "", case_seconds: float = isolation.CASE_SECONDS) -> None:
        monkeypatch.setattr(isolation, "CASE_SECONDS", case_seconds)
        (tmp_path / "broken.py").write_text(PLUGIN.format(what=what) + more)
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")

    return write


def test_isolated_backends_have_processes_of_their_own(tmp_path: Path, plant: Callable[..., None]) -> None:
    """Backends take turns in one journal; a crash costs one case, the death of a process that backend only."""
    plant("os.abort()", ISOLATED)
    words = ["--isolate", "--passes", "2", "--backend", "deadly,broken,numpy,absent", "--results", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *GRID, *words], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode != 0
    (journal,) = tmp_path.rglob("*.jsonl")
    run = read(journal)
    assert run.header["settings"]["isolated"] is True
    cases = run.cases.set_index(["backend", "batch"])
    assert cases.loc[("broken", 33)].status == "CRASHED"
    for key in (("broken", 40), ("numpy", 33), ("numpy", 40)):
        assert cases.loc[key].status == "OK"
        assert set(cases.loc[key].passes) == {0, 1}
    assert "its process ended with" in run.header["backends"]["deadly"]["reason"]
    said = [text for text in done.stderr.splitlines() if text.startswith("bench: ")]
    assert said[-2].startswith("bench: deadly: its process ended with")
    assert said[-1] == "bench: broken: 2 CRASHED"
    assert run.header["backends"]["absent"]["reason"] == "no_such_library is not installed: pip install -"
    order = [json.loads(text).get("backend") for text in journal.read_text().splitlines() if '"case"' in text]
    second = [json.loads(t)["backend"] for t in journal.read_text().splitlines() if '"pass":1' in t and '"OK"' in t]
    assert order.index("broken") < order.index("numpy")
    assert second.index("numpy") < second.index("broken")


def test_memory_without_end_is_ended(
    tmp_path: Path, plant: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A case that takes all memory is ended before the machine has none, and the others are measured."""
    plant("hoard()", HOARD)
    monkeypatch.setattr(isolation, "free_bytes", lambda: 4 * 2**30 - taken())  # nothing else takes any
    monkeypatch.setattr(isolation, "LEAST_FREE_BYTES", 2 * 2**30)
    said: list[str] = []
    arguments = [*GRID, "--results", str(tmp_path)]
    code, journal = isolation.run(arguments, time.monotonic() + 300, said.append)
    assert code == 0
    assert journal is not None
    cases = read(journal).cases.set_index(["backend", "batch"])
    assert cases.loc[("broken", 33)].status == "OOM"
    assert "of the machine's memory" in cases.loc[("broken", 33)].reason
    assert cases.loc[("numpy", 40)].status == "OK"


def taken() -> int:
    """Bytes that the processes begun here hold."""
    found = 0
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            found += child.memory_info().rss
    return found


HOARD = """
def hoard():
    kept = []
    while True:
        kept.append(b"x" * 2**27)
        time.sleep(0.02)
"""


@pytest.mark.parametrize(
    ("what", "status", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "CRASHED", "its process ended in this case"),
        ("time.sleep(1000)", "TIMEOUT", "did not end within 2.5 s"),
    ],
)
def test_only_the_broken_case_is_lost(
    what: str, status: str, reason: str, tmp_path: Path, plant: Callable[..., None]
) -> None:
    """The cases beside a broken one are measured, in the same journal, by the process after it."""
    plant(what, case_seconds=2.5)
    said: list[str] = []
    arguments = [*GRID, "--results", str(tmp_path)]
    code, journal = isolation.run(arguments, time.monotonic() + 300, said.append)
    assert code == 0
    assert journal is not None
    cases = read(journal).cases.set_index(["backend", "batch"])
    assert cases.loc[("broken", 33)].status == status
    assert cases.loc[("broken", 33)].reason == reason
    for other in (("broken", 40), ("numpy", 33), ("numpy", 40)):
        assert cases.loc[other].status == "OK"
    assert any("continuing" in text for text in said)
    assert not in_flight_file(journal).exists()


@pytest.mark.parametrize("code", [0, pytest.param(process.NOTHING_TO_RUN, marks=pytest.mark.slow)])
def test_a_process_that_exits_with_success_has_crashed(code: int, tmp_path: Path, plant: Callable[..., None]) -> None:
    """A backend that ends its process with a code of pytest's costs its own case, and the others are measured."""
    plant(f"os._exit({code})")
    said: list[str] = []
    arguments = [*GRID, "--results", str(tmp_path)]
    _, journal = isolation.run(arguments, time.monotonic() + 300, said.append)
    assert journal is not None
    header, lines = read_lines(journal)
    status = {(line["backend"], line["batch"]): line["status"] for line in lines}
    assert status.pop(("broken", 33)) == "CRASHED"
    assert set(status.values()) == {"OK"}
    assert (header["planned"], header["unmeasured"]) == (4, 0)


def session_of(name: str) -> Session:
    """An isolated run of one backend without a limit."""
    unset = dict.fromkeys(("seconds", "within", "gpu_memory", "resume", "device", "batch", "hidden", "dtype", "target"))
    return Session(SimpleNamespace(profile="headline", backend=name, passes=1, threads=None, **unset))


@pytest.mark.parametrize(
    ("status", "work", "code"),
    [(status, "gradient", 1) for status in ("CRASHED", "TIMEOUT", "OOM", "DISAGREES", "UNSOUND", "DIVERGED")]
    + [("SKIPPED", "gradient", 0), ("OK", "gradient", 0), ("DIVERGED", "convergence", 0)],
)
def test_a_failed_case_fails_the_isolated_run(
    status: str, work: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each status that is a failure ends with 1, whatever the processes ended with; a training may diverge."""
    curves = {"step": [1], "train_seconds": [1.0], "test_mse": [1.0], "curve": [1.0]} if work == "convergence" else {}
    case = line("numpy", work=work, status=status, reason="so it was", **curves)
    path = write(tmp_path / "r.jsonl", case)
    monkeypatch.setattr(isolation, "run", lambda *arguments: (0, path))
    monkeypatch.setattr(session, "measure_ceilings_again", lambda *arguments: None)
    assert isolation.run_each([], session_of("numpy"), lambda text: None) == code


@pytest.mark.parametrize(("name", "found"), [("torch-cuda", {"copy_bytes_per_second": 4e12}), ("numpy", {})])
def test_the_ceilings_of_the_device_are_measured_again(
    name: str, found: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of an isolated run with a backend on a GPU, the device's ceilings stand beside those of the CPU."""
    path = write(tmp_path / "r.jsonl", line(name))
    monkeypatch.setattr(isolation, "run", lambda *arguments: (0, path))
    monkeypatch.setattr(backends, "unavailable", lambda name: None)
    monkeypatch.setattr(backends, "load", lambda name: pytest.fail("nothing is loaded in the process that watches"))
    monkeypatch.setattr(cpu_peaks, "measure", lambda threads: {"one_core": {}})
    monkeypatch.setattr(gpu_peaks, "measure", lambda index: {"copy_bytes_per_second": 4e12})
    assert isolation.run_each([], session_of(name), lambda text: None) == 0
    last = json.loads(path.read_text().splitlines()[-1])
    assert (last["kind"], last["device_ceilings"]) == ("ceilings", found)


def test_a_plain_run_ends_where_a_case_hangs(
    tmp_path: Path, plant: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --isolate a case that does not end becomes TIMEOUT, and the run ends with 1 and says how to resume it."""
    plant("time.sleep(1000)")
    monkeypatch.setattr(isolation, "HANG_SECONDS", 3.0)
    said: list[str] = []
    assert isolation.run_pytest([*GRID, "--results", str(tmp_path)], said.append) == 1
    (path,) = tmp_path.rglob("*.jsonl")
    assert [line["status"] for line in read_lines(path)[1] if line["batch"] == 33][-1] == "TIMEOUT"
    assert "a case did not end within 3 s" in said
    assert f"--resume {path} measures them" in said[-1]


def test_a_backend_that_hangs_twice_is_left_alone(tmp_path: Path, plant: Callable[..., None]) -> None:
    """After two cases that did not end, the others of that backend are skipped with that reason, and no others."""
    plant("time.sleep(1000)", case_seconds=2.5)
    said: list[str] = []
    arguments = [*GRID, "--passes", "4", "--results", str(tmp_path)]
    code, journal = isolation.run(arguments, time.monotonic() + 300, said.append)
    assert code == 0
    assert journal is not None
    lines = [line for line in read_lines(journal)[1] if line["batch"] == 33]
    assert [line["status"] for line in lines if line["backend"] == "numpy"] == ["OK"] * 4
    broken = [line for line in lines if line["backend"] == "broken"]
    assert [line["status"] for line in broken] == ["TIMEOUT", "TIMEOUT", "SKIPPED", "SKIPPED"]
    reason = "broken did not end within its time in 2 cases of this run; its others were not begun"
    assert {line["reason"] for line in broken[2:]} == {reason}
    assert [*resume.ended_badly(journal)] == ["broken: 2 TIMEOUT; its other cases were skipped"]


def test_a_run_that_is_gone_on_with_is_watched(tmp_path: Path, plant: Callable[..., None]) -> None:
    """--isolate --resume ends a case that hangs, as a run from the start does, and writes no other journal."""
    plant("time.sleep(1000)", case_seconds=2.5)
    begun = Journal.begin(tmp_path, HEADER)
    begun.close()
    said: list[str] = []
    arguments = [*GRID, "--results", str(tmp_path), "--resume", str(begun.path)]
    code, journal = isolation.run(arguments, time.monotonic() + 300, said.append, begun.path)
    assert (code, journal) == (0, begun.path)
    assert [*tmp_path.rglob("*.jsonl")] == [begun.path]
    cases = read(begun.path).cases.set_index(["backend", "batch"])
    assert cases.loc[("broken", 33)].status == "TIMEOUT"
    assert cases.loc[("numpy", 40)].status == "OK"


def test_the_time_of_a_run_ends_it(tmp_path: Path) -> None:
    """A run whose time is up ends with what it has, and no process is restarted."""
    said: list[str] = []
    arguments = ["bench", "--benchmark-only", "-q", *SHORT, "--backend", "numpy", "--results", str(tmp_path)]
    code, _ = isolation.run(arguments, time.monotonic() + 1, said.append)
    assert code not in isolation.FINAL
    assert said == ["the time is up"]


def test_what_the_deadline_left_has_a_row(tmp_path: Path) -> None:
    """Each case that was planned and not begun is SKIPPED with the reason, and --resume measures it."""
    cases = [Case("forward", batch, 8) for batch in (33, 40, 50)]
    journal = Journal.begin(tmp_path, {**HEADER, "plan": plan.compact((case, "numpy", 0) for case in cases)})
    journal.begin_case(row(cases[0], "numpy"))
    journal.close()
    Journal.resume(journal.path, "INTERRUPTED", "was ended with the run, whose time was up").close()
    isolation.skip_rest(journal.path, time.monotonic() + 100)
    assert len(read_lines(journal.path)[1]) == 1
    for _ in range(2):  # nobody has two rows
        isolation.skip_rest(journal.path, time.monotonic() - 1)
    header, lines = read_lines(journal.path)
    assert [(line["batch"], line["status"]) for line in lines] == [
        (33, "INTERRUPTED"), (40, "SKIPPED"), (50, "SKIPPED"),
    ]  # fmt: skip
    assert lines[-1]["reason"].startswith("the time of the run was up; ")
    assert (header["planned"], header["unmeasured"]) == (3, 1)
    assert resume.finished(journal.path) == set()


HEADER: dict[str, Any] = {"machine": {"slug": "m"}}
