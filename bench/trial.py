"""One case with one backend: gated on agreement, timed, and written to the journal."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench import agreement, machine, timing
from bench.cases import Case, draw
from bench.cost import working_bytes
from relufit.backend import Backend, Samples
from relufit.data import Plan, draw_plan
from relufit.errors import RelufitError
from relufit.params import Params

STEPS_PER_CALL = {800: 8}  # full-batch steps inside one call of train, where a step is short
SHARE_FOR_ROUNDS = 0.6  # of a case's time; the rest is for the reference, the gate and the warm-up


class Unsuitable(RelufitError):
    """This backend cannot do this case; the message is the reason that stands in the table."""


@lru_cache(maxsize=4)
def exact(case: Case) -> agreement.Reference:
    """The reference for the inputs of a case; cases that differ in the work only share it."""
    return agreement.reference(*draw(case))


def inputs_of(case: Case) -> Case:
    """The case reduced to what determines weights and data, so that `exact` is computed once for all kinds of work."""
    return Case("inputs", case.batch, case.hidden, case.dtype, case.inputs, case.outputs, "", case.target, case.scheme)


@dataclass
class Trial:
    """What a benchmark does with its backend: check that the case fits, gate it, time it, record it."""

    case: Case
    backend: Backend
    benchmark: BenchmarkFixture
    write: Callable[[dict[str, Any]], None]
    budget_seconds: float
    checks: dict[str, agreement.Check] = field(default_factory=dict)

    def demand_support(self) -> None:
        """Raise Unsuitable where the backend refuses the case, or it would not fit in the memory that is free."""
        plan = self.plan() if self.case.optimizer else None
        reason = self.backend.supports(self.case.sizes, self.case.dtype, self.case.rule(), plan)
        if reason is not None:
            raise Unsuitable(reason)
        held = self.backend.memory()
        free = machine.available_bytes() if held is None else held["free"]
        need = working_bytes(self.case.sizes, self.case.dtype, self.case.work)
        if need > 0.9 * free:
            raise Unsuitable(f"needs up to {need / 2**30:.1f} GiB at once and {free / 2**30:.1f} GiB are free")

    def gate(self) -> None:
        """Compare with float64 before any timing. Raises agreement.Disagreement, and the case gets no time."""
        inputs = inputs_of(self.case)
        rule, reference = self.case.rule(), exact(inputs)
        self.checks = agreement.compare(self.backend, *draw(inputs), reference)
        if rule is not None:
            self.checks |= agreement.compare_step(self.backend, *draw(inputs), reference, rule)
        agreement.demand(self.checks)

    def on_device(self) -> tuple[Params, Samples]:
        """Weights and samples of the case on the backend's device."""
        params, x, y = draw(self.case, self.case.samples)
        return Params(*map(self.backend.to_device, params)), self.backend.samples(x, y)

    def plan(self) -> Plan:
        """The plan of one call of `train`: an epoch of minibatches, or a few full-batch steps."""
        if self.case.samples > self.case.batch:
            return draw_plan(self.case.samples, batch=self.case.batch, epochs=max(1, self.case.epochs))
        return Plan(None, self.case.batch, STEPS_PER_CALL.get(self.case.batch, 1))

    def time(self, call: Callable[[], Any], *, steps: int = 1, once: bool = False) -> None:
        """Time a call by pytest-benchmark's fixture, and on the device's clock where it has one, and record it.

        `steps` is the number of training steps in a call; `once` reads the clock around every call (latency).
        """
        clock = timing.synchronized_clock(self.backend)
        if self.benchmark.disabled:
            self.benchmark.pedantic(call)
            return
        calls = 1 if once else timing.choose_iterations(call, clock)
        round_seconds = timing.seconds_per_call(call, clock, calls) * calls
        rounds = timing.choose_rounds(round_seconds, SHARE_FOR_ROUNDS * self.budget_seconds)
        faults = timing.minor_faults()
        self.benchmark.pedantic(call, rounds=rounds, iterations=calls)
        faults = None if faults is None else (timing.minor_faults() or 0) - faults
        mark = self.backend.device_clock()
        assert self.benchmark.stats is not None
        self.record(
            seconds=list(self.benchmark.stats.stats.data),
            device_seconds=None
            if mark is None
            else timing.device_seconds(call, mark, self.backend.synchronize, calls, rounds),
            iterations=calls,
            steps=steps,
            minor_faults_per_call=None if faults is None else faults / (calls * rounds),
        )

    def record(self, *, status: str = "OK", reason: str | None = None, **measured: Any) -> None:
        """Write the finished case to the journal, unless timing is disabled."""
        if self.benchmark.disabled:
            return
        self.write(
            {
                **row(self.case, self.backend.name),
                "device": self.backend.device,
                "algorithm": self.backend.algorithm,
                "order": getattr(self.backend, "order", "shared"),
                "status": status,
                "reason": reason,
                "agreement": self._agreement(),
                "load_average": machine.load_average(),
                **measured,
            }
        )

    def _agreement(self) -> dict[str, Any] | None:
        """The worst quantity; the rows whose subject is agreement list them all."""
        if not self.checks:
            return None
        if self.case.work == "agreement":
            return {name: check._asdict() for name, check in self.checks.items()}
        name, worst = agreement.worst(self.checks)
        return {name: worst._asdict()}


def row(case: Case, backend: str) -> dict[str, Any]:
    """What every line of a case begins with, whatever became of it."""
    return {"kind": "case", "backend": backend, "at": round(time.time()), **asdict(case)}


def status_of(error: BaseException) -> tuple[str, str]:
    """The status and the reason of a case that ended in an exception."""
    lines = str(error).strip().splitlines()
    reason = lines[0][:300] if lines else type(error).__name__
    if isinstance(error, pytest.skip.Exception):
        return "SKIPPED", reason
    if isinstance(error, agreement.Disagreement):
        return "DISAGREES", reason
    if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__:
        return "OOM", reason
    return "CRASHED", f"{type(error).__name__}: {reason}"
