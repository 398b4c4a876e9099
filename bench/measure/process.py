"""A process that measures, seen from the process that watches it: what it notes, and how it ends.

It notes its journal and its exit code in a file of its own, so that two runs at once do not mix; the case in flight
stands in a file beside the journal (bench/journal/writer.py). Ctrl-C and SIGTERM are passed on to it and to all that it
began: nothing measures on when the process that watches has ended.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from types import FrameType
from typing import Any

from bench.journal.status import PROCESS_ENDED, Status
from bench.journal.writer import Journal, in_flight_file

CHILD = "RELUFIT_BENCH_WATCHED"  # set for a process that is watched: the file in which it notes its journal and its end
KILL_SECONDS = 5.0  # after which a process that was asked to end is killed
PR_SET_PDEATHSIG = 1  # of prctl(2): the signal that a process gets when its parent ends
INTERRUPTED, WRONG_USAGE, NOTHING_TO_RUN = 2, 4, 5  # exit codes of pytest
DEVICE_FAILED = 70  # exit code of a run whose device no longer works in its process
PYTEST_CODES = range(NOTHING_TO_RUN + 1)  # any other code is a crash
ENDED_EARLY = 255  # in place of one of these codes, of a process that ended before it noted that code
ENDED_BY_USER = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: 128 + signal.SIGTERM}

Reason = tuple[Status, str]  # what becomes of the case in flight


def note(**known: Any) -> None:
    """Tell the process that watches this one, where one does, of its journal or of its exit code."""
    if CHILD in os.environ:
        path = Path(os.environ[CHILD])
        unfinished = path.with_suffix(".next")
        with suppress(OSError):  # on a full disk nothing is noted, and the run counts as one that ended early
            unfinished.write_text(json.dumps({**_noted_in(path), **known}))
            unfinished.replace(path)  # at once: the process that watches reads all of it or nothing


def _noted_in(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.exists() else {}


def end_with_watcher() -> None:
    """Have this process ended with the one that watches it, where the system can: nobody else would."""
    if CHILD in os.environ and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A process that is watched, from `run`; it leads a group of all processes that it begins."""

    def __init__(self, command: list[str], noted: Path, journal: Path | None) -> None:
        self._noted, self._continued = noted, journal
        environment = {**os.environ, CHILD: str(noted)}
        self._child = subprocess.Popen(command, env=environment, start_new_session=True)
        self._killing = Timer(KILL_SECONDS, self.kill)
        self._killing.daemon = True

    @property
    def journal(self) -> Path | None:
        """Its journal: the one that it has noted, or that it continues."""
        noted = _noted_in(self._noted).get("journal")
        return self._continued if noted is None else Path(noted)

    def case_in_flight(self) -> str:
        """The record of the case in flight, or an empty string while no case runs."""
        journal = self.journal
        with suppress(FileNotFoundError):
            return "" if journal is None else in_flight_file(journal).read_text()
        return ""

    def has_ended(self) -> bool:
        """Whether it has ended."""
        return self._child.poll() is not None

    def wait(self) -> int:
        """Its exit code, at its end; ENDED_EARLY where it is one of pytest's, but the process has not noted it."""
        code, known = self._child.wait(), _noted_in(self._noted)
        is_known = known.get("code") == code or (code == WRONG_USAGE and not known)  # pytest refuses before it begins
        return code if is_known or code not in PYTEST_CODES else ENDED_EARLY

    def end(self, number: int = signal.SIGTERM) -> None:
        """Ask it to end, and kill it if it has not done so after KILL_SECONDS."""
        self._send(number)
        if self._killing.ident is None:  # it has not been started
            self._killing.start()

    def kill(self) -> None:
        """Kill all that is left of the group."""
        self._send(getattr(signal, "SIGKILL", signal.SIGTERM))  # Windows has no SIGKILL

    def close(self) -> None:
        """Kill what the process has left behind, at its own end."""
        self.kill()
        self._child.wait()
        self._killing.cancel()

    def _send(self, number: int) -> None:
        if not hasattr(os, "killpg"):  # Windows
            self._child.terminate()
            return
        with suppress(ProcessLookupError, PermissionError):  # nothing is left of it
            os.killpg(self._child.pid, number)


def run(
    command: list[str], watch: Callable[[Process], Reason | None] = lambda child: None, journal: Path | None = None
) -> tuple[int, Path | None]:
    """Run a command in a process of its own, with `watch` until its end; returns its exit code and its journal.

    The code is negative where a signal ended it, ENDED_EARLY where it ended itself before the command did, and one of
    ENDED_BY_USER where Ctrl-C or SIGTERM came meanwhile. A case in flight becomes a row: `watch` says why it ended the
    process, if it did.
    """
    received: list[signal.Signals] = []
    begun: list[Process] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(number))
        for process in begun:
            process.end(number)

    with TemporaryDirectory() as folder:
        # Before it begins: else it would ignore the signals that this process ignores.
        before = {number: signal.signal(number, pass_on) for number in ENDED_BY_USER}
        try:
            begun.append(process := Process(command, Path(folder) / "noted.json", journal))
            if received:
                process.end(received[0])
            reason = watch(process)
            code = process.wait()
        finally:
            for process in begun:
                process.close()
            for number, handler in before.items():
                signal.signal(number, handler)
        if received:
            reason, code = (Status.INTERRUPTED, "the user ended the run during this case"), ENDED_BY_USER[received[0]]
        if process.case_in_flight() and process.journal is not None:
            Journal.resume(process.journal, *(reason or (Status.CRASHED, PROCESS_ENDED))).close()
        return code, process.journal
