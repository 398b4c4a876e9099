"""The search for a crossover: two backends timed in alternating blocks, at the sizes that bisection asks for.

At each size both backends are gated on agreement, as in every benchmark. What is known at each size is computed from
the journal alone, by a function that the caller gives: nothing here reads a journal. `time_block` times a block without
pytest, here and for a comparison of two commits (side.py).
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from statistics import median
from typing import Any

from bench.grid.case import Case
from bench.grid.sweep import Sweep
from bench.journal.status import Status, row, status_of
from bench.journal.writer import Journal
from bench.measure import backends, throughput
from bench.measure.trial import MAX_NOISE, Past, Trial, demand_support
from bench.statistics.bisection import Ended, Measured, longest_table, search

BLOCK_SECONDS = 0.1  # for the rounds of a block and what comes before them, where calls are short


@dataclass
class Search:
    """Two backends timed in alternating blocks, until the seconds are spent."""

    sweep: Sweep
    journal: Journal
    passes: int  # blocks of each backend at a size
    seconds: float
    known: Callable[[int], list[Measured]]  # called with each size when it is timed: what the journal says of all
    gpu_bytes: float = inf  # that a backend on a device may hold
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
                found = time_block(case, name, number, self.past, inf, self.gpu_bytes)  # there are other blocks
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


def fastest(names: Iterable[str], case: Case, past: Past, gpu_bytes: float) -> dict[str, float]:
    """The seconds of a gradient or a step of each backend that has a time in a block of the case, the least first."""
    found = {}
    for name in names:
        line = time_block(case, name, 0, past, inf, gpu_bytes)
        if line["status"] == Status.OK:
            found[name] = median(line["seconds"]) / line.get("steps", 1)
    return dict(sorted(found.items(), key=lambda item: item[1]))


def time_block(
    case: Case, name: str, number: int, past: Past, max_noise: float = MAX_NOISE, gpu_bytes: float = inf
) -> dict[str, Any]:
    """The row of a case in this pass, gated at its first; with the status and the reason where it has no time."""
    rows = [row(case, name, number)]
    try:
        backend = past.loaded[name] = backends.load_at(name, case.dtype)
        trial = Trial(case, backend, None, rows.append, BLOCK_SECONDS, past, number=number, max_noise=max_noise)
        trial.gpu_bytes = gpu_bytes
        try:
            with backend.pinned():
                demand_support(trial)
                getattr(throughput, case.work)(trial)
        finally:
            backend.memory()  # gives what its allocator keeps back to the device, where other libraries find it
    except Exception as error:  # each library has errors of its own
        status, reason = status_of(error)
        if status == Status.OOM:
            backends.free_memory(past.loaded.values(), name, error)
        return {**rows[0], "status": status, "reason": reason}
    return rows[-1]
