"""A run in a process of its own, which is watched: it cannot end itself with success before all is measured.

With --isolate it is restarted if it crashes or hangs: that costs only the case in flight.

The run notes in a file which case is in flight (bench/journal/writer.py). The process that watches it sees that it has
ended, or that a case does not end; then the next process continues the journal, in which that case becomes a row.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from bench.journal import plan, reader, resume
from bench.journal.status import Status
from bench.journal.writer import Journal, in_flight_file
from bench.measure.session import Session, measure_ceilings_again
from relufit.memory import free_bytes

CASE_SECONDS, POLL_SECONDS, KILL_SECONDS = 120.0, 0.2, 5.0
PR_SET_PDEATHSIG = 1  # of prctl(2): the signal that a process gets when its parent ends
JOURNALS = "raw/*/*.jsonl"  # of a folder of results
LEAST_FREE_BYTES = 2**29  # with less of the machine's memory free, the case in flight is ended as OOM
NOTHING_TO_RUN = 5
WRONG_USAGE = 4
PYTEST_ENDS = (0, 1, WRONG_USAGE, NOTHING_TO_RUN)  # 1: some failed; any other code is a crash
PYTEST_CODES = range(NOTHING_TO_RUN + 1)
ENDED_EARLY = 255  # in place of a code of pytest's, of a process that ended before its pytest did
PYTEST = [sys.executable, "-m", "pytest"]
CHILD = "RELUFIT_BENCH_WATCHED"  # set for a process that is watched: the file in which it notes its journal and its end

Child = subprocess.Popen[bytes]
Say = Callable[[str], None]


def run_watched(arguments: list[str], say: Say) -> int:
    """Run pytest in a process of its own, which a backend may end as it likes: only pytest can end it with success.

    Returns the exit code of pytest, or 1 where its process ended before it did or left planned cases unmeasured.
    """
    with TemporaryDirectory() as folder:
        noted = Path(folder) / "noted.json"
        code = _wait(subprocess.Popen([*PYTEST, *arguments], env={**os.environ, CHILD: str(noted)}))
        journal, code = _noted_in(noted).get("journal"), _code_of(code, noted)
    if code not in PYTEST_CODES:
        say("the process of the run ended before the run did" + (f", with {code}" if code != ENDED_EARLY else ""))
    if journal is not None:
        if in_flight_file(Path(journal)).exists():
            Journal.resume(Path(journal)).close()  # which makes a row of the case in flight
        code = _demand_all(Path(journal), code, say)
    return code if code in PYTEST_CODES else 1


def note(**known: Any) -> None:
    """Tell the process that watches this one, where one does, of its journal or of its exit code."""
    if CHILD in os.environ:
        path = Path(os.environ[CHILD])
        path.write_text(json.dumps({**_noted_in(path), **known}))


def end_with_watcher() -> None:
    """Have this process ended with the one that watches it, where the system can: nobody else would."""
    if CHILD in os.environ and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _noted_in(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _code_of(code: int, noted: Path) -> int:
    """The exit code of a process; ENDED_EARLY where it is one of pytest's, but pytest had not come to that end."""
    known = _noted_in(noted)
    is_known = known.get("code") == code or (code == WRONG_USAGE and not known)  # pytest refuses before it begins
    return code if is_known or code not in PYTEST_CODES else ENDED_EARLY


def _demand_all(journal: Path, code: int, say: Say) -> int:
    """The exit code of a run, 1 in place of success where planned cases were not measured, with a sentence on them."""
    if missing := plan.in_words(reader.read_lines(journal)[0]):
        say(f"{missing}; --resume {journal} measures them")
    return code or int(bool(missing))


