"""Rounds of calls, and beside them calls on inputs that the backend has never seen: who remembers results shows there.

Sampling looks at its rounds after 25, 50 and 100 of them, and goes on while the interval of their median is wide and
the case has time left. Nothing is published whose clock runs slow, whose last results differ from float64, or that
takes many times as long on fresh inputs; the reason is a sentence (`Unsound`).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from statistics import median
from typing import Any

import numpy as np

from bench.agreement.timed import FRESH, TIMED
from bench.hardware import interference
from bench.journal.status import Disagreement, Unsound
from bench.measure import timing
from bench.measure.timing import MAX_ROUNDS
from bench.measure.trial import Trial
from bench.statistics.intervals import half_width
from relufit import Backend

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
