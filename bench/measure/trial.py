"""One case with one backend: what each step of a benchmark needs to know, and what the steps leave for its row.

The steps, in their order: drawing.py puts weights and samples on the device, gating.py refuses what does not fit or
agree, throughput.py times rounds of calls by the clocks of timing.py, recording.py writes the row of the journal.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.agreement.comparison import Checks
from bench.grid.case import Case
from bench.grid.workloads import workload
from bench.journal.status import Status
from bench.measure.timing import ROUND_SECONDS
from relufit.backend import Backend
from relufit.errors import RelufitError

CALL_SECONDS_LIMIT = 10.0  # a gradient that would take longer is skipped

Write = Callable[[dict[str, Any]], None]  # appends a row to the journal


class Unsuitable(RelufitError):
    """This backend cannot do this case; the message is the reason that the tables give."""

    status = Status.SKIPPED


class Past:
    """What a run knows of its backends: what each one's last gradient took at which N, and which cases agreed."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, int, str], tuple[int, float]] = {}
        self.agreed: dict[tuple[str, Case], Checks] = {}

    def learn(self, name: str, case: Case, seconds: float) -> None:
        """Keep the seconds of a gradient of this backend."""
        self.last[name, case.hidden, case.dtype] = case.batch, seconds

    def demand(self, name: str, case: Case) -> None:
        """Raise Unsuitable where N times the backend's own seconds a sample is over the limit."""
        samples, seconds = self.last.get((name, case.hidden, case.dtype), (case.batch, 0.0))
        predicted = seconds * case.batch / samples
        if predicted > CALL_SECONDS_LIMIT:
            raise Unsuitable(f"about {predicted:.0f} s a call, the limit is {CALL_SECONDS_LIMIT:g} s")


@dataclass
class Trial:
    """A case, a backend, what times it, and how long it may take."""

    case: Case
    backend: Backend
    benchmark: Any  # the fixture of pytest-benchmark, or timing.Rounds where there is no pytest
    write: Write
    budget_seconds: float
    past: Past = field(default_factory=Past)
    round_seconds: float = ROUND_SECONDS
    number: int = 0  # of the pass
    checks: Checks = field(default_factory=dict)
    noted: dict[str, float] = field(default_factory=dict)  # for the row: build_seconds, first_call_seconds, ...

    @property
    def algorithm(self) -> str:
        """What the backend computes this case by."""
        case = self.case
        return self.backend.algorithm_of(workload(case.work).verb, case.batch, case.samples)
