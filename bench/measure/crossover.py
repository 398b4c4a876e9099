"""The search for a crossover: two backends timed in alternating blocks, at the sizes that bisection asks for.

At each size both backends are gated on agreement, as in every benchmark. What is known at each size is computed from
the journal alone, by a function that the caller gives: nothing here reads a journal.
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from bench.grid.case import Case
from bench.grid.sweep import Sweep
from bench.journal.status import Status, row, status_of
from bench.journal.writer import Journal
from bench.measure import backends, session, throughput, timing
from bench.measure.trial import Past, Trial, demand_support
from bench.statistics.bisection import Ended, Measured, longest_table, search

BLOCK_SECONDS = 0.1  # for the rounds of a block and what comes before them, where calls are short
ALONE = Status.SKIPPED, "there is nothing to compare it with"


def begin(sweep: Sweep, results: Path, seconds: float, threads: int | None) -> Journal:
    """The journal of a search, with its first line."""
    settings = {"profile": "crossover", "crossover": sweep.settings(), "seconds": seconds, "threads": threads}
    return session.begin_journal(results, [sweep.a, sweep.b], settings)


@dataclass
class Search:
    """Two backends timed in alternating blocks, until the seconds are spent."""

    sweep: Sweep
    journal: Journal
    passes: int  # blocks of each backend at a size
    seconds: float
    known: Callable[[int], list[Measured]]  # called with each size when it is timed: what the journal says of all
    start: float = field(default_factory=lambda: time.monotonic())
    past: Past = field(default_factory=Past)

    def run(self) -> None:
        """Measure until the crossover is found, or time or a backend does not allow more; closes the journal."""
        with closing(self.journal):
            search(self._look, self.sweep.least, self.sweep.most, longest_table(self.passes), self.sweep.avoided)

    def _look(self, size: int) -> list[Measured]:
        """Time both at a size and return what is then known. Raises Ended where time or a backend does not allow it.

        When the time is up, this size is compared by the blocks that it has.
        """
        case, names = self.sweep.case(size), [self.sweep.a, self.sweep.b]
        for number in range(self.passes):
            if time.monotonic() - self.start > self.seconds:
                if number:
                    break
                spent = Status.SKIPPED, f"the {self.seconds:g} s were spent; --seconds gives more"
                self._end(case, number, dict.fromkeys(names, spent))
            turn = names[::-1] if number % 2 else names
            for place, name in enumerate(turn):
                failure = self._time(case, name, number)
                if failure is not None:
                    self._end(case, number, {name: failure, **dict.fromkeys(turn[place + 1 :], ALONE)})
        return self.known(size)

    def _time(self, case: Case, name: str, number: int) -> tuple[str, str] | None:
        """One block of one backend, gated at the first. Returns the status and the reason where it has no time."""
        backend = backends.load(name)
        rounds = timing.Rounds(timing.synchronized_clock(backend))
        trial = Trial(case, backend, rounds, self.journal.write, BLOCK_SECONDS, self.past, number=number)
        trial.max_noise = inf  # there are other blocks
        try:
            with backend.pinned():
                demand_support(trial)
                getattr(throughput, case.work)(trial)
        except Exception as error:  # each library has errors of its own; the sizes below are an answer all the same
            return status_of(error)
        finally:
            backend.memory()  # gives what its allocator keeps back to the device, where other libraries find it
        return None

    def _end(self, case: Case, number: int, failures: dict[str, tuple[str, str]]) -> None:
        """Write down why nothing more is measured, and end."""
        for name, (status, reason) in failures.items():
            self.journal.write({**row(case, name, number), "status": status, "reason": reason})
        raise Ended
