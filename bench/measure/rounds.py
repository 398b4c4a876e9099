"""How a case is timed: its first call apart, the comparison with float64, then rounds of calls.

What is called is in throughput.py; how rounds are sampled is in sampling.py. The row also holds the load, the page
faults and the power in the meantime.
"""

from math import inf
from statistics import median
from typing import Any

from bench.agreement.gate import PARAMETER_SETS
from bench.grid.workloads import workload
from bench.hardware import interference, nvidia
from bench.journal.schema import UNSYNCHRONIZED
from bench.journal.status import Unsound
from bench.measure import timing
from bench.measure.sampling import LATENCY_CALLS, LONG_SECONDS, LONG_STRIDE, LOOKS, Calls, sample
from bench.measure.trial import LEAST_CALLS, Trial, demand_time, gate, record
from bench.recipes import KEEP_MODELS

READ_BACK_LOOKS = 3
LATENCY_SECONDS = 1.0  # that the calls of latency may take, whatever share of the time the case has


def measure(trial: Trial, call: timing.Call | Calls, steps: int = 1, *, each_call: bool = False) -> None:
    """Make the first call apart, gate the case, time it."""
    calls = call if isinstance(call, Calls) else Calls(lambda _: call())
    call_first(trial, lambda: calls.run(calls.first))
    gate(trial)
    time_rounds(trial, calls, steps, each_call=each_call)


def call_first(trial: Trial, call: timing.Call) -> None:
    """Make a call and keep the seconds of the first one, `first_call_seconds`.

    They include what a library compiles or loads for these shapes, unless an earlier case of the process has had them:
    then the first call is warm. Raises Unsuitable where the case would take too long.
    """
    is_gradient = workload(trial.case.work).is_gradient
    trial.noted.setdefault("first_call_seconds", demand_short(trial, call, LEAST_CALLS, is_gradient))


def demand_short(trial: Trial, call: timing.Call, calls: int, is_gradient: bool) -> float:
    """Seconds of a call. Raises Unsuitable where so many of them take longer than the backend has for all its cases.

    Where they look so, a second call decides, which compiles nothing; the pace of a gradient is kept.
    """
    clock = timing.synchronized_clock(trial.backend)
    first = timing.seconds_per_call(call, clock, 1)
    if calls * first > trial.limit_seconds:
        seconds = min(first, timing.seconds_per_call(call, clock, 1))
        if is_gradient:
            trial.past.learn(trial.backend.name, trial.case, seconds)
        demand_time(trial, calls * seconds)
    return first


def time_rounds(trial: Trial, call: timing.Call | Calls, steps: int = 1, *, each_call: bool = False) -> None:
    """Time calls of so many training steps in rounds, and record them; `each_call` reads the clock around every call.

    Raises Unsound where the time is not that of the work. Then nothing is recorded or shown as a time.
    """
    calls = call if isinstance(call, Calls) else Calls(lambda _: call())
    if trial.untimed:
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
    found, seen = sample(trial, calls, iterations, rounds, stride, looks)
    found.demand_sound(calls, trial.backend.name in KEEP_MODELS)
    seconds = median(found.seconds)
    seen["read_back_seconds"] = demand_synchronized(trial, calls.call, seconds)
    if workload(trial.case.work).is_gradient:
        trial.past.learn(trial.backend.name, trial.case, min(found.seconds))  # what load lengthens is no pace
    seen |= _seen_from_the_device(trial, calls.call, seconds)
    trial.hand_over([second / steps for second in found.seconds], iterations * steps)  # of a step, as our tables
    measured = {"seconds": found.seconds, "fresh_seconds": found.fresh_seconds, "cores_idle": idle}
    record(trial, **measured, iterations=iterations, steps=steps, **seen)


def demand_synchronized(trial: Trial, call: timing.Call, seconds: float) -> float:
    """Seconds of a call whose result is read back. Raises Unsound where they are many times those of the clock.

    A loaded machine can lengthen a look at it; a missing synchronization shows in every look.
    """

    def read_back(result: Any) -> None:
        while isinstance(result, tuple):  # the last array is not there before the others
            result = result[-1]
        if not workload(trial.case.work).ends_on_host:
            trial.backend.to_host(result)

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
