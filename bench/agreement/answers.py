"""A backend's answers against float64: output, loss, gradients, one update, a whole training.

Each difference is a Check: the error, the bound that relufit/testing/error_bounds.py computes for it, and the share of
the bound. `demand` refuses what is beyond its bound.
"""

from collections.abc import Iterable
from dataclasses import replace
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from bench.agreement.update_bounds import bound_update
from bench.journal.status import Disagreement
from bench.recipes import lack_of, order_of
from relufit import Adam, Backend, Params, Plan, State
from relufit.backends.numpy import NumpyBackend
from relufit.network.optim import Optimizer, map_arrays, stack_states
from relufit.testing.error_bounds import Reference, as_float64, distance, limit_of_rounding, norm
from relufit.testing.rounded import rounded_backends

TRAINED = {"float32": 1e-2, "float64": 1e-6}  # largest error after training, relative to the distance trained
KEPT_RATE = 1e-8  # of a step in which weights move by less than float32 rounds them
OWN_ORDER = 0.75  # the same for a recipe that takes the samples in another order


class Check(NamedTuple):
    """One quantity of one backend against the reference, at the element where the error is the largest share."""

    error: float
    bound: float
    share: float  # error / bound, the largest over the elements: at most 1 where the backend agrees


Checks = dict[str, Check]  # by quantity


def compare(backend: Backend, params: Params, x: np.ndarray, y: np.ndarray, exact: Reference) -> Checks:
    """Run the backend once on host arrays and measure each quantity against the reference.

    x (N, D) and y (N, O) are the reference's samples, as often over as it says. Of a recipe that evaluates only, the
    output is all.
    """
    on_device = Params(*map(backend.to_device, params))
    output = backend.forward(on_device, backend.to_device(x))
    if lack_of(backend, "loss_and_grads"):
        demand_kind({"output": output}, on_device.w1)
        return check_output(backend.to_host(output), exact)
    loss, grads = backend.loss_and_grads(on_device, backend.samples(x, y))
    demand_kind({"output": output, "loss": loss, **grads._asdict()}, on_device.w1)
    outputs = backend.to_host(output)
    found = {name: backend.to_host(value) for name, value in {"loss": loss, **grads._asdict()}.items()}
    checks = {name: check(value, exact.values[name], exact.bounds[name]) for name, value in found.items()}
    return {**check_output(outputs, exact), **checks, "gradient": check_gradient(found, exact)}


def demand_kind(found: dict[str, Any], given: Any) -> None:
    """Raise Disagreement where a result has another dtype, or lies on another device, than the array `given`.

    The losses of `train` are not asked: a sum over an epoch may be kept wider than its terms.
    """
    for name, result in found.items():
        for what in ("dtype", "device"):
            is_one, wanted = str(getattr(result, what, "none")), str(getattr(given, what, "none"))
            if is_one != wanted:
                raise Disagreement(f"{name} has the {what} {is_one} where {wanted} was given")


def check_gradient(found: dict[str, np.ndarray], exact: Reference) -> Check:
    """The relative error of all gradients as one vector: what a long sum in float32 has lost is a share of it."""
    shapes_differ = any(found[name].shape != exact.values[name].shape for name in Params._fields)
    grads = Params(*(as_float64(found[name]) for name in Params._fields))
    error = np.inf if shapes_differ else distance(grads, exact.grads) / (norm(exact.grads) or 1.0)
    return check_relative(error, exact.limits["gradient"])


def check_output(found: np.ndarray, exact: Reference) -> Checks:
    """The worst element of all repetitions of the output, each against the same values.

    In reduced precision also the worst repetition as a whole, "outputs".
    """
    wanted, checks = exact.values["output"], dict[str, Check]()
    parts = np.array_split(np.atleast_1d(found), exact.repeats)  # each (N, O), or of a shape that `check` refuses
    of_parts = (check(part, wanted, exact.bounds["output"]) for part in parts)
    checks["output"] = max(of_parts, key=lambda of_part: of_part.share)
    if "output" in exact.limits and checks["output"].error < np.inf:
        error = max(norm([part - wanted]) for part in parts) / (norm([wanted]) or 1.0)
        checks["outputs"] = check_relative(error, exact.limits["output"])
    return checks


def compare_step(
    backend: Backend, params: Params, x: np.ndarray, y: np.ndarray, exact: Reference, rule: Optimizer
) -> Checks:
    """Let the backend train one step from these weights and measure the new ones against the reference.

    The update has to show the scale of the gradients. Adam's first one is their sign, whatever their scale: its second
    moment starts at their mean square instead.
    """
    state = rule.init(params)
    if isinstance(rule, Adam):
        mean_square = sum(float(np.vdot(g, g)) for g in exact.grads) / sum(g.size for g in exact.grads)
        second = Params(*(np.full_like(p, mean_square) for p in params))
        state = State(params, (state.moments[0], second), 1)
    checks = compare_update(backend, state, x, y, exact, rule)
    return {f"step {name}": found for name, found in checks.items()}


def compare_update(
    backend: Backend, state: State, x: np.ndarray, y: np.ndarray, exact: Reference, rule: Optimizer
) -> Checks:
    """Let the backend train one full-batch step from any state and measure its weights against the reference.

    `state` holds host arrays in the dtype under test, `exact` is the reference at its weights. At learning rate 1 the
    update is not lost in the rounding of the weight; it is one step only, and its bound that of the same rate.

    In reduced precision the bounds of the gradient's elements are wide. So the update is also held to its limit as a
    whole, "update", and at a rate that hides the gradient, "kept", the weights must keep the digits of float32.
    """
    checks = _compare_update(backend, state, x, y, exact, replace(rule, learning_rate=1.0))
    if exact.precision:
        kept = _compare_update(backend, state, x, y, exact, replace(rule, learning_rate=KEPT_RATE))
        checks["kept"] = max((kept[name] for name in Params._fields), key=lambda found: found.share)
    return checks


