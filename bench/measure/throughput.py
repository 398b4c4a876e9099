"""What is timed of each kind of work: a forward, a gradient, training steps. The same with pytest and without it.

Weights and samples are drawn on the host from the case alone (bench/grid/data.py), so every backend gets the same, and
are on the device before the clock starts. The calls take 16 sets of weights in turn, from successive steps of a
training, which neither the first call nor the gate has taken. How they are timed is in rounds.py.
"""

from collections.abc import Callable, Iterable
from functools import partial
from math import ceil, inf, log2
from typing import Any

import numpy as np

from bench.agreement import timed
from bench.agreement.gate import weights_at
from bench.grid.data import draw
from bench.hardware import nvidia
from bench.journal.status import Diverging
from bench.measure import timing
from bench.measure.rounds import Calls, call_first, demand_short, measure, time_rounds
from bench.measure.trial import LEAST_CALLS, Trial, count_subnormals, draw_call
from relufit import Params, Plan, Samples, State, init_params, targets
from relufit.network.optim import map_arrays, stack_states

TRAIN_SECONDS, MOST_EPOCHS = 5e-3, 256  # a timed call of `train` lasts at least so long, or has so many epochs
WARM_UP_SAMPLES = 64  # built before the build is timed

Train = Callable[[Plan], tuple[State, Any]]  # trains by a plan; returns the state and the losses


def forward(trial: Trial) -> None:
    """The network's output for samples on the device, without recording for a gradient."""
    _, samples = draw_samples(trial)
    x, run = samples.x, trial.backend.forward
    measure(trial, on_weights(trial, lambda weights: run(weights, x), partial(timed.compare_forward, trial.case)))


def gradient(trial: Trial) -> None:
    """Loss and all gradients: forward and backward."""
    _, samples = draw_samples(trial)
    run = trial.backend.loss_and_grads
    check = lambda number, found: timed.compare_gradient(trial.case, number, trial.checks, *found)  # noqa: E731
    measure(trial, on_weights(trial, lambda weights: run(weights, samples), check))


def step(trial: Trial) -> None:
    """Forward, backward and update, in calls of `train` that last 5 ms at least; the time is of one step."""
    case, rule = trial.case, trial.case.rule()
    assert rule is not None
    time_training(trial, trial.backend.train, lambda number: rule.init(weights_at(case, number)), range(1, timed.FRESH))


def ensemble(trial: Trial) -> None:
    """A step of many networks at once, each from its own weights, on the same batches; the time is of one step."""
    networks = draw_networks(trial)

    def states(number: int) -> State:
        """Those of a number: the last layer is larger by so many thousandths."""
        w2 = networks.params.w2
        return networks._replace(params=networks.params._replace(w2=w2 * w2.dtype.type(1 + 1e-3 * number)))

    time_training(trial, trial.backend.train_many, states, [timed.TIMED])


def time_training(
    trial: Trial, verb: Callable[..., Any], on_host: Callable[[int], State], numbers: Iterable[int]
) -> None:
    """Time calls of `train` or `train_many` from the states of `numbers` in turn; the first call is from state 0."""
    _, samples = draw_samples(trial)
    case, backend, rule, short = trial.case, trial.backend, trial.case.rule(), draw_call(trial.case)
    train = lambda state, plan: verb(state, samples, rule, plan, range(plan.epochs))  # noqa: E731
    states = lambda number: map_arrays(backend.to_device, on_host(number))  # noqa: E731
    first = states(0)
    if trial.limit_seconds < inf and not trial.past.least_seconds(backend.name, case):
        # A call of `train` makes many steps: one gradient shows whether they take too long.
        weights, part = weights_on_device(trial, 0), samples.take(slice(0, case.batch))
        demand_short(trial, lambda: backend.loss_and_grads(weights, part), LEAST_CALLS * steps_of(short, samples), True)
    plan = lengthen(trial, partial(train, first))
    count_kernels(trial, lambda: train(first, short), steps_of(short, samples))
    demand_finite(trial, *train(first, plan))
    steps = steps_of(plan, samples)

    def check(number: int, found: tuple[State, np.ndarray]) -> None:
        weights = on_host(number).params
        one = Params(*(array[-1] for array in weights)) if case.work == "ensemble" else weights
        timed.compare_steps(backend, case, weights, *found, one, steps)
        if number == timed.FRESH:
            timed.compare_training(backend, case, short)

    # States are built beside the clock.
    calls = Calls(lambda state: train(state, plan), first, [*map(states, numbers)], states, check, backend.to_host)
    measure(trial, calls, steps)


