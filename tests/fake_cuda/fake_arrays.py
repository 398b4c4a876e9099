"""Arrays of the stand-in for cupy: numpy's, each on a device of the Scene, and the pool that holds their memory."""

from collections.abc import Callable
from typing import Any

import fake_scene
import numpy as np
from fake_scene import SCENE
from numpy.lib.mixins import NDArrayOperatorsMixin


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
        shares = np.shares_memory(host, self.host) or not host.size
        return self.view(host) if shares else launch(np.copy, self.view(host))

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
        raise fake_scene.Failure("cudaErrorStreamCaptureUnsupported", "not permitted when stream is capturing")
    found = function(*on_host(args), **{name: on_host(value) for name, value in kwargs.items()})
    return kwargs["out"][0] if isinstance(kwargs.get("out"), tuple) else allocated(found)


def asarray(array: Any) -> ndarray:
    """A copy of a host array, or the array itself if it is on the current device."""
    if isinstance(array, ndarray):
        return array if array.on == SCENE.current() else allocated(array.host.copy())
    SCENE.do("copy")
    return allocated(np.array(array, order="C"))


def asnumpy(array: ndarray) -> np.ndarray:
    """A copy on the host, made on the stream of the current device, which must be the array's."""
    on_host(array)
    SCENE.do("copy")
    return array.host.copy()


def empty(shape: Any, dtype: Any = np.float64) -> ndarray:
    """An array whose content means nothing: nan, where there is one."""
    return allocated(np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 77, dtype))


def ascontiguousarray(array: ndarray) -> ndarray:
    """The array, or a copy without gaps."""
    return array if array.host.flags.c_contiguous else launch(np.ascontiguousarray, array)


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
