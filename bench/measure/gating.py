"""What a case must pass before it is timed: the backend supports it, its memory is free, it ends in time, it agrees."""

import numpy as np

from bench.agreement.gate import compare
from bench.grid.cost import working_bytes
from bench.grid.data import MANY_SAMPLES
from bench.grid.workloads import workload
from bench.hardware import machine, memory, nvidia
from bench.measure.drawing import draw_call
from bench.measure.trial import Trial, Unsuitable
from relufit.backend import Backend

MOST_NETWORKS = 132  # the most that a backend without its own `train_many` is asked to train
FREE_SHARE = 0.9  # of the free memory, that a case may need


def demand_support(trial: Trial) -> None:
    """Raise Unsuitable where the backend refuses the case, its memory is not free, or a call would take too long."""
    case, backend = trial.case, trial.backend
    plan = draw_call(case) if case.optimizer else None
    reason = backend.supports(case.sizes, case.dtype, case.rule(), plan)
    if reason is not None:
        raise Unsuitable(reason)
    if case.networks > MOST_NETWORKS and type(backend).train_many is Backend.train_many:
        raise Unsuitable(f"trains one network after the other, so it is asked for {MOST_NETWORKS} at most")
    _demand_memory(trial)
    if workload(case.work).is_gradient:
        trial.past.demand(backend.name, case)


def _demand_memory(trial: Trial) -> None:
    """Raise Unsuitable where the case would not fit into the free memory."""
    case, backend = trial.case, trial.backend
    need = working_bytes(case.sizes, case.dtype, case.work, trial.algorithm)
    if case.batch > MANY_SAMPLES:  # the data count too: drawn, repeated for the gate, and on the device
        need += 3 * case.batch * (case.inputs + case.outputs) * np.dtype(case.dtype).itemsize
    free = _free_bytes(trial)
    if need > FREE_SHARE * free and backend.device == "cpu":
        memory.return_free_memory()  # malloc may keep what earlier cases have freed
        free = _free_bytes(trial)
    if need > FREE_SHARE * free:
        raise Unsuitable(f"needs up to {need / 2**30:.1f} GiB at once and {free / 2**30:.1f} GiB are free")


def _free_bytes(trial: Trial) -> float:
    """Memory that the backend can have; infinite where the device does not report it."""
    held = trial.backend.memory()
    if held is not None:
        return held["free"]
    if trial.backend.device == "cpu":
        return machine.available_bytes()
    if trial.case.work == "memory":
        raise Unsuitable(f"{trial.backend.name} does not report the memory that a call takes on the device")
    return nvidia.free_bytes() or float("inf")


def gate(trial: Trial) -> None:
    """Compare with float64 before any timing. Raises Disagreement, and the case gets no time.

    In a later pass of the same process the comparison is not repeated.
    """
    key = trial.backend.name, trial.case
    if key not in trial.past.agreed:
        trial.past.agreed[key] = compare(trial.backend, trial.case, draw_call(trial.case))
    trial.checks = trial.past.agreed[key]
