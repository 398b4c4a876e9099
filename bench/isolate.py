"""A run in a process of its own, begun again where it ends before its time: what crashes or hangs costs only its case.

The run itself leaves word of the case that it is at (bench/journal.py). Whoever watches sees a process that has ended,
or a case that does not end; then the next process goes on with the same journal, in which that case is a row.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.journal import in_flight_file

CASE_SECONDS, POLL_SECONDS, KILL_SECONDS = 120.0, 0.5, 5.0
PYTEST_ENDS = (0, 1, 5)  # all passed, some failed, none to run; anything else is an end before its time


def run(
    arguments: list[str], results: Path, deadline: float, say: Callable[[str], None], case_seconds: float = CASE_SECONDS
) -> tuple[int, Path | None]:
    """Run `pytest bench` with these arguments until it has come to its end or `deadline` (time.monotonic) has come.

    Returns the exit code of its last process, negative where it was ended, and the journal; None where there is none.
    """
    before = set(_journals(results))
    journal: Path | None = None
    while True:
        resume = [] if journal is None else ["--resume", str(journal)]
        child = subprocess.Popen([sys.executable, "-m", "pytest", "bench", "--benchmark-only", *arguments, *resume])
        code = _watch(child, lambda: _now(results, before), deadline, case_seconds, say)
        journal = journal or next(iter(sorted(set(_journals(results)) - before)), None)
        if code in PYTEST_ENDS or time.monotonic() > deadline or journal is None:
            return code, journal
        say(f"the process of the run ended with {code}; going on with {journal.name} in a new one")


def _watch(
    child: "subprocess.Popen[bytes]",
    now: Callable[[], Path | None],
    deadline: float,
    case_seconds: float,
    say: Callable[[str], None],
) -> int:
    """Wait for the end of a process; end it where one case takes too long, or at the deadline."""
    while child.poll() is None:
        time.sleep(POLL_SECONDS)
        case = now()
        try:
            stuck = case is not None and time.time() - case.stat().st_mtime > case_seconds
        except FileNotFoundError:  # the case has just ended
            continue
        if stuck and case is not None:
            reason = f"did not end within {case_seconds:g} s"
            say(f"a case {reason}")
            _end(child)
            case.write_text(json.dumps(json.loads(case.read_text()) | {"status": "TIMEOUT", "reason": reason}))
        elif time.monotonic() > deadline:
            say("the time is up")
            _end(child)
    return child.returncode


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End a process: in good order if it can, else at once."""
    child.terminate()
    try:
        child.wait(KILL_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _journals(results: Path) -> list[Path]:
    return list((results / "raw").glob("*/*.jsonl"))


def _now(results: Path, before: set[Path]) -> Path | None:
    """The file in which the run that was begun here says where it is."""
    found = (in_flight_file(path) for path in set(_journals(results)) - before)
    return next((path for path in found if path.exists()), None)
