"""The process that measures, seen from the one that watches it: its journal, its case in flight, and its end."""

import errno
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.grid.case import Case
from bench.journal.reader import read_lines
from bench.journal.status import row
from bench.journal.writer import Journal, in_flight_file
from bench.measure import isolation, process

HEADER = {"machine": {"slug": "m"}}


OTHER = """
import json, os, sys
from pathlib import Path
from bench.journal.writer import Journal
from bench.measure import process
other, own = (Path(folder) for folder in sys.argv[1:3])
foreign = Journal.begin(other, {"machine": {"slug": "a"}})
foreign.begin_case({"kind": "case", "backend": "numpy", "work": "forward", "batch": 1})
process.note(journal=str(Journal.begin(own, {"machine": {"slug": "b"}}).path))
process.note(code=0)
"""


def test_the_journal_of_another_run_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two runs at once in one folder each continues its own journal, whichever was begun first."""
    monkeypatch.setattr(isolation, "PYTEST", [sys.executable, "-c", OTHER])
    code, journal = isolation.run([str(tmp_path), str(tmp_path)], time.monotonic() + 60, lambda text: None)
    assert code == 0
    assert journal is not None
    assert journal.parent.name == "b"
    (foreign,) = tmp_path.rglob("a/*.jsonl")
    assert in_flight_file(foreign).exists()
    assert read_lines(foreign)[1] == []


ENDING_AT_ONCE = """
import os, sys
from pathlib import Path
from bench.journal.writer import Journal
from bench.measure import process
is_first = "--resume" not in sys.argv
given = Path(sys.argv[1 if is_first else -1])
journal = Journal.begin(given, {"machine": {"slug": "m"}}) if is_first else Journal.resume(given)
journal.write({"kind": "plan", "plan": []})
process.note(journal=str(journal.path))
os._exit(9)
"""


def test_processes_that_measure_nothing_are_not_restarted_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ends before it has measured a case, but has written what it plans, is followed by one at most."""
    monkeypatch.setattr(isolation, "PYTEST", [sys.executable, "-c", ENDING_AT_ONCE])
    said: list[str] = []
    code, journal = isolation.run([str(tmp_path)], time.monotonic() + 100, said.append)
    assert code == 9
    assert journal is not None
    assert said == [f"the process of the run ended with 9; continuing {journal.name} in a new one"]


DEAF = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, signal.SIG_IGN)
journal = Path(sys.argv[1])
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
(journal.parent / "child").write_text(str(child.pid))
Path(os.environ["RELUFIT_BENCH_WATCHED"]).write_text(json.dumps({"journal": str(journal)}))
journal.with_suffix(".now").write_text(json.dumps({"kind": "case", "backend": "deaf", "work": "forward", "batch": 1}))
os.utime(journal.with_suffix(".now"), (0, 0))
time.sleep(60)
"""


def test_a_process_that_ignores_its_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that hangs inside a library and hears no signal is killed, and all that it began."""
    monkeypatch.setattr(process, "KILL_SECONDS", 0.5)
    monkeypatch.setattr(isolation, "CASE_SECONDS", 1.0)
    journal = Journal.begin(tmp_path, HEADER)
    journal.close()
    said: list[str] = []
    watch = lambda child: isolation._watch(child, time.monotonic() + 60, said.append)  # noqa: E731
    code, found = process.run([sys.executable, "-c", DEAF, str(journal.path)], watch)
    assert (code, found) == (-signal.SIGKILL, journal.path)
    assert said == ["a case did not end within 1 s"]
    assert [line["status"] for line in read_lines(journal.path)[1]] == ["TIMEOUT"]
    begun = int((journal.path.parent / "child").read_text())
    assert not psutil.pid_exists(begun) or psutil.Process(begun).status() == psutil.STATUS_ZOMBIE


def test_the_case_of_a_process_before_is_no_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a process starts, the case in which the one before it crashed ages; the new one is not ended for that."""
    monkeypatch.setattr(isolation, "CASE_SECONDS", 0.5)
    journal = Journal.begin(tmp_path, HEADER)
    journal.begin_case(row(Case("forward", 32), "numpy"))
    journal.close()
    os.utime(in_flight_file(journal.path), (0, 0))
    watch = lambda child: isolation._watch(child, time.monotonic() + 60, lambda text: None)  # noqa: E731
    code, _ = process.run(
        [sys.executable, "-c", "import time; time.sleep(2); raise SystemExit(9)"], watch, journal.path
    )
    assert code == 9
    assert [line["status"] for line in read_lines(journal.path)[1]] == ["CRASHED"]


def test_what_is_noted_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A note is whole or absent, though another process reads while it is written, and the disk may be full."""
    monkeypatch.setenv(process.CHILD, str(tmp_path / "noted.json"))
    right, seen = Path.write_text, list[dict[str, object]]()

    def write(path: Path, text: str) -> int:
        right(path, text[:5])
        seen.append(process._noted_in(tmp_path / "noted.json"))
        raise OSError(errno.ENOSPC, "No space left on device")

    process.note(journal="here")
    monkeypatch.setattr(Path, "write_text", write)
    process.note(code=0)
    assert seen == [{"journal": "here"}]
    assert process._noted_in(tmp_path / "noted.json") == {"journal": "here"}
