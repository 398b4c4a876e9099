"""Sorted samples of one input with the table of their moments, for the hinge backends."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from relufit.backends.base import Samples
from relufit.errors import RelufitError
from relufit.network.memory import demand_memory
from relufit.network.sorted.moments import FAN, LEAF, MomentTree, tabulate


@dataclass(frozen=True, eq=False, repr=False)
class SortedSamples(Samples):
    """Data x (N, 1), y (N, O) in the given order, and the position of each sample in the sorted table."""

    table: MomentTree
    order: np.ndarray | None  # (N,) indices that sort the samples; None if they were sorted already
    chosen: np.ndarray | None = None  # (n,) positions of the samples in the table; None if they are the whole table

    @cached_property
    def places(self) -> np.ndarray:
        """The position of each sample in the table, (n,) integers."""
        if self.chosen is not None:
            return self.chosen
        index = np.arange(len(self), dtype=index_type(len(self)))
        if self.order is None:
            return index
        places = np.empty_like(index)
        places[self.order] = index
        return places

    def take(self, index: Any) -> "SortedSamples":
        return replace(self, x=self.x[index], y=self.y[index], chosen=np.ascontiguousarray(self.places[index]))


def sort_samples(x: np.ndarray, y: np.ndarray) -> SortedSamples:
    """Sort x (N, 1), y (N, O) and tabulate their moments. Raises RelufitError where memory is short."""
    check_memory(len(x), y.shape[1], x.dtype)
    column = np.ascontiguousarray(x[:, 0])
    if np.all(column[:-1] <= column[1:]):
        return SortedSamples(x, y, tabulate(column, np.ascontiguousarray(y.T)), None)
    order = np.argsort(column).astype(index_type(len(x)))
    table = tabulate(column[order], np.stack([row[order] for row in y.T]))
    return SortedSamples(x, y, table, order)


def index_type(samples: int) -> Any:
    """The dtype of indices of samples: 32 bits if they suffice."""
    return np.int32 if samples < 2**31 else np.int64


def check_memory(samples: int, outputs: int, dtype: Any) -> None:
    """Raise RelufitError where the sorted samples and their table would not fit in the memory that is free."""
    need = table_bytes(samples, outputs, dtype)
    demand_memory(f"sorting {samples} samples", need, "take fewer samples or a dense backend")


def table_bytes(samples: int, outputs: int, dtype: Any) -> int:
    """Bytes that sorting and tabulating takes at the most: some 22 a sample stay, for one output in float32."""
    # Sorted copies, the order (made in 64 bits, kept in 32), the places of minibatches, a guide, the moments of runs.
    moments = 3 * 8 * (2 + 3 * outputs) / LEAF * FAN / (FAN - 1)
    return round(samples * ((1 + outputs) * np.dtype(dtype).itemsize + 8 + 4 + 4 + 2 + moments))


def refusal(name: str, inputs: int) -> str | None:
    """Why a hinge backend does not support a network with `inputs` inputs; None for one input."""
    if inputs == 1:
        return None
    return (
        f"{name} needs one input (D = 1), not {inputs}; numpy, numba, torch-cpu and the other dense backends take any"
    )


def demand_one_input(name: str, inputs: int) -> None:
    """Raise RelufitError unless there is one input."""
    reason = refusal(name, inputs)
    if reason is not None:
        raise RelufitError(reason)