def latency(trial: Trial) -> None:
    """One forward from a host array to a host array, the clock read around each call."""
    case, backend, usual = trial.case, trial.backend, draw(trial.case)[1]

    def run(inputs: tuple[Params, np.ndarray]) -> np.ndarray:
        weights, x = inputs
        return backend.to_host(backend.forward(weights, backend.to_device(x)))

    def x_of(number: int) -> np.ndarray:
        if number < timed.FRESH:
            return usual
        domain = targets.ZOO[case.target].domain
        return np.random.default_rng(number).uniform(*domain, usual.shape).astype(case.dtype)

    inputs = lambda number: (weights_on_device(trial, number), x_of(number))  # noqa: E731
    check = lambda number, y: timed.compare_output(weights_at(case, number), x_of(number), y)  # noqa: E731
    first, *in_turn = map(inputs, range(timed.FRESH))
    measure(trial, Calls(run, first, in_turn, inputs, check), each_call=True)


def to_device(trial: Trial) -> None:
    """One column of samples from the host to the device. A CPU library may share the memory: then it is no copy."""
    transfer(trial, trial.backend.to_device, lambda values: values, trial.backend.to_host)


def to_host(trial: Trial) -> None:
    """One column of outputs from the device to the host."""
    transfer(trial, trial.backend.to_host, trial.backend.to_device, np.asarray)


def transfer(trial: Trial, run: Callable[..., Any], place: Callable[..., Any], to_host: Callable[..., Any]) -> None:
    """Time the transfer of columns (N, 1), which `place` puts where it starts and `to_host` reads where it ends."""
    shape, dtype = (trial.case.batch, 1), trial.case.dtype
    values = lambda number: np.random.default_rng(number).standard_normal(shape).astype(dtype)  # noqa: E731
    placed = lambda number: place(values(number))  # noqa: E731
    check = lambda number, copy: timed.compare_copy(values(number), copy)  # noqa: E731
    time_rounds(trial, Calls(run, None, [placed(timed.TIMED)], placed, check, to_host))


def on_weights(trial: Trial, run: Callable[[Params], Any], check: Callable[[int, Any], Any]) -> Calls:
    """Calls on sets of weights on the device, as successive steps of a training have them.

    With the same weights in every call, the processor's branch predictor and caches would know them already.
    """
    inputs = partial(weights_on_device, trial)
    first, *in_turn = map(inputs, range(timed.FRESH))
    return Calls(run, first, in_turn, inputs, check, trial.backend.to_host)


def weights_on_device(trial: Trial, number: int) -> Params:
    """The weights of that number (bench/agreement/timed.py) on the device."""
    return Params(*map(trial.backend.to_device, weights_at(trial.case, number)))


def draw_samples(trial: Trial) -> tuple[Params, Samples]:
    """Weights and samples of the case on the device; `build_seconds` is what the backend's `samples` took.

    That is the upload, and for hinge the sorting and the table of the data. A few samples are built before, so that
    compilation is not counted.
    """
    params, x, y = draw(trial.case, trial.case.samples)
    on_device = Params(*map(trial.backend.to_device, params))
    trial.backend.samples(x[:WARM_UP_SAMPLES], y[:WARM_UP_SAMPLES])
    clock = timing.synchronized_clock(trial.backend)
    start = clock()
    samples = trial.backend.samples(x, y)
    trial.noted["build_seconds"] = clock() - start
    return on_device, samples


def draw_networks(trial: Trial) -> State:
    """The states of the case's networks on the host, each network with its own seed."""
    case, rule, domain = trial.case, trial.case.rule(), targets.ZOO[trial.case.target].domain
    assert rule is not None
    networks = (
        init_params(case.hidden, seed=seed, scheme=case.scheme, domain=domain, dtype=case.dtype)
        for seed in range(case.networks)
    )
    return stack_states(np.stack, [rule.init(params) for params in networks])


def steps_of(plan: Plan, samples: Samples) -> int:
    """The training steps of a plan."""
    return plan.epochs * plan.steps_per_epoch(len(samples))


def lengthen(trial: Trial, train: Train) -> Plan:
    """The plan of a call of `train` that lasts TRAIN_SECONDS; its epochs are multiplied by a power of two.

    A training makes thousands of steps in a call: what a call costs beside its steps must not count as one of 25.
    """
    plan = draw_call(trial.case)
    if trial.untimed:
        return plan
    call_first(trial, lambda: train(plan))
    seconds = timing.seconds_per_call(lambda: train(plan), timing.synchronized_clock(trial.backend), 1)
    times = 2 ** max(0, ceil(log2(TRAIN_SECONDS / seconds)))
    return draw_call(trial.case, min(MOST_EPOCHS, plan.epochs * times))


def demand_finite(trial: Trial, state: State, losses: Any) -> None:
    """Raise Diverging where training at the timed rate diverges; keep how many weights became subnormal."""
    if not np.isfinite(trial.backend.to_host(losses)).all():
        raise Diverging("the loss of the timed steps became nan or inf")
    trial.noted["subnormals"] = count_subnormals(map(trial.backend.to_host, state.params))


def count_kernels(trial: Trial, call: timing.Call, steps: int) -> None:
    """Keep how many kernels the device runs for each step of a call."""
    if trial.backend.device == "cpu" or trial.untimed:
        return
    kernels = nvidia.kernels_per_call(call, trial.backend.synchronize)
    if kernels is not None:
        trial.noted["kernels_per_step"] = kernels / steps
