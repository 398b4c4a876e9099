"""A table of sorted samples as a target: running totals, from which pieces of any length cost the same."""

from functools import cached_property

import numpy as np

from relufit.spline.breaks import jumps, kinks
from relufit.spline.pieces import Moments

ROOM = 2.0  # times what may explain that a value lies off the samples beside it
COARSE = 1024  # cells that are enough to compare splines of few pieces


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

    @cached_property
    def breaks(self) -> np.ndarray:
        """Both sides of each jump: the samples before and after it."""
        places = jumps(self.x, self.y)
        sides = np.unique(np.concatenate([places, places + 1]))
        return self.x[sides[(sides > 0) & (sides < len(self.x) - 1)]]

    @cached_property
    def jumps(self) -> np.ndarray:
        """Without one beside the first sample or the last, which is no break."""
        places = jumps(self.x, self.y)
        places = places[(places > 0) & (places < len(self.x) - 2)]
        return self.x[np.stack([places, places + 1])]

    @cached_property
    def suspects(self) -> np.ndarray:
        """Between the samples that kinks may lie between."""
        return kinks(self.x, self.y)

    @cached_property
    def bends(self) -> np.ndarray:
        """How far the lines through the two samples before a gap, and after it, are off at its other end; (C - 1,)."""
        h, slope = np.diff(self.x), np.diff(self.y) / np.diff(self.x)
        turn = np.pad(np.abs(np.diff(slope)), 1)
        return h * np.maximum(turn[:-1], turn[1:])

    def moments(self, knots: np.ndarray) -> Moments:
        """A sample belongs to the piece that begins at it or left of it; the last piece has both its ends."""
        ranks = np.searchsorted(self.x, knots)
        ranks[..., 0], ranks[..., -1] = 0, len(self.x)
        at = self.totals.take(ranks, axis=2)
        return self._between(at[..., :-1], at[..., 1:], (knots[..., :-1] + knots[..., 1:]) / 2)

    def _between(self, begin: np.ndarray, end: np.ndarray, default_x: np.ndarray) -> Moments:
        """Moments of the samples between two places, from the totals there (2, 6, ...); of none, about `default_x`."""
        mass, mx, my, mxx, mxy, myy = (end[0] - begin[0]) + (end[1] - begin[1])
        empty = mass <= 0
        inverse = 1 / np.where(empty, 1.0, mass)
        x, y = mx * inverse, my * inverse
        sxx, sxy = mxx - mx * x, mxy - mx * y
        level = sxx <= 1e-12 * mxx  # one sample has no spread: what rounding left of it would be taken for a slope
        sxx[level], sxy[level] = 0.0, 0.0
        slope = np.divide(sxy, sxx, out=np.zeros_like(x), where=sxx > 0)
        rest = np.maximum(myy - my * y - slope * sxy, 0.0)
        return Moments(np.where(empty, 0.0, mass), np.where(empty, default_x, x + self.middle), y, sxx, sxy, rest)

    @cached_property
    def sampled(self) -> "CoarseTable":
        """The same in fewer cells, whose totals are at hand when many splines are looked at side by side."""
        return CoarseTable(self)

    def at_knots(self, knots: np.ndarray, moments: Moments) -> tuple[np.ndarray, np.ndarray]:
        """Estimates from the samples nearby, a quarter of a piece on either side, as far as that is no line."""
        h, slope = np.diff(knots), moments.slope
        left, right = by_knot_left(h) / 4, by_knot_right(h) / 4
        s = (by_knot_left(slope) + by_knot_right(slope)) / 2
        curvature = np.zeros(knots.shape)
        curvature[..., 1:-1] = 2 * np.diff(slope) / (h[..., :-1] + h[..., 1:])
        begin, end = np.searchsorted(self.x, knots - left), np.searchsorted(self.x, knots + right)
        near = self._between(self.totals.take(begin, axis=2), self.totals.take(end, axis=2), knots)
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

    def meeting(self, knots: np.ndarray) -> np.ndarray:
        """So is a kink between two samples found exactly."""
        m, inner = self.moments(knots), knots[1:-1]
        at_zero = m.y - m.slope * m.x
        with np.errstate(all="ignore"):
            meeting = (at_zero[1:] - at_zero[:-1]) / (m.slope[:-1] - m.slope[1:])
        right = np.searchsorted(self.x, inner).clip(1, len(self.x) - 1)
        low, high = self.x[right - 1], self.x[right]
        slack = 1e-6 * (high - low)  # a kink on a sample is off by rounding
        good = (low - slack <= meeting) & (meeting <= high + slack) & ~np.isin(inner, self.breaks)
        moved = np.concatenate([knots[:1], np.where(good, meeting.clip(low, high), inner), knots[-1:]])
        crowded = np.diff(moved) < 1e-3 * np.diff(knots)  # on the same sample, from both sides
        stay = np.append(crowded, False) | np.append(False, crowded)
        return np.where(stay, knots, moved)


class CoarseTable(DataPieces):
    """A table in at most COARSE cells of about as many samples each: a cell belongs to one piece as a whole."""

    def __init__(self, table: DataPieces) -> None:
        """The totals of `table` at the first sample of each cell, and behind the last."""
        count = len(table.x)
        first = np.unique(np.linspace(0, count, COARSE + 1).astype(int)) if count > COARSE else np.arange(count + 1)
        self.x, self.y, self.totals = table.x[first[:-1]], table.y[first[:-1]], table.totals[:, :, first]
        self.low, self.high, self.mass, self.middle = table.low, table.high, table.mass, table.middle
        self.most, self.rounding, self.least, self.table = table.most, table.rounding, table.least, table.table
        self.breaks, self.jumps, self.suspects = table.breaks, table.jumps, table.suspects

    @property
    def sampled(self) -> "CoarseTable":
        """It is that already."""
        return self

    def astray(self, knots: np.ndarray, values: np.ndarray, guess: np.ndarray, errors: np.ndarray) -> np.ndarray:
        """Not looked for: those of the whole table are."""
        return np.zeros(knots.shape, bool)


def by_knot_left(of_pieces: np.ndarray) -> np.ndarray:
    """What the piece left of each knot has, (..., K) -> (..., K + 1); at the first knot, the first piece."""
    return np.concatenate([of_pieces[..., :1], of_pieces], axis=-1)


def by_knot_right(of_pieces: np.ndarray) -> np.ndarray:
    """What the piece right of each knot has, (..., K) -> (..., K + 1); at the last knot, the last piece."""
    return np.concatenate([of_pieces, of_pieces[..., -1:]], axis=-1)
