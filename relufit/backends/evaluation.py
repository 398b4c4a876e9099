"""Evaluate a network on the host; and a piecewise-linear function, by numpy or the compiled loop for many points.

The two give the same bits, so which one is used depends on time alone.
"""

import sys
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from relufit.backends import create, load
from relufit.backends.base import BackendUnavailable
from relufit.network.params import Params
from relufit.network.sorted.polyline import Polyline

LOOP = "relufit.backends.numba.pieces"
# Number of points from which numba is imported. This takes about a second, once in a process; numpy evaluates as many
# points in 30 ms if they are not sorted. A loop that is loaded already is faster for any number.
MANY = 2**19


def evaluate(params: Params, x: np.ndarray) -> np.ndarray:
    """The network's output by numpy: by segments for one input (a hundred times faster on a grid), else in blocks.

    Memory is bounded to a few times that of the output.
    """
    return load("numpy-hinge" if params.w1.shape[0] == 1 else "numpy").forward(params, x)


class Evaluation:
    """The values of a Polyline, with the table of the compiled loop, which is made once. Pickles hold the line only."""

    def __init__(self, line: Polyline) -> None:
        self.line = line
        self._table: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Evaluation, (self.line,)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The values at x, (N,) or (N, 1) in float64: (N, O)."""
        if self._table is None and (LOOP in sys.modules or x.size >= MANY):
            self._table = _tabulated(self.line)
        return (self._table or self.line).at(x)


def _tabulated(line: Polyline) -> Any:
    """The line with its table; the line itself where numba is missing or does not work."""
    loop = _loop()
    return line if loop is None else loop.PieceTable(line)


@lru_cache(maxsize=1)
def _loop() -> Any:
    """The module of the compiled loop; None where numba is missing or does not work."""
    try:
        create("numba-hinge")  # also deletes loops compiled from older files
    except BackendUnavailable:
        return None
    return import_module(LOOP)
