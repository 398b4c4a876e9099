"""What timed calls return, against float64: the gate cannot see a backend that answers otherwise once it is timed.

The result of the last timed call and of the last call on fresh inputs is copied to the host when the clock has been
read, and compared here off the clock. Inputs have a number along one run: 0 is what the gate and the first call take,
1 to PARAMETER_SETS go round in the timed calls, the last of which takes TIMED; FRESH and all above are used once.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from bench.agreement import answers
from bench.agreement.answers import Checks, check, check_gradient, check_output, check_relative, demand, demand_kind
from bench.agreement.gate import PARAMETER_SETS, inputs_of, stable, weights_at
from bench.grid.case import RULES, Case
from bench.grid.data import PIECE, draw
from bench.journal.status import Disagreement
from bench.recipes import order_of
from relufit import Adam, Backend, Params, Plan, State, draw_plan
from relufit.backends.numpy import NumpyBackend, NumpyHingeBackend
from relufit.testing.error_bounds import USEFUL, Reference, as_float64, distance, norm, reference
from relufit.testing.rounded import RoundedBackend

TIMED = PARAMETER_SETS  # number of the inputs that the last timed call takes
FRESH = TIMED + 1  # number of the first inputs that no call has had; the last call on fresh inputs takes these
FULL_PAIRS = 2**22  # of samples and units, up to which every element of a gradient has its bound
OUTPUTS = 2048  # samples whose output is compared, evenly spread
FIRST_LOSS = {"float32": 1e-3, "float64": 1e-6}  # largest relative error; the rate of timed steps amplifies nothing
FAR = 0.1  # largest distance from the start, relative to it, after steps of the timed rate


def compare_output(params: Params, x: np.ndarray, output: np.ndarray, precision: str = "") -> Checks:
    """The output (N, O) of weights and x (N, D) on the host, at OUTPUTS of the samples, each within its bound."""
    shape = len(x), params.w2.shape[1]
    demand_kind({"output": output}, params.w1)
    if output.shape != shape:
        raise Disagreement(f"output has the shape {output.shape} where {shape} is right")
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), OUTPUTS)).astype(int))
    exact = reference(params, x[chosen], np.zeros((len(chosen), shape[1]), x.dtype), precision=precision)
    return demand(check_output(output[chosen], exact))


def compare_forward(case: Case, number: int, output: np.ndarray) -> Checks:
    """The output for the samples of the case and the weights of that number."""
    return compare_output(weights_at(case, number), draw(case)[1], output, case.precision)


def compare_gradient(case: Case, number: int, gated: Checks, loss: np.ndarray, grads: Params) -> Checks:
    """Loss and gradients for the samples of the case and the weights of that number.

    Up to FULL_PAIRS every element is compared within its bound. Above, where those bounds would take seconds for each
    set of weights, the loss and the gradient as one vector are compared with float64, by the moment form for one
    input: within the bounds that the gate found for them (`gated`), and at least USEFUL.
    """
    found = {"loss": loss, **grads._asdict()}
    demand_kind(found, weights_at(case, number).w1)
    if case.batch * case.hidden <= FULL_PAIRS:
        exact = exact_at(inputs_of(case), number)
        checks = {name: check(value, exact.values[name], exact.bounds[name]) for name, value in found.items()}
        return demand({**checks, "gradient": check_gradient(found, exact)})
    exact_loss, exact_grads = exact_gradients(inputs_of(case))[number]
    shapes_differ = any(a.shape != b.shape for a, b in zip(grads, exact_grads, strict=True))
    off = np.inf if shapes_differ else distance(Params(*map(as_float64, grads)), exact_grads) / norm(exact_grads)
    limit = max(USEFUL * exact_loss, 2 * gated["loss"].bound)  # the gate's is that of weights nearby
    of_loss = check(loss, np.asarray(exact_loss), np.asarray(limit))
    return demand({"loss": of_loss, "gradient": check_relative(off, gated["gradient"].bound)})


@lru_cache(maxsize=32)
def exact_at(case: Case, number: int) -> Reference:
    """The reference for the samples of a case at the weights of that number, for all backends to share."""
    return reference(weights_at(case, number), *draw(case)[1:], precision=case.precision)


@lru_cache(maxsize=16)
def exact_gradients(case: Case) -> dict[int, tuple[float, Params]]:
    """Loss and gradients in float64 of all samples of a case, at the two sets of weights that are compared.

    Worked off in pieces, so that no float64 array of all samples exists.
    """
    _, x, y = draw(case)
    sets = {number: Params(*map(as_float64, weights_at(case, number))) for number in (TIMED, FRESH)}
    losses, sums = dict.fromkeys(sets, 0.0), {number: [np.zeros(p.shape) for p in sets[number]] for number in sets}
    for start in range(0, len(x), PIECE):
        piece = slice(start, start + PIECE)
        backend = exact_backend(case)
        samples = backend.samples(as_float64(x[piece]), as_float64(y[piece]))
        share = len(samples) / len(x)
        for number, params in sets.items():
            loss, grads = backend.loss_and_grads(params, samples)
            losses[number] += share * float(loss)
            sums[number] = [total + share * part for total, part in zip(sums[number], grads, strict=True)]
    return {number: (losses[number], Params(*sums[number])) for number in sets}


def exact_backend(case: Case) -> NumpyBackend:
    """What computes a case in float64: by sorted knots and moments where there is one input, else in the dense form."""
    return NumpyHingeBackend() if case.inputs == 1 else NumpyBackend()


def compare_steps(
    backend: Backend, case: Case, params: Params, after: State, losses: np.ndarray, start: Params, steps: int
) -> Checks:
    """What a timed call of `train` returns: the loss of its first epoch against float64, and where its weights are.

    `params` are the weights that `after` started from, (M, ...) for an ensemble with `losses` (M, epochs); `start` is
    one network, the last. Weights must be finite, have moved where rounding allows it (by Adam, whose steps do not
    depend on the gradients' scale), and not be far from their start: the rate of timed steps is small.
    """
    found = {name: np.asarray(value) for name, value in after.params._asdict().items()}
    demand_kind(found, params.w1)
    for name, value in found.items():
        if value.shape != getattr(params, name).shape:
            raise Disagreement(f"{name} has the shape {value.shape} where {getattr(params, name).shape} is right")
        if not np.isfinite(value).all():
            raise Disagreement(f"{name} holds nan or inf")
    if after.step != steps:
        raise Disagreement(f"the state is that after {after.step} steps where {steps} were asked")
    moved = distance(Params(*map(as_float64, after.params)), params)
    if moved == 0 and isinstance(case.rule(), Adam):
        raise Disagreement("the weights have not moved")
    arrays = [array.tobytes() for array in start]
    wanted = first_loss(case, *arrays)
    limit = answers.OWN_ORDER if order_of(backend) == "own" else FIRST_LOSS[case.stored]
    if case.precision:
        rounded = (first_loss(case, *arrays, results=results) for results in (True, False))
        limit = answers.limit_of_loss(rounded, wanted, case.precision)
    loss = float(np.atleast_2d(losses)[-1, 0]) / wanted - 1
    return demand({"first loss": check_relative(loss, limit), "weights": check_relative(moved / norm(params), FAR)})


@lru_cache(maxsize=32)
def first_loss(case: Case, *start: bytes, results: bool | None = None) -> float:
    """The loss of the first epoch of the case's plan in float64, from these weights, which are hashed as bytes.

    With `results` it is that of RoundedBackend.
    """
    rule, shapes = case.rule(), [array.shape for array in weights_at(case, 0)]
    assert rule is not None
    arrays = (np.frombuffer(data, case.stored).reshape(shape) for data, shape in zip(start, shapes, strict=True))
    backend: Backend = exact_backend(case) if results is None else RoundedBackend(case.precision, results)
    _, x, y = draw(case, case.samples)
    samples = backend.samples(as_float64(x), as_float64(y))
    plan = draw_plan(case.samples, batch=case.batch)
    _, losses = backend.train(rule.init(Params(*map(as_float64, arrays))), samples, rule, plan, range(1))
    return float(losses[0])


def compare_training(backend: Backend, case: Case, plan: Plan) -> Checks:
    """A short training from weights that no call has had, as the gate compares it: it is called after the rounds.

    A plan of one step is compared as a step, up to FULL_PAIRS.
    """
    params, (_, x, y) = weights_at(case, FRESH), draw(case, case.samples)
    rule: Any = RULES[case.optimizer]
    if plan.epochs * plan.steps_per_epoch(case.samples) > 1:
        rule = stable(rule, case.hidden)
        return demand(answers.compare_training(backend, params, x, y, rule, plan, many=case.work == "ensemble"))
    if case.batch * case.hidden > FULL_PAIRS:
        return {}
    return demand(answers.compare_step(backend, params, x, y, exact_at(inputs_of(case), FRESH), rule))


def compare_copy(values: np.ndarray, copy: np.ndarray) -> None:
    """Raise Disagreement unless a transferred array holds these values."""
    demand_kind({"the copy": copy}, values)
    if not np.array_equal(values, copy):
        raise Disagreement("the copy holds other values")
