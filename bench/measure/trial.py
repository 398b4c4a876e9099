"""One case with one backend: what it must pass before it is timed, and its row in the journal.

A case is refused where the backend does not support it, its memory is not free or it would take too long; then it is
compared with float64. What lies between that and the row is in throughput.py and learning.py.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np

from bench.agreement import gate as comparisons
from bench.agreement.answers import Checks
from bench.grid import data
from bench.grid.case import Case
from bench.grid.workloads import workload
from bench.hardware import machine, memory, nvidia
from bench.journal.status import MORE_TIME, Status, row
from bench.measure.timing import ROUND_SECONDS
from bench.recipes import lack_of, order_of
from relufit import Backend, Plan, RelufitError, draw_plan
from relufit.network.precision import PRECISIONS, loss_scale

CALL_SECONDS_LIMIT = 10.0  # a gradient that would take longer is skipped
FREE_SHARE = 0.9  # of the free memory, that a case may need
MOST_NETWORKS = 132  # the most that a backend without its own `train_many` is asked to train
MAX_NOISE = 0.03
LEAST_CALLS = 12  # of a timed case whose calls are slow: the first one, the gate's, 3 rounds and what is beside them
STEPS_PER_CALL = {800: 8}  # full-batch steps inside one call of train, where a step is short

Write = Callable[[dict[str, Any]], None]  # appends a row to the journal


class Unsuitable(RelufitError):
    """This backend cannot do this case; the message is the reason that the tables give."""

    status = Status.SKIPPED


class Past:
    """What a run knows of its backends: those loaded, each one's last gradient and its N, and which cases agreed."""

    def __init__(self) -> None:
        self.loaded: dict[str, Backend] = {}
        self.last: dict[tuple[str, int, str], tuple[int, float]] = {}
        self.agreed: dict[tuple[str, Case], Checks] = {}

    def learn(self, name: str, case: Case, seconds: float) -> None:
        """Keep the least seconds that a gradient of this backend took."""
        self.last[name, case.hidden, case.dtype] = case.batch, seconds

    def least_seconds(self, name: str, case: Case) -> float:
        """The least seconds of a gradient, by what the backend's gradients of other sizes took; 0 without one.

        Of a time a + b n a smaller size takes its share at least, and a larger one as long. Reduced precision may be
        slower by far: it says nothing of other dtypes, nor they of it.
        """
        size = case.batch * case.hidden
        known = (
            (seconds, n * hidden)
            for (own, hidden, dtype), (n, seconds) in self.last.items()
            if own == name and (dtype == case.dtype or not {dtype, case.dtype} & PRECISIONS.keys())
        )
        return max((seconds * min(1.0, size / other) for seconds, other in known), default=0.0)

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
    benchmark: Any  # the fixture of pytest-benchmark; None where there is no pytest
    write: Write
    budget_seconds: float
    past: Past = field(default_factory=Past)
    round_seconds: float = ROUND_SECONDS
    number: int = 0  # of the pass
    max_noise: float = MAX_NOISE  # half the width of the median's interval, relative, at which sampling ends
    limit_seconds: float = inf  # that the backend has for all its cases
    hand_over: Callable[[list[float], int], None] = lambda seconds, iterations: None  # the rounds, to who shows them
    gpu_bytes: float = inf  # that a backend on a device may hold at once
    checks: Checks = field(default_factory=dict)
    noted: dict[str, float] = field(default_factory=dict)  # for the row: build_seconds, first_call_seconds, ...

    @property
    def untimed(self) -> bool:
        """Whether the body runs once, and nothing is timed or written: --benchmark-disable."""
        return self.benchmark is not None and bool(self.benchmark.disabled)

    @property
    def algorithm(self) -> str:
        """What the backend computes this case by."""
        case = self.case
        return self.backend.algorithm_of(workload(case.work).verb, case.batch, case.samples)


def draw_call(case: Case, epochs: int | None = None) -> Plan:
    """The plan of one call of `train`: so many epochs, or one epoch of minibatches, or a few full-batch steps."""
    if case.samples > case.batch:
        return draw_plan(case.samples, batch=case.batch, epochs=epochs or max(1, case.epochs))
    return Plan(None, case.batch, epochs or STEPS_PER_CALL.get(case.batch, 1))


