"""The network in reduced precision computed in float64: how large honest errors are.

Operands and hidden values are rounded to the precision; a library may round biases and the results of products too. So
there are two of these backends, one for each habit. Libraries between the two round the same values, and their errors
are of the size of the larger of both. (One alone would not do: the errors of many samples have a common part, which is
small in either by accident, but seldom in both.)
"""

from math import log2

import numpy as np

from relufit.backends.base import Backend, Samples
from relufit.network.params import Array, Params
from relufit.network.precision import PRECISIONS, loss_scale

CHUNK_ELEMENTS = 2**20  # of the hidden layer, evaluated at once


class RoundedBackend(Backend):
    """Takes and returns float64 arrays; trains as every backend does, with exact sums and updates."""

    device = "cpu"

    def __init__(self, precision: str, results: bool) -> None:
        self.name, self.precision = f"rounded to {precision}", precision
        self.round_result = self.round if results else np.asarray  # of biases and products

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
        rounded = self._rounded(params)
        return np.concatenate([self._layers(rounded, part)[1] for part in self._chunks(params, x)])

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        """The loss of the rounded output, and gradients whose products are rounded, under the loss scale."""
        rounded, terms = self._rounded(params), samples.y.size
        scale, loss, sums = loss_scale(self.precision, terms), 0.0, [np.zeros(p.shape) for p in params]
        chunks = (self._chunks(params, array) for array in (samples.x, samples.y))
        for x, y in zip(*chunks, strict=True):
            h, out = self._layers(rounded, x)
            error = out - y
            loss += float(np.sum(error * error))
            dy = self.round_result(error * (2 * scale / terms))  # (n, O)
            dz = np.where(h > 0, self.round_result(self.round(dy) @ rounded.w2.T), 0)  # (n, H)
            parts = self.round(x).T @ self.round(dz), dz.sum(axis=0), h.T @ self.round(dy), dy.sum(axis=0)
            sums = [total + part for total, part in zip(sums, parts, strict=True)]
        return np.asarray(loss / terms), Params(*(self.round_result(total) / scale for total in sums))

    def _rounded(self, params: Params) -> Params:
        """The weights as operands, and the biases."""
        w1, b1, w2, b2 = params
        return Params(self.round(w1), self.round_result(b1), self.round(w2), self.round_result(b2))

    def _layers(self, rounded: Params, x: Array) -> tuple[Array, Array]:
        """Hidden values (n, H) and output (n, O), for weights that are rounded already."""
        h = self.round(np.maximum(self.round(x) @ rounded.w1 + rounded.b1, 0))
        return h, self.round_result(h @ rounded.w2 + rounded.b2)

    def _chunks(self, params: Params, array: Array) -> list[Array]:
        """The rows of an array in parts whose hidden layer has CHUNK_ELEMENTS at most."""
        rows = max(1, CHUNK_ELEMENTS // params.b1.size)
        return [array[start : start + rows] for start in range(0, len(array), rows)]


def rounded_backends(precision: str) -> list[RoundedBackend]:
    """One that rounds all that may be rounded, and one that rounds operands alone."""
    return [RoundedBackend(precision, results) for results in (True, False)]
