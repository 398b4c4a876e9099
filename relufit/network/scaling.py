"""Standardise x and y for training, and fold the scaling back into the weights, so that they act on raw x.

Scales are powers of two, so scaling and folding back are exact. The only rounding is that of the shift of x, in
float64: timestamps near 1.7e9 and values near 1e6 are fitted as well as numbers near 1.
"""

from dataclasses import dataclass, replace

import numpy as np

from relufit.errors import RelufitError
from relufit.network.params import Params
from relufit.network.values import by_value, one_line
from relufit.targets import Target

LOOKS = 2**13 + 1, 2**17 + 1  # points at which a function is evaluated; the second number if its samples are all equal
SHIFT_BITS = 20  # binary digits of x_shift / x_scale after the point: few, so that knots need few digits
FAR = 1e6  # distance from the samples, in scales of y, from which a peak between them decides the scale
LEAST_SPREAD = float(np.sqrt(np.finfo(np.float64).tiny))  # smallest number whose square does not underflow
VARIES = 64 * float(np.finfo(np.float64).eps)  # spread, relative to the largest value, that may be rounding


@by_value
@dataclass(frozen=True, eq=False)
class Scaling:
    """x' = (x - x_shift) / x_scale, one value for each column; y' likewise, with one scale for all outputs."""

    x_shift: np.ndarray  # (D,), rounded to few digits
    x_scale: np.ndarray  # (D,), powers of two
    y_shift: np.ndarray  # (O,)
    y_scale: float  # a power of two; one for all outputs, so that the loss keeps their weights

    def __repr__(self) -> str:
        return one_line(self)

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> "Scaling":
        """The scaling that gives x (N, D) and y (N, O) mean 0; each x, and y as a whole, a deviation of 0.7 to 1.5.

        The mean of x is 0 within a millionth of the deviation: `x_shift` is rounded, so that a knot can be exact both
        in standardised and in raw x (`knot_spacing`).

        With a `weight` (N,) mean and deviation are weighted: a sample of weight 2 counts as two samples.

        Raises RelufitError for numbers whose squares overflow.
        """
        weight = None if weight is None else weight / weight.max()  # so that no product over- or underflows
        with np.errstate(over="ignore", invalid="ignore"):
            x_shift, y_shift = _mean(x, weight), _mean(y, weight)
            x_scale = _power_of_two(np.sqrt(_mean((x - x_shift) ** 2, weight)), np.abs(x).max(axis=0))
            x_shift = _rounded(x_shift, x_scale, x)
            # One scale for all columns of y, about their means, so that offsets of columns do not count. For constant y
            # it is small, so that the error that training leaves is small relative to y.
            largest, spread = np.abs(y).max(), np.sqrt(_mean((y - y_shift) ** 2, weight).mean())
            y_scale = _power_of_two(np.maximum(spread, 2 * _least(largest)), largest)
            finite = [np.isfinite(part).all() for part in (x_shift, x_scale, y_shift, np.square(y_scale))]
        if not all(finite):
            raise RelufitError("the numbers are too large: their squares overflow; divide them by a constant first")
        return cls(x_shift, x_scale, y_shift, float(y_scale))

    @classmethod
    def of_function(cls, target: Target, x: np.ndarray, y: np.ndarray) -> "Scaling":
        """The scaling of a function that is fitted itself: of its samples x (N, 1), y (N, 1), unless they miss a peak.

        If a finer grid finds values further than FAR scales from the samples, its values determine the scale of y.
        Raises RelufitError as `of` does, and if the function is not finite.
        """
        scaling = cls.of(x, y)
        for count in LOOKS:
            fine = target(np.linspace(*target.domain, count)[:, None])
            if np.abs(fine - scaling.y_shift).max() > FAR * scaling.y_scale:
                return cls.of(x, fine)
            if np.ptp(y) > 0:
                return scaling
        # An integral may still find a peak; its values must not be divided by the rounding of a constant.
        return replace(scaling, y_scale=max(scaling.y_scale, 1.0))

    def demand_spread(self, x: np.ndarray, y: np.ndarray | None = None) -> None:
        """Raise RelufitError if a column of x, or y as a whole, varies by so little that its squares underflow.

        It would be fitted as a constant.
        """
        for j in range(x.shape[1]):
            _demand_spread("x" if x.shape[1] == 1 else f"column {j} of x", x[:, j], self.x_shift[j])
        if y is not None:
            _demand_spread("y", y, self.y_shift)

    @property
    def loss_unit(self) -> float:
        """The mean square of y, in its own units, that is 1 in standardised units."""
        return self.y_scale**2

    def knot_spacing(self, low: float, high: float) -> float:
        """A power of two whose multiples from `low` to `high`, in standardised x (D = 1), unscale without rounding."""
        offset = float(self.x_shift[0] / self.x_scale[0])
        return float(np.spacing(np.abs([low, high, low + offset, high + offset, offset]).max()))

    def scale_x(self, x: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, D)."""
        return (x - self.x_shift) / self.x_scale

    def scale_y(self, y: np.ndarray) -> np.ndarray:
        """(N, O) -> (N, O)."""
        return (y - self.y_shift) / self.y_scale

    def unscale(self, params: Params) -> Params:
        """Float64 parameters for raw x and y, from `params` for standardised x and y."""
        w1, b1, w2, b2 = (np.asarray(p, dtype=np.float64) for p in params)
        w1 = w1 / self.x_scale[:, None]  # (D, H)
        return Params(w1, b1 - self.x_shift @ w1, w2 * self.y_scale, b2 * self.y_scale + self.y_shift)


def _demand_spread(name: str, values: np.ndarray, shift: np.ndarray) -> None:
    """Raise RelufitError if values (N,) or (N, O) vary by more than rounding, but their squares underflow."""
    largest, away = np.abs(values).max(), np.abs(values - shift).max()
    if away > VARIES * largest and away * np.sqrt(np.mean(((values - shift) / away) ** 2)) <= LEAST_SPREAD:
        raise RelufitError(f"{name} varies by {away:.3g}: the squares underflow; multiply it by a constant first")


def _mean(values: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """(N, columns) -> (columns,)."""
    return np.asarray(np.average(values, axis=0, weights=weight))


def _rounded(shift: np.ndarray, scale: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Round each shift to a multiple of 2^-SHIFT_BITS scales and of 4 roundings of x (N, D), unless x is constant."""
    unit = np.maximum(np.ldexp(scale, -SHIFT_BITS), 4 * np.spacing(np.abs(x).max(axis=0)))
    return np.where(np.ptp(x, axis=0) > 0, np.rint(shift / unit) * unit, shift)


def _power_of_two(spread: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """The power of two nearest in ratio to each spread; 1 where a spread is 0."""
    safe = np.where(spread > _least(largest), spread, 1.0)
    return np.asarray(np.exp2(np.round(np.log2(safe))))


def _least(largest: np.ndarray) -> np.ndarray:
    """The largest spread that counts as 0: the rounding of a constant, or a number whose square underflows."""
    return np.maximum(4 * np.finfo(np.float64).eps * largest, LEAST_SPREAD)
