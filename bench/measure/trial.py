"""One case with one backend, step by step: samples and weights are drawn, the gate, the rounds, a row of the journal.

Each step has a file: drawing.py, gating.py, timing.py, recording.py. What the steps have in common is kept here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from statistics import median
from typing import Any

from bench.agreement.comparison import Checks
from bench.agreement.inputs import PARAMETER_SETS
from bench.grid.case import GRADIENTS, Case
from bench.measure import drawing, gating, recording, timing
from bench.measure.budget import SHARE_FOR_ROUNDS
from relufit.backend import Backend, Samples
from relufit.optim import Optimizer, State
from relufit.params import Params

VERBS = {
    "forward": "forward",
    "latency": "forward",
    "step": "train",
    "trajectory": "train",
    "convergence": "train",
    "solving": "train",
    "ensemble": "train",
}  # others: a gradient
ENDING_ON_HOST = ("latency", "to_host")  # a call of which is not over before its result is there


@dataclass
class Trial:
    """What a benchmark does with its backend: check that the case fits, gate it, time it, record it."""

    case: Case
    backend: Backend
    benchmark: timing.Stopwatch
    write: Callable[[dict[str, Any]], None]
    budget_seconds: float
    past: gating.Past = field(default_factory=gating.Past)
    round_seconds: float = timing.ROUND_SECONDS
    number: int = 0  # of the pass
    checks: Checks = field(default_factory=dict)
    noted: dict[str, float] = field(default_factory=dict)  # for the row: build_seconds, first_call_seconds, ...

    @property
    def algorithm(self) -> str:
        """What the backend computes this case by."""
        case = self.case
        return self.backend.algorithm_of(VERBS.get(case.work, "loss_and_grads"), case.batch, case.samples)

    def demand_support(self) -> None:
        """Raise Unsuitable where the backend refuses the case, its memory is not free, or a call takes too long."""
        gating.demand_support(self.case, self.backend, self.algorithm, self.past)

    def draw_samples(self) -> tuple[Params, Samples]:
        """Weights and samples of the case on the device; `build_seconds` is kept."""
        params, samples, self.noted["build_seconds"] = drawing.draw_samples(self.case, self.backend)
        return params, samples

    def weights(self) -> Iterator[Params]:
        """Sets of weights along a training, on the device, in turn and without end."""
        return cycle(drawing.draw_weights(self.case, self.backend))

    def states(self, rule: Optimizer) -> Iterator[State]:
        """The same weights, each with the moments that a training begins with."""
        return cycle([rule.init(params) for params in drawing.draw_weights(self.case, self.backend)])

    def gate(self) -> None:
        """Compare with float64 before any timing. Raises Disagreement, and the case gets no time."""
        self.checks = self.past.agree(self.backend, self.case)

    def call_first(self, call: Callable[[], Any]) -> None:
        """Make a call and keep the seconds of the first one, `first_call_seconds`.

        They include what a library compiles or loads for these shapes, unless an earlier case of the process has had
        them: then the first call is warm.
        """
        seconds = timing.seconds_per_call(call, timing.synchronized_clock(self.backend), 1)
        self.noted.setdefault("first_call_seconds", seconds)

    def measure(self, call: Callable[[], Any], *, steps: int = 1, each_call: bool = False) -> None:
        """Make the first call apart, gate the case, time it."""
        self.call_first(call)
        self.gate()
        self.time(call, steps=steps, each_call=each_call)

    def time(self, call: Callable[[], Any], *, steps: int = 1, each_call: bool = False) -> None:
        """Time a call of so many training steps, and record it; `each_call` reads the clock around every call."""
        if self.benchmark.disabled:
            self.benchmark.pedantic(call)
            return
        measured = timing.time_rounds(
            call,
            self.backend,
            self.benchmark,
            round_seconds=0.0 if each_call else self.round_seconds,
            budget_seconds=SHARE_FOR_ROUNDS * self.budget_seconds,
            warm_ups=PARAMETER_SETS,
            ends_on_host=self.case.work in ENDING_ON_HOST,
        )
        if self.case.work in GRADIENTS:
            self.past.learn(self.backend.name, self.case, median(measured["seconds"]))
        self.record(steps=steps, **measured)

    def record(self, **measured: Any) -> None:
        """Write the finished case to the journal, unless timing is disabled; `measured` may say that it diverged."""
        if not self.benchmark.disabled:
            values = {**self.noted, **measured}
            self.write(
                recording.finished_row(self.case, self.backend, self.number, self.algorithm, self.checks, **values)
            )
