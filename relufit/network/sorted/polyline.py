"""A network with one input as the piecewise-linear function that it is: where it bends, its values there, its slopes.

The values at the breaks are those of the network rounded once: sums over units are computed with 106 bits, so it does
not matter how much they cancel.
"""

from typing import Literal, NamedTuple

import numpy as np

from relufit.errors import RelufitError
from relufit.network.params import Params
from relufit.network.sorted.double_double import DoubleDouble, product, running_sums

EPS = float(np.finfo(np.float64).eps)
INVISIBLE = 4 * EPS  # change of y, relative to the terms of the output, up to which a break is left out


class Polyline(NamedTuple):
    """A continuous piecewise-linear function of one variable with O outputs, on the whole line.

    Piece k ends at break k, and piece K + 1 is that after the last break. From x[first] to x[last] is the domain.
    """

    x: np.ndarray  # (K + 1,) breaks, increasing
    y: np.ndarray  # (K + 1, O) values at the breaks
    slope: np.ndarray  # (K + 2, O) of the pieces
    first: int
    last: int

    @property
    def anchors(self) -> np.ndarray:
        """The break from which each piece is evaluated, (K + 2,): the end that is nearer to the domain, else the left.

        The values at far breaks are large, and so is their rounding.
        """
        pieces = np.arange(len(self.slope))
        return pieces - (pieces > self.first)

    def at(self, x: np.ndarray) -> np.ndarray:
        """The values at x, (N,) or (N, 1) in float64, by numpy's interpolation: (N, O).

        They are exact at the breaks; an infinite x gives the limit, and nan gives nan.
        """
        x, breaks = x.ravel(), self.x[self.first : self.last + 1]
        columns = [np.interp(x, breaks, values[self.first : self.last + 1], np.nan, np.nan) for values in self.y.T]
        y = columns[0][:, None] if len(columns) == 1 else np.stack(columns, axis=1)
        least = y.min(initial=0.0)  # one pass over memory finds nan, where comparing x with both ends takes two
        if least != least:
            outside = (x < breaks[0]) | (x > breaks[-1])
            y[outside] = self._at_any(x[outside])
        return y

    def _at_any(self, x: np.ndarray) -> np.ndarray:
        """The values at x (n,) inside or outside the domain, (n, O), by the piece of each x."""
        piece = np.searchsorted(self.x, x, side="right")
        anchor, slope = self.anchors[piece], self.slope[piece]
        with np.errstate(over="ignore", invalid="ignore"):
            rise = slope * (x - self.x[anchor])[:, None]
            return self.y[anchor] + np.where(slope == 0, 0.0, rise)  # 0 times infinity is nan


def knots_of(params: Params, low: float, high: float) -> np.ndarray:
    """The knots -b1 / w1 of a network with one input inside an interval, sorted."""
    knots = _knots(np.asarray(params.w1[0], np.float64), np.asarray(params.b1, np.float64))
    return np.sort(knots[(knots > low) & (knots < high)])


@np.errstate(over="ignore", invalid="ignore")
def polyline_of(params: Params, low: float, high: float) -> Polyline:
    """The network with one input as a Polyline with the domain [low, high].

    Its breaks are the ends of the domain and the knots where the slope changes. Knots whose changes of slope cancel are
    left out, and inside the domain so are those that change the output by rounding only. Raises RelufitError if the
    output is too large on the domain, or a piece too steep, for float64.
    """
    units = _SortedUnits(params)
    x = np.union1d(units.bends(), [low, high])
    y, terms = units.values(x)
    finite = np.isfinite(y).all(axis=1)  # far outside the domain the output may overflow
    if not finite[(low <= x) & (x <= high)].all():
        raise RelufitError(f"the output of the network is not finite on [{low:g}, {high:g}]; scale x and y to near 1")
    x, y, terms = x[finite], y[finite], terms[finite]
    keep = (x < low) | (x > high)
    inside = np.flatnonzero(~keep)
    keep[inside] = _visible(x[inside], y[inside], INVISIBLE * terms[inside])
    x, y = x[keep], y[keep]
    slope = np.concatenate([units.slopes(x, "left"), units.slopes(x[-1:], "right")])  # (K + 2, O)
    first, last = (int(place) for place in np.searchsorted(x, [low, high]))
    slope[first + 1 : last + 1] = slopes_between(x[first : last + 1], y[first : last + 1])
    return Polyline(x, y, slope, first, last)


