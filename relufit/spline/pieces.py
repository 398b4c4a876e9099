"""What a linear spline has to know of its target between neighbouring knots: a few moments of each piece.

The best line of a piece, its error, and all that the least-squares spline of least_squares.py is computed from, are in
six numbers. A target is a function (functions.py) or a table of samples (samples.py).
"""

from typing import NamedTuple, Protocol

import numpy as np


class Moments(NamedTuple):
    """Of each of K pieces, (K,) each; sums are weighted by mass, and taken about the means of the piece."""

    mass: np.ndarray  # length of the piece, or the weight of its samples
    x: np.ndarray  # mean
    y: np.ndarray  # mean
    sxx: np.ndarray
    sxy: np.ndarray
    rest: np.ndarray  # sum of squares about the piece's own best line

    @property
    def slope(self) -> np.ndarray:
        """Of the piece's own best line; 0 where x does not vary."""
        return np.divide(self.sxy, self.sxx, out=np.zeros_like(self.sxx), where=self.sxx > 0)


class Pieces(Protocol):
    """A target over [low, high]."""

    low: float
    high: float
    mass: float
    most: int  # pieces that the target supports
    rounding: float  # a mean square that may be nothing but rounding, where y is of the order of 1
    least: float  # sum of squares that remains: spreads of samples that share one x, lines across jumps
    table: tuple[np.ndarray, np.ndarray] | None  # x and y (C,) of its samples, where there are any

    @property
    def breaks(self) -> np.ndarray:
        """Where a knot must stand: kinks, and both sides of a jump; sorted, inside (low, high)."""

    @property
    def suspects(self) -> np.ndarray:
        """Places that a search for knots looks at beside its nodes, sorted."""

    def moments(self, knots: np.ndarray) -> Moments:
        """Of the pieces between sorted knots (K + 1,), which begin at low and end at high."""

    @property
    def sampled(self) -> "Pieces":
        """The same, whose moments cost the same for long pieces, and for many splines at once; not quite exact."""

    def at_knots(self, knots: np.ndarray, moments: Moments) -> tuple[np.ndarray, np.ndarray]:
        """Mass per length, and the target's value, at each knot: (K + 1,) each."""

    def guess(self, knots: np.ndarray) -> np.ndarray:
        """Values at the knots, for where the target says nothing."""

    def astray(self, knots: np.ndarray, values: np.ndarray, guess: np.ndarray, errors: np.ndarray) -> np.ndarray:
        """Which of the values (K + 1,) neither the target nor the errors of the pieces (K,) explain: (K + 1,)."""

    def nodes(self, count: int) -> np.ndarray:
        """About `count` + 1 places from low to high that a search for knots may begin with."""

    def distinct(self, nodes: np.ndarray) -> np.ndarray:
        """The same sorted places from low to high, as far as the target can tell them apart."""

    def counts(self, nodes: np.ndarray) -> np.ndarray:
        """Samples between neighbouring nodes; a large number where there are as many as one likes."""

    def settled(self, knots: np.ndarray, held: np.ndarray) -> np.ndarray:
        """The knots, except those held, where the lines beside them meet, as far as the target cannot tell."""
