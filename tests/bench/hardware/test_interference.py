"""What went on beside a measurement, by the system's counters."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.hardware import interference


def test_what_goes_on_beside_is_measured() -> None:
    """A thread that is busy counts as a core of this process, and not as another's."""
    stop = threading.Event()
    busy = threading.Thread(target=lambda: sum(1 for _ in iter(stop.is_set, True)))
    before = interference.read()
    busy.start()
    time.sleep(0.5)
    found = interference.between(before, interference.read(), calls=10)
    stop.set()
    busy.join()
    assert found["watched_seconds"] == pytest.approx(0.5, abs=0.3)
    assert 0.2 < found["cores_used"] < 1.5
    assert found["cores_of_others"] >= 0
    assert found["minor_faults_per_call"] is None or found["minor_faults_per_call"] >= 0


def test_a_thread_left_running_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that asks for nothing uses no core, and one with a busy thread the whole of one."""
    assert interference.idle_cores() < 0.25
    ended, spent = threading.Event(), [0.0]

    def run() -> None:
        while not ended.is_set():
            spent[0] = time.thread_time()

    def sleep(seconds: float, right: Callable[[float], None] = time.sleep) -> None:
        until = spent[0] + seconds
        while spent[0] < until:
            right(1e-3)

    # On the clock of the thread itself: a loaded machine may give it any share of a core.
    clock = SimpleNamespace(perf_counter=lambda: spent[0], process_time=time.process_time, sleep=sleep)
    monkeypatch.setattr(interference, "time", clock)
    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert interference.idle_cores() == pytest.approx(1, abs=0.5)
    finally:
        ended.set()
        thread.join()


def test_every_counter_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counters are all cores' busy seconds, and those of other guests, which few systems tell."""
    times = SimpleNamespace(user=10.0, nice=1.0, system=5.0, idle=900.0, iowait=7.0, irq=0.5, softirq=0.25, steal=3.0)
    monkeypatch.setattr(interference.psutil, "cpu_times", lambda: times)
    found = interference.read()
    assert (found.busy_seconds, found.stolen_seconds) == (16.75, 3.0)
    del times.steal, times.irq
    found = interference.read()
    assert (found.busy_seconds, found.stolen_seconds) == (16.25, 0.0)


def test_page_faults_are_counted() -> None:
    """Touching fresh memory counts as page faults; a system that does not count them gives None."""
    before = interference.minor_faults()
    if before is None:
        pytest.skip("this system does not count page faults")
    bytearray(64 << 20)[:: 1 << 12] = b"x" * (64 << 8)
    after = interference.minor_faults()
    assert after is not None
    assert after > before


def test_shares_are_of_the_time_between() -> None:
    """Another process's cores are the system's less one's own; what a host takes back is not negative."""
    before = interference.Reading(10.0, 5.0, 100.0, 7.0, 1.0, 1000)
    found = interference.between(before, interference.Reading(12.0, 6.0, 103.0, 6.5, 1.5, 1400), calls=100)
    assert found == {
        "watched_seconds": 2.0, "cores_used": 0.5, "cores_of_others": 1.0, "cores_stolen": 0.0,
        "throttled_share": 0.25, "minor_faults_per_call": 4.0,
    }  # fmt: skip
    assert interference.between(before, before._replace(faults=None), calls=1)["minor_faults_per_call"] is None


def test_a_container_tells_how_long_it_was_held_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container with a quota tells how long it was held back; without a file, or its word, it is 0."""
    stat = tmp_path / "cpu.stat"
    monkeypatch.setattr(interference, "CPU_STAT", stat)
    assert interference._throttled_seconds() == 0
    stat.write_text("usage_usec 5\n")
    assert interference._throttled_seconds() == 0
    stat.write_text("usage_usec 5\nnr_throttled 3\nthrottled_usec 2500000\n")
    assert interference._throttled_seconds() == 2.5