def demand_support(trial: Trial) -> None:
    """Raise Unsuitable where the backend refuses the case, its memory is not free, or a call would take too long."""
    case, backend = trial.case, trial.backend
    plan = draw_call(case) if case.optimizer else None
    reason = lack_of(backend, workload(case.work).verb)
    reason = reason or backend.supports(case.sizes, case.stored, case.rule(), plan)
    if reason is not None:
        raise Unsuitable(reason)
    if case.networks > MOST_NETWORKS and type(backend).train_many is Backend.train_many:
        raise Unsuitable(f"trains one network after the other, so it is asked for {MOST_NETWORKS} at most")
    _demand_memory(trial)
    if workload(case.work).is_gradient:
        trial.past.demand(backend.name, case)
    if workload(case.work).verb in ("loss_and_grads", "train"):
        steps = 1 if plan is None else plan.epochs * plan.steps_per_epoch(case.samples)
        calls = LEAST_CALLS if workload(case.work).timed else 1
        demand_time(trial, calls * steps * trial.past.least_seconds(backend.name, case))


def demand_time(trial: Trial, seconds: float) -> None:
    """Raise Unsuitable where the case takes so many seconds, which is more than its backend has for all its cases."""
    if seconds > trial.limit_seconds:
        about, name, has = float(f"{seconds:.2g}"), trial.backend.name, float(f"{trial.limit_seconds:.2g}")
        raise Unsuitable(f"would take about {about:g} s, and {name} has {has:g} s for all its cases; {MORE_TIME}")


def _demand_memory(trial: Trial) -> None:
    """Raise Unsuitable where the case would not fit into the free memory."""
    case, backend = trial.case, trial.backend
    need: float = backend.working_bytes(workload(case.work).verb, case.sizes, case.stored)
    if case.batch > data.MANY_SAMPLES:  # the data count too: drawn, repeated for the gate, and on the device
        of_data = 3 * case.batch * (case.inputs + case.outputs) * np.dtype(case.stored).itemsize
        need += of_data
        if backend.device != "cpu" and of_data > FREE_SHARE * (on_host := machine.available_bytes()):
            raise Unsuitable(f"needs up to {_gib(of_data)} of the host's memory and {_gib(on_host)} are free")
    free = _free_bytes(trial)
    if need > FREE_SHARE * free and backend.device == "cpu":
        memory.return_free_memory()  # malloc may keep what earlier cases have freed
        free = _free_bytes(trial)
    if need > FREE_SHARE * free:
        raise Unsuitable(f"needs up to {_gib(need)} at once and {_gib(free)} are free")


def _gib(count: float) -> str:
    return f"{count / 2**30:.1f} GiB"


def _free_bytes(trial: Trial) -> float:
    """Memory that the backend can have; infinite where the device does not report it and the trial has no limit."""
    held = trial.backend.memory()
    if held is not None:
        return min(held["free"], max(0.0, trial.gpu_bytes - held["held"]))
    if trial.backend.device == "cpu":
        return machine.available_bytes()
    if trial.case.work == "memory":
        raise Unsuitable(f"{trial.backend.name} does not report the memory that a call takes on the device")
    free = nvidia.free_bytes(trial.backend.device)
    return min(trial.gpu_bytes, inf if free is None else free)


def gate(trial: Trial) -> None:
    """Compare with float64 before any timing. Raises Disagreement, and the case gets no time.

    In a later pass of the same process the comparison is not repeated.
    """
    key = trial.backend.name, trial.case
    if key not in trial.past.agreed:
        trial.past.agreed[key] = comparisons.compare(trial.backend, trial.case, draw_call(trial.case))
    trial.checks = trial.past.agreed[key]


def record(trial: Trial, **measured: Any) -> None:
    """Write the row of a finished case, unless timing is disabled; `measured` may say that it diverged."""
    if trial.untimed:
        return
    by_what = {"device": trial.backend.device, "algorithm": trial.algorithm, "order": order_of(trial.backend)}
    beside = {"agreement": comparisons.recorded(trial.case, trial.checks), "load_average": machine.load_average()}
    if trial.case.precision:
        beside["loss_scale"] = loss_scale(trial.case.precision, trial.case.batch * trial.case.outputs)
    line = {**row(trial.case, trial.backend.name, trial.number), **by_what, "status": Status.OK, **beside}
    trial.write({**line, **trial.noted, **measured})


def count_subnormals(weights: Iterable[np.ndarray]) -> int:
    """How many weights are subnormal: not 0, but below the least normal number of their dtype. Most CPUs slow down."""
    return sum(int(np.count_nonzero((w != 0) & (np.abs(w) < np.finfo(w.dtype).tiny))) for w in weights)
