"""How far a right answer may be from float64: network, loss and gradients with a bound on the error of each element.

A backend's output, loss and gradients may differ from the exact ones by rounding and by nothing else. How much that can
be is computed: for a sum of k terms rounded to unit u in any order, the error is below g(k) u times the
sum of the terms' magnitudes, with g(k) = min(k, 6 sqrt(k)): k is the worst case, 6 sqrt(k) fails with a probability
below 4e-8 a term where rounding errors are as good as independent (Higham and Mary 2019, SIAM J. Sci. Comput. 41(5),
A2815-A2835, theorem 2.4 with lambda = 6). Rounding of z carries through relu, output, residual and gradient; where |z|
is below its own rounding error the mask may rightly flip, and that unit's whole contribution is allowed for.

Products in reduced precision (network/precision.py) round their operands besides, and may round a bias or a result. The
bounds of the elements allow for the worst case of each, which is far from what many roundings do together. So output
and gradient are also bounded as a whole, each as one vector: by ROUNDED times the larger error of the two backends of
relufit/testing/rounded.py, and by the masks that may flip. Rounding the weights to 6 bits in place of the 8
of bfloat16 makes 2 to 10 times their error of the output (H = 512, targets sin, exp and runge: 7 to 10 times).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from math import sqrt
from typing import NamedTuple

import numpy as np

from relufit.backends.base import Samples
from relufit.network.params import Params
from relufit.network.precision import PRECISIONS, Precision, loss_scale
from relufit.testing.rounded import rounded_backends

CHUNK_ELEMENTS = 2**20  # of the hidden layer, evaluated at once
USEFUL = 1e-3  # largest relative error of a gradient that is of use, even if rounding explains more
# An output or gradient in reduced precision may have this many times the larger error of rounded_backends. torch on a
# CPU has the error of the one that rounds results to three digits, jax that of the other one.
ROUNDED = 2.0
UNROUNDED = Precision("", 0.0, "", "")
QUANTITIES = ("output", "loss", "w1", "b1", "w2", "b2")
as_float64 = partial(np.asarray, dtype=np.float64)


@dataclass(frozen=True)
class Reference:
    """Exact values (to float64) and how far a result rounded to `unit` may be from them, element by element."""

    unit: float
    values: dict[str, np.ndarray]  # by the names in QUANTITIES
    bounds: dict[str, np.ndarray]
    limits: dict[str, float]  # of the relative error of "gradient" as one vector; in reduced precision "output" too
    repeats: int = 1  # how often the data repeat the samples; the output is that of one repeat
    precision: str = ""  # of the products, if reduced
    rounded: tuple[Params, ...] = ()  # the gradients of rounded_backends, in reduced precision
    flips: float = 0.0  # of limits["gradient"], what flipped masks can add in reduced precision

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


def reference(params: Params, x: np.ndarray, y: np.ndarray, repeats: int = 1, precision: str = "") -> Reference:
    """Evaluate network, loss and gradients in float64, in chunks of samples, with the error that each may carry.

    `params` and x (N, D), y (N, O) are host arrays in the dtype under test; its rounding unit enters the bounds, and
    that of the `precision` of the products, if it is reduced.
    With `repeats` the values are those of the same samples `repeats` times over: means do not change. Rounding does:
    what is lost when a term is added depends on the term and the scale of the sum, so equal terms lose equally and
    their errors add up, `repeats` times the growth of N and not its square root (seen: torch at N = 16 * 65536 was at
    1.9 times the bound that takes all terms as independent).
    """
    # Half the spacing of 1, plus the same of the reference itself, which counts where the test is in float64.
    unit = float(np.finfo(x.dtype).eps) / 2 + 2.0**-53
    w1, b1, w2, b2 = map(as_float64, params)
    n, (d, h), o = len(x), w1.shape, w2.shape[1]
    narrow = PRECISIONS.get(precision, UNROUNDED)
    # Two operands and the result of each product may be rounded.
    z_unit, y_unit, back_unit = (unit * growth(k) + _grown(narrow.unit, 3) for k in (d + 1, h + 1, o + 2))
    size, least = partial(_size, least=narrow.normal), narrow.normal / loss_scale(precision, n * o)

    sums, magnitudes, slack = ({name: np.zeros(p.shape) for name, p in params._asdict().items()} for _ in range(3))
    outputs, output_errors, loss, loss_error = np.empty((n, o)), np.empty((n, o)), 0.0, 0.0
    flips = np.zeros((d + 1, h))  # what flipped masks can add to dw1 and db1
    chunk_samples = max(1, CHUNK_ELEMENTS // h)
    for start in range(0, n, chunk_samples):
        chunk = slice(start, start + chunk_samples)
        xb, yb = as_float64(x[chunk]), as_float64(y[chunk])
        units = _hidden_with_doubts(xb, w1, b1, z_unit + unit * growth(d + 1), narrow.normal)
        hidden, z_error = units.hidden, z_unit * units.reach
        out = hidden @ w2 + b2  # (n, O)
        out_error = z_error @ size(w2) + y_unit * (size(hidden) @ size(w2) + size(b2))
        error = out - yb
        loss += float(np.sum(error**2))
        loss_error += float(np.sum(2 * np.abs(error) * out_error + out_error**2))
        outputs[chunk], output_errors[chunk] = out, out_error

        dy = error * (2 / (n * o))  # (n, O)
        dy_error = (out_error + 3 * unit * np.abs(error)) * (2 / (n * o)) + narrow.unit * _size(dy, least)
        for name, pairs in _gradient_products(xb, units, w2, dy, dy_error, back_unit, (narrow.normal, least)).items():
            for total, (left, right) in zip((sums, magnitudes, slack), pairs, strict=True):
                total[name] += (left.T @ right).reshape(total[name].shape)
        slack["w2"] += z_error.T @ np.abs(dy)
        if precision:
            flips += np.hstack([np.abs(xb), np.ones((len(xb), 1))]).T @ (units.doubtful * (np.abs(dy) @ np.abs(w2.T)))

    terms = n * o
    without_repeats = {name: slack[name] + unit * growth(n + d + 3) * magnitudes[name] for name in sums}
    sum_unit = unit * (repeats * growth(n + d + 3) + lost(n * repeats, unit)) + _grown(narrow.unit, 2)
    values = {"output": outputs, "loss": np.asarray(loss / terms), **sums}
    bounds = {name: slack[name] + sum_unit * _size(magnitudes[name], least) for name in sums}
    limits = {"gradient": max(USEFUL, norm(without_repeats.values()) / (norm(sums.values()) or 1.0))}
    rounded, flipped = tuple[Params, ...](), 0.0
    if precision:
        limits, rounded = _limits(precision, params, x, y, values)
        flipped = norm([flips]) / (norm(sums.values()) or 1.0)
        limits["gradient"] += flipped
        off = limits["output"] * (norm([outputs]) or 1.0)  # of the output, so of the residuals, as one vector
        loss_error = 2 * sqrt(loss) * off + off**2
    loss_bound = (loss_error + unit * repeats * growth(terms + 2) * loss) / terms
    bounds |= {"output": output_errors, "loss": np.asarray(loss_bound)}
    return Reference(unit, values, bounds, limits, repeats, precision, rounded, flipped)


def _limits(
    precision: str, params: Params, x: np.ndarray, y: np.ndarray, values: dict[str, np.ndarray]
) -> tuple[dict[str, float], tuple[Params, ...]]:
    """The limits of output and gradient as a whole, and the gradients of rounded_backends."""
    models, weights, samples = (
        rounded_backends(precision),
        Params(*map(as_float64, params)),
        Samples(*map(as_float64, (x, y))),
    )
    grads = tuple(model.loss_and_grads(weights, samples)[1] for model in models)
    outputs = [[model.forward(weights, samples.x)] for model in models]
    exact, hidden = [values[name] for name in Params._fields], params.b1.size
    limits = {
        "output": limit_of_rounding(outputs, [values["output"]], precision, hidden),
        "gradient": limit_of_rounding(grads, exact, precision, hidden),
    }
    return limits, grads


def limit_of_rounding(
    rounded: Iterable[Sequence[np.ndarray]],
    exact: Sequence[np.ndarray],
    precision: str,
    hidden: int,
    scale: float | None = None,
) -> float:
    """How far a result in reduced precision may be from the exact one, as one vector and relative to it, or to `scale`.

    `rounded` are those of rounded_backends. Few roundings may cancel in them by accident and not in a right result: so
    two units are allowed besides, of which independent roundings of `hidden` units leave 1 / sqrt(H).
    """
    errors = [norm(a - b for a, b in zip(found, exact, strict=True)) for found in rounded]
    return ROUNDED * max(errors) / (scale or norm(exact) or 1.0) + 2 * PRECISIONS[precision].unit / sqrt(hidden)


def _grown(unit: float, roundings: int) -> float:
    """The largest relative error of that many roundings, one after the other."""
    return (1 + unit) ** roundings - 1


def _size(values: np.ndarray, least: float) -> np.ndarray:
    """Magnitudes, but at least the least normal number: below it an error of rounding is no smaller."""
    return np.maximum(np.abs(values), least)


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


def _hidden_with_doubts(x: np.ndarray, w1: np.ndarray, b1: np.ndarray, doubt: float, least: float) -> _Units:
    """The hidden layer for x (n, D); a mask may flip where z is within `doubt` of its terms' magnitudes.

    `least` is the least normal number of reduced precision.
    """
    size = _size(x, least) @ _size(w1, least) + _size(b1, least)
    z = x @ w1 + b1
    active, doubtful = z > 0, np.abs(z) <= doubt * size
    return _Units(np.where(active, z, 0), np.where(active | doubtful, size, 0), active, doubtful)


Factors = tuple[np.ndarray, np.ndarray]


def _gradient_products(
    x: np.ndarray,
    units: _Units,
    w2: np.ndarray,
    dy: np.ndarray,
    dy_error: np.ndarray,
    back_unit: float,
    least: tuple[float, float],
) -> dict[str, tuple[Factors, Factors, Factors]]:
    """Of each gradient, as (left, right) of left.T @ right over samples.

    Its value, the magnitudes of its terms, and what its factors' errors can do; x (n, D), dy and its error (n, O).
    `least` are the least normal numbers of reduced precision: of an operand, and of one that holds the loss scale.
    """
    hidden, reach, active, doubtful = units  # reach: S0 and S1 are summed apart, so it is h before its terms cancel
    x_size, w2_size, dy_size = _size(x, least[0]), _size(w2.T, least[0]), _size(dy, least[1])
    dh, dh_size = dy @ w2.T, _size(dy_size @ w2_size, least[1])  # (n, H)
    dz, dz_size = np.where(active, dh, 0), np.where(active, dh_size, 0)
    dz_error = np.where(active | doubtful, dy_error @ w2_size + back_unit * dh_size, 0)
    dz_error += np.where(doubtful, dh_size, 0)  # a flipped mask adds or removes the whole term
    ones = np.ones((len(x), 1))
    return {
        "w1": ((x, dz), (x_size, dz_size), (x_size, dz_error)),
        "b1": ((ones, dz), (ones, dz_size), (ones, dz_error)),
        "w2": ((hidden, dy), (reach, dy_size), (reach, dy_error)),
        "b2": ((ones, dy), (ones, dy_size), (ones, dy_error)),
    }
