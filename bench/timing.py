"""What one timed call is: a clock that waits for the device, and how often to call between two readings of it.

Inside the clock: K calls and one synchronization, divided by K. K is chosen so that a round lasts a millisecond at
least, and longer where there is time; latency is K = 1 by definition.
"""

import time
from collections.abc import Callable
from typing import Any

from relufit.backend import Backend

ROUND_SECONDS = 1e-3
# Six is the least that gives the median a 95 % interval from order statistics.
MIN_ROUNDS, MAX_ROUNDS = 6, 25  # more would narrow the interval little, and fill the journal
SLOW_SECONDS, SLOW_ROUNDS = 1.0, 3  # a slow round is seldom disturbed all through; three give no interval


def synchronized_clock(backend: Backend) -> Callable[[], float]:
    """A clock whose readings include all work asked of the backend before them."""

    def read() -> float:
        backend.synchronize()
        return time.perf_counter()

    return read


def seconds_per_call(call: Callable[[], Any], clock: Callable[[], float], calls: int) -> float:
    """Mean wall time of `calls` calls and one synchronization."""
    start = clock()
    for _ in range(calls):
        call()
    return (clock() - start) / calls


def choose_iterations(
    call: Callable[[], Any], clock: Callable[[], float], least: float = ROUND_SECONDS
) -> tuple[int, float]:
    """The calls to make between two readings so that they last `least` seconds, and how long they lasted together.

    Warms up on the way.
    """
    calls = 1
    while (seconds := seconds_per_call(call, clock, calls)) * calls < least:
        calls = max(2 * calls, min(16 * calls, int(1.2 * least / max(seconds, 1e-9))))
    return calls, seconds * calls


def choose_rounds(seconds_per_round: float, budget_seconds: float) -> int:
    """As many rounds as the budget allows, between MIN_ROUNDS and MAX_ROUNDS; SLOW_ROUNDS of slow ones."""
    if seconds_per_round > SLOW_SECONDS:
        return SLOW_ROUNDS
    return max(MIN_ROUNDS, min(MAX_ROUNDS, int(budget_seconds / max(seconds_per_round, 1e-9))))


def device_seconds(
    call: Callable[[], Any], mark: Callable[[], Any], synchronize: Callable[[], None], calls: int, rounds: int
) -> list[float]:
    """Device time of one call in each of `rounds` rounds of `calls`, by events on the device's own stream."""
    readings = []
    for _ in range(rounds):
        synchronize()
        start = mark()
        for _ in range(calls):
            call()
        stop = mark()
        synchronize()
        readings.append((stop - start) / calls)
    return readings


def minor_faults() -> int | None:
    """Page faults of this process so far that needed no disk; None where the system does not count them."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
