"""One case with one backend: gated on agreement, timed, and written to the journal."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from math import ceil, log2
from typing import Any, Protocol

import numpy as np

from bench.agreement import comparison, gate
from bench.agreement.inputs import PARAMETER_SETS, along_a_run, inputs_of
from bench.grid.case import GRADIENTS, Case
from bench.grid.cost import working_bytes
from bench.grid.data import MANY_SAMPLES, draw
from bench.hardware import interference, machine, memory, nvidia
from bench.journal.status import row
from bench.measure import timing
from bench.measure.budget import SHARE_FOR_ROUNDS, Past, Unsuitable
from relufit import targets
from relufit.backend import Backend, Samples
from relufit.data import Plan, draw_plan
from relufit.optim import Optimizer, State, map_arrays, stack_states
from relufit.params import Params, init_params

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
STEPS_PER_CALL = {800: 8}  # full-batch steps inside one call of train, where a step is short
TRAIN_SECONDS, MOST_EPOCHS = 5e-3, 256  # a timed call of `train` lasts so long, or has so many epochs
FEW_NETWORKS = 132  # that are asked of a backend without a `train_many` of its own
WARM_UP_SAMPLES = 64  # built before the build is timed


class Stopwatch(Protocol):
    """What times the rounds: the fixture of pytest-benchmark, or timing.Rounds where there is no pytest."""

    disabled: bool
    has_error: bool
    stats: Any

    @property
    def enabled(self) -> bool:
        """Whether it reads a clock at all."""

    @property
    def pedantic(self) -> Callable[..., Any]:
        """Times so many `rounds` of so many `iterations` of a call."""


@dataclass
class Trial:
    """What a benchmark does with its backend: check that the case fits, gate it, time it, record it."""

    case: Case
    backend: Backend
    benchmark: Stopwatch
    write: Callable[[dict[str, Any]], None]
    budget_seconds: float
    past: Past = field(default_factory=Past)
    round_seconds: float = timing.ROUND_SECONDS
    number: int = 0  # of the pass
    checks: comparison.Checks = field(default_factory=dict)
    once: dict[str, float] = field(default_factory=dict)  # what is paid once: build_seconds, first_call_seconds

    @property
    def algorithm(self) -> str:
        """What the backend computes this case by."""
        case = self.case
        return self.backend.algorithm_of(VERBS.get(case.work, "loss_and_grads"), case.batch, case.samples)

    def demand_support(self) -> None:
        """Raise Unsuitable where the backend refuses the case, its memory is not free, or a call takes too long."""
        plan = self.plan() if self.case.optimizer else None
        reason = self.backend.supports(self.case.sizes, self.case.dtype, self.case.rule(), plan)
        if reason is not None:
            raise Unsuitable(reason)
        if self.case.networks > FEW_NETWORKS and type(self.backend).train_many is Backend.train_many:
            raise Unsuitable(f"trains one network after the other: {FEW_NETWORKS} at the most are asked of it")
        need = working_bytes(self.case.sizes, self.case.dtype, self.case.work, self.algorithm)
        if self.case.batch > MANY_SAMPLES:  # the data count too: drawn, repeated for the gate, and on the device
            need += 3 * self.case.batch * (self.case.inputs + self.case.outputs) * np.dtype(self.case.dtype).itemsize
        free, on_host = self._free_bytes(), self.backend.device == "cpu"
        if need > 0.9 * free and on_host:
            memory.return_free_memory()  # of the cases before, which malloc may have been told to keep
            free = self._free_bytes()
        if need > 0.9 * free:
            raise Unsuitable(f"needs up to {need / 2**30:.1f} GiB at once and {free / 2**30:.1f} GiB are free")
        if self.case.work in GRADIENTS:
            self.past.demand(self.backend.name, self.case)

    def _free_bytes(self) -> float:
        """Memory that the backend can have; without limit where a device does not tell."""
        held = self.backend.memory()
        if held is not None:
            return held["free"]
        if self.backend.device == "cpu":
            return machine.available_bytes()
        if self.case.work == "memory":
            raise Unsuitable(f"{self.backend.name} does not tell what a call takes of the device's memory")
        return nvidia.free_bytes() or float("inf")

    def gate(self) -> None:
        """Compare with float64 before any timing. Raises Disagreement, and the case gets no time.

        In a later pass of the same process the comparison stands already.
        """
        key = self.backend.name, self.case
        if key not in self.past.agreed:
            self.past.agreed[key] = gate.compare(self.backend, self.case, self.plan())
        self.checks = self.past.agreed[key]

    def on_device(self) -> tuple[Params, Samples]:
        """Weights and samples of the case on the backend's device; `build_seconds` is what its `samples` took.

        That is the upload, and for hinge the sorting and the table of the data; of few samples first, to compile.
        """
        params, x, y = draw(self.case, self.case.samples)
        on_device = Params(*map(self.backend.to_device, params))
        self.backend.samples(x[:WARM_UP_SAMPLES], y[:WARM_UP_SAMPLES])
        clock = timing.synchronized_clock(self.backend)
        start = clock()
        samples = self.backend.samples(x, y)
        self.once["build_seconds"] = clock() - start
        return on_device, samples

    def weights(self) -> Iterator[Params]:
        """Weights on the device, one set after the other and again from the first, as a training would bring them.

        With the same weights in every call, the processor's branch predictor and caches know what it will ask for.
        """
        return cycle(self._sets())

    def _sets(self) -> list[Params]:
        return [Params(*map(self.backend.to_device, params)) for params in along_a_run(inputs_of(self.case))]

    def states(self, rule: Optimizer) -> Iterator[State]:
        """The same, each with moments as training begins."""
        return cycle([rule.init(params) for params in self._sets()])

    def many(self, rule: Optimizer) -> State:
        """The states of the case's networks, each from a seed of its own, on the device."""
        case, domain = self.case, targets.ZOO[self.case.target].domain
        drawn = (
            init_params(case.hidden, seed=seed, scheme=case.scheme, domain=domain, dtype=case.dtype)
            for seed in range(case.networks)
        )
        states = stack_states(np.stack, [rule.init(params) for params in drawn])
        return map_arrays(self.backend.to_device, states)

    def measure(self, call: Callable[[], Any], *, steps: int = 1, once: bool = False) -> None:
        """Make the first call apart, gate the case, time it.

        `first_call_seconds` includes what a library compiles or loads for these shapes, unless an earlier case of the
        process has had them: then the first call is warm.
        """
        self._call_first(call)
        self.gate()
        self.time(call, steps=steps, once=once)

    def _call_first(self, call: Callable[[], Any]) -> None:
        seconds = timing.seconds_per_call(call, timing.synchronized_clock(self.backend), 1)
        self.once.setdefault("first_call_seconds", seconds)

    def lengthened(self, train: Callable[[Plan], Any]) -> Plan:
        """The plan with so many epochs, a power of two, that one call of `train` lasts TRAIN_SECONDS.

        A training does thousands of steps in a call: what a call costs beside its steps is not to count as one of 25.
        """
        plan = self.plan()
        if self.benchmark.disabled:
            return plan
        self._call_first(lambda: train(plan))
        seconds = timing.seconds_per_call(lambda: train(plan), timing.synchronized_clock(self.backend), 1)
        times = 2 ** max(0, ceil(log2(TRAIN_SECONDS / seconds)))
        return self.plan(min(MOST_EPOCHS, plan.epochs * times))

    def demand_finite(self, state: State, losses: Any) -> None:
        """Raise AssertionError where training at the timed rate diverges; keep how many weights became subnormal."""
        assert np.isfinite(self.backend.to_host(losses)).all(), "the timed steps diverge"
        self.once["subnormals"] = count_subnormals(self.backend.to_host(p) for p in state.params)

    def count_kernels(self, call: Callable[[], Any], steps: int) -> None:
        """Keep how many kernels the device runs for each step of a call."""
        if self.backend.device == "cpu" or self.benchmark.disabled:
            return
        kernels = nvidia.kernels_per_call(call, self.backend.synchronize)
        if kernels is not None:
            self.once["kernels_per_step"] = kernels / steps

    def plan(self, epochs: int | None = None) -> Plan:
        """The plan of one call of `train`: an epoch of minibatches, or a few full-batch steps; or so many epochs."""
        if self.case.samples > self.case.batch:
            return draw_plan(self.case.samples, batch=self.case.batch, epochs=epochs or max(1, self.case.epochs))
        return Plan(None, self.case.batch, epochs or STEPS_PER_CALL.get(self.case.batch, 1))

    def time(self, call: Callable[[], Any], *, steps: int = 1, once: bool = False) -> None:
        """Time a call by the wall, and on the device's clock where it has one, and record it.

        `steps` is the number of training steps in a call; `once` reads the clock around every call (latency).
        """
        clock = timing.synchronized_clock(self.backend)
        if self.benchmark.disabled:
            self.benchmark.pedantic(call)
            return
        calls, round_seconds = timing.choose_iterations(
            call, clock, 0.0 if once else self.round_seconds, warm_ups=PARAMETER_SETS
        )
        rounds = timing.choose_rounds(round_seconds, SHARE_FOR_ROUNDS * self.budget_seconds)
        before = interference.read()
        self.benchmark.pedantic(call, rounds=rounds, iterations=calls)
        seen = interference.between(before, interference.read(), calls * rounds)
        assert self.benchmark.stats is not None
        stats = self.benchmark.stats.stats
        if self.case.work in GRADIENTS:
            self.past.learn(self.backend.name, self.case, stats.median)
        self.record(
            seconds=list(stats.data),
            iterations=calls,
            steps=steps,
            read_back_seconds=timing.seconds_read_back(call, self._read_back, stats.median),
            **seen,
            **self._seen_from_the_device(call, stats.median),
        )

    def _read_back(self, result: Any) -> None:
        """Bring the last array of a result to the host, which waits for it whatever else does not."""
        while isinstance(result, tuple):
            result = result[-1]
        if self.case.work not in ENDING_ON_HOST:
            self.backend.to_host(result)

    def _seen_from_the_device(self, call: Callable[[], Any], seconds: float) -> dict[str, Any]:
        """Power and clocks just after the rounds; then the device's own time, in a pass of its own."""
        if self.backend.device == "cpu":
            return {}
        found: dict[str, Any] = {"gpu": nvidia.state()}
        clock = self.backend.device_clock()
        if clock is not None:
            found["device_seconds"] = timing.device_seconds(call, clock, self.backend.synchronize, seconds) or None
        return found

    def record(self, *, status: str = "OK", reason: str | None = None, **measured: Any) -> None:
        """Write the finished case to the journal, unless timing is disabled."""
        if self.benchmark.disabled:
            return
        self.write(
            {
                **row(self.case, self.backend.name, self.number),
                "device": self.backend.device,
                "algorithm": self.algorithm,
                "order": getattr(self.backend, "order", "shared"),
                "status": status,
                "reason": reason,
                "agreement": gate.recorded(self.case, self.checks),
                "load_average": machine.load_average(),
                **self.once,
                **measured,
            }
        )


def count_subnormals(weights: Iterable[np.ndarray]) -> int:
    """How many weights are not 0 but below what their dtype holds in full: most CPUs take a slow way with them."""
    return sum(int(np.count_nonzero((w != 0) & (np.abs(w) < np.finfo(w.dtype).tiny))) for w in weights)
