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
from fake_arrays import (
    POOL,
    OutOfMemoryError,
    Pool,
    asarray,
    ascontiguousarray,
    asnumpy,
    empty,
    launch,
    ndarray,
    on_host,
)
from fake_scene import SCENE

__version__ = "14.0.0"
__all__ = ["SCENE", "asarray", "ascontiguousarray", "asnumpy", "empty", "ndarray"]


def __getattr__(name: str) -> Any:
    """All other functions are numpy's, run on the current device."""
    found = getattr(np, name)
    is_function = callable(found) and not isinstance(found, type)
    return (lambda *args, **kwargs: launch(found, *args, **kwargs)) if is_function else found


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
