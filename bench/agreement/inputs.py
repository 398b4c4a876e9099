"""The weights and samples that a case is gated on and timed with, and float64's answer to them."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from bench.agreement import error_bounds
from bench.grid.case import TRAIN_SAMPLES, Case
from bench.grid.data import MANY_SAMPLES, draw
from relufit.backends.numpy import NumpyBackend
from relufit.data import Plan
from relufit.optim import Adam
from relufit.params import Params

DISTINCT_SAMPLES = range(1000, 250_001)  # what the gate repeats where the reference over all of N is out of reach
PARAMETER_SETS = 16  # that timed calls go round


@lru_cache(maxsize=4)
def exact(case: Case, repeats: int = 1) -> error_bounds.Reference:
    """The reference for the inputs of a case, `repeats` times over; cases that differ in the work only share it."""
    return error_bounds.reference(*draw(case), repeats)


def gate_inputs(case: Case) -> tuple[Params, np.ndarray, np.ndarray, error_bounds.Reference]:
    """Weights, x (N, D), y (N, O) and their reference, at the N of the case.

    Up to MANY_SAMPLES these are the case's own data. Above, float64 over every sample would take minutes: as many
    distinct samples as divide N are repeated, whose mean loss and gradients are those of the distinct ones.
    """
    inputs, repeats = inputs_of(case), case.batch // distinct_samples(case.batch)
    if repeats == 1:
        return *draw(inputs), exact(inputs)
    distinct = replace(inputs, batch=case.batch // repeats)
    params, x, y = draw(distinct)
    return params, np.tile(x, (repeats, 1)), np.tile(y, (repeats, 1)), exact(distinct, repeats)


@lru_cache(maxsize=2)
def along_a_run(case: Case) -> list[Params]:
    """Weights of the case before each of PARAMETER_SETS steps in a row, of Adam on 800 samples; on the host."""
    params, x, y = draw(replace(case, batch=TRAIN_SAMPLES))
    backend, plan = NumpyBackend(), Plan(None, TRAIN_SAMPLES, PARAMETER_SETS - 1)
    samples, states = backend.samples(x, y), [Adam(1e-3).init(params)]
    for step in range(plan.epochs):
        states.append(backend.train(states[-1], samples, Adam(1e-3), plan, range(step, step + 1))[0])
    return [state.params for state in states]


def distinct_samples(samples: int) -> int:
    """Number of distinct samples in the gate: all up to MANY_SAMPLES, else the largest divisor in DISTINCT_SAMPLES."""
    if samples <= MANY_SAMPLES:
        return samples
    return max((count for count in DISTINCT_SAMPLES if samples % count == 0), default=samples)


def inputs_of(case: Case) -> Case:
    """The case reduced to what determines weights and data, which all workloads share, and `exact` with them."""
    return Case("inputs", case.batch, case.hidden, case.dtype, case.inputs, case.outputs, "", case.target, case.scheme)
