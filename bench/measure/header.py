"""The first line of a journal: the machine, the code, the settings, and what each backend says of itself."""

from collections.abc import Iterable
from typing import Any

from bench.hardware import cpu_peaks, gpu_peaks, machine
from bench.measure import timing
from bench.measure.loading import load, unavailable


def describe(names: list[str], settings: dict[str, Any]) -> dict[str, Any]:
    """All that holds for the whole run of these backends; the ceilings are measured here, in some seconds.

    `settings` are those of whoever measures; `threads` must be among them: a number, or None for "as installed".
    """
    return {
        "machine": machine.describe(),
        "code": machine.commit(),
        "settings": {
            **settings,
            "garbage_collector": "off while timing",
            "environment": machine.environment(),
        },
        "backends": {name: state(name) for name in names},
        "timer_seconds": timing.resolution(),
        "threads_in_force": machine.threads_in_force(),
        "ceilings": cpu_peaks.measure(settings["threads"]),
        "device_ceilings": gpu_peaks.measure() if uses_cuda(names) else {},
    }


def state(name: str) -> dict[str, Any]:
    """Why a backend cannot run here, or what it says of itself under the settings that it is measured with."""
    if (reason := unavailable(name)) is not None:
        return {"reason": reason, "facts": {}}
    with load(name).pinned():
        facts = load(name).facts()
    if "numpy" in facts:  # numpy does not tell how many threads its BLAS has
        facts.setdefault("threads", str(machine.blas_threads("numpy")))
    return {"reason": None, "facts": facts}


def uses_cuda(names: Iterable[str]) -> bool:
    """Whether a backend of this run works on a CUDA device."""
    return any(unavailable(name) is None and load(name).device == "cuda" for name in names)
