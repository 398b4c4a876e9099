"""What a linear spline has to know of its target between neighbouring knots: a few moments of each piece.

A target is a function, integrated by Gauss points, or a table of sorted samples, summed by running totals that cost the
same however many samples a piece holds. Either way the best line of a piece, its error, and all that the least-squares
spline of least_squares.py is computed from, are in six numbers.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from relufit.spline.breaks import NARROWEST, jumps, kinks

PARTS = 64  # that integrals over an interval are cut into, where pieces are fewer
FINE = 128  # stretches, at least, that a function is sampled in
POINTS = 8  # Gauss points of a piece: exact for polynomials up to degree 15
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(POINTS)
PLACES, SHARES = (_NODES + 1) / 2, _WEIGHTS / 2  # (POINTS,) in a piece of length 1
_CENTRED = PLACES - 0.5
CROWDED = 1e-13  # of the interval: nodes nearer to each other are one
ROOM = 2.0  # times what may explain that a value lies off the samples beside it


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
    """A target over [low, high], with the places where a knot must stand: kinks, and both sides of a jump."""

    low: float
    high: float
    mass: float
    breaks: np.ndarray  # sorted, inside (low, high)
    suspects: np.ndarray  # places that a search for knots looks at beside its nodes, sorted
    most: int  # pieces that the target supports
    rounding: float  # a mean square that may be nothing but rounding, where y is of the order of 1
    least: float  # sum of squares that every spline leaves: the spread of samples that share one x
    table: tuple[np.ndarray, np.ndarray] | None  # x and y (C,) of its samples, where there are any

    def moments(self, knots: np.ndarray) -> Moments:
        """Of the pieces between sorted knots (K + 1,), which begin at low and end at high."""

    def sampled(self) -> "DataPieces":
        """A table of it, whose moments cost the same for long pieces, and for many splines at once."""

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


class FunctionPieces:
    """A function over an interval. `breaks`, where it is not smooth, split its integrals, and knots are held there."""

    def __init__(
        self, function: Callable[[np.ndarray], np.ndarray], low: float, high: float, breaks: np.ndarray | None = None
    ) -> None:
        self.function, self.low, self.high, self.mass = function, low, high, high - low
        self.breaks = np.empty(0) if breaks is None else breaks
        self.most, self.rounding, self.cuts, self.suspects = 2**20, 1e-24, self.breaks, np.empty(0)
        self.least = 0.0
        self.table: tuple[np.ndarray, np.ndarray] | None = None

    def refine(self, cuts: np.ndarray) -> None:
        """Cut integrals at these sorted places too, where pieces are few and so may be long."""
        self.cuts = np.union1d(self.breaks, cuts)

    def moments(self, knots: np.ndarray) -> Moments:
        """By Gauss points, of the parts between cuts where one lies inside a piece."""
        count = len(knots) - 1
        cuts = self.cuts if count <= len(self.cuts) else self.breaks
        if not len(cuts):
            return self._smooth_moments(knots)
        ends = np.union1d(knots, cuts)
        owner = np.searchsorted(knots, ends[:-1], side="right") - 1
        return _gathered(self._smooth_moments(ends), owner, count)

    def _smooth_moments(self, knots: np.ndarray) -> Moments:
        h = np.diff(knots)
        y = self.function(knots[:-1, None] + h[:, None] * PLACES)  # (K, POINTS)
        mean, tilt = y @ SHARES, y @ (SHARES * _CENTRED)
        residual = y - mean[:, None] - (12 * tilt)[:, None] * _CENTRED
        return Moments(h, knots[:-1] + h / 2, mean, h**3 / 12, h * h * tilt, h * (residual**2 @ SHARES))

    def sampled(self) -> "DataPieces":
        """The Gauss points between cuts as a table: cheaper, and good enough to choose among starts."""
        fine = self.distinct(np.union1d(self.nodes(FINE), self.cuts))
        h = np.diff(fine)[:, None]
        x = (fine[:-1, None] + h * PLACES).ravel()
        return DataPieces(x, self.function(x), (h * SHARES).ravel())

    def at_knots(self, knots: np.ndarray, moments: Moments) -> tuple[np.ndarray, np.ndarray]:
        """The function itself, whose mass per length is 1."""
        return np.ones(len(knots)), self.function(knots)

    def guess(self, knots: np.ndarray) -> np.ndarray:
        """The function itself: hardly needed, but that of an exact fit takes nothing from it."""
        return self.function(knots)

    def astray(self, knots: np.ndarray, values: np.ndarray, guess: np.ndarray, errors: np.ndarray) -> np.ndarray:
        """None: a function determines them all."""
        return np.zeros(knots.shape, bool)

    def nodes(self, count: int) -> np.ndarray:
        """Equidistant."""
        return np.linspace(self.low, self.high, count + 1)

    def distinct(self, nodes: np.ndarray) -> np.ndarray:
        """Those that do not lie between the two sides of a jump, nor as near to another as rounding."""
        width = self.high - self.low
        after = np.searchsorted(self.breaks, nodes, side="right")
        inside = np.concatenate([[False], np.diff(self.breaks, append=np.inf) < 1.5 * NARROWEST * width])[after]
        crowded = np.append(np.diff(nodes) < CROWDED * width, False)
        crowded[0] = False
        return nodes[~(inside | crowded) | np.isin(nodes, self.breaks)]

    def counts(self, nodes: np.ndarray) -> np.ndarray:
        """As many as one likes."""
        return np.full(len(nodes) - 1, 1e9)

    def settled(self, knots: np.ndarray, held: np.ndarray) -> np.ndarray:
        """As they are: every place is another."""
        return knots


class DataPieces:
    """Samples in order of x, as running totals: any stretch of them is a difference of two totals.

    Every total is a pair of floats (the second holds what rounding took from the first), so that a short stretch
    of a long table keeps its digits.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray, spreads: np.ndarray | float = 0.0) -> None:
        """Samples or cells of them: mean x (C,), strictly ascending, mean y (C,), weight (C,).

        `spreads` (3, C) are the sums of squares and products about the means inside each cell, sxx, sxy and syy.
        """
        self.x, self.low, self.high, self.mass = x, float(x[0]), float(x[-1]), float(weight.sum())
        # The median, not the middle of the range: beside an outlier all other samples lie far from that and close
        # together, and their second moments about it cancel to nothing.
        self.middle, self.most, self.rounding = float(x[len(x) // 2]), len(x) - 1, 1e-15
        self.table: tuple[np.ndarray, np.ndarray] | None = x, y
        self.y = y
        dx, wy = x - self.middle, weight * y
        terms = np.stack([weight, weight * dx, wy, weight * dx * dx, wy * dx, wy * y])  # (6, C)
        terms[3:] += spreads
        self.least = float(np.sum(np.broadcast_to(spreads, (3, len(x)))[2]))
        self.totals = np.zeros((2, 6, len(x) + 1))
        total, lost = self.totals[0, :, 1:], self.totals[1, :, 1:]
        np.cumsum(terms, axis=1, out=total)
        # What each addition lost: Knuth, The Art of Computer Programming 2, 4.2.2, theorem B.
        before = self.totals[0, :, :-1]
        added = total - before
        np.cumsum((before - (total - added)) + (terms - added), axis=1, out=lost)
        self.breaks, self.suspects = jumps(x, y), kinks(x, y)
        self.bends = bends(x, y)

    def moments(self, knots: np.ndarray) -> Moments:
        """A sample belongs to the piece that begins at it or left of it; the last piece has both its ends."""
        ranks = np.searchsorted(self.x, knots)
        ranks[..., 0], ranks[..., -1] = 0, len(self.x)
        return self._between(ranks[..., :-1], ranks[..., 1:], (knots[..., :-1] + knots[..., 1:]) / 2)

    def _between(self, first: np.ndarray, last: np.ndarray, default_x: np.ndarray) -> Moments:
        """Moments of the samples from `first` up to `last`, whose mean x is `default_x` where there is none."""
        begin, end = self.totals[:, :, first], self.totals[:, :, last]
        mass, mx, my, mxx, mxy, myy = (end[0] - begin[0]) + (end[1] - begin[1])
        empty = last <= first
        inverse = 1 / np.where(empty, 1.0, mass)
        x, y = mx * inverse, my * inverse
        sxx, sxy = mxx - mx * x, mxy - mx * y
        level = sxx <= 1e-12 * mxx  # one sample has no spread: what rounding left of it would be taken for a slope
        sxx[level], sxy[level] = 0.0, 0.0
        slope = np.divide(sxy, sxx, out=np.zeros_like(x), where=sxx > 0)
        rest = np.maximum(myy - my * y - slope * sxy, 0.0)
        return Moments(np.where(empty, 0.0, mass), np.where(empty, default_x, x + self.middle), y, sxx, sxy, rest)

    def sampled(self) -> "DataPieces":
        """As it is."""
        return self

    def at_knots(self, knots: np.ndarray, moments: Moments) -> tuple[np.ndarray, np.ndarray]:
        """Estimates from the samples nearby, a quarter of a piece on either side, as far as that is no line."""
        h, slope = np.diff(knots), moments.slope
        left, right = by_knot_left(h) / 4, by_knot_right(h) / 4
        s = (by_knot_left(slope) + by_knot_right(slope)) / 2
        curvature = np.zeros(knots.shape)
        curvature[..., 1:-1] = 2 * np.diff(slope) / (h[..., :-1] + h[..., 1:])
        near = self._between(np.searchsorted(self.x, knots - left), np.searchsorted(self.x, knots + right), knots)
        away = knots - near.x
        spread = np.divide(near.sxx, near.mass, out=np.zeros(knots.shape), where=near.mass > 0)
        value = near.y + s * away - curvature / 2 * (away * away + spread)
        if (near.mass <= 0).any():  # there the lines of both pieces are asked
            from_left = moments.y + slope * (knots[..., 1:] - moments.x)
            from_right = moments.y + slope * (knots[..., :-1] - moments.x)
            lines = (by_knot_left(from_left) + by_knot_right(from_right)) / 2
            value = np.where(near.mass > 0, value, lines)
        return near.mass / (left + right), value

    def guess(self, knots: np.ndarray) -> np.ndarray:
        """Between the samples, on the line that joins them."""
        return np.interp(knots, self.x, self.y)

    def astray(self, knots: np.ndarray, values: np.ndarray, guess: np.ndarray, errors: np.ndarray) -> np.ndarray:
        """Those further off the line between two samples than the samples bend there and the spline misses them."""
        gap = np.searchsorted(self.x[1:-1], knots)
        squares = np.maximum(by_knot_left(errors), by_knot_right(errors))  # of the worse piece beside it
        missed = np.sqrt(squares * errors.shape[-1] / self.mass)
        return np.abs(values - guess) > ROOM * (self.bends[gap] + missed)

    def nodes(self, count: int) -> np.ndarray:
        """Every so many samples."""
        return self.distinct(self.x[np.linspace(0, len(self.x) - 1, count + 1).round().astype(int)])

    def distinct(self, nodes: np.ndarray) -> np.ndarray:
        """Half-way between two samples each, one for each pair."""
        right = np.unique(np.searchsorted(self.x, nodes[1:-1]).clip(1, len(self.x) - 1))
        return np.concatenate([[self.low], (self.x[right - 1] + self.x[right]) / 2, [self.high]])

    def counts(self, nodes: np.ndarray) -> np.ndarray:
        """Of distinct x."""
        ranks = np.searchsorted(self.x, nodes)
        ranks[-1] = len(self.x)
        return np.diff(ranks)

    def settled(self, knots: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Where the lines meet between the same two samples: so is a kink between samples found exactly."""
        m, inner = self.moments(knots), knots[1:-1]
        at_zero = m.y - m.slope * m.x
        with np.errstate(all="ignore"):
            meeting = (at_zero[1:] - at_zero[:-1]) / (m.slope[:-1] - m.slope[1:])
        right = np.searchsorted(self.x, inner).clip(1, len(self.x) - 1)
        low, high = self.x[right - 1], self.x[right]
        slack = 1e-6 * (high - low)  # a kink on a sample is off by rounding
        good = (low - slack <= meeting) & (meeting <= high + slack) & ~np.isin(inner, held)
        moved = np.concatenate([knots[:1], np.where(good, meeting.clip(low, high), inner), knots[-1:]])
        crowded = np.diff(moved) < 1e-3 * np.diff(knots)  # on the same sample, from both sides
        stay = np.append(crowded, False) | np.append(False, crowded)
        return np.where(stay, knots, moved)


def bends(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How far the lines through the two samples before a gap, and after it, are off at its other end; (C - 1,)."""
    h, slope = np.diff(x), np.diff(y) / np.diff(x)
    turn = np.pad(np.abs(np.diff(slope)), 1)
    return h * np.maximum(turn[:-1], turn[1:])


def by_knot_left(of_pieces: np.ndarray) -> np.ndarray:
    """What the piece left of each knot has, (..., K) -> (..., K + 1); at the first knot, the first piece."""
    return np.concatenate([of_pieces[..., :1], of_pieces], axis=-1)


def by_knot_right(of_pieces: np.ndarray) -> np.ndarray:
    """What the piece right of each knot has, (..., K) -> (..., K + 1); at the last knot, the last piece."""
    return np.concatenate([of_pieces, of_pieces[..., -1:]], axis=-1)


def _gathered(moments: Moments, owner: np.ndarray, pieces: int) -> Moments:
    """Moments of pieces from those of their parts: `owner` says which piece a part belongs to."""

    def add(values: np.ndarray) -> np.ndarray:
        return np.bincount(owner, values, pieces)

    mass = add(moments.mass)
    x, y = add(moments.mass * moments.x) / mass, add(moments.mass * moments.y) / mass
    dx, dy = moments.x - x[owner], moments.y - y[owner]
    sxx = add(moments.sxx + moments.mass * dx * dx)
    sxy = add(moments.sxy + moments.mass * dx * dy)
    slope = (sxy / sxx)[owner]
    rest = moments.rest + (moments.slope - slope) ** 2 * moments.sxx + moments.mass * (dy - slope * dx) ** 2
    return Moments(mass, x, y, sxx, sxy, add(rest))
