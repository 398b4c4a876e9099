"""A training run beside the same run in float64: each step from the same state, and all steps left to themselves.

One step has a bound (bench/agreement/update_bounds.py), many have none: training amplifies the rounding of each. So
the float64 run is followed in two ways. *Forced*: at STATES places along it the backend gets its state, rounded to the
dtype under test, and makes one step on the next minibatch; that is gated like every other answer. *Free*: the backend
trains from the same start to the end, and after each epoch its distance from float64 is measured, and how many relu
signs differ, over all samples and units. They show whether units had changed sign before the distance grew.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from bench.agreement.answers import Check, Checks, compare_update
from bench.grid.case import Case
from bench.grid.data import draw
from bench.journal.status import Status
from bench.recipes import order_of
from relufit import Backend, Params, Plan, State, draw_plan
from relufit.backends.numpy import NumpyBackend
from relufit.fits.problem import first_divergence
from relufit.network.optim import Optimizer, map_arrays
from relufit.solvers.slices import train_in_slices
from relufit.testing.error_bounds import Reference, as_float64, distance, reference

STATES = 32  # along the run, from which one step is made


class Forced(NamedTuple):
    """One step of the run to repeat: a state and its next minibatch, on the host in the dtype under test."""

    state: State
    x: np.ndarray  # (batch, D)
    y: np.ndarray  # (batch, O)
    exact: Reference  # at these very weights


class ExactRun(NamedTuple):
    """A run in float64 and what it is made of; x (N, D) and y (N, O) on the host in the dtype under test."""

    x: np.ndarray
    y: np.ndarray
    rule: Optimizer
    plan: Plan
    start: State
    forced: list[Forced]
    marks: list[Params]  # the weights at the end of each epoch; fewer where it diverges


@lru_cache(maxsize=1)
def exact_run(case: Case) -> ExactRun:
    """Train the case in float64 by numpy, for all backends to share; it ends early where it diverges."""
    params, x, y = draw(case, case.samples)
    rule, plan = case.rule(), draw_plan(case.samples, batch=case.batch, epochs=case.epochs)
    assert rule is not None
    assert plan.order is not None
    run = ExactRun(x, y, rule, plan, rule.init(params), [], [])
    state, backend = map_arrays(as_float64, run.start), NumpyBackend()
    samples, pieces = backend.samples(as_float64(x), as_float64(y)), plan.slices(case.samples)
    chosen = set(np.linspace(0, plan.epochs * len(pieces) - 1, STATES).astype(int).tolist())
    for order in plan.order:
        for piece in pieces:
            index = order[piece]
            if state.step in chosen:
                rounded = map_arrays(lambda array: array.astype(case.dtype), state)
                exact = reference(rounded.params, x[index], y[index])
                run.forced.append(Forced(rounded, x[index], y[index], exact))
            with np.errstate(over="ignore", invalid="ignore"):
                state, losses = backend.train(state, samples.take(index), rule, Plan(None, len(index), 1), range(1))
            if first_divergence(losses) is not None:
                return run
        run.marks.append(state.params)
    return run


def forced_steps(backend: Backend, run: ExactRun) -> Checks:
    """One step from each state of the run: of each of the four arrays, the check with the largest share of its bound.

    The names say from which state: "w2 after 400 steps".
    """
    found: dict[str, tuple[str, Check]] = {}
    for state, x, y, exact in run.forced:
        checks = compare_update(backend, state, x, y, exact, run.rule)
        for name, check in checks.items():
            if name not in found or check.share > found[name][1].share:
                found[name] = f"{name} after {state.step} steps", check
    return dict(found.values())


def free_run(backend: Backend, run: ExactRun) -> dict[str, Any]:
    """Train from the start to the end, and compare with float64 after every epoch; what the journal keeps of it.

    `step`, `distance` (of all weights as one vector, relative to the distance that float64 has trained) and `flips`
    (relu signs that differ, of `pairs` of a sample and a unit) have an entry for each epoch, up to the first that is
    not finite. Empty for a recipe, which takes the samples in another order and so differs from the first step.
    """
    if order_of(backend) == "own":
        return {}
    start = map_arrays(lambda array: backend.to_device(array.copy()), run.start)
    samples, x = backend.samples(run.x, run.y), as_float64(run.x)
    slices = train_in_slices(backend, start, samples, run.rule, run.plan, epochs_per_slice=1)
    seen: dict[str, list[Any]] = {"step": [], "distance": [], "flips": []}
    for mark, part in zip(run.marks, slices, strict=False):  # no slice is trained beyond the last mark
        params = Params(*(as_float64(backend.to_host(p)) for p in part.state.params))
        off = distance(params, mark) / distance(mark, run.start.params)
        if not np.isfinite(off):
            break
        seen["step"].append(part.state.step)
        seen["distance"].append(off)
        seen["flips"].append(flips(params, mark, x))
    end = {"pairs": len(x) * run.start.params.b1.size, **seen}
    if len(seen["step"]) == run.plan.epochs:
        return end
    who = backend.name if len(run.marks) > len(seen["step"]) else "float64 itself"
    return {**end, "status": Status.DIVERGED, "reason": f"{who} diverged in epoch {len(seen['step']) + 1}"}


def flips(params: Params, others: Params, x: np.ndarray) -> int:
    """How many relu signs differ, over the samples x (N, D) and all units: z > 0, evaluated in float64."""
    with np.errstate(over="ignore", invalid="ignore"):
        # A sum is above 0 exactly where it is when rounded.
        on, others_on = (x @ weights.w1 > -weights.b1 for weights in (params, others))
    return int(np.count_nonzero(on != others_on))
