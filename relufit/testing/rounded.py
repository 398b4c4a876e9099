"""The network in reduced precision, as far as it may be rounded, computed in float64: how large honest errors are.

Operands, biases, hidden values and the results of all products are rounded to the precision; sums are exact. A library
may leave out some of these roundings. The errors of what is left are of that size, for it rounds the same values.
"""

from math import log2

import numpy as np

from relufit.backend import Backend, Samples
from relufit.params import Array, Params
from relufit.precision import PRECISIONS, loss_scale

CHUNK_ELEMENTS = 2**20  # of the hidden layer, evaluated at once


class RoundedBackend(Backend):
    """Takes and returns float64 arrays; trains as every backend does, with exact updates."""

    device = "cpu"

    def __init__(self, precision: str) -> None:
        self.name, self.precision = f"rounded to {precision}", precision

    def to_device(self, array: np.ndarray) -> Array:
        """The array itself."""
        return np.asarray(array)

    def to_host(self, array: Array) -> np.ndarray:
        """The array itself."""
        return np.asarray(array)

    def round(self, values: Array) -> Array:
        """The nearest numbers of the precision, as float64; a float16 beyond its range is inf."""
        if PRECISIONS[self.precision].normal:
            with np.errstate(over="ignore"):
                return values.astype(np.float16).astype(np.float64)
        bits = round(-log2(PRECISIONS[self.precision].unit))
        shifted = values * (2.0 ** (53 - bits) + 1)  # Dekker 1971: the upper bits are those that the difference keeps
        return shifted - (shifted - values)

    def forward(self, params: Params, x: Array) -> Array:
        """The output (N, O), rounded."""
        rounded = Params(*map(self.round, params))
        return np.concatenate([self._layers(rounded, part)[1] for part in self._chunks(params, x)])

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        """The loss of the rounded output, and gradients whose products are rounded, under the loss scale."""
        rounded, terms = Params(*map(self.round, params)), samples.y.size
        scale, loss, sums = loss_scale(self.precision, terms), 0.0, [np.zeros(p.shape) for p in params]
        chunks = (self._chunks(params, array) for array in (samples.x, samples.y))
        for x, y in zip(*chunks, strict=True):
            h, out = self._layers(rounded, x)
            error = out - y
            loss += float(np.sum(error * error))
            dy = self.round(error * (2 * scale / terms))  # (n, O)
            dz = np.where(h > 0, self.round(dy @ rounded.w2.T), 0)  # (n, H)
            parts = self.round(x).T @ dz, dz.sum(axis=0), h.T @ dy, dy.sum(axis=0)
            sums = [total + part for total, part in zip(sums, parts, strict=True)]
        return np.asarray(loss / terms), Params(*(self.round(total) / scale for total in sums))

    def _layers(self, rounded: Params, x: Array) -> tuple[Array, Array]:
        """Hidden values (n, H) and output (n, O), for weights that are rounded already."""
        h = self.round(np.maximum(self.round(x) @ rounded.w1 + rounded.b1, 0))
        return h, self.round(h @ rounded.w2 + rounded.b2)

    def _chunks(self, params: Params, array: Array) -> list[Array]:
        """The rows of an array in parts whose hidden layer has CHUNK_ELEMENTS at most."""
        rows = max(1, CHUNK_ELEMENTS // params.b1.size)
        return [array[start : start + rows] for start in range(0, len(array), rows)]
