"""A run that is watched: what crashes or hangs costs its own case, and the run goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench import isolate
from bench.cases import Case
from bench.frames import read
from bench.journal import Journal, in_flight_file
from bench.trial import row
from relufit.errors import RelufitError

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
GRID = ["bench", "--benchmark-only", "-q", "-p", "broken",
        "-p", "no:cacheprovider", "-k", "test_forward", "--backend", "broken,numpy",
        "--batch", "33,40", "--hidden", "8", "--seconds", "5"]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "status", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "CRASHED", "its process ended in this case"),
        ("time.sleep(1000)", "TIMEOUT", "did not end within 4 s"),
    ],
)
def test_only_the_broken_case_is_lost(
    what: str, status: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are measured, in the same journal, by the process after it."""
    (tmp_path / "broken.py").write_text(PLUGIN.format(what=what))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    said: list[str] = []
    arguments = [*GRID, "--results", str(tmp_path)]
    code, journal = isolate.run(arguments, tmp_path, time.monotonic() + 120, said.append, case_seconds=4.0)
    assert code == 0
    assert journal is not None
    cases = read(journal).cases.set_index(["backend", "batch"])
    assert cases.loc[("broken", 33)].status == status
    assert cases.loc[("broken", 33)].reason == reason
    for other in (("broken", 40), ("numpy", 33), ("numpy", 40)):
        assert cases.loc[other].status == "OK"
    assert any("going on" in text for text in said)
    assert not in_flight_file(journal).exists()


def test_the_time_of_a_run_ends_it(tmp_path: Path) -> None:
    """With what it has; nothing is begun again."""
    said: list[str] = []
    arguments = [
        "bench",
        "--benchmark-only",
        "-q",
        "--backend",
        "numpy",
        "--results",
        str(tmp_path),
        "-p",
        "no:cacheprovider",
    ]
    code, _ = isolate.run(arguments, tmp_path, time.monotonic() + 1, said.append)
    assert code not in isolate.PYTEST_ENDS
    assert said == ["the time is up"]


HEADER: dict[str, Any] = {"machine": {"slug": "m"}}


def test_a_journal_is_gone_on_with(tmp_path: Path) -> None:
    """The line that was cut off costs itself; the case in flight is a row; words cut off are none."""
    journal = Journal.begin(tmp_path, HEADER)
    journal.begin_case(row(Case("forward", 32), "numpy"))
    journal.close()
    with journal.path.open("a") as file:
        file.write('{"kind":"case","back')
    complaints: list[str] = []
    Journal.resume(journal.path).close()
    cases = read(journal.path, complaints.append).cases
    assert [(case.status, case.batch) for case in cases.itertuples()] == [("CRASHED", 32)]
    assert len(complaints) == 1
    in_flight_file(journal.path).write_text('{"kin')
    Journal.resume(journal.path).close()
    assert len(read(journal.path).cases) == 1
    with pytest.raises(RelufitError, match="no journal"):
        Journal.resume(tmp_path / "none.jsonl")


def test_a_process_that_ignores_its_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hang inside a library hears no signal."""
    monkeypatch.setattr(isolate, "KILL_SECONDS", 0.5)
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout as said:
        assert said.readline() == b"deaf\n"
    now = tmp_path / "run.now"
    now.write_text(json.dumps({"kind": "case"}))
    os.utime(now, (0, 0))
    assert isolate._watch(child, lambda: now, time.monotonic() + 60, 1.0, lambda text: None) == -signal.SIGKILL
    assert json.loads(now.read_text())["status"] == "TIMEOUT"
