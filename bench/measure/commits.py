"""Two commits of relufit, timed in turns by the harness of this checkout: OLD NEW, NEW OLD and so on.

Only the library differs: `bench` is that of this checkout on both sides, `relufit` that of the commit, in a folder that
holds nothing else; the working tree is copied, as it is. Each side has one process
(bench/measure/side.py) that stays alive, so that libraries are loaded once, and is asked for one case at a time. The
recipes of bench/recipes are timed too, as the control: their code is the same on both sides, so what changes for them
is no change of relufit's.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.grid.case import Case
from bench.hardware.identity import THREAD_VARIABLES
from bench.hardware.machine import ROOT
from bench.journal.status import Status, row
from bench.journal.writer import SCHEMA, Journal
from bench.measure.isolation import CASE_SECONDS
from bench.measure.timing import Clock
from bench.recipes import FORWARD_ONLY, RECIPES
from bench.statistics.verdicts import LEAST_BLOCKS
from relufit.errors import RelufitError

SECONDS = 20.0  # for each case of each backend, with its control
MOST_PASSES = 48
TRIES = 3  # blocks in a row that make a case UNSOUND
START_SECONDS = 300.0  # to load and try every library
# What recipes are timed at. A millisecond is seldom interrupted on a machine that others use too: intervals of calls
# that take ten were five times as wide there.
CONTROL = Case("gradient", 100)
WORKING_TREE = "the working tree"
CANNOT_DRIVE = "the bench of this checkout cannot drive the relufit of"
REPOSITORY = ROOT  # whose commits are compared

Row = dict[str, Any]
Key = tuple[Case, str]  # a case and the name of a backend


@dataclass
class Commits:
    """What is compared: two commits, the newer one None for the working tree, and what is timed of them."""

    old: str
    new: str | None
    cases: list[Case]
    names: list[str]
    demanded: bool  # a backend that runs on neither side is an error; else it is left out
    threads: int | None
    seconds: float  # for each case of each backend


def measure(asked: Commits, folder: Path, say: Callable[[str], None]) -> tuple[Path, Path]:
    """Time both sides and return the journals of NEW and of OLD, which are written to `folder`.

    Raises RelufitError where a commit does not exist, or the harness of this checkout cannot drive its relufit.
    """
    with ExitStack() as stack:
        # SIGTERM, as a cancelled job of CI gets it, ends the block as Ctrl-C does: what it began is removed.
        before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        stack.callback(signal.signal, signal.SIGTERM, before)
        sides = []
        for word, commit in (("old", asked.old), ("new", asked.new)):
            root = stack.enter_context(checked_out(commit))
            side = Side(commit or WORKING_TREE, root, folder / f"{word}.jsonl", asked.threads)
            sides.append(stack.enter_context(closing(side)))
        old, new = sides
        controls = [name for name in RECIPES if name not in asked.names and name not in FORWARD_ONLY]
        for side in sides:  # both load their libraries at the same time
            side.ask_for_state([*asked.names, *controls])
        for side in sides:
            side.read_state()
        both = [name for name in controls if not old.reasons[name] and not new.reasons[name]]
        names = [name for name in asked.names if not old.reasons[name] or not new.reasons[name]]
        if missing := [name for name in asked.names if name not in names and asked.demanded]:
            raise RelufitError(f"{missing[0]} cannot run here: {new.reasons[missing[0]]}")
        say(f"{new.label} against {old.label}: {', '.join(names)}; {asked.seconds * len(names) * len(asked.cases):g} s")
        alternate(old, new, [(case, name) for case in asked.cases for name in names], both, asked.seconds)
    return new.journal.path, old.journal.path


def alternate(
    old: "Side", new: "Side", keys: Sequence[Key], recipes: Sequence[str], seconds: float, clock: Clock = time.monotonic
) -> None:
    """Time every case in passes, OLD first in even ones and NEW first in odd ones, until the time is spent.

    Passes come in twos, six at the least. Each ends with the control, at which the recipes take turns of two passes.
    What has no time on one side is not asked for again. Raises RelufitError where nothing has a time on one side.
    """
    left, controls, deadline = list(keys), list(recipes), clock() + seconds * len(keys)
    for number in range(MOST_PASSES):
        if not left or (number >= LEAST_BLOCKS and number % 2 == 0 and clock() > deadline):
            break
        turn = (new, old) if number % 2 else (old, new)
        beside = [(CONTROL, controls[number // 2 % len(controls)])] if controls else []
        rows = {key: [side.time(*key, number) for side in turn] for key in (*left, *beside)}
        failed = [key for key, found in rows.items() if any(line["status"] != Status.OK for line in found)]
        left = [key for key in left if key not in failed]
        controls = [name for name in controls if (CONTROL, name) not in failed]
        if number == 0:
            for side, found in zip(turn, zip(*rows.values(), strict=True), strict=True):
                _demand_driven(side, found)


def _demand_driven(side: "Side", rows: Sequence[Row]) -> None:
    """Raise RelufitError where all that was asked of a side has crashed, its recipes too: its interface is another."""
    if all(found["status"] == Status.CRASHED for found in rows):
        raise RelufitError(f"{CANNOT_DRIVE} {side.label}: {rows[0]['reason']}")


class Side:
    """One side of the comparison: its process, restarted if it ends, and its journal."""

    def __init__(self, label: str, root: Path, journal: Path, threads: int | None) -> None:
        self.label, self.root, self.journal, self.threads = label, root, Journal(journal, "x"), threads
        self.reasons: dict[str, str | None] = {}  # why a backend cannot run on this side
        self._errors = journal.with_suffix(".stderr")
        self._begin()

    def ask_for_state(self, names: list[str]) -> None:
        """Have the process load these backends; `read_state` waits for it."""
        self._send(names, self.threads)

    def read_state(self) -> None:
        """Write the first line of the journal. Raises RelufitError where the harness cannot drive this relufit."""
        try:
            header = self._receive(START_SECONDS)
        except EOFError:
            lines = self._errors.read_text(errors="replace").strip().splitlines()
            raise RelufitError(f"{CANNOT_DRIVE} {self.label}: {lines[-1] if lines else 'its process ended'}") from None
        if Path(header.pop("relufit")) != self.root.resolve() / "relufit":
            raise RelufitError(f"the process of {self.label} imported another relufit than that of {self.root}")
        self.reasons = {name: state["reason"] for name, state in header["backends"].items()}
        self.journal.write({"kind": "run", "schema": SCHEMA, **header})

    def time(self, case: Case, name: str, number: int) -> Row:
        """The row of the case in this pass, which the journal holds then.

        Beside other processes a sound time may look unsound, once in many blocks; one that is unsound looks so always.
        """
        for _ in range(TRIES):
            found = self._time(case, name, number)
            if found["status"] != Status.UNSOUND:
                break
        self.journal.write(found)
        return found

    def _time(self, case: Case, name: str, number: int) -> Row:
        untimed = row(case, name, number)
        if reason := self.reasons[name]:
            return {**untimed, "status": Status.SKIPPED, "reason": reason}
        if self._process.poll() is not None:
            self._end()
            self._begin()
        self._send(case, name, number)
        try:
            return self._receive(CASE_SECONDS)
        except TimeoutError:
            return {**untimed, "status": Status.TIMEOUT, "reason": f"did not end within {CASE_SECONDS:g} s"}
        except EOFError:
            reason = f"its process ended with {self._process.wait()} in this case"
            return {**untimed, "status": Status.CRASHED, "reason": reason}

    def close(self) -> None:
        """End the process, and close the journal."""
        self._end()
        self.journal.close()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._pipe.close()

    def _begin(self) -> None:
        """The process, whose first import path is the folder of this side and whose second is this checkout."""
        paths = [str(self.root), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        if self.threads is not None:
            environment |= dict.fromkeys(THREAD_VARIABLES, str(self.threads))
        self._pipe, other = Pipe()
        with other, self._errors.open("a") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.measure.side", str(other.fileno())],
                cwd=self.root,
                env=environment,
                pass_fds=[other.fileno()],
                stdout=errors,  # whatever libraries print
                stderr=errors,
                start_new_session=True,  # Ctrl-C is for the parent, which ends it
            )

    def _send(self, *request: Any) -> None:
        with suppress(BrokenPipeError):  # the process has ended; `_receive` finds that out
            self._pipe.send(request)

    def _receive(self, seconds: float) -> Row:
        """The reply. Raises EOFError where the process has ended; ends it and raises TimeoutError where it is late."""
        if not self._pipe.poll(seconds):
            self._process.kill()
            self._process.wait()
            raise TimeoutError
        try:
            return dict(self._pipe.recv())
        except ConnectionError:
            raise EOFError from None


@contextmanager
def checked_out(commit: str | None) -> Iterator[Path]:
    """A folder that holds the relufit of a commit and nothing else, in which None stands for the working tree.

    It is removed at the end. Raises RelufitError where there is no such commit, or no relufit in it.
    """
    with TemporaryDirectory(prefix="relufit-commit-") as folder:
        tree, packed = Path(folder) / "tree", Path(folder) / "relufit.tar"
        if commit is None:
            shutil.copytree(REPOSITORY / "relufit", tree / "relufit", ignore=shutil.ignore_patterns("__pycache__"))
        else:
            found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}")
            _git("archive", f"--output={packed}", found, "relufit")
            shutil.unpack_archive(packed, tree, filter="data")
        yield tree


def _git(*words: str) -> str:
    """What a git command prints. Raises RelufitError where it fails."""
    command = ["git", *words]
    # Under a hook of git these name the repository whose hook it is.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    except OSError as error:
        raise RelufitError(f"--commits needs git: {error.strerror}") from None
    if done.returncode:
        raise RelufitError(f"git {words[0]}: {done.stderr.strip() or f'there is no {words[-1]}'}")
    return done.stdout.strip()
