"""A run in a process of its own, which is watched: it cannot end itself with success before all is measured.

With --isolate it is restarted if it crashes or hangs: that costs only the case in flight. The process that watches sees
that it has ended, or that a case does not end; then the next process continues the journal.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from math import inf
from pathlib import Path

from bench.hardware import nvidia
from bench.journal import plan, reader, resume
from bench.journal.reader import Complain
from bench.journal.status import MORE_TIME, Status, row
from bench.journal.writer import Journal
from bench.measure import process
from bench.measure.process import (
    DEVICE_FAILED,
    ENDED_BY_USER,
    ENDED_EARLY,
    NOTHING_TO_RUN,
    PYTEST_CODES,
    WRONG_USAGE,
    Process,
    Reason,
)
from bench.measure.session import Session, seconds_since_start
from relufit.network.memory import free_bytes

CASE_SECONDS, POLL_SECONDS = 120.0, 0.2
HANG_SECONDS = 600.0  # the same for a run that ends with its process: its longest cases take minutes
LEAST_FREE_BYTES = 2**29  # with less of the machine's memory free, the case in flight is ended as OOM
FINAL = (0, 1, *ENDED_BY_USER.values(), WRONG_USAGE, NOTHING_TO_RUN)  # 1: some failed; any other code is a crash
PYTEST = [sys.executable, "-m", "pytest"]


def run_watched(command: list[str], say: Complain, deadline: float = inf) -> tuple[int, Path | None]:
    """Run a command in a process of its own, which a backend may end as it likes; returns exit code and journal.

    Only the command can end it with success: the code is 1 where its process ended before it did, or was ended because
    a case did not end or took the machine's memory, or at `deadline` (time.monotonic). DEVICE_FAILED stays.
    """
    code, journal = process.run(command, lambda child: _watch(child, deadline, say, HANG_SECONDS))
    skip_rest(journal, deadline)
    if code in (*PYTEST_CODES, *ENDED_BY_USER.values(), DEVICE_FAILED):
        return code, journal
    say("the process of the run ended before the run did" + (f", with {code}" if code != ENDED_EARLY else ""))
    return 1, journal


def run_pytest(arguments: list[str], say: Complain, within: float | None = None) -> int:
    """Run pytest, watched; returns its exit code, or 1 where it ended early, a case failed or was not measured.

    With `within`, its process has so many seconds less those that this one has taken to start.
    """
    deadline = inf if within is None else time.monotonic() - seconds_since_start() + within
    code, journal = run_watched([*PYTEST, *arguments, *_left_until(deadline)], say, deadline)
    return _judge(code, journal, say)


def _judge(code: int, journal: Path | None, say: Complain) -> int:
    """The exit code of a run, 1 in place of success where its journal says so, with a sentence on each reason."""
    if journal is None:
        return code
    failed = list(resume.ended_badly(journal))
    if missing := plan.in_words(reader.read_lines(journal)[0]):
        failed.append(f"{missing}; --resume {journal} measures them")
    for text in failed:
        say(text)
    return code or int(bool(failed))


def run_each(arguments: list[str], session: Session, say: Complain) -> int:
    """Run pytest for each backend and pass in its own process, in alternating order and in one journal.

    The seconds of the session are shared evenly over the measuring; starting a process is not counted. A case that
    hangs is not bounded by them, but after two of a backend its others are skipped (bench/journal/resume.py). Returns
    the worst of the exit codes, 1 at least where a case failed or was not measured.
    """
    seconds, journal = session.seconds, session.option.resume
    if session.deadline < inf:
        seconds = min(inf if seconds is None else seconds, session.deadline - time.monotonic())
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
            share = max(0.1, seconds / (len(turns) - place))
            own += ["--seconds", f"{share:.1f}"]
        code, journal = run([*arguments, *own], session.deadline, say, journal)
        if code in ENDED_BY_USER.values():
            return _judge(code, journal, say)
        if seconds is not None:
            seconds -= min(share, time.monotonic() - start)
        worst = max(worst, {NOTHING_TO_RUN: 0}.get(code, code if code in PYTEST_CODES else 1))
        if code not in FINAL:
            dead[name] = f"its process ended with {code} at the start"
    for name, reason in dead.items():
        say(f"{name}: {reason}")
        if journal is not None:
            with closing(Journal.resume(journal)) as opened:
                opened.write({"kind": "backend", "backend": name, "reason": reason})
    if journal is not None:
        with closing(Journal.resume(journal)) as session.journal:
            session.measure_ceilings_again()
    return _judge(worst, journal, say)


def run(arguments: list[str], deadline: float, say: Complain, journal: Path | None = None) -> tuple[int, Path | None]:
    """Run pytest with these arguments to its end, or until `deadline` (time.monotonic).

    A process that crashes is followed by another, unless it has added no case to the journal. Returns the exit code of
    the last one, negative where a signal ended it, and the journal, or None if no journal was begun.
    """
    while True:
        before = _cases(journal)
        resumed = ["--resume", str(journal)] if journal is not None else []
        command = [*PYTEST, *arguments, *_left_until(deadline), *resumed]
        code, journal = process.run(command, lambda child: _watch(child, deadline, say), journal)
        skip_rest(journal, deadline)
        if code in FINAL or time.monotonic() > deadline or journal is None or _cases(journal) == before:
            return code, journal
        say(f"the process of the run ended with {code}; continuing {journal.name} in a new one")


def skip_rest(journal: Path | None, deadline: float) -> None:
    """After the deadline, add a row with that reason for each case that was planned and not begun."""
    if journal is None or time.monotonic() < deadline:
        return
    header, lines = reader.read_lines(journal)
    left = plan.unmeasured(header, lines) - {plan.key_of(line) for line in lines}
    if left:
        skipped = {"status": Status.SKIPPED, "reason": f"the time of the run was up; {MORE_TIME}"}
        with closing(Journal.resume(journal)) as opened:
            opened.write(*({**row(*key), **skipped} for key in sorted(left, key=str)))


def _left_until(deadline: float) -> list[str]:
    """The option that has a process end by itself before it is ended at the deadline; none without one."""
    return [] if deadline == inf else ["--within", f"{max(0.1, deadline - time.monotonic()):.1f}"]


def _cases(journal: Path | None) -> int:
    """Lines of cases in a journal; -1 without one."""
    return -1 if journal is None else len(reader.read_lines(journal)[1])


def _watch(child: Process, deadline: float, say: Complain, most_seconds: float | None = None) -> Reason | None:
    """Wait for the end of a process; end it where one case takes too long or all memory, or at the deadline.

    Returns why it was ended during a case. A case takes as long as this process has seen it in flight, by its own
    clock: the times of files may lag behind. What is in flight at the start is of a process before it.
    """
    stale = case = child.case_in_flight()
    since, most_seconds = time.monotonic(), most_seconds or CASE_SECONDS
    while not child.has_ended():
        time.sleep(POLL_SECONDS)
        if (now := child.case_in_flight()) != case:
            case, since = now, time.monotonic()
        is_running, free = case not in ("", stale), free_bytes()
        if is_running and free < LEAST_FREE_BYTES:
            reason = Status.OOM, f"left {free / 2**20:.0f} MiB of the machine's memory"
        elif is_running and time.monotonic() - since > most_seconds:
            reason = Status.TIMEOUT, f"did not end within {most_seconds:g} s"
        elif time.monotonic() > deadline:
            reason = Status.INTERRUPTED, "was ended with the run, whose time was up"
        else:
            continue
        say("the time is up" if reason[0] == Status.INTERRUPTED else f"a case {reason[1]}")
        child.end()
        child.wait()
        return reason
    return None


def run_tests(tests: Iterable[str], required: Iterable[str], seconds: float, device: str | None = None) -> int:
    """Run the tests marked `gpu` of these files in a process of their own; required backends fail where they skip.

    That process sees no other GPU than `device`, so that it is the first one there. Returns pytest's exit code, -1
    where they did not end in time.
    """
    # The sanitizer takes minutes: a run of its own. A library's warning is no reason to fail on another machine.
    chosen = ["-q", "-m", "gpu", "-k", "not sanitizer", "-W", "default", "-p", "no:cacheprovider"]
    bare = [name.partition(":")[0] for name in required]
    environment = {**os.environ, "RELUFIT_REQUIRE": ",".join(bare), **nvidia.alone(device)}
    child = subprocess.Popen([*PYTEST, *tests, *chosen], env=environment, start_new_session=True)
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        return -1
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)  # its children too: nothing may share the GPU with the grid
            child.wait()