def slopes_between(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The slopes (K, O) of the pieces between points x (K + 1,), y (K + 1, O), as np.interp computes them.

    Raises RelufitError if one overflows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        slopes = np.diff(y, axis=0) / np.diff(x)[:, None]
    if not np.isfinite(slopes).all():
        k = int(np.argmin(np.isfinite(slopes).all(axis=1)))
        raise RelufitError(f"the piece from {x[k]} to {x[k + 1]} is too steep for float64; scale x and y to near 1")
    return np.asarray(slopes)


def _visible(x: np.ndarray, y: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    """Mask of points (n,) among x (n,), y (n, O), the ends included, such that the others are on lines between them.

    Each of the others is within its `tolerance` (n, O) of the line.
    """
    keep = np.ones(len(x), bool)
    keep[1:-1] = ~_on_line(x, y, tolerance)
    kept = np.flatnonzero(keep)
    for k in np.flatnonzero(np.diff(kept) > 2):  # several in a row: one line need not pass all of them
        run = slice(kept[k], kept[k + 1] + 1)
        keep[kept[k] + _corners(x[run], y[run], tolerance[run])] = True
    return keep


def _corners(x: np.ndarray, y: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    """Indices of points, the first included, at which a line from the first to the last point has to turn.

    The line may be off by `tolerance`. From a corner it goes on as long as there is a slope with which it passes all
    points within their tolerances.
    """
    corners, low, high = [0], np.full(y.shape[1], -np.inf), np.full(y.shape[1], np.inf)
    for k in range(1, len(x)):
        run = x[k] - x[corners[-1]]
        slope = (y[k] - y[corners[-1]]) / run
        if ((slope < low) | (slope > high)).any():
            corners.append(k - 1)
            low, high, run = np.full_like(low, -np.inf), np.full_like(high, np.inf), x[k] - x[k - 1]
            slope = (y[k] - y[k - 1]) / run
        low, high = np.maximum(low, slope - tolerance[k] / run), np.minimum(high, slope + tolerance[k] / run)
    return np.array(corners)


def _on_line(x: np.ndarray, y: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    """Mask of the inner points (n - 2,) that are within their tolerance of the line between their neighbours."""
    share = ((x[1:-1] - x[:-2]) / (x[2:] - x[:-2]))[:, None]
    return np.asarray((np.abs(y[:-2] + share * (y[2:] - y[:-2]) - y[1:-1]) <= tolerance[1:-1]).all(axis=1))


def _knots(w1: np.ndarray, b1: np.ndarray) -> np.ndarray:
    """The knots (H,) of units in float64; those of units that never change are infinite or nan."""
    with np.errstate(all="ignore"):
        return -b1 / w1


class _SortedUnits:
    """The units of a network with one input by their knots, and for each stretch between knots the line of its output.

    A unit with w1 = 0 has its knot at -inf if it is on, else at +inf or nan, which is after all others.
    """

    def __init__(self, params: Params) -> None:
        w1, b1, w2, b2 = (np.asarray(array, np.float64) for array in params)
        w1 = w1[0] + 0.0  # turns -0.0 into 0.0, which rises
        order = np.argsort(_knots(w1, b1), kind="stable")
        self.w1, b1, self.w2 = w1[order], b1[order], w2[order]
        self.knots, self.rising = _knots(self.w1, b1), self.w1 >= 0
        # The same sums without the signs of w2 measure the rounding of the output.
        weights, constant = np.hstack([self.w2, np.abs(self.w2)]), np.concatenate([b2, np.abs(b2)])
        bends = product(np.abs(self.w1)[:, None], weights)  # (H, 2 O)
        jumps = product(np.where(self.rising, b1, -b1)[:, None], weights)
        self.slope, self.intercept = self._running(bends, np.zeros_like(constant)), self._running(jumps, constant)

    def _running(self, changes: DoubleDouble, constant: np.ndarray) -> DoubleDouble:
        """The sum after each knot (H + 1, 2 O): before the first one, the falling units are on."""
        start = [np.concatenate([constant[None], -changes.high[~self.rising], changes.high])]
        start.append(np.concatenate([np.zeros_like(constant)[None], -changes.low[~self.rising], changes.low]))
        sums = running_sums(DoubleDouble(*start))
        return sums.at(slice(1 + np.count_nonzero(~self.rising), None))

    def bends(self) -> np.ndarray:
        """The knots where the slope of an output changes by more than rounding: increasing."""
        inner = np.isfinite(self.knots)
        knots, bends = self.knots[inner], np.abs(self.w1[inner, None]) * self.w2[inner]
        distinct, first = np.unique(knots, return_index=True)
        if not len(distinct):
            return distinct
        total, size = np.add.reduceat(bends, first), np.add.reduceat(np.abs(bends), first)
        return distinct[(np.abs(total) > EPS * size).any(axis=1)]

    def values(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The outputs at x (n,), and the sums of the magnitudes of their terms: (n, O) each. They may overflow."""
        after = np.searchsorted(self.knots, x, side="right")
        both = self.slope.at(after).times(x[:, None]).plus(self.intercept.at(after)).high
        outputs = self.w2.shape[1]
        return both[:, :outputs], both[:, outputs:]

    def slopes(self, x: np.ndarray, side: Literal["left", "right"]) -> np.ndarray:
        """The slopes (n, O) just left or right of x (n,); 0 if those of the units cancel within rounding."""
        passed = np.searchsorted(self.knots, x, side=side)
        slopes = self.slope.high[passed, : self.w2.shape[1]]
        sizes, none = np.abs(self.w1[:, None] * self.w2), np.zeros((1, self.w2.shape[1]))
        rising = np.concatenate([none, np.cumsum(sizes * self.rising[:, None], axis=0)])
        falling = np.concatenate([np.cumsum((sizes * ~self.rising[:, None])[::-1], axis=0)[::-1], none])
        return np.where(np.abs(slopes) > EPS * (rising + falling)[passed], slopes, 0.0)
