"""What a GPU is doing while it is measured: power, clocks and throttling by NVML, and the kernels that a call launches.

NVML numbers the devices of the machine, CUDA those that CUDA_VISIBLE_DEVICES leaves: `handle` finds one by the other.
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
def _nvml() -> Any:
    """NVML; None where it or the driver is missing."""
    if find_spec("pynvml") is None:
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def handle(device: str) -> Any:
    """NVML's handle of the device that CUDA calls "cuda:1" in this process; None if NVML does not find it.

    CUDA_VISIBLE_DEVICES holds numbers, UUIDs or their beginnings, and ends at the first entry that names no device. Of
    a partitioned GPU without the UUID of a partition CUDA takes the first partition.
    Source: CUDA C++ Programming Guide, section "CUDA environment variables".
    """
    if (nvml := _nvml()) is None:
        return None
    index = int(device.partition(":")[2] or 0)
    try:
        found = [nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount())]
        variable = os.environ.get("CUDA_VISIBLE_DEVICES")
        if variable is not None:
            entries = [_named(nvml, found, entry.strip()) for entry in variable.split(",")]
            found = entries[: entries.index(None)] if None in entries else entries
        return _partition(nvml, found[index]) if index < len(found) else None
    except nvml.NVMLError:
        return None


def _named(nvml: Any, found: list[Any], entry: str) -> Any:
    """The handle of an entry of CUDA_VISIBLE_DEVICES; None where it names no device."""
    if entry.isdecimal():
        return found[int(entry)] if int(entry) < len(found) else None
    if entry.startswith("MIG-"):
        with suppress(nvml.NVMLError):
            return nvml.nvmlDeviceGetHandleByUUID(entry)
        return None
    named = [device for device in found if entry.startswith("GPU-") and _uuid(nvml, device).startswith(entry)]
    return named[0] if len(named) == 1 else None  # CUDA refuses a beginning that two devices share


def _partition(nvml: Any, device: Any) -> Any:
    """The first partition of a GPU in MIG mode; any other device as it is."""
    with suppress(nvml.NVMLError):
        if nvml.nvmlDeviceGetMigMode(device)[0]:
            for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(device)):
                with suppress(nvml.NVMLError):
                    return nvml.nvmlDeviceGetMigDeviceHandleByIndex(device, number)
    return device


def _uuid(nvml: Any, device: Any) -> str:
    return _text(nvml.nvmlDeviceGetUUID(device))


def _text(found: Any) -> str:
    """Old releases of pynvml return bytes."""
    return found.decode() if isinstance(found, bytes) else str(found)


def alone(device: str | None) -> dict[str, str]:
    """The variable with which a new process sees this device alone; none for None. Needs no NVML."""
    if device is None:
        return {}
    index = int(device.partition(":")[2] or 0)
    entries = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return {"CUDA_VISIBLE_DEVICES": entries[index] if index < len(entries) and entries[0] else str(index)}


def identify(device: str) -> dict[str, Any] | None:
    """CUDA's number of a device, its UUID and its name, which of a partition has its profile; None without NVML."""
    if (found := handle(device)) is None:
        return None
    nvml = _nvml()
    try:
        named = {"uuid": _uuid(nvml, found), "name": _text(nvml.nvmlDeviceGetName(found))}
    except nvml.NVMLError:
        return None
    return {"index": int(device.partition(":")[2] or 0), **named}


def state(device: str = "cuda") -> dict[str, Any] | None:
    """Watts, clocks in MHz, degrees, reasons of throttling, and the processes on it; None without NVML.

    Values that the device does not report, as a partition of one may not, are left out.
    """
    if (found := handle(device)) is None:
        return None
    nvml = _nvml()
    asked: dict[str, Callable[[], Any]] = {
        "watts": lambda: nvml.nvmlDeviceGetPowerUsage(found) / 1000,
        "sm_mhz": lambda: nvml.nvmlDeviceGetClockInfo(found, nvml.NVML_CLOCK_SM),
        "memory_mhz": lambda: nvml.nvmlDeviceGetClockInfo(found, nvml.NVML_CLOCK_MEM),
        "celsius": lambda: nvml.nvmlDeviceGetTemperature(found, nvml.NVML_TEMPERATURE_GPU),
        "throttled": lambda: throttled(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(found)),
        "processes": lambda: len(nvml.nvmlDeviceGetComputeRunningProcesses(found)),
    }
    answers: dict[str, Any] = {}
    for name, ask in asked.items():
        with suppress(nvml.NVMLError):
            answers[name] = ask()
    return answers


def free_bytes(device: str = "cuda") -> int | None:
    """Free memory of a device; None without NVML, or where it does not say."""
    if (found := handle(device)) is None:
        return None
    nvml = _nvml()
    with suppress(nvml.NVMLError):
        return int(nvml.nvmlDeviceGetMemoryInfo(found).free)
    return None


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
