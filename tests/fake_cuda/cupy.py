"""A stand-in for cupy: numpy's arrays, each on a device of a Scene, and the calls of cupy that relufit and bench make.

It is as strict as CUDA where that matters: what is launched on one device must not touch arrays, streams, events or
graphs of another; numpy arrays are not converted; a kernel is compiled for each device, and not inside a capture.
relufit's own kernels are compiled by the host's compiler and run (cuda_on_host.py); other kernels do nothing.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fake_scene
import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

__version__ = "14.0.0"
SCENE = fake_scene.of_process()


class OutOfMemoryError(MemoryError):
    """As cupy.cuda.memory.OutOfMemoryError."""


class ndarray(NDArrayOperatorsMixin):  # noqa: N801  # cupy's name
    """A host array that belongs to a device; a view keeps the array that it is of."""

    def __init__(self, host: np.ndarray, on: int, base: "ndarray | None" = None) -> None:
        self.host, self.on, self.base = host, on, base
        self.shape, self.dtype, self.ndim, self.size, self.nbytes = (
            host.shape, host.dtype, host.ndim, host.size, host.nbytes,
        )  # fmt: skip

    def __del__(self) -> None:
        if self.base is None:
            SCENE.bytes[self.on] -= self.nbytes

    def view(self, host: np.ndarray) -> "ndarray":
        """An array that shares this one's memory."""
        return ndarray(host, self.on, self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return launch(getattr(ufunc, method), *inputs, **kwargs)

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Use `.get()`")

    def __len__(self) -> int:
        return len(self.host)

    def __getitem__(self, index: Any) -> "ndarray":
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, (ndarray, np.ndarray, list)) for part in parts):
            return launch(lambda host, at: host[at], self, index)
        return self.view(self.host[index if self.ndim else ()].reshape(np.shape(self.host[index])))

    def __float__(self) -> float:
        return float(asnumpy(self))

    @property
    def T(self) -> "ndarray":  # noqa: N802
        """A view."""
        return self.view(self.host.T)

    def reshape(self, *shape: Any) -> "ndarray":
        """A view, or a copy where strides need one."""
        host = self.host.reshape(*shape)
        return self.view(host) if np.shares_memory(host, self.host) or not host.size else launch(np.copy, self.view(host))

    def ravel(self) -> "ndarray":
        """As reshape."""
        return self.reshape(-1)

    def astype(self, dtype: Any) -> "ndarray":
        """A copy in another dtype."""
        return launch(np.astype, self, dtype)

    def sum(self, axis: Any = None) -> "ndarray":
        """Sums."""
        return launch(np.sum, self, axis=axis)

    def copy(self) -> "ndarray":
        """A copy."""
        return launch(np.copy, self)


def allocated(host: Any) -> ndarray:
    """An array on the current device that holds what the host computed."""
    on, host = SCENE.do("allocate"), np.asarray(host)
    if not SCENE.finds_memory():
        raise OutOfMemoryError(f"Out of memory allocating {host.nbytes:,} bytes")
    SCENE.bytes[on] += host.nbytes
    POOL.total[on] = max(POOL.total[on], SCENE.bytes[on])
    return ndarray(host, on)


def on_host(value: Any) -> Any:
    """The host's part of an argument, which must be on the current device."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(on_host, value))
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, ndarray):
        if value.on != SCENE.current():
            raise RuntimeError(f"an array on device {value.on} is used while device {SCENE.current()} is current")
        return value.host
    return value


def launch(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run a function of numpy on the current device."""
    SCENE.do("launch")
    if getattr(SCENE.here, "captured", None) is not None:
        raise fake_scene.Failure("cudaErrorStreamCaptureUnsupported", "operation not permitted when stream is capturing")
    found = function(*on_host(args), **{name: on_host(value) for name, value in kwargs.items()})
    return kwargs["out"][0] if isinstance(kwargs.get("out"), tuple) else allocated(found)


def asarray(array: Any) -> ndarray:
    """A copy of a host array, or the array itself if it is on the current device."""
    if isinstance(array, ndarray):
        return array if array.on == SCENE.current() else allocated(array.host.copy())
    SCENE.do("copy")
    return allocated(np.array(array, order="C"))


def asnumpy(array: ndarray) -> np.ndarray:
    """A copy on the host, made on the array's own device as cupy makes it."""
    SCENE.do("copy", array.on)
    return array.host.copy()


def empty(shape: Any, dtype: Any = np.float64) -> ndarray:
    """An array whose content means nothing: nan, where there is one."""
    return allocated(np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 77, dtype))


def ascontiguousarray(array: ndarray) -> ndarray:
    """The array, or a copy without gaps."""
    return array if array.host.flags.c_contiguous else launch(np.ascontiguousarray, array)


def __getattr__(name: str) -> Any:  # noqa: N807  # PEP 562
    found = getattr(np, name)
    return (lambda *args, **kwargs: launch(found, *args, **kwargs)) if callable(found) and not isinstance(found, type) else found


class Pool:
    """The default memory pool of the current device."""

    def __init__(self) -> None:
        self.total = dict.fromkeys(SCENE.bytes, 0)

    def total_bytes(self) -> int:
        """Bytes taken from the device."""
        return self.total[SCENE.do("query")]

    def used_bytes(self) -> int:
        """Bytes of arrays."""
        return SCENE.bytes[SCENE.do("query")]

    def free_all_blocks(self) -> None:
        """Give back what no array uses."""
        on = SCENE.do("free")
        self.total[on] = SCENE.bytes[on]


