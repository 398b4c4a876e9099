"""Scores for splines of a table: the remaining error, and a price for each hidden unit.

Every further unit reduces the error on a table, also if it only follows noise. So units have a price: more than what
the best splines gain by following noise, and less than what they gain on data without noise. The same rule gives a few
units for noise and hundreds for a smooth function.

Splines are scored on the table that they are fitted to. Cross-validation would score extrapolation: its errors at both
ends, beside gaps and at jumps are so large that they dominate the score.
"""

from typing import NamedTuple

import numpy as np

from relufit.spline.least_squares import Spline
from relufit.spline.moments.samples import DataPieces

NEGLIGIBLE = 1e-13  # mean square of standardised y that rounding leaves of a table fitted exactly by steep pieces
PER_UNIT, PER_PLACE = 6.0, 2.0  # price of a unit, and of each factor e in the number of places for its knot
SUPPORT = 4  # cells in the two pieces of a peak: fewer may be an outlier and its neighbours; one less in other pieces
FAR = 2.0  # distance by which a value may leave the range of nearby samples, in widths of that range,
LITTLE = 0.25  # or in widths of the range of all samples
HIGH = 1.1  # height of a peak that stands out, relative to the pieces around it and to its flanks


class Criterion(NamedTuple):
    """Scores splines of one table: the best number of units has the least score."""

    x: np.ndarray  # (C,) means of the cells, standardised
    y: np.ndarray  # (C,)
    within: float  # sum of squares within cells, about the best line of each: a lower limit for every spline
    negligible: float  # sum of squares that counts as rounding

    @classmethod
    def of(cls, pieces: DataPieces) -> "Criterion":
        """The criterion for a table of cells.

        Samples of equal x count as one, their mean. So a sample of weight 2 is the same as two samples, and a factor of
        all weights changes all scores by the same constant.
        """
        return cls(pieces.x, pieces.y, pieces.least, NEGLIGIBLE * pieces.mass)

    @property
    def most(self) -> int:
        """The largest number of units that is scored: knots and values are fewer than the cells, at least four."""
        return (len(self.x) - 1) // 2

    def is_exact(self, spline: Spline) -> bool:
        """Whether the spline fits the means of the cells up to rounding."""
        return bool(spline.squares - self.within <= self.negligible)

    def score(self, spline: Spline, units: int) -> float:
        """The score: n log(squares left of the means) plus the price of the units; inf for a spline that has spikes."""
        curve = spline.knots, spline.values
        if not self.is_exact(spline) and (has_lone_peak(*curve, self.x) or overshoots(*curve, self.x, self.y)):
            return float("inf")
        left = max(spline.squares - self.within, self.negligible)
        return float(len(self.x) * np.log(left)) + price(units, len(self.x))


def price(units: int, samples: int) -> float:
    """The price of a number of units, in n log(sum of squares) with n = `samples` > 2 `units`.

    For each unit a constant plus a multiple of log(n / units), the logarithm of the number of places for its knot:
    Birge and Massart, "Minimal penalties for Gaussian model selection", Probability Theory and Related Fields 138,
    2007. For few units it is about that of BIC with two parameters per unit. The best splines of 16 to 800 samples of
    noise gain 4 to 5 per unit, and more with over a fourth as many units as samples, hence the denominator.
    """
    share = units / samples
    return float(units * (PER_UNIT - PER_PLACE * np.log(share)) / (1 - share**2))


def has_lone_peak(knots: np.ndarray, values: np.ndarray, x: np.ndarray) -> bool:
    """Whether a spline, (K + 1,) knots and values, has a peak that too few of the samples at x (C,) support.

    Such a peak is as high as an outlier, and as wide as the gaps beside it. The tip of a cusp has few samples too, but
    the spline rises towards it; and the teeth of a saw have neighbours of equal height.
    """
    rise = np.diff(values)
    peaks = np.flatnonzero(rise[:-1] * rise[1:] < 0) + 1  # up or down
    if len(knots) < 4 or not len(peaks):
        return False
    first, behind = np.searchsorted(x, knots[:-1]), np.searchsorted(x, knots[1:], side="right")
    height = np.minimum(np.abs(rise[peaks - 1]), np.abs(rise[peaks]))
    steps = np.where(behind - first >= SUPPORT - 1, np.abs(rise), 0.0)  # other outliers do not count
    around = np.pad(steps, 2)[peaks[:, None] + np.array([-1, 0, 3, 4])].max(axis=1)  # two pieces on each side
    flanks = np.abs(np.diff(values[np.concatenate([[0], peaks, [len(rise)]])]))
    leading = np.maximum(flanks[:-1] - np.abs(rise[peaks - 1]), flanks[1:] - np.abs(rise[peaks]))
    stands_out = height > HIGH * np.maximum(around, leading)
    return bool((stands_out & (behind[peaks] - first[peaks - 1] < SUPPORT)).any())


def overshoots(knots: np.ndarray, values: np.ndarray, x: np.ndarray, y: np.ndarray) -> bool:
    """Whether a spline, (K + 1,) knots and values, leaves the range of the nearby samples x, y (C,) by too much.

    This happens at knots inside a gap, where the lines of both sides intersect. Nearby samples are those of a knot's
    two pieces, and at least SUPPORT on either side.
    """
    place, first, behind = (np.searchsorted(x, at) for at in (knots[1:-1], knots[:-2], knots[2:]))
    first, behind = np.minimum(first, np.maximum(place - SUPPORT, 0)), np.maximum(behind, place + SUPPORT)
    least = LITTLE * np.ptp(y)
    for value, start, end in zip(values[1:-1], first, behind, strict=True):
        low, high = y[start:end].min(), y[start:end].max()
        if max(low - value, value - high) > max(FAR * (high - low), least):
            return True
    return False
