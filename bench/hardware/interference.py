"""Interference during a measurement: its page faults, the cores it used, and those of other processes and guests.

The system's counters take some microseconds to read; they are read before and after the rounds, never within.
"""

import time
from pathlib import Path
from typing import Any, NamedTuple

import psutil

IDLE_SECONDS, IDLE_LOOKS = 3e-3, 4
IDLE_CORES = 0.1  # below it nothing runs: waking up takes some time too
AVERAGES, FAULTS = ("cores_used", "cores_of_others", "cores_stolen", "throttled_share"), "minor_faults_per_call"
CPU_STAT = Path("/sys/fs/cgroup/cpu.stat")


class Reading(NamedTuple):
    """The counters at one moment."""

    wall_seconds: float
    own_seconds: float  # of all cores, by this process
    busy_seconds: float  # of all cores, by every process
    stolen_seconds: float  # of all cores, by other guests of the machine that this one runs on
    throttled_seconds: float  # for which a container's quota has held its processes back
    faults: int | None  # minor page faults; None where the system does not count them


def read() -> Reading:
    """Read all counters."""
    times = psutil.cpu_times()
    busy = sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq"))
    stolen = getattr(times, "steal", 0.0)
    return Reading(time.perf_counter(), time.process_time(), busy, stolen, _throttled_seconds(), minor_faults())


def between(before: Reading, after: Reading, calls: int) -> dict[str, Any]:
    """The fields of a row for the time between two readings, with `calls` calls in it; cores are averages."""
    wall, own, busy, stolen, throttled = (end - start for start, end in zip(before[:5], after[:5], strict=True))
    wall = max(wall, 1e-9)
    faults = None if before.faults is None or after.faults is None else (after.faults - before.faults) / calls
    return {
        "watched_seconds": wall,
        "cores_used": own / wall,
        "cores_of_others": max(0.0, busy - own) / wall,
        "cores_stolen": max(0.0, stolen) / wall,  # some hosts take it back
        "throttled_share": throttled / wall,
        FAULTS: faults,
    }


def together(stretches: list[tuple[Reading, Reading]], calls: int) -> dict[str, Any]:
    """The same for several stretches of time, each between two readings, with `calls` calls in all of them."""
    parts = [between(before, after, calls) for before, after in stretches]
    watched, faults = sum(part["watched_seconds"] for part in parts), [part[FAULTS] for part in parts]
    cores = {name: sum(part[name] * part["watched_seconds"] for part in parts) / watched for name in AVERAGES}
    return {"watched_seconds": watched, **cores, FAULTS: None if None in faults else sum(faults)}


def idle_cores() -> float:
    """Cores that this process uses while it asks for nothing: those of threads that somebody has left running.

    The least of IDLE_LOOKS looks, each a few milliseconds: a library's own threads wait actively for a moment after a
    call. Ends at the first look that sees nothing.
    """
    least = float("inf")
    for _ in range(IDLE_LOOKS):
        wall, own = time.perf_counter(), time.process_time()
        time.sleep(IDLE_SECONDS)
        least = min(least, (time.process_time() - own) / max(time.perf_counter() - wall, 1e-9))
        if least < IDLE_CORES:
            break
    return least


def minor_faults() -> int | None:
    """Minor page faults of this process so far (no disk read); None where the system does not count them."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def _throttled_seconds() -> float:
    """Seconds for which the container of this process was throttled; 0 without a container or a quota."""
    try:
        lines = CPU_STAT.read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1e-6 for line in lines if line.startswith("throttled_usec ")), 0.0)
