"""The moments of a target between neighbouring knots, from which splines are computed.

Six numbers per piece determine its best line, the error of that, and the least-squares spline (least_squares.py). A
target is a function (functions.py) or a table of samples (samples.py).
"""

from typing import NamedTuple, Protocol

import numpy as np


class Moments(NamedTuple):
    """Moments of K pieces, (K,) each; sums are weighted by mass, and taken about the means of the piece."""

    mass: np.ndarray  # length of the piece, or the weight of its samples
    x: np.ndarray  # mean
    y: np.ndarray  # mean
    sxx: np.ndarray
    sxy: np.ndarray
    rest: np.ndarray  # sum of squares about the piece's own best line

    @property
    def slope(self) -> np.ndarray:
        """The slope of the piece's own best line; 0 if x does not vary."""
        return np.divide(self.sxy, self.sxx, out=np.zeros_like(self.sxx), where=self.sxx > 0)


class Pieces(Protocol):
    """A target over [low, high]."""

    low: float
    high: float
    mass: float  # total length, or total weight of the samples
    spacing: float  # of the places that knots can have in the network
    narrowest: float  # least length of a piece whose knots are moved
    most: int  # largest number of pieces that the target supports
    effective: float  # effective number of samples, which counts small weights less; inf for a function
    rounding: float  # mean square that counts as rounding, if y is of the order of 1
    least: float  # sum of squares of the best conceivable spline: spreads of samples of equal x, lines across jumps
    table: tuple[np.ndarray, np.ndarray] | None  # x and y (C,) of the samples; None for a function

    @property
    def breaks(self) -> np.ndarray:
        """Points where the target is not smooth: kinks, and both sides of each jump; sorted, inside (low, high).

        With knots there a spline may be exact, so a search tries them, and does not move knots at breaks.
        """

    @property
    def jumps(self) -> np.ndarray:
        """The two sides of each jump, (2, J), sorted: breaks between which the target has no value."""

    @property
    def suspects(self) -> np.ndarray:
        """Other places, sorted, that a search for knots adds to its nodes."""

    def moments(self, knots: np.ndarray) -> Moments:
        """Moments of the pieces between sorted knots (K + 1,), the first of which is low and the last high."""

    @property
    def sampled(self) -> "Pieces":
        """An approximation that is faster for few long pieces, and for many splines side by side."""

    def at_knots(self, knots: np.ndarray, moments: Moments) -> tuple[np.ndarray, np.ndarray]:
        """Mass per length, and the target's value, at each knot: (K + 1,) each."""

    def interpolated(self, knots: np.ndarray) -> np.ndarray:
        """Values at the knots (K + 1,), for knots whose values the moments do not determine."""

    def pull(self, knots: np.ndarray, away: np.ndarray, mean_squares: np.ndarray) -> np.ndarray:
        """The weight with which each value is pulled to the interpolated one, (K + 1,); 0 except for artefacts.

        An artefact is `away` from the interpolated value, (K + 1,), by more than the bends of the target nearby and the
        `mean_squares` of the errors of the pieces (K,) explain.
        """

    def nodes(self, count: int) -> np.ndarray:
        """About `count` + 1 places from low to high as initial nodes of a search for knots."""

    def plain_knots(self, count: int) -> list[np.ndarray]:
        """Sets of knots (count + 1,) from low to high found without a search, for comparison."""

    def distinct(self, nodes: np.ndarray) -> np.ndarray:
        """These sorted places from low to high without those that the target does not distinguish."""

    def counts(self, nodes: np.ndarray) -> np.ndarray:
        """Numbers of samples between neighbouring nodes, (M,); large numbers for a function."""

    def at_intersections(self, knots: np.ndarray) -> np.ndarray:
        """Move each knot (K + 1,) to the intersection of the best lines of its two pieces, if no sample lies between.

        Knots at breaks stay.
        """


def within_jumps(pieces: Pieces, nodes: np.ndarray) -> np.ndarray:
    """Mask of the nodes that lie between the two sides of a jump."""
    left, right = pieces.jumps
    return np.asarray(np.searchsorted(left, nodes, side="left") > np.searchsorted(right, nodes, side="right"))


def placed_knots(pieces: Pieces, knots: np.ndarray) -> np.ndarray:
    """Sorted knots (K + 1,), all but the ends rounded to places that the network can have; equal ones become one."""
    inner = np.rint(knots[1:-1] / pieces.spacing) * pieces.spacing
    inner = np.unique(inner[(inner > pieces.low) & (inner < pieces.high)])
    return np.concatenate([[pieces.low], inner, [pieces.high]])
