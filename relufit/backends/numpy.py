"""numpy on the CPU: the backend that is always there, and in float64 the reference for all others."""

from typing import Any

import numpy as np

from relufit.backends.array import ArrayBackend
from relufit.params import Array


class NumpyBackend(ArrayBackend):
    """relufit/backprop.py over numpy."""

    # Half a megabyte of float32 fits in the L2 cache of today's cores, and is allocated without page faults: at H =
    # 512 a gradient of 8192 samples takes half as long as in one piece, and one of 800 a quarter to a half.
    block_elements = 2**17

    def __init__(self, name: str = "numpy", device: str = "cpu") -> None:
        super().__init__(name, device, np)

    def to_device(self, array: Any) -> Array:
        return np.asarray(array)

    def to_host(self, array: Array) -> np.ndarray:
        return np.asarray(array)

    def facts(self) -> dict[str, str]:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return {"numpy": np.__version__, "blas": f"{blas.get('name')} {blas.get('version')}"}
