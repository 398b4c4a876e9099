"""What a case has to pass before it is timed: the backend supports it, its memory is free, it ends in time, it agrees.

What a run has learned of its backends on the way (`Past`) spares it hopeless cases and repeated comparisons.
"""

import numpy as np

from bench.agreement import gate
from bench.agreement.comparison import Checks
from bench.grid.case import GRADIENTS, Case
from bench.grid.cost import working_bytes
from bench.grid.data import MANY_SAMPLES
from bench.hardware import machine, memory, nvidia
from bench.measure.budget import Unsuitable
from bench.measure.drawing import draw_call
from relufit.backend import Backend

CALL_SECONDS_LIMIT = 10.0  # a gradient that would take longer is skipped
FEW_NETWORKS = 132  # the most that a backend without its own `train_many` is asked to train
FREE_SHARE = 0.9  # of the free memory, that a case may need


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

    def agree(self, backend: Backend, case: Case) -> Checks:
        """Compare with float64 before any timing, once a run for each case. Raises Disagreement."""
        key = backend.name, case
        if key not in self.agreed:
            self.agreed[key] = gate.compare(backend, case, draw_call(case))
        return self.agreed[key]


def demand_support(case: Case, backend: Backend, algorithm: str, past: Past) -> None:
    """Raise Unsuitable where the backend refuses the case, its memory is not free, or a call would take too long."""
    plan = draw_call(case) if case.optimizer else None
    reason = backend.supports(case.sizes, case.dtype, case.rule(), plan)
    if reason is not None:
        raise Unsuitable(reason)
    if case.networks > FEW_NETWORKS and type(backend).train_many is Backend.train_many:
        raise Unsuitable(f"trains one network after the other: {FEW_NETWORKS} at the most are asked of it")
    _demand_memory(case, backend, algorithm)
    if case.work in GRADIENTS:
        past.demand(backend.name, case)


def _demand_memory(case: Case, backend: Backend, algorithm: str) -> None:
    """Raise Unsuitable where the case would not fit into the free memory."""
    need = working_bytes(case.sizes, case.dtype, case.work, algorithm)
    if case.batch > MANY_SAMPLES:  # the data count too: drawn, repeated for the gate, and on the device
        need += 3 * case.batch * (case.inputs + case.outputs) * np.dtype(case.dtype).itemsize
    free = _free_bytes(case, backend)
    if need > FREE_SHARE * free and backend.device == "cpu":
        memory.return_free_memory()  # malloc may have been told to keep that of earlier cases
        free = _free_bytes(case, backend)
    if need > FREE_SHARE * free:
        raise Unsuitable(f"needs up to {need / 2**30:.1f} GiB at once and {free / 2**30:.1f} GiB are free")


def _free_bytes(case: Case, backend: Backend) -> float:
    """Memory that the backend can have; infinite where the device does not report it."""
    held = backend.memory()
    if held is not None:
        return held["free"]
    if backend.device == "cpu":
        return machine.available_bytes()
    if case.work == "memory":
        raise Unsuitable(f"{backend.name} does not report the memory that a call takes on the device")
    return nvidia.free_bytes() or float("inf")
