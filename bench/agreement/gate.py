"""No time without agreement: which comparisons a case has to pass before it is timed, and on which inputs.

The comparisons are those of bench/agreement/answers.py; bench/measure/trial.py makes them off the clock. A case is
timed with the same weights and samples, and its row keeps what the comparisons found.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from bench.agreement import answers
from bench.agreement.answers import Checks
from bench.grid.case import RULES, STABLE_RATE, TRAIN_SAMPLES, Case
from bench.grid.data import MANY_SAMPLES, draw
from bench.grid.workloads import workload
from relufit import Adam, Backend, Params, Plan, Samples, State
from relufit.backends.numpy import NumpyBackend
from relufit.network.optim import Optimizer
from relufit.testing.error_bounds import Reference, reference

DISTINCT_SAMPLES = range(1000, 250_001)  # what the gate repeats where the reference over all of N is out of reach
PARAMETER_SETS = 16  # that timed calls go round; the run continues with sets that are used once


def compare(backend: Backend, case: Case, plan: Plan) -> Checks:
    """Output, loss and gradients, of a case with an optimizer also a step and the training of `plan`, with float64.

    Raises Disagreement where one of them is beyond its bound.
    """
    rule, inputs = case.rule(), gate_inputs(case)
    checks = answers.compare(backend, *inputs)
    if rule is not None:
        checks |= answers.compare_step(backend, *inputs, rule)
        checks |= _compare_training(backend, case, plan)
    return answers.demand(checks)


def _compare_training(backend: Backend, case: Case, plan: Plan) -> Checks:
    """Several steps in a row on the batches that are timed; a plan of one step is compared already."""
    if case.work == "convergence":
        plan = plan._replace(epochs=1)
    if plan.epochs * plan.steps_per_epoch(case.samples) == 1:
        return {}
    rule: Any = RULES[case.optimizer]
    inputs, many = draw(case, case.samples), case.work == "ensemble"
    return answers.compare_training(backend, *inputs, stable(rule, case.hidden), plan, many=many)


def stable(rule: Optimizer, hidden: int) -> Optimizer:
    """The rule at a rate that cannot diverge: at the usual one, sgd and momentum do from wide networks' weights."""
    limit = STABLE_RATE / hidden
    return rule if isinstance(rule, Adam) else replace(rule, learning_rate=min(rule.learning_rate, limit))


def recorded(case: Case, checks: Checks) -> dict[str, Any] | None:
    """What a row keeps: the worst quantity, and of a timed gradient the gradient as a whole; or all of them."""
    if not checks:
        return None
    if not workload(case.work).lists_checks:
        name, worst = answers.worst(checks)
        checks = {name: worst, **({"gradient": checks["gradient"]} if workload(case.work).is_gradient else {})}
    return {name: check._asdict() for name, check in checks.items()}


@lru_cache(maxsize=4)
def exact(case: Case, repeats: int) -> Reference:
    """The reference for the inputs of a case, `repeats` times over; cases that differ in the work only share it."""
    return reference(*draw(case), repeats, case.precision)


def gate_inputs(case: Case) -> tuple[Params, np.ndarray, np.ndarray, Reference]:
    """Weights, x (N, D), y (N, O) and their reference, at the N of the case.

    Up to MANY_SAMPLES these are the case's own data. Above, float64 over every sample would take minutes: as many
    distinct samples as divide N are repeated, whose mean loss and gradients are those of the distinct ones.
    """
    batch = distinct_samples(case.batch)
    distinct, repeats = replace(inputs_of(case), batch=batch), case.batch // batch
    params, x, y = draw(distinct)
    return params, np.tile(x, (repeats, 1)), np.tile(y, (repeats, 1)), exact(distinct, repeats)


def weights_at(case: Case, number: int) -> Params:
    """The weights of the case after so many steps in a row, of Adam on 800 samples; on the host.

    The run is trained as far as it is needed, for all batch sizes.
    """
    backend, samples, states = _run(replace(inputs_of(case), batch=TRAIN_SAMPLES))
    while len(states) <= number:
        plan = Plan(None, len(samples), 1)
        states.append(backend.train(states[-1], samples, Adam(1e-3), plan, range(1))[0])
    return states[number].params


@lru_cache(maxsize=4)
def _run(case: Case) -> tuple[NumpyBackend, Samples, list[State]]:
    """A run of the case: what trains it, on what, and its states so far, to which later ones are added."""
    params, x, y = draw(case)
    backend = NumpyBackend()
    return backend, backend.samples(x, y), [Adam(1e-3).init(params)]


def distinct_samples(samples: int) -> int:
    """Number of distinct samples in the gate: all up to MANY_SAMPLES, else the largest divisor in DISTINCT_SAMPLES."""
    if samples <= MANY_SAMPLES:
        return samples
    return max((count for count in DISTINCT_SAMPLES if samples % count == 0), default=samples)


def inputs_of(case: Case) -> Case:
    """The case reduced to what determines weights and data, which all workloads share, and `exact` with them."""
    return Case("inputs", case.batch, case.hidden, case.dtype, case.inputs, case.outputs, "", case.target, case.scheme)
