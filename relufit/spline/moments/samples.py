"""A table of sorted samples as a target: moments between knots, jumps and kinks."""

from functools import cached_property

import numpy as np

from relufit.spline.moments.breaks import float_spacing, jumps, kinks, narrowest_piece
from relufit.spline.moments.pieces import Moments
from relufit.spline.moments.ranges import RangeMoments

ROOM = 2.5  # ratio of a value's distance from nearby samples to its explanation, above which it is an artefact
FIRM = 1e-2  # weight of the interpolated value at an artefact, relative to that of a sample
COARSE = 1024  # cells that suffice to compare splines of few pieces


class DataPieces:
    """Samples in order of x; the moments of a piece cost the same for any number of samples (ranges.py)."""

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
        spreads: np.ndarray | float = 0.0,
        spacing: float = 0.0,
    ) -> None:
        """Samples or cells of them: mean x (C,), strictly ascending, mean y (C,), weight (C,).

        `spreads` (3, C) are the sums of squares and products about the means inside each cell, sxx, sxy and syy.
        """
        self.x, self.y, self.weight = x, y, weight
        self.low, self.high, self.mass = float(x[0]), float(x[-1]), float(weight.sum())
        self.spacing = max(spacing, float_spacing(self.low, self.high))
        self.narrowest = narrowest_piece(self.low, self.high, spacing)
        self.most, self.rounding = len(x) - 1, 1e-15
        self.effective = self.mass**2 / float(weight @ weight)  # Kish (1965), Survey Sampling
        self.table: tuple[np.ndarray, np.ndarray] | None = x, y
        within = np.broadcast_to(spreads, (3, len(x)))
        sxx, sxy, syy = within
        line = np.divide(sxy**2, sxx, out=np.zeros(len(x)), where=sxx > 0)
        self.least = float((syy - line).sum())  # about the best line of each cell
        self.ranges = RangeMoments(np.concatenate([np.stack([weight, x, y]), within]))

    @cached_property
    def breaks(self) -> np.ndarray:
        """Both sides of each jump: x of the samples before and after it."""
        places = self._before_jumps
        sides = np.unique(np.concatenate([places, places + 1]))
        return self.x[sides[(sides > 0) & (sides < len(self.x) - 1)]]

    @cached_property
    def jumps(self) -> np.ndarray:
        """Both sides of each jump, (2, J), except next to the first or last sample."""
        places = self._before_jumps
        places = places[(places > 0) & (places < len(self.x) - 2)]
        return self.x[np.stack([places, places + 1])]

    @cached_property
    def _before_jumps(self) -> np.ndarray:
        return jumps(self.x, self.y)

    @cached_property
    def suspects(self) -> np.ndarray:
        """Midpoints between samples on both sides of possible kinks."""
        return kinks(self.x, self.y)

    @cached_property
    def bends(self) -> np.ndarray:
        """Error at the far end of each gap of the lines through the two samples before or after it, (C - 1,)."""
        h, slope = np.diff(self.x), np.diff(self.y) / np.diff(self.x)
        turn = np.pad(np.abs(np.diff(slope)), 1)
        return h * np.maximum(turn[:-1], turn[1:])

    def moments(self, knots: np.ndarray) -> Moments:
        """Moments of pieces. A sample on a knot belongs to the piece on its right, the last one to the last piece."""
        ranks = np.searchsorted(self.x, knots)
        ranks[..., 0], ranks[..., -1] = 0, len(self.x)
        return _as_moments(self.ranges.between(ranks), (knots[..., :-1] + knots[..., 1:]) / 2)

    @cached_property
    def sampled(self) -> "CoarseTable":
        """The table in fewer cells, which is faster for many splines side by side."""
        return CoarseTable(self)

    def at_knots(self, knots: np.ndarray, moments: Moments) -> tuple[np.ndarray, np.ndarray]:
        """Estimates from the samples within a quarter of a piece on either side, corrected for slope and curvature."""
        h, slope = np.diff(knots), moments.slope
        left, right = by_knot_left(h) / 4, by_knot_right(h) / 4
        s = (by_knot_left(slope) + by_knot_right(slope)) / 2
        curvature = np.zeros(knots.shape)
        curvature[..., 1:-1] = 2 * np.diff(slope) / (h[..., :-1] + h[..., 1:])
        begin, end = np.searchsorted(self.x, knots - left), np.searchsorted(self.x, knots + right)
        near = _as_moments(self.ranges.runs(begin, end), knots)
        away = knots - near.x
        spread = np.divide(near.sxx, near.mass, out=np.zeros(knots.shape), where=near.mass > 0)
        value = near.y + s * away - curvature / 2 * (away * away + spread)
        if (near.mass <= 0).any():  # without samples, use the lines of both pieces
            from_left = moments.y + slope * (knots[..., 1:] - moments.x)
            from_right = moments.y + slope * (knots[..., :-1] - moments.x)
            lines = (by_knot_left(from_left) + by_knot_right(from_right)) / 2
            value = np.where(near.mass > 0, value, lines)
        return near.mass / (left + right), value

    def interpolated(self, knots: np.ndarray) -> np.ndarray:
        """Linear interpolation between the samples."""
        return np.interp(knots, self.x, self.y)

    def pull(self, knots: np.ndarray, away: np.ndarray, mean_squares: np.ndarray) -> np.ndarray:
        """FIRM times the weight of the lighter neighbouring sample for an artefact, else 0.

        An artefact is further from the line between its two samples than the bends of the samples, and the larger error
        of the two pieces beside the knot, explain.
        """
        gap = np.searchsorted(self.x[1:-1], knots)
        missed = np.sqrt(np.maximum(by_knot_left(mean_squares), by_knot_right(mean_squares)))
        is_artefact = away > ROOM * (self.bends[gap] + missed)
        return np.where(is_artefact, FIRM * np.minimum(self.weight[gap], self.weight[gap + 1]), 0.0)

    def nodes(self, count: int) -> np.ndarray:
        """About `count` + 1 places at equal distances in rank."""
        return self.distinct(self.x[np.linspace(0, len(self.x) - 1, count + 1).round().astype(int)])

    def plain_knots(self, count: int) -> list[np.ndarray]:
        """Equidistant knots, and knots at quantiles of the samples and of their weight."""
        share, even = np.cumsum(self.weight) - self.weight / 2, np.linspace(0, 1, count + 1)
        by_weight = np.interp(share[0] + even * (share[-1] - share[0]), share, self.x)
        return [
            self.low + even * (self.high - self.low),
            np.interp(even * self.most, np.arange(len(self.x)), self.x),
            by_weight,
        ]

    def distinct(self, nodes: np.ndarray) -> np.ndarray:
        """Midpoints between two samples, one for each pair, and both ends."""
        right = np.unique(np.searchsorted(self.x, nodes[1:-1]).clip(1, len(self.x) - 1))
        return np.concatenate([[self.low], (self.x[right - 1] + self.x[right]) / 2, [self.high]])

    def counts(self, nodes: np.ndarray) -> np.ndarray:
        """Numbers of distinct x between neighbouring nodes."""
        ranks = np.searchsorted(self.x, nodes)
        ranks[-1] = len(self.x)
        return np.diff(ranks)

    def at_intersections(self, knots: np.ndarray) -> np.ndarray:
        """Move knots to intersections of lines, which finds a kink between two samples exactly."""
        m, inner = self.moments(knots), knots[1:-1]
        at_zero = m.y - m.slope * m.x
        with np.errstate(all="ignore"):
            crossing = (at_zero[1:] - at_zero[:-1]) / (m.slope[:-1] - m.slope[1:])
        right = np.searchsorted(self.x, inner).clip(1, len(self.x) - 1)
        low, high = self.x[right - 1], self.x[right]
        slack = 1e-6 * (high - low)  # a kink on a sample is off by rounding
        good = (low - slack <= crossing) & (crossing <= high + slack) & ~np.isin(inner, self.breaks)
        moved = np.concatenate([knots[:1], np.where(good, crossing.clip(low, high), inner), knots[-1:]])
        crowded = np.diff(moved) < 1e-3 * np.diff(knots)  # on the same sample, from both sides
        stay = np.append(crowded, False) | np.append(False, crowded)
        return np.where(stay, knots, moved)