POOL = Pool()


def get_default_memory_pool() -> Pool:
    """The pool."""
    return POOL


def get_default_pinned_memory_pool() -> Any:
    """The pool of page-locked memory of the host, which this stand-in never uses."""
    return SimpleNamespace(free_all_blocks=lambda: None)


class RawModule:
    """Kernels in source form."""

    def __init__(self, *, code: str, options: tuple[str, ...]) -> None:
        self.code, self.options = code, options

    def get_function(self, name: str) -> "RawKernel":
        """A kernel, compiled for the current device."""
        kernel = RawKernel(self, name)
        kernel.compile()
        return kernel


class RawKernel:
    """A kernel that is compiled for each device at its first launch there."""

    def __init__(self, module: RawModule, name: str) -> None:
        self.compiled: set[int] = set()
        self.run: Callable[..., None] = lambda *_: None
        if "HIDDEN" in module.code:  # relufit's
            sys.path.append(str(Path(__file__).parents[1]))
            from cuda_on_host import HostKernels

            self.run = HostKernels(name).kernel(module.code, module.options, name)

    def compile(self) -> None:
        """Compile for the current device."""
        self.compiled.add(SCENE.do("compile"))

    def __call__(self, blocks: tuple[int], threads: tuple[int], arguments: tuple[Any, ...]) -> None:
        captured = getattr(SCENE.here, "captured", None)
        if SCENE.current() not in self.compiled:
            assert captured is None, "a kernel is compiled inside a capture"
            self.compile()
        if blocks[0] < 1:
            raise fake_scene.Failure("CUDA_ERROR_INVALID_VALUE", "invalid argument")
        hosts = tuple(map(on_host, arguments))
        if captured is not None:
            captured.append(lambda: self.run(blocks, threads, hosts))
            return
        SCENE.do("launch")
        self.run(blocks, threads, hosts)


class Device:
    """A device, which is current inside `with`."""

    def __init__(self, device: int | None = None) -> None:
        self.id = SCENE.current() if device is None else int(device)
        self.attributes = {"MultiProcessorCount": fake_scene.PROCESSORS, "L2CacheSize": 2**22}

    def __enter__(self) -> "Device":
        self.before = SCENE.current()
        SCENE.set_device(self.id)
        return self

    def __exit__(self, *_: Any) -> None:
        SCENE.here.device = self.before


class CudaEvent:
    """A point in time on the stream of the device that was current."""

    def record(self) -> None:
        """Take the time."""
        self.on, self.seconds = SCENE.do("event"), time.perf_counter()


def get_elapsed_time(start: CudaEvent, stop: CudaEvent) -> float:
    """Milliseconds between two events of one device."""
    if start.on != stop.on:
        raise fake_scene.Failure("cudaErrorInvalidResourceHandle", "invalid resource handle")
    return (stop.seconds - start.seconds) * 1e3


class Stream:
    """A stream of the device that was current; it captures what its thread launches."""

    def __init__(self, non_blocking: bool = False) -> None:
        self.on = SCENE.do("stream")

    def __enter__(self) -> "Stream":
        if self.on != SCENE.current():
            raise RuntimeError(f"The device that the stream is created on ({self.on}) is not the current device")
        return self

    def __exit__(self, *_: Any) -> None:
        SCENE.here.captured = None

    def begin_capture(self, mode: int = 0) -> None:
        """Keep launches instead of making them."""
        SCENE.here.captured = []

    def end_capture(self) -> Any:
        """The graph of what was captured; it can be launched on its own device alone."""
        captured, SCENE.here.captured = SCENE.here.captured, None

        def run() -> None:
            if SCENE.do("launch") != self.on:
                raise fake_scene.Failure("cudaErrorInvalidResourceHandle", "invalid resource handle")
            for one in captured:
                one()

        return SimpleNamespace(launch=run)

    def synchronize(self) -> None:
        """Wait."""
        SCENE.do("synchronize")


def properties(index: int) -> dict[str, Any]:
    """What CUDA says of a device."""
    major, minor = SCENE.capability
    return {"name": b"Fake GPU", "uuid": SCENE.uuid(index).bytes, "major": major, "minor": minor}


def free_memory() -> tuple[int, int]:
    """Free and all bytes of the current device."""
    on = SCENE.do("query")
    return fake_scene.CAPACITY - POOL.total[on], fake_scene.CAPACITY


def version(name: str) -> int:
    """The version of the driver or of the runtime; the first call of all."""
    SCENE.call()
    return int(getattr(SCENE, name))


cuda = SimpleNamespace(
    Device=Device,
    Event=CudaEvent,
    Stream=Stream,
    get_elapsed_time=get_elapsed_time,
    get_device_id=SCENE.current,
    get_current_stream=lambda: SimpleNamespace(synchronize=lambda: SCENE.do("synchronize")),
    memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
    runtime=SimpleNamespace(
        CUDARuntimeError=fake_scene.Failure,
        streamCaptureModeThreadLocal=1,
        driverGetVersion=lambda: version("driver"),
        runtimeGetVersion=lambda: version("runtime"),
        getDeviceCount=SCENE.count,
        getDeviceProperties=properties,
        deviceGetPCIBusId=lambda index: f"0000:{SCENE.physical[index] + 1:02x}:00.0",
        memGetInfo=free_memory,
    ),
)
