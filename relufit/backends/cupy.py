"""cupy on a CUDA device: the hand-written backprop, one launch per operation, and the raw kernels of cuda/."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, wraps
from typing import Any
from uuid import UUID

import cupy as cp
import numpy as np

from relufit.backends.array import ArrayBackend
from relufit.backends.base import BackendUnavailable, device_index
from relufit.backends.cuda import FusedBackend, GraphBackend, HingeBackend, Kernel, TrainBackend
from relufit.network.params import Array, Params

# Verbs that allocate, launch or wait: those of a few microseconds, which take (params, data), and the others.
SHORT_VERBS = "forward", "loss_and_grads"
DEVICE_VERBS = "to_device", "to_host", "train", "train_many", "stack", "synchronize", "memory"


def _demand_device(device: str) -> int:
    """The number of the device. Raises BackendUnavailable without it, without a driver, or if that is too old."""
    driver, built = cp.cuda.runtime.driverGetVersion() // 10, cp.cuda.runtime.runtimeGetVersion() // 10
    if driver == 0:
        raise BackendUnavailable("this machine has no NVIDIA driver")
    if driver // 100 < built // 100:
        raise BackendUnavailable(
            f"the NVIDIA driver is for CUDA {driver // 100}, and this cupy for CUDA {built // 100}: "
            f"update the driver, or pip install relufit[cuda{driver // 100}]"
        )
    try:
        count = cp.cuda.runtime.getDeviceCount()
    except cp.cuda.runtime.CUDARuntimeError as error:
        if "cudaErrorNoDevice" not in str(error):
            raise
        count = 0
    return device_index(device, count)


def _on_its_device(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method of an object with the number of its device, with that device current while it runs.

    cupy allocates and launches on the device that is current in the calling thread. To set it costs more than to read
    it, so it is set only if it differs.
    """

    @wraps(method)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        if cp.cuda.get_device_id() == self.index:
            return method(self, *args, **kwargs)
        with cp.cuda.Device(self.index):
            return method(self, *args, **kwargs)

    return run


def _short_on_its_device(method: Callable[[Any, Params, Any], Any]) -> Callable[[Any, Params, Any], Any]:
    """As `_on_its_device`, for (params, data): to pass on any number of arguments takes longer than to ask CUDA."""

    @wraps(method)
    def run(self: Any, params: Params, data: Any, /) -> Any:
        if cp.cuda.get_device_id() == self.index:
            return method(self, params, data)
        with cp.cuda.Device(self.index):
            return method(self, params, data)

    return run


class _Mark:
    """An event on a stream; the difference of two is device time in seconds."""

    def __init__(self) -> None:
        self.event = cp.cuda.Event()
        self.event.record()

    def __sub__(self, earlier: "_Mark") -> float:
        return float(cp.cuda.get_elapsed_time(earlier.event, self.event)) * 1e-3  # CUDA gives milliseconds


class _Clock:
    """Events on a device's current stream, and a kernel that waits."""

    def __init__(self, index: int) -> None:
        self.index = index

    @_on_its_device
    def mark(self) -> _Mark:
        """Record an event on the stream."""
        return _Mark()

    @_on_its_device
    def hold(self, seconds: float) -> None:
        """Keep the stream busy for `seconds` by the device's own timer."""
        _kernel(HOLD, (), "hold", self.index)((1,), (1,), (np.uint64(seconds * 1e9),))


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
    """Kernels that are compiled when they are first asked for; cupy keeps them on disk too."""
    return cp.RawModule(code=text, options=("--std=c++17", *options))


@lru_cache
def _kernel(text: str, options: tuple[str, ...], name: str, index: int) -> Kernel:
    """One kernel, compiled for the current device, number `index`.

    It is cached, because cupy's lookup takes as long as a launch, and for each device, because cupy would compile it
    for another one at its first launch there, which may be inside a capture.
    """
    kernel: Kernel = _module(text, options).get_function(name)
    return kernel


class _CupyDevice:
    """One device of cupy: the methods of relufit.backends.cuda.Kernels, and the verbs of a device.

    Work runs on the stream that is current for that device in the calling thread. Operators between the verbs follow
    cupy's rule instead: they run on the current device, which `pinned` sets.
    """

    xp = cp

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in DEVICE_VERBS:
            setattr(cls, name, _on_its_device(getattr(cls, name)))
        for name in SHORT_VERBS:
            setattr(cls, name, _short_on_its_device(getattr(cls, name)))

    def __init__(self, name: str, device: str = "cuda") -> None:
        self.name, self.device, self.index = name, device, _demand_device(device)

    def kernel(self, text: str, options: tuple[str, ...], name: str) -> Kernel:
        """The kernel of that name, compiled once for these options."""
        return _kernel(text, options, name, self.index)

    def processors(self) -> int:
        """The number of multiprocessors of the device."""
        return int(cp.cuda.Device(self.index).attributes["MultiProcessorCount"])

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
        return _Clock(self.index)

    def memory(self) -> dict[str, int]:
        # The pool never returns memory by itself, so its size is the peak since it was last emptied.
        pool = cp.get_default_memory_pool()
        peak = pool.total_bytes()
        pool.free_all_blocks()
        cp.get_default_pinned_memory_pool().free_all_blocks()  # of the host, through which large arrays are copied
        return {"free": int(cp.cuda.runtime.memGetInfo()[0]), "held": int(pool.used_bytes()), "peak": int(peak)}

    def facts(self) -> dict[str, str]:
        runtime = cp.cuda.runtime
        known = runtime.getDeviceProperties(self.index)
        name, uuid = known["name"].decode(), bytes(known["uuid"])
        kind = "MIG" if "MIG" in name else "GPU"
        return {
            "cupy": cp.__version__,
            "gpu": name,
            "gpu number": str(self.index),
            # cupy reads the 16 bytes as a C string, which a byte of 0 ends too early.
            "gpu uuid": f"{kind}-{UUID(bytes=uuid)}" if len(uuid) == 16 else "not known",
            "pci bus id": runtime.deviceGetPCIBusId(self.index),
            "compute capability": f"{known['major']}.{known['minor']}",
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
            with cp.cuda.Device(self.index):
                yield
        finally:
            if before is None:
                del os.environ["CUPY_TF32"]
            else:
                os.environ["CUPY_TF32"] = before


class CupyBackend(_CupyDevice, ArrayBackend):
    """relufit/network/dense.py over cupy, in blocks of rows."""

    # Large enough that a launch is short beside the pass over memory that it begins, and that every thread of a GPU has
    # hundreds of elements; small enough that the five arrays of a gradient take 1.3 GB in float32 and not 43 GB, as
    # 2^22 samples at H = 512 would.
    block_elements = 2**26


class CupyFusedBackend(_CupyDevice, FusedBackend):
    """Forward and gradients by one kernel each, for one input and one output."""


class CupyGraphBackend(_CupyDevice, GraphBackend):
    """cupy-fused, and training by replaying a captured step."""


class CupyTrainBackend(_CupyDevice, TrainBackend):
    """cupy-graph, and a whole slice of training by one kernel."""


class CupyHingeBackend(_CupyDevice, HingeBackend):
    """cupy-train, and full batches by sorted knots and moments."""
