"""Peak memory of a call, measured in a pass of its own: watching memory slows what is watched."""

import ctypes
import gc
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from relufit.backend import Backend

CLEAR_REFS, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def peak_bytes(backend: Backend, call: Callable[[], Any]) -> tuple[int, str]:
    """Bytes that one call needs at once beyond what is held before it, and how that was measured.

    On a device with its own memory, its allocator's peak. On the host, the kernel's high-water mark of resident memory
    where it can be reset (Linux), else the largest of readings a millisecond apart, which can miss a short peak.
    """
    call()  # allocations that are made once and kept do not count
    backend.synchronize()
    if (before := backend.memory()) is not None:
        call()
        backend.synchronize()
        after = backend.memory()
        assert after is not None
        return after["peak"] - before["held"], "device allocator"
    gc.collect()  # garbage collected during the call would lower the reading
    return_free_memory()
    try:
        CLEAR_REFS.write_text("5")  # proc(5): reset the peak resident set size to the current one
    except OSError:
        return _largest_reading(call), "resident, read every ms"
    resident = _status_bytes("VmRSS")
    call()
    return max(0, _status_bytes("VmHWM") - resident), "resident high-water mark"


def return_free_memory() -> None:
    """Return freed memory that malloc keeps to the system, so that resident memory shows what is in use."""
    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim"):  # glibc has it, musl has not
        ctypes.CDLL(None).malloc_trim(0)


def _status_bytes(field: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1]) * 1024


def _largest_reading(call: Callable[[], Any]) -> int:
    process, done = psutil.Process(), threading.Event()
    readings = [process.memory_info().rss]

    def watch() -> None:
        while not done.wait(1e-3):
            readings.append(process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        call()
    finally:
        done.set()
        watcher.join()
    return int(max(readings) - readings[0])
