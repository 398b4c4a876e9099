"""numpy on the CPU: the backend that is always available, and in float64 the reference for all others.

`numpy` runs the dense form, `numpy-hinge` the exact algorithm for one input: sorted knots and moments.
"""

from typing import Any

import numpy as np

from relufit.backends.array import ArrayBackend
from relufit.backends.base import Samples
from relufit.backends.sorted import SortedSamples, demand_one_input, refusal, sort_samples, table_bytes
from relufit.network.checks import check_input, check_samples, check_shapes
from relufit.network.data import Plan
from relufit.network.optim import Optimizer
from relufit.network.params import Array, Params, Sizes
from relufit.network.sorted import hinge


class NumpyBackend(ArrayBackend):
    """relufit/network/dense.py over numpy."""

    # Half a megabyte of float32 fits in the L2 cache of today's cores, and is allocated without page faults: at H =
    # 512 a gradient of 8192 samples takes half as long as in one piece, and one of 800 a quarter to a half.
    block_elements: int | None = 2**17

    def __init__(self, name: str = "numpy", device: str = "cpu") -> None:
        super().__init__(name, device, np)

    def to_device(self, array: Any) -> Array:
        return np.asarray(array)

    def to_host(self, array: Array) -> np.ndarray:
        return np.asarray(array)

    def facts(self) -> dict[str, str]:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return {"numpy": np.__version__, "blas": f"{blas.get('name')} {blas.get('version')}"}


class NumpyHingeBackend(NumpyBackend):
    """sorted/hinge.py: exact gradients for one input by sorted knots; small batches in the dense form, if faster."""

    algorithm = "hinge"
    # Measured at H = 512: the dense form is faster below the first, a segment for each sample up to the second.
    dense_samples, by_sample_samples = 256, 16_384

    def __init__(self, name: str = "numpy-hinge", device: str = "cpu") -> None:
        super().__init__(name, device)

    def supports(
        self, sizes: Sizes, dtype: str, optimizer: Optimizer | None = None, plan: Plan | None = None
    ) -> str | None:
        return refusal(self.name, sizes.inputs) or super().supports(sizes, dtype, optimizer, plan)

    def algorithm_of(self, verb: str, batch: int, samples: int) -> str:
        return super().algorithm if batch < self.dense_samples else self.algorithm

    def working_bytes(self, verb: str, sizes: Sizes, dtype: str) -> int:
        return super().working_bytes(verb, sizes, dtype) + table_bytes(sizes.samples, sizes.outputs, dtype)

    def samples(self, x: Any, y: Any) -> Samples:
        check_samples(x, y)
        demand_one_input(self.name, x.shape[1])
        return sort_samples(x, y)

    def forward(self, params: Params, x: Array) -> Array:
        check_input(params, x)
        demand_one_input(self.name, params.w1.shape[0])
        return super().forward(params, x) if len(x) < self.dense_samples else hinge.forward(params, x)

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        check_shapes(params, samples)
        if len(samples) < self.dense_samples or not isinstance(samples, SortedSamples):
            return super().loss_and_grads(params, samples)
        if samples.chosen is not None:
            return hinge.loss_and_grads(params, samples.table, samples.chosen)
        if len(samples) <= self.by_sample_samples:
            return hinge.loss_and_grads_by_sample(params, samples.table)
        return hinge.loss_and_grads(params, samples.table)

    def facts(self) -> dict[str, str]:
        return {**super().facts(), "dense": f"batches below {self.dense_samples}"}
