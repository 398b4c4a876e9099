"""One block of a case without pytest: what a crossover and a comparison of two commits time in alternating order."""

from typing import Any

from bench.grid.case import Case
from bench.journal.status import row, status_of
from bench.measure import backends, throughput
from bench.measure.trial import MAX_NOISE, Past, Trial, demand_support

BLOCK_SECONDS = 0.1  # for the rounds of a block and what comes before them, where calls are short


def time_block(case: Case, name: str, number: int, past: Past, max_noise: float = MAX_NOISE) -> dict[str, Any]:
    """The row of a case in this pass, gated at its first; with the status and the reason where it has no time."""
    rows = [row(case, name, number)]
    try:
        backend = backends.load(name)
        trial = Trial(case, backend, None, rows.append, BLOCK_SECONDS, past, number=number, max_noise=max_noise)
        try:
            with backend.pinned():
                demand_support(trial)
                getattr(throughput, case.work)(trial)
        finally:
            backend.memory()  # gives what its allocator keeps back to the device, where other libraries find it
    except Exception as error:  # each library has errors of its own
        status, reason = status_of(error)
        return {**rows[0], "status": status, "reason": reason}
    return rows[-1]
