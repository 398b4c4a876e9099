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
    mass: float  # of all of it
    spacing: float  # of the places that knots can have in the network
    narrowest: float  # least length of a piece whose knots are moved
    most: int  # pieces that the target supports
    effective: float  # samples, those of little weight counted as less; infinite for a function
    rounding: float  # a mean square that may be nothing but rounding, where y is of the order of 1
    least: float  # sum of squares that no spline avoids: spreads of samples that share one x, lines across jumps
    table: tuple[np.ndarray, np.ndarray] | None  # x and y (C,) of its samples, where there are any

    @property
    def breaks(self) -> np.ndarray:
        """Where it is not smooth: kinks, and both sides of each jump; sorted, inside (low, high).

        With knots there a spline may be exact, so a search looks at them, and does not move a knot that stands there.
        """

    @property
    def jumps(self) -> np.ndarray:
        """The two sides of each jump, (2, J), sorted: breaks between which the target has no value."""

    @property
    def suspects(self) -> np.ndarray:
        """Other places that a search for knots looks at beside its nodes, sorted."""

    def moments(self, knots: np.ndarray) -> Moments:
        """Of the pieces between sorted knots (K + 1,), which begin at low and end at high."""

    @property
    def sampled(self) -> "Pieces":
        """A stand-in that is cheaper for few long pieces, and for many splines side by side; slightly inexact."""

    def at_knots(self, knots: np.ndarray, moments: Moments) -> tuple[np.ndarray, np.ndarray]:
        """Mass per length, and the target's value, at each knot: (K + 1,) each."""

    def guess(self, knots: np.ndarray) -> np.ndarray:
        """Values at the knots (K + 1,), for where the moments leave them open."""

    def pull(self, knots: np.ndarray, away: np.ndarray, mean_squares: np.ndarray) -> np.ndarray:
        """The weight with which each value is to be pulled to the guess, (K + 1,); 0 except for artefacts.

        Those are `away` from the guess, (K + 1,), by more than the target bends nearby and the `mean_squares` of the
        errors of the pieces (K,) explain.
        """

    def nodes(self, count: int) -> np.ndarray:
        """About `count` + 1 places from low to high that a search for knots may begin with."""

    def plain_knots(self, count: int) -> list[np.ndarray]:
        """Knots (count + 1,) from low to high that nothing was searched for, to compare others with."""

    def distinct(self, nodes: np.ndarray) -> np.ndarray:
        """These sorted places from low to high without those that are the same to the target."""

    def counts(self, nodes: np.ndarray) -> np.ndarray:
        """Samples between neighbouring nodes, (M,); a large number for a function."""

    def meeting(self, knots: np.ndarray) -> np.ndarray:
        """The knots (K + 1,), each moved to where the best lines of its two pieces meet, if no sample lies between.

        Those at breaks stay.
        """


def within_jumps(pieces: Pieces, nodes: np.ndarray) -> np.ndarray:
    """Which of the nodes lie between the two sides of a jump, a mask."""
    left, right = pieces.jumps
    return np.asarray(np.searchsorted(left, nodes, side="left") > np.searchsorted(right, nodes, side="right"))


def placed_knots(pieces: Pieces, knots: np.ndarray) -> np.ndarray:
    """Sorted knots (K + 1,), all but the ends rounded to places that the network can have; at most as many."""
    inner = np.rint(knots[1:-1] / pieces.spacing) * pieces.spacing
    inner = np.unique(inner[(inner > pieces.low) & (inner < pieces.high)])
    return np.concatenate([[pieces.low], inner, [pieces.high]])
