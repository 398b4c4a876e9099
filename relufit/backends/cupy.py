"""cupy on a CUDA device: the hand-written backprop, one launch per operation, and the raw kernels of cuda/."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import cupy as cp
import numpy as np

from relufit.backend import BackendUnavailable
from relufit.backends.array import ArrayBackend
from relufit.backends.cuda import FusedBackend, GraphBackend, HingeBackend, Kernel, TrainBackend
from relufit.params import Array


def _demand_driver() -> None:
    """Raise BackendUnavailable without a driver, or if it is older than this cupy."""
    driver, built = cp.cuda.runtime.driverGetVersion() // 10, cp.cuda.runtime.runtimeGetVersion() // 10
    if driver == 0:
        raise BackendUnavailable("this machine has no NVIDIA driver")
    if driver // 100 < built // 100:
        raise BackendUnavailable(
            f"the NVIDIA driver is for CUDA {driver // 100}, and this cupy for CUDA {built // 100}: "
            f"update the driver, or pip install relufit[cuda{driver // 100}]"
        )


class _Mark:
    """An event on a stream; the difference of two is device time in seconds."""

    def __init__(self) -> None:
        self.event = cp.cuda.Event()
        self.event.record()

    def __sub__(self, earlier: "_Mark") -> float:
        return float(cp.cuda.get_elapsed_time(earlier.event, self.event)) * 1e-3  # CUDA gives milliseconds


class _Clock:
    """Events on the current stream, and a kernel that waits."""

    def mark(self) -> _Mark:
        """Record an event on the stream."""
        return _Mark()

    def hold(self, seconds: float) -> None:
        """Keep the stream busy for `seconds` by the device's own timer."""
        _kernel(HOLD, (), "hold")((1,), (1,), (np.uint64(seconds * 1e9),))


HOLD = """
__device__ unsigned long long nanoseconds() {
    unsigned long long now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    return now;
}
extern "C" __global__ void hold(unsigned long long duration) {
    const unsigned long long start = nanoseconds();
    while (nanoseconds() - start < duration) {}
}
"""


@lru_cache
def _module(text: str, options: tuple[str, ...]) -> Any:
    """Compiled kernels; cupy keeps them on disk too."""
    return cp.RawModule(code=text, options=("--std=c++17", *options))


@lru_cache
def _kernel(text: str, options: tuple[str, ...], name: str) -> Kernel:
    """One compiled kernel. It is cached, because cupy's lookup takes as long as a launch."""
    kernel: Kernel = _module(text, options).get_function(name)
    return kernel


class _CupyDevice:
    """cupy's current device and stream: the methods of relufit.backends.cuda.Kernels, and the verbs of a device."""

    xp = cp

    def __init__(self, name: str, device: str = "cuda") -> None:
        _demand_driver()
        self.name, self.device = name, device

    def kernel(self, text: str, options: tuple[str, ...], name: str) -> Kernel:
        """The kernel of that name, compiled once for these options."""
        return _kernel(text, options, name)

    def processors(self) -> int:
        """The number of multiprocessors of the device."""
        return int(cp.cuda.Device().attributes["MultiProcessorCount"])

    def record(self, launches: Callable[[], None]) -> Callable[[], None]:
        """Capture the launches on a new stream, as the default one cannot; the graph runs on the current stream."""
        with cp.cuda.Stream(non_blocking=True) as stream:
            # Other threads may allocate meanwhile, which a capture in the usual mode forbids to all of them.
            stream.begin_capture(cp.cuda.runtime.streamCaptureModeThreadLocal)
            launches()
            launch: Callable[[], None] = stream.end_capture().launch
        return launch

    def to_device(self, array: Any) -> Array:
        return cp.asarray(array)

    def to_host(self, array: Array) -> np.ndarray:
        return np.asarray(cp.asnumpy(array))

    def synchronize(self) -> None:
        cp.cuda.get_current_stream().synchronize()

    def device_clock(self) -> _Clock:
        return _Clock()

    def memory(self) -> dict[str, int]:
        # The pool never returns memory by itself, so its size is the peak since it was last emptied.
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


class CupyBackend(_CupyDevice, ArrayBackend):
    """relufit/backprop.py over cupy."""


class CupyFusedBackend(_CupyDevice, FusedBackend):
    """Forward and gradients by one kernel each, for one input and one output."""


class CupyGraphBackend(_CupyDevice, GraphBackend):
    """cupy-fused, and training by replaying a captured step."""


class CupyTrainBackend(_CupyDevice, TrainBackend):
    """cupy-graph, and a whole slice of training by one kernel."""


class CupyHingeBackend(_CupyDevice, HingeBackend):
    """cupy-train, and full batches by sorted knots and moments."""