class CoarseTable(DataPieces):
    """A table in at most COARSE cells of about equal numbers of samples; a cell belongs to one piece as a whole."""

    def __init__(self, table: DataPieces) -> None:
        """The moments of `table` from the first sample of each cell to that of the next."""
        count = len(table.x)
        ends = np.unique(np.linspace(0, count, COARSE + 1).astype(int)) if count > COARSE else np.arange(count + 1)
        first = ends[:-1]
        self.x, self.y, self.weight = table.x[first], table.y[first], table.weight[first]
        self.ranges = RangeMoments(table.ranges.between(ends))
        self.low, self.high, self.mass, self.most = table.low, table.high, table.mass, table.most
        self.spacing, self.narrowest, self.rounding = table.spacing, table.narrowest, table.rounding
        self.least, self.table, self.effective = table.least, table.table, table.effective
        self.breaks, self.jumps, self.suspects = table.breaks, table.jumps, table.suspects

    @property
    def sampled(self) -> "CoarseTable":
        """Itself."""
        return self

    def pull(self, knots: np.ndarray, away: np.ndarray, mean_squares: np.ndarray) -> np.ndarray:
        """0, because artefacts are corrected on the whole table."""
        return np.zeros(knots.shape)


def _as_moments(found: np.ndarray, default_x: np.ndarray) -> Moments:
    """`Moments` from the six moments of pieces (6, ...); pieces without samples have the mean x `default_x` (...)."""
    mass, x, y, sxx, sxy, syy = found
    slope = np.divide(sxy, sxx, out=np.zeros_like(x), where=sxx > 0)
    return Moments(mass, np.where(mass > 0, x, default_x), y, sxx, sxy, np.maximum(syy - slope * sxy, 0.0))


def by_knot_left(of_pieces: np.ndarray) -> np.ndarray:
    """The value of the piece left of each knot, (..., K) -> (..., K + 1); at the first knot, of the first piece."""
    return np.concatenate([of_pieces[..., :1], of_pieces], axis=-1)


def by_knot_right(of_pieces: np.ndarray) -> np.ndarray:
    """The value of the piece right of each knot, (..., K) -> (..., K + 1); at the last knot, that of the last piece."""
    return np.concatenate([of_pieces, of_pieces[..., -1:]], axis=-1)
