"""No time without agreement: which comparisons a case has to pass before it is timed, and what the journal keeps.

The comparisons are those of bench/agreement/comparison.py; bench/measure/trial.py makes them off the clock.
"""

from dataclasses import replace
from typing import Any

from bench.agreement import comparison
from bench.agreement.comparison import Checks
from bench.agreement.inputs import gate_inputs
from bench.grid.case import RULES, STABLE_RATE, Case
from bench.grid.data import draw
from bench.grid.workloads import workload
from relufit.backend import Backend
from relufit.data import Plan
from relufit.optim import Adam, Optimizer


def compare(backend: Backend, case: Case, plan: Plan) -> Checks:
    """Output, loss and gradients, of a case with an optimizer also a step and the training of `plan`, with float64.

    Raises Disagreement where one of them is beyond its bound.
    """
    rule, inputs = case.rule(), gate_inputs(case)
    checks = comparison.compare(backend, *inputs)
    if rule is not None:
        checks |= comparison.compare_step(backend, *inputs, rule)
        checks |= _compare_training(backend, case, plan)
    return comparison.demand(checks)


def _compare_training(backend: Backend, case: Case, plan: Plan) -> Checks:
    """Several steps in a row on the batches that are timed; a plan of one step is compared already."""
    if case.work == "convergence":
        plan = plan._replace(epochs=1)
    if plan.epochs * plan.steps_per_epoch(case.samples) == 1:
        return {}
    rule: Any = RULES[case.optimizer]
    inputs, many = draw(case, case.samples), case.work == "ensemble"
    return comparison.compare_training(backend, *inputs, stable(rule, case.hidden), plan, many=many)


def stable(rule: Optimizer, hidden: int) -> Optimizer:
    """The rule at a rate that cannot diverge: at the usual one, sgd and momentum do from wide networks' weights."""
    limit = STABLE_RATE / hidden
    return rule if isinstance(rule, Adam) else replace(rule, learning_rate=min(rule.learning_rate, limit))


def recorded(case: Case, checks: Checks) -> dict[str, Any] | None:
    """What a row keeps: the worst quantity, and of a timed gradient the gradient as a whole; or all of them."""
    if not checks:
        return None
    if not workload(case.work).lists_checks:
        name, worst = comparison.worst(checks)
        checks = {name: worst, **({"gradient": checks["gradient"]} if workload(case.work).is_gradient else {})}
    return {name: check._asdict() for name, check in checks.items()}
