"""The engine, by a fake clock: what is counted, how often, and that the device is waited for."""

import gc

import pytest

from bench.measure import timing
from relufit.backends.numpy import NumpyBackend


class FakeClock:
    """A clock that only moves when a call takes time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("seconds", [1e-7, 3e-6, 1e-4, 0.9e-3, 1e-3, 0.5])
def test_a_round_lasts_a_millisecond(seconds: float) -> None:
    """A round lasts a millisecond whatever a call takes; a slow call is made once."""
    clock, calls = FakeClock(), 0

    def call() -> None:
        nonlocal calls
        calls += 1
        clock.now += seconds

    found, round_seconds = timing.choose_iterations(call, clock)
    assert round_seconds == pytest.approx(found * seconds)
    assert found * seconds >= 0.999e-3
    assert found == 1 or (found - 1) * seconds < 20e-3
    if seconds >= 1e-3:
        assert calls == 1


def test_calls_that_find_cold_caches_do_not_count() -> None:
    """Calls that find cold caches do not count, and what is slow for too long ends the warm-up."""
    clock = FakeClock()
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1
        clock.now += 5e-3 if calls <= 16 else 1e-4

    assert timing.choose_iterations(call, clock, 1e-3)[0] == 1
    calls = 0
    found, seconds = timing.choose_iterations(call, clock, 1e-3, warm_ups=16)
    assert found >= 10
    assert seconds == pytest.approx(found * 1e-4)
    calls = -1000
    timing.choose_iterations(call, clock, 1e-3, warm_ups=500)
    assert calls < -1000 + 25


def test_a_clock_that_does_not_move_at_first_is_survived() -> None:
    """A coarse timer gives zeros for short rounds; the search goes on."""
    clock = FakeClock()
    hidden = 0.0

    def call() -> None:
        nonlocal hidden
        hidden += 1e-7
        clock.now = hidden // 1e-3 * 1e-3

    assert timing.choose_iterations(call, clock)[0] > 1000


def test_a_round_is_timed_without_the_garbage_collector() -> None:
    """A round gives the seconds of a call and the last result; the garbage collector is off meanwhile."""
    clock, collects = FakeClock(), []

    def call() -> int:
        collects.append(gc.isenabled())
        clock.now += 0.25
        return len(collects)

    assert timing.time_round(call, clock, 4) == (0.25, 4)
    assert collects == [False] * 4
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        timing.time_round(lambda: 1 / 0, clock, 1)
    assert gc.isenabled()


def test_seconds_per_call_divides_by_the_calls() -> None:
    """The seconds of a call are K calls between two readings, divided by K."""
    clock = FakeClock()

    def call() -> None:
        clock.now += 0.25

    assert timing.seconds_per_call(call, clock, 4) == 0.25


@pytest.mark.parametrize(
    ("seconds", "budget", "wanted"), [(1, 0, 7), (1, 20, 20), (1e-3, 20, 25), (0, 1, 25), (1.5, 20, 3)]
)
def test_rounds_follow_the_budget(seconds: float, budget: float, wanted: int) -> None:
    """The number of rounds lies between what an interval needs and what keeps journals small."""
    assert timing.choose_rounds(seconds, budget) == wanted


class Asynchronous(NumpyBackend):
    """A fake device: work is queued at once and takes its time when it is waited for."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock, self.queued = clock, 0.0

    def submit(self) -> None:
        """Queue a millisecond of work."""
        self.queued += 1e-3

    def synchronize(self) -> None:
        self.clock.now += self.queued
        self.queued = 0.0


def test_the_clock_waits_for_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten queued calls of a millisecond take ten milliseconds, not nothing."""
    fake = FakeClock()
    monkeypatch.setattr(timing.time, "perf_counter", fake)
    backend = Asynchronous(fake)
    clock = timing.synchronized_clock(backend)
    assert timing.seconds_per_call(backend.submit, clock, 10) == pytest.approx(1e-3)


def test_device_time_is_read_between_marks() -> None:
    """Device time is read on the device's own clock, synchronized before the difference is taken."""
    fake = FakeClock()
    backend = Asynchronous(fake)

    class Clock:
        """When the device will have done what was asked so far."""

        def mark(self) -> float:
            return fake.now + backend.queued

        def hold(self, seconds: float) -> None:
            held.append(seconds)
            backend.queued += seconds

    held: list[float] = []
    readings = timing.device_seconds(backend.submit, Clock(), backend.synchronize, seconds=1e-3)
    assert readings == pytest.approx([1e-3] * timing.DEVICE_ROUNDS)
    assert min(held) > 3e-3


def test_device_time_that_waited_for_the_host_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Device time with gaps, where queueing took longer than the device was held, does not count."""
    fake = FakeClock()
    monkeypatch.setattr(timing.time, "perf_counter", fake)
    backend = Asynchronous(fake)

    class Clock:
        """A clock that holds nothing."""

        mark = staticmethod(lambda: fake.now)
        hold = staticmethod(lambda seconds: None)

    def slow_to_launch() -> None:
        fake.now += 1.0

    assert timing.device_seconds(slow_to_launch, Clock(), backend.synchronize, seconds=1e-3) == []
