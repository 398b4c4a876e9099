"""What one timed call is: a clock that waits for the device, and how often to call between two readings of it.

Inside the clock: K calls and one synchronization, divided by K. K is chosen so that a round lasts a millisecond at
least, and longer where there is time; latency is K = 1 by definition.
"""

import gc
import time
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from bench.journal.schema import UNSYNCHRONIZED
from relufit.backend import Backend, DeviceClock

ROUND_SECONDS, WARM_SECONDS = 1e-3, 0.1
# Six give the median a 95 % interval from order statistics, seven are enough for a verdict in a table of forty rows.
MIN_ROUNDS, MAX_ROUNDS = 7, 25  # more would narrow the interval little, and fill the journal
# Of device time: a device's queue holds about a thousand launches, which a host makes in 5 ms.
DEVICE_ROUNDS, QUEUE_SECONDS, HOLD_SECONDS, LONGEST_QUEUED_SECONDS = 9, 3e-3, 1e-3, 0.1
SHARE_FOR_ROUNDS = 0.6  # of a case's time; the rest is for the reference, the gate and the warm-up
READ_BACK_SECONDS = 5e-3  # what K calls are to take
SLOW_SECONDS, SLOW_ROUNDS = 1.0, 3  # a slow round is seldom disturbed all through; three give no interval

Call = Callable[[], Any]  # what is timed
Clock = Callable[[], float]


def synchronized_clock(backend: Backend) -> Clock:
    """A clock whose readings include all work asked of the backend before them."""

    def read() -> float:
        backend.synchronize()
        return time.perf_counter()

    return read


def seconds_per_call(call: Call, clock: Clock, calls: int) -> float:
    """Mean wall time of `calls` calls and one synchronization."""
    return time_round(call, clock, calls)[0]


def time_round(call: Call, clock: Clock, calls: int) -> tuple[float, Any]:
    """Seconds of a call in a round of so many, as the fixture of pytest-benchmark times it; and the last result.

    The garbage collector is off meanwhile. Results before the last are dropped, so that their memory is used again.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        start = clock()
        for _ in range(calls - 1):
            call()
        result = call()
        return (clock() - start) / calls, result
    finally:
        if collects:
            gc.enable()


class Replay:
    """The timer of pytest-benchmark's fixture: a clock, until rounds that were taken without it are handed over.

    The fixture can be called once and times nothing apart; with this its table and its files show our rounds.
    """

    __name__ = "synchronized_clock"

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.readings: deque[float] = deque()

    def __call__(self) -> float:
        """The next of the recorded readings, or the time."""
        return self.readings.popleft() if self.readings else self.clock()

    def hand_over(self, benchmark: Any, seconds: list[float], iterations: int) -> None:
        """Have the fixture read the clock around each round as it was read when the round was taken."""
        self.readings.extend(reading for second in seconds for reading in (0.0, second * iterations))
        benchmark.pedantic(lambda: None, rounds=len(seconds), iterations=iterations)


def choose_iterations(call: Call, clock: Clock, least: float = ROUND_SECONDS, warm_ups: int = 0) -> tuple[int, float]:
    """The calls to make between two readings so that they last `least` seconds, and how long they lasted together.

    Before, the call is made `warm_ups` times, or for WARM_SECONDS: one that finds its caches cold says nothing of those
    after it (at 10^8 samples a hinge gradient of weights not seen before takes 30 times as long as the next).
    """
    start = clock()
    for _ in range(warm_ups):
        call()
        if clock() - start > WARM_SECONDS:
            break
    calls = 1
    while (seconds := seconds_per_call(call, clock, calls)) * calls < least:
        calls = max(2 * calls, min(16 * calls, int(1.2 * least / max(seconds, 1e-9))))
    return calls, seconds * calls


def choose_rounds(seconds_per_round: float, budget_seconds: float, most: int = MAX_ROUNDS) -> int:
    """As many rounds as the budget allows, between MIN_ROUNDS and `most`; SLOW_ROUNDS of slow ones."""
    if seconds_per_round > SLOW_SECONDS:
        return SLOW_ROUNDS
    return max(MIN_ROUNDS, min(most, int(budget_seconds / max(seconds_per_round, 1e-9))))


def device_seconds(call: Call, clock: DeviceClock, synchronize: Callable[[], None], seconds: float) -> list[float]:
    """The device's own time of one call, in DEVICE_ROUNDS rounds; `seconds` is the wall time of one.

    The device is held busy until all calls of a round are queued: then it works them off without waiting for the host,
    and the time between two marks on its stream is its own work. There are no readings where that cannot be: where a
    call is long, and where it waits for the device itself, so that queueing takes as long as the device is held.
    """
    if seconds > LONGEST_QUEUED_SECONDS:
        return []
    calls = max(1, int(QUEUE_SECONDS / seconds))
    held = 2 * calls * seconds + HOLD_SECONDS
    readings = []
    for _ in range(DEVICE_ROUNDS):
        synchronize()
        asked = time.perf_counter()
        clock.hold(held)
        start = clock.mark()
        for _ in range(calls):
            call()
        stop = clock.mark()
        late = time.perf_counter() - asked >= held
        synchronize()
        if late:
            break
        readings.append((stop - start) / calls)
    return readings


def seconds_read_back(call: Call, read: Callable[[Any], Any], seconds: float, rounds: int = 15) -> float:
    """Seconds of a call that no missing synchronization can hide; `seconds` is what the clock said of it.

    A result that is read back on the host is there. What one such call takes bounds the time from above; only where
    that is far beyond what the clock said, which may be the reading back, the difference of 2 K and K calls decides:
    in it the reading back cancels. The least of each counts, over rounds until it is plain that all is well: a
    disturbance only lengthens them.
    """

    def elapsed(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            result = call()
        read(result)
        return time.perf_counter() - start

    one = found = elapsed(1)
    calls = max(1, int(READ_BACK_SECONDS / one))
    least = twice = float("inf")
    for number in range(rounds):
        if found <= UNSYNCHRONIZED * seconds and number not in (1, 2):  # one round or two may mislead
            break
        least, twice = min(least, elapsed(calls)), min(twice, elapsed(2 * calls))
        found = min(one, max(0.0, twice - least) / calls)
    return found


def resolution() -> float:
    """The least difference of two readings of the clock, in seconds."""
    readings = [time.perf_counter() for _ in range(1000)]
    return min(later - earlier for earlier, later in pairwise(readings) if later > earlier)
