"""What a case is measured on: its plan, and on the backend's device its weights, samples and training states.

All of it is drawn on the host from the case alone (bench/grid/data.py), so every backend gets the same.
"""

import numpy as np

from bench.agreement.gate import along_a_run, inputs_of
from bench.grid.case import Case
from bench.grid.data import draw
from bench.measure.timing import synchronized_clock
from bench.measure.trial import Trial
from relufit import targets
from relufit.backend import Backend, Samples
from relufit.data import Plan, draw_plan
from relufit.optim import Optimizer, State, map_arrays, stack_states
from relufit.params import Params, init_params

STEPS_PER_CALL = {800: 8}  # full-batch steps inside one call of train, where a step is short
WARM_UP_SAMPLES = 64  # built before the build is timed


def draw_call(case: Case, epochs: int | None = None) -> Plan:
    """The plan of one call of `train`: so many epochs, or one epoch of minibatches, or a few full-batch steps."""
    if case.samples > case.batch:
        return draw_plan(case.samples, batch=case.batch, epochs=epochs or max(1, case.epochs))
    return Plan(None, case.batch, epochs or STEPS_PER_CALL.get(case.batch, 1))


def put(backend: Backend, params: Params) -> Params:
    """Weights of the host on the backend's device."""
    return Params(*map(backend.to_device, params))


def draw_samples(trial: Trial) -> tuple[Params, Samples]:
    """Weights and samples of the case on the device; `build_seconds` is what the backend's `samples` took.

    That is the upload, and for hinge the sorting and the table of the data. A few samples are built before, so that
    compilation is not counted.
    """
    params, x, y = draw(trial.case, trial.case.samples)
    on_device = put(trial.backend, params)
    trial.backend.samples(x[:WARM_UP_SAMPLES], y[:WARM_UP_SAMPLES])
    clock = synchronized_clock(trial.backend)
    start = clock()
    samples = trial.backend.samples(x, y)
    trial.noted["build_seconds"] = clock() - start
    return on_device, samples


def draw_weights(trial: Trial) -> list[Params]:
    """Sets of weights on the device, as successive steps of a training have them.

    With the same weights in every call, the processor's branch predictor and caches would know them already.
    """
    return [put(trial.backend, params) for params in along_a_run(inputs_of(trial.case))]


def draw_networks(trial: Trial, rule: Optimizer) -> State:
    """The states of the case's networks on the device, each network with its own seed."""
    case, domain = trial.case, targets.ZOO[trial.case.target].domain
    networks = (
        init_params(case.hidden, seed=seed, scheme=case.scheme, domain=domain, dtype=case.dtype)
        for seed in range(case.networks)
    )
    return map_arrays(trial.backend.to_device, stack_states(np.stack, [rule.init(params) for params in networks]))
