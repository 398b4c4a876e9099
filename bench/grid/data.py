"""Weights and samples of a case, drawn on the host: the same for every backend."""

from functools import lru_cache

import numpy as np

from bench.grid.case import Case
from relufit import init_params, sample, targets
from relufit.network.params import Params

MANY_SAMPLES = 10**6  # above this, data are drawn in pieces, and the gate repeats distinct samples
PIECE = 2**20  # samples drawn at once


def draw(case: Case, samples: int | None = None) -> tuple[Params, np.ndarray, np.ndarray]:
    """Weights, x (N, D) and y (N, O) of a case on the host, as they are stored; they depend on the case only."""
    n, domain = case.batch if samples is None else samples, targets.ZOO[case.target].domain
    params = init_params(case.hidden, case.inputs, case.outputs, scheme=case.scheme, domain=domain, dtype=case.stored)
    draw_columns = _many_columns if n > MANY_SAMPLES else _columns
    return params, *draw_columns(case.target, n, case.inputs, case.outputs, case.stored)


def _columns(target: str, n: int, inputs: int, outputs: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Sample x (n, inputs) and y (n, outputs); column k with seed k."""
    columns = [sample(targets.ZOO[target], n, seed) for seed in range(max(inputs, outputs))]
    xs, ys = zip(*columns, strict=True)
    return np.hstack(xs[:inputs]).astype(dtype), np.hstack(ys[:outputs]).astype(dtype)


@lru_cache(maxsize=1)
def _many_columns(target: str, n: int, inputs: int, outputs: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """As `_columns` for many samples: x is uniform over the domain, drawn in pieces to avoid a float64 array of n.

    Cached for the next backend of the same case; callers must not modify the arrays.
    """
    function = targets.ZOO[target]
    x, y = np.empty((n, inputs), dtype), np.empty((n, outputs), dtype)
    for column in range(max(inputs, outputs)):
        rng = np.random.default_rng(column)
        for start in range(0, n, PIECE):
            piece = slice(start, min(start + PIECE, n))
            values = rng.uniform(*function.domain, piece.stop - piece.start)
            noise = rng.normal(0, function.noise, values.shape) if function.noise else 0.0
            if column < inputs:
                x[piece, column] = values
            if column < outputs:
                y[piece, column] = function(values) + noise
    return x, y
