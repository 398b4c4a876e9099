"""What a GPU is doing while it is measured: power, clocks and throttling by NVML, and the kernels that a call launches.

Nothing here changes a setting of the device.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

THROTTLED = {  # NVML's bits for reduced clocks; an idle device and the user's own clock settings do not count
    "software power cap": 0x4,
    "hardware slowdown": 0x8,
    "software thermal slowdown": 0x20,
    "hardware thermal slowdown": 0x40,
    "hardware power brake": 0x80,
}


@lru_cache(maxsize=1)
def _device() -> tuple[Any, Any] | None:
    """NVML and the first GPU; None where either is missing."""
    if find_spec("pynvml") is None:
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
        return pynvml, pynvml.nvmlDeviceGetHandleByIndex(0)
    except pynvml.NVMLError:
        return None


def state() -> dict[str, Any] | None:
    """Watts, clocks in MHz, degrees, reasons of throttling, and the processes on it; None without NVML.

    Values that the device does not report, as a partitioned one may not, are left out.
    """
    if (found := _device()) is None:
        return None
    nvml, device = found
    asked: dict[str, Callable[[], Any]] = {
        "watts": lambda: nvml.nvmlDeviceGetPowerUsage(device) / 1000,
        "sm_mhz": lambda: nvml.nvmlDeviceGetClockInfo(device, nvml.NVML_CLOCK_SM),
        "memory_mhz": lambda: nvml.nvmlDeviceGetClockInfo(device, nvml.NVML_CLOCK_MEM),
        "celsius": lambda: nvml.nvmlDeviceGetTemperature(device, nvml.NVML_TEMPERATURE_GPU),
        "throttled": lambda: throttled(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(device)),
        "processes": lambda: len(nvml.nvmlDeviceGetComputeRunningProcesses(device)),
    }
    answers: dict[str, Any] = {}
    for name, ask in asked.items():
        with suppress(nvml.NVMLError):
            answers[name] = ask()
    return answers


def free_bytes() -> int | None:
    """Free memory of the first GPU; None without NVML."""
    found = _device()
    return None if found is None else int(found[0].nvmlDeviceGetMemoryInfo(found[1]).free)


def throttled(reasons: int) -> str:
    """The active reasons in words; empty if nothing limits the clocks."""
    return ", ".join(words for words, bit in THROTTLED.items() if reasons & bit)


def kernels_per_call(call: Callable[[], Any], synchronize: Callable[[], None]) -> int | None:
    """Kernels that the device runs for one call, of whichever library; None where they cannot be counted.

    torch's profiler counts for the whole process (it asks CUPTI), so torch with CUDA must be there.
    """
    if find_spec("torch") is None:
        return None
    import torch

    if not torch.cuda.is_available():
        return None
    synchronize()
    os.environ.setdefault("TEARDOWN_CUPTI", "1")  # or what watches kernels stays, and slows every launch after it
    try:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen:
            call()
            synchronize()
    except RuntimeError:  # CUPTI is taken, or not allowed
        return None
    on_device = [event.name for event in seen.events() if str(event.device_type).endswith("CUDA")]
    return sum(not name.startswith(("Memcpy", "Memset")) for name in on_device) or None