def _wait(child: Child) -> int:
    """Wait for the end of a process; Ctrl-C is for the process, which a terminal interrupts itself."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        if not (sys.__stdin__ is not None and sys.__stdin__.isatty()):
            child.send_signal(number)

    before = signal.signal(signal.SIGINT, pass_on)
    try:
        return child.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def run_each(arguments: list[str], session: Session, say: Say) -> int:
    """Run pytest for each backend and pass in its own process, in alternating order and in one journal.

    The seconds of the session are shared evenly over the measuring; starting a process is not counted. A case that
    hangs is not bounded by them, but after two of a backend its others are skipped (bench/journal/resume.py). Returns
    the worst of the exit codes, 1 at least where a case failed or was not measured.
    """
    seconds, journal, results = session.seconds, session.option.resume, Path(session.option.results)
    passes, orders = range(session.option.passes), (session.names, session.names[::-1])
    turns = [(number, name) for number in passes for name in orders[number % 2]]
    worst, dead = 0, dict[str, str]()
    for place, (number, name) in enumerate(turns):
        known = {} if journal is None else reader.read_lines(journal)[0]["backends"]
        if name in dead or known.get(name, {}).get("reason"):  # it cannot run here
            continue
        # The journal holds the passes before, which are not measured again: the last pass is left.
        own, start = ["--backend", name, "--passes", str(number + 1)], time.monotonic()
        if seconds is not None:
            share = seconds / (len(turns) - place)
            own += ["--seconds", f"{share:.1f}"]
        code, journal = run([*arguments, *own], results, float("inf"), say, journal)
        if seconds is not None:
            seconds -= min(share, time.monotonic() - start)
        worst = max(worst, {NOTHING_TO_RUN: 0}.get(code, code if code in PYTEST_CODES else 1))
        if code not in PYTEST_ENDS:
            dead[name] = f"its process ended with {code} at the start"
    for name, reason in dead.items():
        say(f"{name}: {reason}")
        if journal is not None:
            with closing(Journal.resume(journal)) as opened:
                opened.write({"kind": "backend", "backend": name, "reason": reason})
    if journal is None:
        return worst
    with closing(Journal.resume(journal)) as opened:
        measure_ceilings_again(opened, [], session.option.threads)  # of the host: nothing is loaded here
    for text in resume.ended_badly(journal):
        say(text)
        worst = max(worst, 1)
    return _demand_all(journal, worst, say)


def run(
    arguments: list[str], results: Path, deadline: float, say: Say, journal: Path | None = None
) -> tuple[int, Path | None]:
    """Run pytest with these arguments to its end, or until `deadline` (time.monotonic).

    A process that crashes is followed by another, unless it has left nothing new in the journal. Returns the exit code
    of the last one, negative where a signal ended it, and the journal, or None if no journal was begun.
    """
    before = set(results.glob(JOURNALS))

    def begun() -> list[Path]:
        return [journal] if journal is not None else sorted(set(results.glob(JOURNALS)) - before)

    def case_in_flight() -> Path | None:
        return next((file for file in map(in_flight_file, begun()) if file.exists()), None)

    while True:
        resume = [] if journal is None else ["--resume", str(journal)]
        written = 0 if journal is None else journal.stat().st_size
        with TemporaryDirectory() as folder:
            noted = Path(folder) / "noted.json"
            child = subprocess.Popen([*PYTEST, *arguments, *resume], env={**os.environ, CHILD: str(noted)})
            code = _code_of(_watch(child, case_in_flight, deadline, say), noted)
        journal = next(iter(begun()), None)
        if code in PYTEST_ENDS or time.monotonic() > deadline or journal is None:
            return code, journal
        if journal.stat().st_size == written and not in_flight_file(journal).exists():
            return code, journal
        say(f"the process of the run ended with {code}; continuing {journal.name} in a new one")


def run_tests(tests: Iterable[str], required: Iterable[str], seconds: float) -> int:
    """Run the tests marked `gpu` of these files in a process of their own; required backends fail where they skip.

    Returns pytest's exit code, -1 where they did not end in time.
    """
    # The sanitizer takes minutes: a run of its own. A library's warning is no reason to fail on another machine.
    chosen = ["-q", "-m", "gpu", "-k", "not sanitizer", "-W", "default", "-p", "no:cacheprovider"]
    environment = {**os.environ, "RELUFIT_REQUIRE": ",".join(required)}
    child = subprocess.Popen([*PYTEST, *tests, *chosen], env=environment, start_new_session=True)
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # its children too: nothing may share the GPU with the grid
        child.wait()
        return -1


def _watch(child: Child, now: Callable[[], Path | None], deadline: float, say: Say) -> int:
    """Wait for the end of a process; end it where one case takes too long or all memory, or at the deadline.

    The case that the process before it left in flight, which it makes a row of when it has started, is not its own.
    """
    left = _begun(now())
    while child.poll() is None:
        time.sleep(POLL_SECONDS)
        case = now()
        begun, free = _begun(case), free_bytes()
        if case is not None and begun is not None and begun != left:
            if free < LEAST_FREE_BYTES:
                _end_in_case(child, case, Status.OOM, f"left {free / 2**20:.0f} MiB of the machine's memory", say)
            elif time.time() - begun > CASE_SECONDS:
                _end_in_case(child, case, Status.TIMEOUT, f"did not end within {CASE_SECONDS:g} s", say)
        if child.poll() is None and time.monotonic() > deadline:
            say("the time is up")
            _end(child)
    return child.returncode


def _begun(case: Path | None) -> float | None:
    """When a case began, in seconds of time.time(); None without a case, or where it has just ended."""
    try:
        return None if case is None else case.stat().st_mtime
    except FileNotFoundError:
        return None


def _end_in_case(child: Child, case: Path, status: str, reason: str, say: Say) -> None:
    """End a process for what it does in a case, and note that for the process that continues the run."""
    say(f"a case {reason}")
    _end(child)
    if case.exists():
        case.write_text(json.dumps(json.loads(case.read_text()) | {"status": status, "reason": reason}))


def _end(child: Child) -> None:
    """End a process: in good order if it can, else at once."""
    child.terminate()
    try:
        child.wait(KILL_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
