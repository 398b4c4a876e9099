"""cupy on a CUDA device: the same hand-written backprop as numpy, one kernel launch an operation."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cupy as cp
import numpy as np

from relufit.backend import BackendUnavailable
from relufit.backends.array import ArrayBackend
from relufit.params import Array


class _Mark:
    """A moment on a stream; the difference of two is device time in seconds."""

    def __init__(self) -> None:
        self.event = cp.cuda.Event()
        self.event.record()

    def __sub__(self, earlier: "_Mark") -> float:
        return float(cp.cuda.get_elapsed_time(earlier.event, self.event)) * 1e-3  # CUDA gives milliseconds


class CupyBackend(ArrayBackend):
    """relufit/backprop.py over cupy, on cupy's current device and stream."""

    def __init__(self, name: str = "cupy", device: str = "cuda") -> None:
        if cp.cuda.runtime.driverGetVersion() == 0:
            raise BackendUnavailable("this machine has no NVIDIA driver")
        super().__init__(name, device, cp)

    def to_device(self, array: Any) -> Array:
        return cp.asarray(array)

    def to_host(self, array: Array) -> np.ndarray:
        return np.asarray(cp.asnumpy(array))

    def synchronize(self) -> None:
        cp.cuda.get_current_stream().synchronize()

    def device_clock(self) -> Callable[[], Any]:
        return _Mark

    def memory(self) -> dict[str, int]:
        # The pool never returns memory by itself: what it holds is the peak since it was last emptied.
        pool = cp.get_default_memory_pool()
        peak = pool.total_bytes()
        pool.free_all_blocks()
        return {"free": int(cp.cuda.runtime.memGetInfo()[0]), "held": int(pool.used_bytes()), "peak": int(peak)}

    def facts(self) -> dict[str, str]:
        runtime = cp.cuda.runtime
        return {
            "cupy": cp.__version__,
            "gpu": runtime.getDeviceProperties(cp.cuda.Device().id)["name"].decode(),
            "cuda runtime": str(runtime.runtimeGetVersion()),
            "cuda driver": str(runtime.driverGetVersion()),
            "tf32": "on" if os.environ.get("CUPY_TF32", "0") != "0" else "off",
        }

    @contextmanager
    def pinned(self) -> Iterator[None]:
        # cupy has no public setter: it reads the variable at the process's first product of that dtype.
        before = os.environ.get("CUPY_TF32")
        os.environ["CUPY_TF32"] = "0"
        try:
            yield
        finally:
            if before is None:
                del os.environ["CUPY_TF32"]
            else:
                os.environ["CUPY_TF32"] = before
