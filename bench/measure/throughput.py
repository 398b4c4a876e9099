"""What is timed of a case, and how: a forward, a gradient, training steps. The same with pytest and without it.

Weights and samples are drawn on the host from the case alone (bench/grid/data.py), so every backend gets the same, and
are on the device before the clock starts. The calls take 16 sets of weights in turn, from successive steps of a
training, which neither the first call nor the gate has taken. The first call is timed apart; then the case is gated
and timed in rounds (bench/measure/sampling.py). Its row also holds the load, the page faults and the power in the
meantime.
"""

from collections.abc import Callable
from functools import partial
from math import ceil, inf, log2
from statistics import median
from typing import Any

import numpy as np

from bench.agreement import timed
from bench.agreement.gate import PARAMETER_SETS, weights_at
from bench.grid.case import Case
from bench.grid.data import draw
from bench.grid.workloads import workload
from bench.hardware import interference, nvidia
from bench.journal.schema import UNSYNCHRONIZED
from bench.journal.status import Diverging, Unsound
from bench.measure import timing
from bench.measure.sampling import LATENCY_CALLS, LONG_SECONDS, LONG_STRIDE, LOOKS, Calls, sample
from bench.measure.trial import Trial, count_subnormals, draw_call, gate, record
from bench.recipes import KEEP_MODELS
from relufit import Params, Plan, Samples, State, init_params, targets
from relufit.optim import Optimizer, map_arrays, stack_states

TRAIN_SECONDS, MOST_EPOCHS = 5e-3, 256  # a timed call of `train` lasts at least so long, or has so many epochs
READ_BACK_LOOKS = 3
LATENCY_SECONDS = 1.0  # that the calls of latency may take, whatever share of the time the case has
WARM_UP_SAMPLES = 64  # built before the build is timed

Train = Callable[[Plan], tuple[State, Any]]  # trains by a plan; returns the state and the losses


def forward(trial: Trial) -> None:
    """The network's output for samples on the device, without recording for a gradient."""
    _, samples = draw_samples(trial)
    case, x, run = trial.case, samples.x, trial.backend.forward
    check = partial(timed.compare_forward, case)
    measure(trial, on_weights(trial, lambda weights: run(weights, x), check))


def gradient(trial: Trial) -> None:
    """Loss and all gradients: forward and backward."""
    _, samples = draw_samples(trial)
    run = trial.backend.loss_and_grads
    check = lambda number, found: timed.compare_gradient(trial.case, number, trial.checks, *found)  # noqa: E731
    measure(trial, on_weights(trial, lambda weights: run(weights, samples), check))


def step(trial: Trial) -> None:
    """Forward, backward and update, in calls of `train` that last 5 ms at least; the time is of one step."""
    params, samples = draw_samples(trial)
    rule = trial.case.rule()
    assert rule is not None
    start = rule.init(params)
    train = lambda state, plan: trial.backend.train(state, samples, rule, plan, range(plan.epochs))  # noqa: E731
    plan, short = lengthen(trial, partial(train, start)), draw_call(trial.case)
    count_kernels(trial, lambda: train(start, short), steps_of(short, samples))
    demand_finite(trial, *train(start, plan))
    steps = steps_of(plan, samples)

    def check(number: int, found: tuple[State, np.ndarray]) -> None:
        weights = weights_at(trial.case, number)
        timed.compare_steps(trial.backend, trial.case, weights, *found, weights, steps)
        if number == timed.FRESH:
            timed.compare_training(trial.backend, trial.case, short)

    # The optimizer's state is built beside the clock.
    calls = on_weights(trial, lambda state: train(state, plan), check, rule.init)
    measure(trial, calls, steps)


def ensemble(trial: Trial) -> None:
    """A step of many networks at once, each from its own weights, on the same batches; the time is of one step."""
    _, samples = draw_samples(trial)
    rule = trial.case.rule()
    assert rule is not None
    networks = draw_networks(trial, rule)
    train = lambda states, plan: trial.backend.train_many(states, samples, rule, plan, range(plan.epochs))  # noqa: E731

    def states(number: int) -> State:
        """Those of a number: the last layer is larger by so many thousandths."""
        params = networks.params
        scaled = params._replace(w2=params.w2 * params.w2.dtype.type(1 + 1e-3 * number))
        return map_arrays(trial.backend.to_device, networks._replace(params=scaled))

    first, short = states(0), draw_call(trial.case)
    plan = lengthen(trial, partial(train, first))
    demand_finite(trial, *train(first, short))
    steps = steps_of(plan, samples)

    def check(number: int, found: tuple[State, np.ndarray]) -> None:
        weights = Params(*map(trial.backend.to_host, states(number).params))
        last = Params(*(array[-1] for array in weights))
        timed.compare_steps(trial.backend, trial.case, weights, *found, last, steps)
        if number == timed.FRESH:
            timed.compare_training(trial.backend, trial.case, short)

    run, to_host = (lambda given: train(given, plan)), trial.backend.to_host
    measure(trial, Calls(run, first, [states(timed.TIMED)], states, check, to_host), steps)


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

    def inputs(number: int) -> tuple[Params, np.ndarray]:
        return Params(*map(backend.to_device, weights_at(case, number))), x_of(number)

    check = lambda number, y: timed.compare_output(weights_at(case, number), x_of(number), y)  # noqa: E731
    first, *in_turn = map(inputs, range(timed.FRESH))
    measure(trial, Calls(run, first, in_turn, inputs, check), each_call=True)