def _compare_update(
    backend: Backend, state: State, x: np.ndarray, y: np.ndarray, exact: Reference, rule: Optimizer
) -> Checks:
    errors = Params(*(exact.bounds[name] for name in Params._fields))
    wanted, bounds = bound_update(rule, map_arrays(as_float64, state), exact.grads, errors, exact.unit)
    start = map_arrays(lambda array: backend.to_device(array.copy()), state)  # a CPU library may share what it is given
    after, _ = backend.train(start, backend.samples(x, y), rule, Plan(None, len(x), 1), range(1))
    demand_kind(after.params._asdict(), start.params.w1)
    found = Params(*map(backend.to_host, after.params))
    checks = {name: check(*arrays) for name, *arrays in zip(Params._fields, found, wanted, bounds, strict=True)}
    if exact.precision and max(found.error for found in checks.values()) < np.inf:
        rounded = [rule.update(map_arrays(as_float64, state), grads).params for grads in exact.rounded]
        way, hidden = distance(wanted, state.params), wanted.b1.size
        limit = limit_of_rounding(rounded, wanted, exact.precision, hidden, way) + exact.flips
        checks["update"] = check_relative(distance(found, wanted) / way, limit)
    return checks


def compare_training(
    backend: Backend, params: Params, x: np.ndarray, y: np.ndarray, rule: Optimizer, plan: Plan, *, many: bool = False
) -> Checks:
    """Let the backend train the whole plan and measure where it arrives against training in float64.

    With `many` it is trained by `train_many`, as the last of three networks; the others start elsewhere.

    The difference is relative to the distance that all weights, as one vector, were trained, and to the last epoch's
    loss. Later steps amplify the rounding of earlier ones, so no bound follows from the data alone: the limit TRAINED
    is about ten times the largest error seen of any backend, and in reduced precision it follows from what the same
    training gives in relufit/testing/rounded.py. A batch left out, repeated or taken in another order makes
    2 % and more. Therefore a recipe that shuffles for itself is held to OWN_ORDER: it must have learned as much.
    """
    start, samples, epochs = rule.init(params), backend.samples(x, y), range(plan.epochs)
    if many:
        other = rule.init(params._replace(w2=-params.w2))
        given = map_arrays(backend.to_device, stack_states(np.stack, [other, other, start]))
        states, losses = backend.train_many(given, samples, rule, plan, epochs)
        state, losses = map_arrays(itemgetter(-1), states), losses[-1]
    else:
        given = map_arrays(backend.to_device, start)
        state, losses = backend.train(given, samples, rule, plan, epochs)
    demand_kind(state.params._asdict(), given.params.w1)
    found = Params(*(as_float64(backend.to_host(p)) for p in state.params))
    exact_start = rule.init(Params(*map(as_float64, params)))
    exact_samples = NumpyBackend().samples(as_float64(x), as_float64(y))
    exact, exact_losses = NumpyBackend().train(exact_start, exact_samples, rule, plan, epochs)
    way, final = distance(params, exact.params), float(exact_losses[-1])
    off, loss_off = distance(found, exact.params) / way, float(backend.to_host(losses)[-1]) / final - 1
    own = plan.order is not None and order_of(backend) == "own"
    limit = loss_limit = OWN_ORDER if own else TRAINED[x.dtype.name]
    if backend.precision:
        models = rounded_backends(backend.precision)
        runs = [model.train(exact_start, exact_samples, rule, plan, epochs) for model in models]
        rounded = [after.params for after, _ in runs]
        limit = limit_of_rounding(rounded, exact.params, backend.precision, params.b1.size, way)
        loss_limit = limit_of_loss([float(own[-1]) for _, own in runs], final, backend.precision)
    return {"trained weights": check_relative(off, limit), "trained loss": check_relative(loss_off, loss_limit)}


def limit_of_loss(rounded: Iterable[float], exact: float, precision: str) -> float:
    """The largest relative error of a loss in reduced precision, by those of rounded_backends."""
    return limit_of_rounding([[np.asarray(loss)] for loss in rounded], [np.asarray(exact)], precision, 1)


def check_relative(error: float, limit: float) -> Check:
    """A relative error, which is a number, against its limit."""
    return check(np.asarray(error), np.zeros(()), np.asarray(limit))


def check(found: np.ndarray, exact: np.ndarray, bound: np.ndarray) -> Check:
    """Compare element by element. A shape that differs, nan and inf count as an infinite error."""
    if found.shape != exact.shape or not np.isfinite(found).all():
        return Check(float("inf"), float(np.max(bound)), float("inf"))
    error = np.abs(found.astype(np.float64) - exact)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(error == 0, 0.0, error / bound)
    at = int(np.argmax(share))
    return Check(float(error.flat[at]), float(bound.flat[at]), float(share.flat[at]))


def worst(checks: Checks) -> tuple[str, Check]:
    """The quantity whose error is the largest share of its bound."""
    return max(checks.items(), key=lambda item: float("inf") if np.isnan(item[1].share) else item[1].share)


def demand(checks: Checks) -> Checks:
    """Return the checks, or raise Disagreement naming the worst quantity where an error is beyond its bound."""
    name, (error, bound, share) = worst(checks)
    if not share <= 1:
        raise Disagreement(f"{name} is off by {error:.3g} where {bound:.3g} is allowed ({share:.3g} times)")
    return checks
