"""The search for a crossover: two backends timed in alternating blocks, at the sizes that bisection asks for.

At each size both backends are gated on agreement, as in every benchmark. What is known at each size is computed from
the journal alone, by a function that the caller gives: nothing here reads a journal.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf

from bench.grid.case import Case
from bench.grid.sweep import Sweep
from bench.journal.status import Status, row
from bench.journal.writer import Journal
from bench.measure.block import time_block
from bench.measure.trial import Past
from bench.statistics.bisection import Ended, Measured, longest_table, search


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
        """Measure until the crossover is found, or time or a backend does not allow more."""
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
                self._end(case, number, names, f"the {self.seconds:g} s were spent; --seconds gives more")
            turn = names[::-1] if number % 2 else names
            for place, name in enumerate(turn):
                self.journal.begin_case(row(case, name, number))
                found = time_block(case, name, number, self.past, max_noise=inf)  # there are other blocks
                self.journal.write(found)
                self.journal.end_case()
                if found["status"] != Status.OK:  # the sizes below are an answer all the same
                    self._end(case, number, turn[place + 1 :], "there is nothing to compare it with")
        return self.known(size)

    def _end(self, case: Case, number: int, names: Iterable[str], reason: str) -> None:
        """Write down why these backends are not measured, and end."""
        for name in names:
            self.journal.write({**row(case, name, number), "status": Status.SKIPPED, "reason": reason})
        raise Ended
