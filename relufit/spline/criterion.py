"""Which of the splines of a table is worth its hidden units: a score of what it leaves and what its units cost.

Every further unit leaves less of a table, of noise too. So each number of units has a price: more than what the best
splines gain by following noise, and less than what they gain where the data have none. One rule takes few units for
noise and hundreds for a smooth function, as far as the samples show it.

Splines are scored on the table that they are fitted to. To leave samples out and predict them, as cross-validation
does, scores extrapolation: at both ends, beside gaps and at jumps errors are so large that they decide all.
"""

from typing import NamedTuple

import numpy as np

from relufit.scaling import Scaling
from relufit.spline.cells import Cells
from relufit.spline.least_squares import Spline
from relufit.spline.samples import DataPieces

PER_UNIT, PER_PLACE = 6.0, 2.0  # price of a unit, and of each factor e in the number of places for its knot
SUPPORT = 4  # cells in the two pieces of a peak: fewer may be an outlier and its neighbours; one less in other pieces
HIGH = 1.1  # height of a peak that stands out, in heights of the pieces around it and of what leads to it


class Criterion(NamedTuple):
    """Scores splines of one table: the best number of units is that of the least score."""

    x: np.ndarray  # (C,) of the cells, standardised
    within: float  # sum of squares in the cells about the best line of each, which no spline avoids
    rounding: float  # sum of squares that may be nothing but rounding

    @classmethod
    def of(cls, cells: Cells, pieces: DataPieces, scaling: Scaling) -> "Criterion":
        """For cells and what `data_pieces` makes of them.

        Samples of one x count as one, their mean: so a sample of weight 2 is one given twice, and what all weights are
        multiplied by is nothing to the scores but a constant.
        """
        line = np.divide(cells.sxy**2, cells.sxx, out=np.zeros_like(cells.sxx), where=cells.sxx > 0)
        within = float((cells.syy - line).sum()) / scaling.loss_unit
        return cls(pieces.x, within, pieces.rounding * pieces.mass)

    @property
    def most(self) -> int:
        """Units that are scored at the most: with a knot and a value each they do not pass through every cell."""
        return max(len(self.x) // 2 - 1, 1)

    def is_exact(self, spline: Spline) -> bool:
        """Whether nothing but rounding is left of the means of the cells."""
        return bool(spline.squares - self.within <= self.rounding)

    def score(self, spline: Spline, units: int) -> float:
        """The logarithm of what is left of the means, n times, and the price; inf where units go to an outlier."""
        if not self.is_exact(spline) and has_lone_peak(spline.knots, spline.values, self.x):
            return float("inf")
        left = max(spline.squares - self.within, self.rounding)
        return float(len(self.x) * np.log(left)) + price(units, len(self.x))


def price(units: int, samples: int) -> float:
    """What so many units must gain, in n log(sum of squares) with n = `samples`, which are more than twice as many.

    For each unit a constant and a multiple of log(n / units), which is the logarithm of the number of places that knots
    may be chosen from: Birge and Massart, "Minimal penalties for Gaussian model selection", Probability Theory and
    Related Fields 138, 2007. For few units it is about that of BIC for two parameters a unit. The best splines of 16 to
    800 samples of noise gain 4 to 5 a unit, and more from a fourth as many units as samples on: so the denominator.
    """
    share = min(units / samples, 0.5)
    return float(units * (PER_UNIT - PER_PLACE * np.log(share)) / (1 - share**2))


def has_lone_peak(knots: np.ndarray, values: np.ndarray, x: np.ndarray) -> bool:
    """Whether a spline, (K + 1,) knots and values, has a peak that few of the samples at x (C,) are the reason for.

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
    total, turns = np.concatenate([[0.0], np.cumsum(steps)]), np.concatenate([[0], peaks, [len(rise)]])
    leading = np.maximum(total[peaks - 1] - total[turns[:-2]], total[turns[2:]] - total[peaks + 1])
    stands_out = height > HIGH * np.maximum(around, leading)
    return bool((stands_out & (behind[peaks] - first[peaks - 1] < SUPPORT)).any())
