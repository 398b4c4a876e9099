"""How a case is timed: its first call apart, the comparison with float64, then rounds of calls.

Beside the rounds, calls are made on inputs that the backend has never seen: who remembers results shows there. Sampling
looks at its rounds after 25, 50 and 100 of them, and goes on while the interval of their median is wide and the case
has time left. Nothing is published whose clock runs slow, whose last results differ from float64, or that takes many
times as long on fresh inputs; the reason is a sentence (`Unsound`). What is called is in throughput.py. The row also
holds the load, the page faults and the power in the meantime.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from math import inf
from statistics import median
from typing import Any

import numpy as np

from bench.agreement.gate import PARAMETER_SETS
from bench.agreement.timed import FRESH, TIMED
from bench.grid.workloads import workload
from bench.hardware import interference, nvidia
from bench.journal.schema import UNSYNCHRONIZED
from bench.journal.status import Disagreement, Unsound
from bench.measure import timing
from bench.measure.timing import MAX_ROUNDS
from bench.measure.trial import LEAST_CALLS, Trial, demand_time, gate, record
from bench.recipes import KEEP_MODELS
from bench.statistics.intervals import half_width
from relufit import Backend

READ_BACK_LOOKS = 3
LATENCY_SECONDS = 1.0  # that the calls of latency may take, whatever share of the time the case has
LOOKS = (MAX_ROUNDS, 50, 100)  # rounds after which their interval is looked at
LATENCY_CALLS = 8  # calls for each of these rounds where the clock is read around every call: 200 at the first look
LONG_SECONDS, LONG_STRIDE = 0.05, 3  # of calls so long, every third round has a fresh one
REMEMBERS = 3.0  # times the published seconds, that a call on fresh inputs takes at the most
SLOW_CLOCK = 0.98  # of the seconds of the reference, that the clock of the rounds counts at least

# Taken at import: a plug-in that replaces the clock of the rounds does not replace this one with it.
_reference_clock = time.monotonic


@dataclass
class Calls:
    """One call on given inputs: on those that go round in the timed calls, and on fresh ones, which are used once.

    `check` compares the result of the call on the inputs of a number (bench/agreement/timed.py) with float64.
    """

    run: Callable[[Any], Any]
    first: Any = None  # inputs of the first call; the timed calls take others
    in_turn: list[Any] = field(default_factory=lambda: [None])
    fresh: Callable[[int], Any] | None = None  # the inputs of a number, put on the device
    check: Callable[[int, Any], Any] | None = None  # takes results on the host; raises Disagreement
    to_host: Callable[[Any], np.ndarray] = np.asarray

    def __post_init__(self) -> None:
        run, self._following = self.run, cycle(self.in_turn).__next__
        following = self._following
        self.call: timing.Call = lambda: run(following())

    def end_with_last(self, calls: int) -> None:
        """Turn the inputs so that the last of so many calls takes the last of them."""
        before = self.in_turn[-calls % len(self.in_turn) - 1]
        while self._following() is not before:
            pass


@dataclass
class Sample:
    """What was measured of a case."""

    iterations: int  # calls a round
    seconds: list[float] = field(default_factory=list)  # of a call, by round
    fresh_seconds: list[float] = field(default_factory=list)
    again_seconds: list[float] = field(default_factory=list)  # of a single call on inputs seen before
    calls: int = 0  # of all rounds and beside them
    last: Any = None  # result of the last timed call, on the host
    last_fresh: Any = None
    clock_seconds: float = 0.0  # of the whole, by the clock of the rounds
    reference_seconds: float = 0.0  # of the same, by the reference

    def demand_sound(self, calls: Calls, keeps_models: bool) -> None:
        """Raise Unsound where the seconds are not those of the work that they stand for."""
        if self.clock_seconds < SLOW_CLOCK * self.reference_seconds:
            counted = f"{self.clock_seconds:.3g} s where time.monotonic counted {self.reference_seconds:.3g} s"
            raise Unsound(f"the clock runs slow: time.perf_counter counted {counted}")
        if calls.check is not None:
            try:
                calls.check(TIMED, self.last)
                calls.check(FRESH, self.last_fresh)
            except Disagreement as error:
                raise Unsound(f"the timed calls return something else: {error}") from None
        if not self.fresh_seconds or keeps_models:
            return
        # A single call takes longer than one of many in a row, on a device above all.
        usual, fresh = max(median(self.seconds), median(self.again_seconds or [0.0])), median(self.fresh_seconds)
        # Load lengthens some calls; one that has to compute what the others remember is long every time.
        if fresh > REMEMBERS * usual and min(self.fresh_seconds) > REMEMBERS / 2 * usual:
            times = f"{fresh / usual:.3g} times as long on weights that it has not seen before"
            raise Unsound(f"remembers results: a call takes {times}")


def sample(
    trial: Trial, calls: Calls, iterations: int, rounds: int, stride: int, looks: Sequence[int]
) -> tuple[Sample, dict[str, Any]]:
    """Time rounds of `iterations` calls, `rounds` at first; returns them and what else went on meanwhile.

    Every `stride`-th round is followed by a call on fresh inputs. After each of `looks` rounds, sampling goes on to the
    next of them while half the width of the median's interval exceeds the trial's `max_noise` of it and the trial has
    time left.
    """
    backend, seconds, found, stretches = trial.backend, trial.budget_seconds, Sample(iterations), []
    compared = None if calls.fresh is None else calls.fresh(FRESH)
    start, number = _reference_clock(), FRESH + 1
    while rounds > 0:
        places = range(0, rounds if found.seconds else rounds - 1, stride)  # one is left for the end
        ready = {} if calls.fresh is None else {at: calls.fresh(number + k) for k, at in enumerate(places)}
        number += len(ready)
        stretches.append(_take(backend, calls, found, rounds, ready))
        done, spent = len(found.seconds), max(_reference_clock() - start, 1e-9)
        more = next((look - done for look in looks if look > done), 0) if done in looks else 0
        rounds = min(more, int((seconds - spent) / spent * done)) if half_width(found.seconds) > trial.max_noise else 0
    if calls.fresh is not None:
        found.last_fresh = copy_to_host(calls.to_host, _call_fresh(backend, calls, found, compared))
    return found, interference.together(stretches, found.calls)


def _take(
    backend: Backend, calls: Calls, found: Sample, rounds: int, fresh: dict[int, Any]
) -> tuple[interference.Reading, interference.Reading]:
    """Take so many rounds; `fresh` are the inputs of the calls after some of them. Returns the readings around all."""
    clock, once = timing.synchronized_clock(backend), len(fresh) if found.iterations > 1 else 0
    made = rounds * found.iterations + len(fresh) + once
    # The calls that repeat inputs take them from the list: they do not turn it.
    calls.end_with_last(rounds * found.iterations)
    backend.synchronize()
    before, began, reference = interference.read(), time.perf_counter(), _reference_clock()
    for number in range(rounds):
        seconds, result = timing.time_round(calls.call, clock, found.iterations)
        found.seconds.append(seconds)
        if number == rounds - 1 and calls.check is not None:
            found.last = copy_to_host(calls.to_host, result)  # at once: what is not there yet does not count
        del result
        if number in fresh:
            _call_fresh(backend, calls, found, fresh[number])
    found.reference_seconds += _reference_clock() - reference
    found.clock_seconds += time.perf_counter() - began
    found.calls += made
    return before, interference.read()


def _call_fresh(backend: Backend, calls: Calls, found: Sample, inputs: Any) -> Any:
    """Time a single call on inputs seen before, then one on these; returns the result of the second."""
    clock = timing.synchronized_clock(backend)
    if found.iterations > 1:
        found.again_seconds.append(timing.time_round(lambda: calls.run(calls.in_turn[0]), clock, 1)[0])
    seconds, result = timing.time_round(lambda: calls.run(inputs), clock, 1)
    found.fresh_seconds.append(seconds)
    return result


def copy_to_host(to_host: Callable[[Any], np.ndarray], result: Any) -> Any:
    """A copy on the host of arrays, or of tuples of them: nothing that runs later can change it."""
    if isinstance(result, tuple):
        parts = [copy_to_host(to_host, part) for part in result]
        return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
    return result if isinstance(result, int) else np.array(to_host(result), copy=True)


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
    found: dict[str, Any] = {"gpu": nvidia.state(trial.backend.device)}
    clock = trial.backend.device_clock()
    if clock is not None:
        found["device_seconds"] = timing.device_seconds(call, clock, trial.backend.synchronize, seconds) or None
    return found