def to_device(trial: Trial) -> None:
    """One column of samples from the host to the device. A CPU library may share the memory: then it is no copy."""
    values, backend = partial(column, trial.case), trial.backend
    check = lambda number, copy: timed.compare_copy(values(number), copy)  # noqa: E731
    time_rounds(trial, Calls(backend.to_device, None, [values(timed.TIMED)], values, check, backend.to_host))


def to_host(trial: Trial) -> None:
    """One column of outputs from the device to the host."""
    values, backend = partial(column, trial.case), trial.backend
    on_device = lambda number: backend.to_device(values(number))  # noqa: E731
    check = lambda number, copy: timed.compare_copy(values(number), copy)  # noqa: E731
    time_rounds(trial, Calls(backend.to_host, None, [on_device(timed.TIMED)], on_device, check))


def column(case: Case, number: int) -> np.ndarray:
    """The values (N, 1) that are transferred, of a number."""
    return np.random.default_rng(number).standard_normal((case.batch, 1)).astype(case.dtype)


def on_weights(trial: Trial, run: Callable[[Any], Any], check: Callable[[int, Any], Any], of: Any = Params) -> Calls:
    """Calls on sets of weights on the device, as successive steps of a training have them.

    With the same weights in every call, the processor's branch predictor and caches would know them already. `of`
    makes the inputs of a call of them, such as a state.
    """
    backend, case = trial.backend, trial.case

    def inputs(number: int) -> Any:
        weights = Params(*map(backend.to_device, weights_at(case, number)))
        return weights if of is Params else of(weights)

    first, *in_turn = map(inputs, range(timed.FRESH))
    return Calls(run, first, in_turn, inputs, check, backend.to_host)


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


def draw_networks(trial: Trial, rule: Optimizer) -> State:
    """The states of the case's networks on the host, each network with its own seed."""
    case, domain = trial.case, targets.ZOO[trial.case.target].domain
    networks = (
        init_params(case.hidden, seed=seed, scheme=case.scheme, domain=domain, dtype=case.dtype)
        for seed in range(case.networks)
    )
    return stack_states(np.stack, [rule.init(params) for params in networks])


def measure(trial: Trial, call: timing.Call | Calls, steps: int = 1, *, each_call: bool = False) -> None:
    """Make the first call apart, gate the case, time it."""
    calls = call if isinstance(call, Calls) else Calls(lambda _: call())
    call_first(trial, lambda: calls.run(calls.first))
    gate(trial)
    time_rounds(trial, calls, steps, each_call=each_call)


def call_first(trial: Trial, call: timing.Call) -> None:
    """Make a call and keep the seconds of the first one, `first_call_seconds`.

    They include what a library compiles or loads for these shapes, unless an earlier case of the process has had them:
    then the first call is warm.
    """
    seconds = timing.seconds_per_call(call, timing.synchronized_clock(trial.backend), 1)
    trial.noted.setdefault("first_call_seconds", seconds)


def time_rounds(trial: Trial, call: timing.Call | Calls, steps: int = 1, *, each_call: bool = False) -> None:
    """Time calls of so many training steps in rounds, and record them; `each_call` reads the clock around every call.

    Raises Unsound where the time is not that of the work. Then nothing is recorded or shown as a time.
    """
    calls = call if isinstance(call, Calls) else Calls(lambda _: call())
    if trial.benchmark.disabled:
        trial.benchmark.pedantic(calls.call)
        return
    least, clock = 0.0 if each_call else trial.round_seconds, timing.synchronized_clock(trial.backend)
    iterations, round_seconds = timing.choose_iterations(calls.call, clock, least, PARAMETER_SETS)
    stride, looks = LATENCY_CALLS if each_call else 1, [look * (LATENCY_CALLS if each_call else 1) for look in LOOKS]
    if round_seconds / iterations > LONG_SECONDS:
        stride = max(stride, LONG_STRIDE)
    round_seconds += 0.0 if calls.fresh is None else 2 * round_seconds / iterations / stride
    budget = max(timing.SHARE_FOR_ROUNDS * trial.budget_seconds, LATENCY_SECONDS if each_call else 0.0)
    rounds = timing.choose_rounds(round_seconds, budget, looks[0])
    idle = interference.idle_cores()
    limits = trial.max_noise, trial.budget_seconds
    found, seen = sample(trial.backend, calls, iterations, rounds, stride, looks, *limits)
    found.demand_sound(calls, trial.backend.name in KEEP_MODELS)
    seconds = median(found.seconds)

    def read_back(result: Any) -> None:
        while isinstance(result, tuple):  # the last array is not there before the others
            result = result[-1]
        if not workload(trial.case.work).ends_on_host:
            trial.backend.to_host(result)

    seen["read_back_seconds"] = demand_synchronized(calls.call, read_back, seconds)
    if workload(trial.case.work).is_gradient:
        trial.past.learn(trial.backend.name, trial.case, seconds)
    seen |= _seen_from_the_device(trial, calls.call, seconds)
    trial.hand_over(found.seconds, iterations)
    measured = {"seconds": found.seconds, "fresh_seconds": found.fresh_seconds, "cores_idle": idle}
    record(trial, **measured, iterations=iterations, steps=steps, **seen)


def demand_synchronized(call: timing.Call, read_back: Callable[[Any], Any], seconds: float) -> float:
    """Seconds of a call whose result is read back. Raises Unsound where they are many times those of the clock.

    A loaded machine can lengthen a look at it; a missing synchronization shows in every look.
    """
    least = inf
    for _ in range(READ_BACK_LOOKS):
        least = min(least, timing.seconds_read_back(call, read_back, seconds))
        if least <= UNSYNCHRONIZED * seconds:
            return least
    raise Unsound(f"unsynchronized: {least / seconds:.3g} times as long when results are read back")


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
