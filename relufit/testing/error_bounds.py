"""How far a right answer may be from float64: network, loss and gradients with a bound on the error of each element.

A backend's output, loss and gradients may differ from the exact ones by rounding and by nothing else. How much that can
be is computed: for a sum of k terms rounded to unit u in any order, the error is below g(k) u times the
sum of the terms' magnitudes, with g(k) = min(k, 6 sqrt(k)): k is the worst case, 6 sqrt(k) fails with a probability
below 4e-8 a term where rounding errors are as good as independent (Higham and Mary 2019, SIAM J. Sci. Comput. 41(5),
A2815-A2835, theorem 2.4 with lambda = 6). Rounding of z carries through relu, output, residual and gradient; where |z|
is below its own rounding error the mask may rightly flip, and that unit's whole contribution is allowed for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from math import sqrt
from typing import NamedTuple

import numpy as np

from relufit.params import Params

CHUNK_ELEMENTS = 2**20  # of the hidden layer, evaluated at once
USEFUL = 1e-3  # largest relative error of a gradient that is of use, even if rounding explains more
QUANTITIES = ("output", "loss", "w1", "b1", "w2", "b2")
as_float64 = partial(np.asarray, dtype=np.float64)


@dataclass(frozen=True)
class Reference:
    """Exact values (to float64) and how far a result rounded to `unit` may be from them, element by element."""

    unit: float
    values: dict[str, np.ndarray]  # by the names in QUANTITIES
    bounds: dict[str, np.ndarray]
    rounding: float  # bound of the relative error of the gradient as one vector, for the samples without repeats
    repeats: int = 1  # how often the data repeat the samples; the output is that of one repeat

    @property
    def grads(self) -> Params:
        """The gradients."""
        return Params(*(self.values[name] for name in Params._fields))


def growth(terms: int) -> float:
    """How many units of rounding a sum of that many terms can collect, of the sum of their magnitudes."""
    return min(terms, 6 * sqrt(terms))


def lost(terms: int, unit: float) -> float:
    """Units of rounding that a long running sum loses beyond `growth`, where its errors are no longer independent.

    Terms near the last place of the sum are rounded towards where their density is higher, mostly to nothing: with
    terms of size S / k that is about u k^2 / 18 units for smooth densities (the mean of the rounding error over one
    place, times k). torch's float32 x.T @ dz adds one sample after the other: at N = 10^6 it was measured at 3 000
    units on uniform factors and 11 000 on a network, so a quarter of u k^2 is allowed, and never more than a hundredth
    of the terms' magnitude: a gradient that lost more is of no use, and disagrees.
    """
    return min(unit * terms**2 / 4, 0.01 / unit)


def reference(params: Params, x: np.ndarray, y: np.ndarray, repeats: int = 1) -> Reference:
    """Evaluate network, loss and gradients in float64, in chunks of samples, with the error that each may carry.

    `params` and x (N, D), y (N, O) are host arrays in the dtype under test; its rounding unit enters the bounds.
    With `repeats` the values are those of the same samples `repeats` times over: means do not change. Rounding does:
    what is lost when a term is added depends on the term and the scale of the sum, so equal terms lose equally and
    their errors add up, `repeats` times the growth of N and not its square root (seen: torch at N = 16 * 65536 was at
    1.9 times the bound that takes all terms as independent).
    """
    # Half the spacing of 1, plus the same of the reference itself, which counts where the test is in float64.
    unit = float(np.finfo(x.dtype).eps) / 2 + 2.0**-53
    w1, b1, w2, b2 = map(as_float64, params)
    n, (d, h), o = len(x), w1.shape, w2.shape[1]
    z_unit, y_unit, back_unit = (unit * growth(k) for k in (d + 1, h + 1, o + 2))

    sums, magnitudes, slack = ({name: np.zeros(p.shape) for name, p in params._asdict().items()} for _ in range(3))
    outputs, output_errors, loss, loss_error = np.empty((n, o)), np.empty((n, o)), 0.0, 0.0
    chunk_samples = max(1, CHUNK_ELEMENTS // h)
    for start in range(0, n, chunk_samples):
        chunk = slice(start, start + chunk_samples)
        xb, yb = as_float64(x[chunk]), as_float64(y[chunk])
        units = _hidden_with_doubts(xb, w1, b1, z_unit)
        hidden, z_error = units.hidden, z_unit * units.reach
        out = hidden @ w2 + b2  # (n, O)
        out_error = z_error @ np.abs(w2) + y_unit * (hidden @ np.abs(w2) + np.abs(b2))
        error = out - yb
        loss += float(np.sum(error**2))
        loss_error += float(np.sum(2 * np.abs(error) * out_error + out_error**2))
        outputs[chunk], output_errors[chunk] = out, out_error

        dy = error * (2 / (n * o))  # (n, O)
        dy_error = (out_error + 3 * unit * np.abs(error)) * (2 / (n * o))
        for name, pairs in _gradient_products(xb, units, w2, dy, dy_error, back_unit).items():
            for total, (left, right) in zip((sums, magnitudes, slack), pairs, strict=True):
                total[name] += (left.T @ right).reshape(total[name].shape)
        slack["w2"] += z_error.T @ np.abs(dy)

    terms = n * o
    without_repeats = {name: slack[name] + unit * growth(n + d + 3) * magnitudes[name] for name in sums}
    sum_unit = unit * (repeats * growth(n + d + 3) + lost(n * repeats, unit))
    values = {"output": outputs, "loss": np.asarray(loss / terms), **sums}
    loss_bound = (loss_error + unit * repeats * growth(terms + 2) * loss) / terms
    bounds = {name: slack[name] + sum_unit * magnitudes[name] for name in sums}
    bounds |= {"output": output_errors, "loss": np.asarray(loss_bound)}
    return Reference(unit, values, bounds, norm(without_repeats.values()) / (norm(sums.values()) or 1.0), repeats)


def norm(arrays: Iterable[np.ndarray]) -> float:
    """The Euclidean norm of all their elements as one vector."""
    return sqrt(sum(float(np.vdot(a, a)) for a in arrays))


def distance(params: Params, others: Params) -> float:
    """The distance of all weights as one vector."""
    return norm(a - b for a, b in zip(params, others, strict=True))


class _Units(NamedTuple):
    """The hidden layer of n samples; each (n, H)."""

    hidden: np.ndarray
    reach: np.ndarray  # the magnitudes of the terms of z, where the unit is on or may be
    active: np.ndarray  # where it is on
    doubtful: np.ndarray  # where rounding of z may flip the mask


def _hidden_with_doubts(x: np.ndarray, w1: np.ndarray, b1: np.ndarray, z_unit: float) -> _Units:
    """The hidden layer for x (n, D)."""
    size = np.abs(x) @ np.abs(w1) + np.abs(b1)
    z = x @ w1 + b1
    active, doubtful = z > 0, np.abs(z) <= 2 * z_unit * size
    return _Units(np.where(active, z, 0), np.where(active | doubtful, size, 0), active, doubtful)


Factors = tuple[np.ndarray, np.ndarray]


def _gradient_products(
    x: np.ndarray, units: _Units, w2: np.ndarray, dy: np.ndarray, dy_error: np.ndarray, back_unit: float
) -> dict[str, tuple[Factors, Factors, Factors]]:
    """Of each gradient, as (left, right) of left.T @ right over samples.

    Its value, the magnitudes of its terms, and what its factors' errors can do; x (n, D), dy and its error (n, O).
    """
    hidden, reach, active, doubtful = units  # reach: S0 and S1 are summed apart, so it is h before its terms cancel
    dh, dh_size = dy @ w2.T, np.abs(dy) @ np.abs(w2.T)  # (n, H)
    dz, dz_size = np.where(active, dh, 0), np.where(active, dh_size, 0)
    dz_error = np.where(active | doubtful, dy_error @ np.abs(w2.T) + back_unit * dh_size, 0)
    dz_error += np.where(doubtful, dh_size, 0)  # a flipped mask adds or removes the whole term
    ones, x_size, dy_size = np.ones((len(x), 1)), np.abs(x), np.abs(dy)
    return {
        "w1": ((x, dz), (x_size, dz_size), (x_size, dz_error)),
        "b1": ((ones, dz), (ones, dz_size), (ones, dz_error)),
        "w2": ((hidden, dy), (reach, dy_size), (reach, dy_error)),
        "b2": ((ones, dy), (ones, dy_size), (ones, dy_error)),
    }
