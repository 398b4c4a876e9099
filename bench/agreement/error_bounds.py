"""Is the answer right? Every timing is gated on this comparison with float64 numpy, on the same weights and batch.

A backend's output, loss and gradients may differ from the exact ones by rounding and by nothing else. How much that can
be is computed, not guessed: for a sum of k terms rounded to unit u in any order, the error is below g(k) u times the
sum of the terms' magnitudes, with g(k) = min(k, 6 sqrt(k)): k is the worst case, 6 sqrt(k) fails with a probability
below 4e-8 a term where rounding errors are as good as independent (Higham and Mary 2019, SIAM J. Sci. Comput. 41(5),
A2815-A2835, theorem 2.4 with lambda = 6). Rounding of z carries through relu, output, residual and gradient; where |z|
is below its own rounding error the mask may rightly flip, and that unit's whole contribution is allowed for.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from math import sqrt
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from bench.agreement.update_bounds import bound_update
from bench.journal.status import Disagreement
from relufit import Params
from relufit.backend import Backend
from relufit.backends.numpy import NumpyBackend
from relufit.data import Plan
from relufit.optim import Optimizer, State, map_arrays, stack_states

BLOCK_ELEMENTS = 2**20
QUANTITIES = ("output", "loss", "w1", "b1", "w2", "b2")
TRAINED = {"float32": 1e-2, "float64": 1e-6}  # how far training may end from where float64 does, of the way
OWN_ORDER = 0.75  # the same of a recipe that takes the samples in another order
USEFUL = 1e-3  # the relative error up to which a gradient is of use, whatever the order of its sums explains


class Check(NamedTuple):
    """One quantity of one backend against the reference, at the element where the error is the largest share."""

    error: float
    bound: float
    share: float  # error / bound, the largest over the elements: at most 1 where the backend agrees


@dataclass(frozen=True)
class Reference:
    """Exact values (to float64) and how far a result rounded to `unit` may be from them, element by element."""

    unit: float
    values: dict[str, np.ndarray]  # by the names in QUANTITIES
    bounds: dict[str, np.ndarray]
    rounding: float  # of the gradient as one vector: what rounding explains of its relative error, of the samples once
    repeats: int = 1  # how many times over the data are; the output is of one time

    @property
    def grads(self) -> Params:
        """The gradients."""
        return Params(*(self.values[name] for name in Params._fields))


def growth(terms: int) -> float:
    """How many units of rounding a sum of that many terms can collect, of the sum of their magnitudes."""
    return min(terms, 6 * sqrt(terms))


def lost(terms: int, unit: float) -> float:
    """Units of rounding that a long running sum loses beyond `growth`, where its errors are no longer independent.

    Terms near the last place of the sum are rounded towards where their density is higher, mostly to nothing: with
    terms of size S / k that is about u k^2 / 18 units for smooth densities (the mean of the rounding error over one
    place, times k). torch's float32 x.T @ dz adds one sample after the other: at N = 10^6 it was measured at 3 000
    units on uniform factors and 11 000 on a network, so a quarter of u k^2 is allowed, and never more than a hundredth
    of the terms' magnitude: a gradient that lost more is of no use, and disagrees.
    """
    return min(unit * terms**2 / 4, 0.01 / unit)


def reference(params: Params, x: np.ndarray, y: np.ndarray, repeats: int = 1) -> Reference:
    """Evaluate network, loss and gradients in float64, block by block, with the error that each may carry.

    `params` and x (N, D), y (N, O) are host arrays in the dtype under test; its rounding unit enters the bounds.
    With `repeats` the values are those of the same samples `repeats` times over: means do not change. Rounding does:
    what is lost when a term is added depends on the term and the scale of the sum, so equal terms lose equally and
    their errors add up, `repeats` times the growth of N and not its square root (seen: torch at N = 16 * 65536 was at
    1.9 times the bound that takes all terms as independent).
    """
    # Half the spacing of 1, plus the same of the reference itself, which counts where the test is in float64.
    unit = float(np.finfo(x.dtype).eps) / 2 + 2.0**-53
    w1, b1, w2, b2 = (np.asarray(p, np.float64) for p in params)
    n, (d, h), o = len(x), w1.shape, w2.shape[1]
    z_unit, y_unit, back_unit = (unit * growth(k) for k in (d + 1, h + 1, o + 2))

    sums = {name: np.zeros(s) for name, s in zip(Params._fields, (w1.shape, b1.shape, w2.shape, b2.shape), strict=True)}
    magnitudes, slack = ({k: np.zeros_like(v) for k, v in sums.items()} for _ in range(2))
    outputs, output_errors, loss, loss_error = np.empty((n, o)), np.empty((n, o)), 0.0, 0.0
    rows = max(1, BLOCK_ELEMENTS // h)
    for start in range(0, n, rows):
        block = slice(start, start + rows)
        xb, yb = x[block].astype(np.float64), y[block].astype(np.float64)
        units = _hidden_with_errors(xb, w1, b1, z_unit)
        hidden, z_error = units.hidden, units.error
        out = hidden @ w2 + b2  # (n, O)
        out_error = z_error @ np.abs(w2) + y_unit * (hidden @ np.abs(w2) + np.abs(b2))
        error = out - yb
        loss += float(np.sum(error**2))
        loss_error += float(np.sum(2 * np.abs(error) * out_error + out_error**2))
        outputs[block], output_errors[block] = out, out_error

        dy = error * (2 / (n * o))  # (n, O)
        dy_error = (out_error + 3 * unit * np.abs(error)) * (2 / (n * o))
        for name, pairs in _gradient_products(xb, units, w2, dy, dy_error, back_unit).items():
            for total, (left, right) in zip((sums, magnitudes, slack), pairs, strict=True):
                total[name] += (left.T @ right).reshape(total[name].shape)
        slack["w2"] += z_error.T @ np.abs(dy)

    terms = n * o
    once = {name: slack[name] + unit * growth(n + d + 3) * magnitudes[name] for name in sums}
    sum_unit = unit * (repeats * growth(n + d + 3) + lost(n * repeats, unit))
    values = {"output": outputs, "loss": np.asarray(loss / terms), **sums}
    bounds = {
        "output": output_errors,
        "loss": np.asarray((loss_error + unit * repeats * growth(terms + 2) * loss) / terms),
    }
    bounds |= {name: slack[name] + sum_unit * magnitudes[name] for name in sums}
    return Reference(unit, values, bounds, norm(once.values()) / (norm(sums.values()) or 1.0), repeats)


def norm(arrays: Iterable[np.ndarray]) -> float:
    """The Euclidean norm of all their elements as one vector."""
    return sqrt(sum(float(np.vdot(a, a)) for a in arrays))


class _Units(NamedTuple):
    """The hidden layer of n samples; each (n, H)."""

    hidden: np.ndarray
    error: np.ndarray  # of hidden
    size: np.ndarray  # the magnitudes of the terms of z
    active: np.ndarray  # where it is on
    doubtful: np.ndarray  # where rounding of z may flip the mask


def _hidden_with_errors(x: np.ndarray, w1: np.ndarray, b1: np.ndarray, z_unit: float) -> _Units:
    """The hidden layer for x (n, D)."""
    size = np.abs(x) @ np.abs(w1) + np.abs(b1)
    z = x @ w1 + b1
    active, doubtful = z > 0, np.abs(z) <= 2 * z_unit * size
    return _Units(np.where(active, z, 0), np.where(active | doubtful, z_unit * size, 0), size, active, doubtful)


Factors = tuple[np.ndarray, np.ndarray]


def _gradient_products(
    x: np.ndarray, units: _Units, w2: np.ndarray, dy: np.ndarray, dy_error: np.ndarray, back_unit: float
) -> dict[str, tuple[Factors, Factors, Factors]]:
    """Of each gradient, as (left, right) of left.T @ right over samples.

    Its value, the magnitudes of its terms, and what its factors' errors can do; x (n, D), dy and its error (n, O).
    """
    _, _, size, active, doubtful = units
    dh, dh_size = dy @ w2.T, np.abs(dy) @ np.abs(w2.T)  # (n, H)
    dz, dz_size = np.where(active, dh, 0), np.where(active, dh_size, 0)
    dz_error = np.where(active | doubtful, dy_error @ np.abs(w2.T) + back_unit * dh_size, 0)
    dz_error += np.where(doubtful, dh_size, 0)  # a flipped mask adds or removes the whole term
    reach = np.where(active | doubtful, size, 0)  # terms of h before they cancel: S0 and S1 are summed apart
    ones, x_size, dy_size = np.ones((len(x), 1)), np.abs(x), np.abs(dy)
    return {
        "w1": ((x, dz), (x_size, dz_size), (x_size, dz_error)),
        "b1": ((ones, dz), (ones, dz_size), (ones, dz_error)),
        "w2": ((units.hidden, dy), (reach, dy_size), (reach, dy_error)),
        "b2": ((ones, dy), (ones, dy_size), (ones, dy_error)),
    }


def compare(backend: Backend, params: Params, x: np.ndarray, y: np.ndarray, exact: Reference) -> dict[str, Check]:
    """Run the backend once on host arrays and measure each quantity against the reference.

    x (N, D) and y (N, O) are the reference's samples, as often over as it says.
    """
    on_device = Params(*map(backend.to_device, params))
    loss, grads = backend.loss_and_grads(on_device, backend.samples(x, y))
    output = backend.to_host(backend.forward(on_device, backend.to_device(x)))
    found = {"loss": loss, **grads._asdict()}
    host = {name: backend.to_host(value) for name, value in found.items()}
    checks = {name: check(host[name], exact.values[name], exact.bounds[name]) for name in host}
    return {"output": _check_output(output, exact), **checks, "gradient": check_gradient(host, exact)}


def check_gradient(found: dict[str, np.ndarray], exact: Reference) -> Check:
    """The relative error of all gradients as one vector: what a long sum in float32 has lost is a share of it."""
    shapes_differ = any(found[name].shape != exact.values[name].shape for name in Params._fields)
    pairs = [(found[name].astype(np.float64), exact.values[name]) for name in Params._fields]
    error = np.inf if shapes_differ else norm(a - b for a, b in pairs) / (norm(b for _, b in pairs) or 1.0)
    return check(np.asarray(error), np.zeros(()), np.asarray(max(USEFUL, exact.rounding)))


def _check_output(found: np.ndarray, exact: Reference) -> Check:
    """The worst of all repetitions of the output, each against the same values."""
    values, bounds = exact.values["output"], exact.bounds["output"]
    if exact.repeats == 1 or found.shape != (exact.repeats * len(values), values.shape[1]):
        return check(found, values, bounds)
    parts = found.reshape(exact.repeats, *values.shape)  # (repeats, N, O)
    return max((check(part, values, bounds) for part in parts), key=lambda part: part.share)


def compare_step(
    backend: Backend, params: Params, x: np.ndarray, y: np.ndarray, exact: Reference, rule: Optimizer
) -> dict[str, Check]:
    """Let the backend train one step from these weights and measure the new ones against the reference."""
    checks = compare_update(backend, _under_way(rule, params, exact.grads), x, y, exact, rule)
    return {f"step {name}": found for name, found in checks.items()}


def compare_update(
    backend: Backend, state: State, x: np.ndarray, y: np.ndarray, exact: Reference, rule: Optimizer
) -> dict[str, Check]:
    """Let the backend train one full-batch step from any state and measure its weights against the reference.

    `state` holds host arrays in the dtype under test, `exact` is the reference at its weights. At learning rate 1 the
    update is not lost in the rounding of the weight; it is one step only, and its bound that of the same rate.
    """
    rule = replace(rule, learning_rate=1.0)
    errors = Params(*(exact.bounds[name] for name in Params._fields))
    before = map_arrays(partial(np.asarray, dtype=np.float64), state)
    wanted, bounds = bound_update(rule, before, exact.grads, errors, exact.unit)
    start = map_arrays(lambda array: backend.to_device(array.copy()), state)  # a CPU library may share what it is given
    after, _ = backend.train(start, backend.samples(x, y), rule, Plan(None, len(x), 1), range(1))
    found = map(backend.to_host, after.params)
    return {name: check(*arrays) for name, *arrays in zip(Params._fields, found, wanted, bounds, strict=True)}


def _under_way(rule: Optimizer, params: Params, grads: Params) -> State:
    """A state on the host from which the update shows the scale of the gradients.

    Adam's first update is their sign, whatever their scale: its second moment starts at their mean square instead.
    """
    start = rule.init(params)
    if len(start.moments) < 2:
        return start
    mean_square = sum(float(np.vdot(g, g)) for g in grads) / sum(g.size for g in grads)
    second = Params(*(np.full_like(p, mean_square) for p in params))
    return State(params, (start.moments[0], second), 1)


def compare_training(
    backend: Backend, params: Params, x: np.ndarray, y: np.ndarray, rule: Optimizer, plan: Plan, *, many: bool = False
) -> dict[str, Check]:
    """Let the backend train the whole plan and measure where it arrives against training in float64.

    With `many`, by `train_many`, as the last of three networks, of which the others start elsewhere.

    What differs is taken as a share of the way that all weights went together, as one vector, and as a share of the
    last epoch's loss. Rounding at each step is carried on by the steps after it: no bound follows from the data alone,
    so the limit is a number, TRAINED, some ten times what any backend was seen at; a batch left out, repeated or
    taken in another order is off by a fiftieth and more. For that last reason a recipe that shuffles for itself is held
    to OWN_ORDER: it is to have learned as much.
    """
    state = rule.init(params)
    if many:
        other = rule.init(params._replace(w2=-params.w2))
        state = stack_states(np.stack, [other, other, state])
    train = backend.train_many if many else backend.train
    state, losses = train(map_arrays(backend.to_device, state), backend.samples(x, y), rule, plan, range(plan.epochs))
    if many:
        state, losses = map_arrays(itemgetter(-1), state), losses[-1]
    exact, start = NumpyBackend(), map_arrays(partial(np.asarray, dtype=np.float64), rule.init(params))
    samples = exact.samples(x.astype(np.float64), y.astype(np.float64))
    wanted, wanted_losses = exact.train(start, samples, rule, plan, range(plan.epochs))
    found = [backend.to_host(p).astype(np.float64) for p in state.params]
    way = norm(b - a for a, b in zip(start.params, wanted.params, strict=True))
    off = norm(b - a for a, b in zip(found, wanted.params, strict=True)) / way
    loss_off = float(backend.to_host(losses)[-1]) / float(wanted_losses[-1]) - 1
    own = plan.order is not None and getattr(backend, "order", "shared") == "own"
    limit = np.asarray(OWN_ORDER if own else TRAINED[x.dtype.name])
    return {
        "trained weights": check(np.asarray(off), np.zeros(()), limit),
        "trained loss": check(np.asarray(loss_off), np.zeros(()), limit),
    }


def check(found: np.ndarray, exact: np.ndarray, bound: np.ndarray) -> Check:
    """Compare element by element. A shape that differs, nan and inf count as an infinite error."""
    if found.shape != exact.shape or not np.isfinite(found).all():
        return Check(float("inf"), float(np.max(bound)), float("inf"))
    error = np.abs(found.astype(np.float64) - exact)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(error == 0, 0.0, error / bound)
    at = int(np.argmax(share))
    return Check(float(error.flat[at]), float(bound.flat[at]), float(share.flat[at]))


def worst(checks: dict[str, Check]) -> tuple[str, Check]:
    """The quantity whose error is the largest share of its bound."""
    return max(checks.items(), key=lambda item: float("inf") if np.isnan(item[1].share) else item[1].share)


def demand(checks: dict[str, Check]) -> None:
    """Raise Disagreement naming the worst quantity, unless each error is within its bound."""
    name, found = worst(checks)
    if not found.share <= 1:
        raise Disagreement(
            f"{name} is off by {found.error:.3g} where {found.bound:.3g} is allowed ({found.share:.3g} times)"
        )
