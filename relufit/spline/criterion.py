"""Scores for splines of a table: the error that is left, and a price for each hidden unit.

Every further unit leaves less of a table, of noise too. So each number of units has a price: more than what the best
splines gain by following noise, and less than what they gain where the data have none. One rule takes few units for
noise and hundreds for a smooth function, as far as the samples show it.

Splines are scored on the table that they are fitted to. To leave samples out and predict them, as cross-validation
does, scores extrapolation: at both ends, beside gaps and at jumps errors are so large that they decide all.
"""

from typing import NamedTuple

import numpy as np

from relufit.spline.least_squares import Spline
from relufit.spline.samples import DataPieces

NEGLIGIBLE = 1e-13  # mean square of standardised y, which steep pieces leave of a table that they fit exactly
PER_UNIT, PER_PLACE = 6.0, 2.0  # price of a unit, and of each factor e in the number of places for its knot
SUPPORT = 4  # cells in the two pieces of a peak: fewer may be an outlier and its neighbours; one less in other pieces
FAR = 2.0  # ranges of the samples nearby, by which a value between samples may leave that range,
LITTLE = 0.25  # or by this many ranges of all samples
HIGH = 1.1  # height of a peak that stands out, in heights of the pieces around it and of what leads to it


class Criterion(NamedTuple):
    """Scores splines of one table: the best number of units is that of the least score."""

    x: np.ndarray  # (C,) means of the cells, standardised
    y: np.ndarray  # (C,)
    within: float  # sum of squares in the cells about the best line of each, which no spline avoids
    negligible: float  # sum of squares that may be nothing but rounding

    @classmethod
    def of(cls, pieces: DataPieces) -> "Criterion":
        """For a table of cells.

        Samples of one x count as one, their mean: so a sample of weight 2 is one given twice, and what all weights are
        multiplied by changes all scores by the same constant.
        """
        return cls(pieces.x, pieces.y, pieces.least, NEGLIGIBLE * pieces.mass)

    @property
    def most(self) -> int:
        """Units that are scored at the most: their knots and values are less than the cells, at least four."""
        return (len(self.x) - 1) // 2

    def is_exact(self, spline: Spline) -> bool:
        """Whether nothing but rounding is left of the means of the cells."""
        return bool(spline.squares - self.within <= self.negligible)

    def score(self, spline: Spline, units: int) -> float:
        """The logarithm of what is left of the means, n times, and the price; inf for a spline that has spikes."""
        curve = spline.knots, spline.values
        if not self.is_exact(spline) and (has_lone_peak(*curve, self.x) or overshoots(*curve, self.x, self.y)):
            return float("inf")
        left = max(spline.squares - self.within, self.negligible)
        return float(len(self.x) * np.log(left)) + price(units, len(self.x))


def price(units: int, samples: int) -> float:
    """What this number of units must gain, in n log(sum of squares) with n = `samples` > 2 `units`.

    For each unit a constant and a multiple of log(n / units), which is the logarithm of the number of places that knots
    may be chosen from: Birge and Massart, "Minimal penalties for Gaussian model selection", Probability Theory and
    Related Fields 138, 2007. For few units it is about that of BIC for two parameters a unit. The best splines of 16 to
    800 samples of noise gain 4 to 5 a unit, and more from a fourth as many units as samples on: so the denominator.
    """
    share = units / samples
    return float(units * (PER_UNIT - PER_PLACE * np.log(share)) / (1 - share**2))


def has_lone_peak(knots: np.ndarray, values: np.ndarray, x: np.ndarray) -> bool:
    """Whether a spline, (K + 1,) knots and values, has a peak that too few of the samples at x (C,) support.

    Such a peak is as high as an outlier, and as wide as the gaps beside it. The point of a cusp has few samples too,
    but the spline rises towards it before; and the teeth of a saw have neighbours of their height.
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
    """Whether a spline, (K + 1,) knots and values, leaves the range of the samples nearby, x and y (C,), too far.

    It does so at knots inside a gap, where the lines of both sides meet. Nearby are the samples of a knot's two pieces
    and at least SUPPORT on either side.
    """
    place, first, behind = (np.searchsorted(x, at) for at in (knots[1:-1], knots[:-2], knots[2:]))
    first, behind = np.minimum(first, np.maximum(place - SUPPORT, 0)), np.maximum(behind, place + SUPPORT)
    least = LITTLE * np.ptp(y)
    for value, start, end in zip(values[1:-1], first, behind, strict=True):
        low, high = y[start:end].min(), y[start:end].max()
        if max(low - value, value - high) > max(FAR * (high - low), least):
            return True
    return False
