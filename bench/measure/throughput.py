"""What is timed of a case, and how: a forward, a gradient, training steps. The same with pytest and without it.

Weights and samples are drawn on the host from the case alone (bench/grid/data.py), so every backend gets the same, and
are on the device before the clock starts. The calls take 16 sets of weights in turn, from successive steps of a
training. The first call is timed apart; then the case is gated and timed in rounds. Its row also holds the load, the
page faults and the power in the meantime.
"""

from collections.abc import Callable
from itertools import cycle
from math import ceil, log2
from typing import Any

import numpy as np

from bench.agreement.gate import PARAMETER_SETS, along_a_run, inputs_of
from bench.grid.data import draw
from bench.grid.workloads import workload
from bench.hardware import interference, nvidia
from bench.journal.status import Diverging
from bench.measure import timing
from bench.measure.trial import Trial, count_subnormals, draw_call, gate, record
from relufit import Params, Plan, Samples, State, init_params, targets
from relufit.optim import Optimizer, map_arrays, stack_states

TRAIN_SECONDS, MOST_EPOCHS = 5e-3, 256  # a timed call of `train` lasts at least so long, or has so many epochs
WARM_UP_SAMPLES = 64  # built before the build is timed
WARM_UP_SAMPLES = 64  # built before the build is timed

Train = Callable[[Plan], tuple[State, Any]]  # trains by a plan; returns the state and the losses


def forward(trial: Trial) -> None:
    """The network's output for samples on the device, without recording for a gradient."""
    _, samples = draw_samples(trial)
    weights = cycle(draw_weights(trial))
    measure(trial, lambda: trial.backend.forward(next(weights), samples.x))


def gradient(trial: Trial) -> None:
    """Loss and all gradients: forward and backward."""
    _, samples = draw_samples(trial)
    weights = cycle(draw_weights(trial))
    measure(trial, lambda: trial.backend.loss_and_grads(next(weights), samples))


def step(trial: Trial) -> None:
    """Forward, backward and update, in calls of `train` that last 5 ms at least; the time is of one step."""
    params, samples = draw_samples(trial)
    rule = trial.case.rule()
    assert rule is not None
    states = cycle([rule.init(weights) for weights in draw_weights(trial)])
    train_from = lambda state, plan: trial.backend.train(state, samples, rule, plan, range(plan.epochs))  # noqa: E731
    train = lambda plan: train_from(next(states), plan)  # noqa: E731
    plan, short = lengthen(trial, train), draw_call(trial.case)
    count_kernels(trial, lambda: train(short), steps_of(short, samples))
    demand_finite(trial, *train_from(rule.init(params), plan))
    measure(trial, lambda: train(plan), steps_of(plan, samples))


def ensemble(trial: Trial) -> None:
    """A step of many networks at once, each from its own weights, on the same batches; the time is of one step."""
    _, samples = draw_samples(trial)
    rule = trial.case.rule()
    assert rule is not None
    states = draw_networks(trial, rule)
    train = lambda plan: trial.backend.train_many(states, samples, rule, plan, range(plan.epochs))  # noqa: E731
    plan = lengthen(trial, train)
    demand_finite(trial, *train(draw_call(trial.case)))
    measure(trial, lambda: train(plan), steps_of(plan, samples))


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


def draw_weights(trial: Trial) -> list[Params]:
    """Sets of weights on the device, as successive steps of a training have them.

    With the same weights in every call, the processor's branch predictor and caches would know them already.
    """
    return [Params(*map(trial.backend.to_device, params)) for params in along_a_run(inputs_of(trial.case))]


def draw_networks(trial: Trial, rule: Optimizer) -> State:
    """The states of the case's networks on the device, each network with its own seed."""
    case, domain = trial.case, targets.ZOO[trial.case.target].domain
    networks = (
        init_params(case.hidden, seed=seed, scheme=case.scheme, domain=domain, dtype=case.dtype)
        for seed in range(case.networks)
    )
    return map_arrays(trial.backend.to_device, stack_states(np.stack, [rule.init(params) for params in networks]))


def measure(trial: Trial, call: timing.Call, steps: int = 1, *, each_call: bool = False) -> None:
    """Make the first call apart, gate the case, time it."""
    call_first(trial, call)
    gate(trial)
    time_rounds(trial, call, steps, each_call=each_call)


def call_first(trial: Trial, call: timing.Call) -> None:
    """Make a call and keep the seconds of the first one, `first_call_seconds`.

    They include what a library compiles or loads for these shapes, unless an earlier case of the process has had them:
    then the first call is warm.
    """
    seconds = timing.seconds_per_call(call, timing.synchronized_clock(trial.backend), 1)
    trial.noted.setdefault("first_call_seconds", seconds)


def time_rounds(trial: Trial, call: timing.Call, steps: int = 1, *, each_call: bool = False) -> None:
    """Time a call of so many training steps in rounds, and record it; `each_call` reads the clock around every call."""
    if trial.benchmark.disabled:
        trial.benchmark.pedantic(call)
        return
    least = 0.0 if each_call else trial.round_seconds
    calls, seconds = timing.choose_iterations(call, timing.synchronized_clock(trial.backend), least, PARAMETER_SETS)
    rounds = timing.choose_rounds(seconds, timing.SHARE_FOR_ROUNDS * trial.budget_seconds)
    before = interference.read()
    trial.benchmark.pedantic(call, rounds=rounds, iterations=calls)
    seen = interference.between(before, interference.read(), calls * rounds)
    stats = trial.benchmark.stats.stats
    if workload(trial.case.work).is_gradient:
        trial.past.learn(trial.backend.name, trial.case, stats.median)

    def read_back(result: Any) -> None:
        while isinstance(result, tuple):  # the last array is not there before the others
            result = result[-1]
        if not workload(trial.case.work).ends_on_host:
            trial.backend.to_host(result)

    seen["read_back_seconds"] = timing.seconds_read_back(call, read_back, stats.median)
    seen |= _seen_from_the_device(trial, call, stats.median)
    record(trial, seconds=list(stats.data), iterations=calls, steps=steps, **seen)


def _seen_from_the_device(trial: Trial, call: timing.Call, seconds: float) -> dict[str, Any]:
    """Power and clocks just after the rounds; then the device's own time, in a pass of its own."""
    if trial.backend.device == "cpu":
        return {}
    found: dict[str, Any] = {"gpu": nvidia.state()}
    clock = trial.backend.device_clock()
    if clock is not None:
        found["device_seconds"] = timing.device_seconds(call, clock, trial.backend.synchronize, seconds) or None
    return found


def steps_of(plan: Plan, samples: Samples) -> int:
    """The training steps of a plan."""
    return plan.epochs * plan.steps_per_epoch(len(samples))


def lengthen(trial: Trial, train: Train) -> Plan:
    """The plan of a call of `train` that lasts TRAIN_SECONDS; its epochs are multiplied by a power of two.

    A training makes thousands of steps in a call: what a call costs beside its steps must not count as one of 25.
    """
    plan = draw_call(trial.case)
    if trial.benchmark.disabled:
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
    if trial.backend.device == "cpu" or trial.benchmark.disabled:
        return
    kernels = nvidia.kernels_per_call(call, trial.backend.synchronize)
    if kernels is not None:
        trial.noted["kernels_per_step"] = kernels / steps
