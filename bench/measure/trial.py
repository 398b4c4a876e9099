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
from bench.measure.budget import Past
from bench.measure.timing import ROUND_SECONDS
from relufit.backend import Backend

Write = Callable[[dict[str, Any]], None]  # appends a row to the journal


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
