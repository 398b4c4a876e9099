"""A function as a target, integrated by Gauss points; or, where pieces are few, sampled at them once and for all."""

from collections.abc import Callable
from functools import cached_property

import numpy as np

from relufit.spline.breaks import NARROWEST
from relufit.spline.pieces import Moments
from relufit.spline.samples import DataPieces

PARTS = 64  # that integrals over an interval are cut into, where pieces are fewer
FINE = 128  # stretches, at least, that a function is sampled in
POINTS = 8  # Gauss points of a piece: exact for polynomials up to degree 15
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(POINTS)
PLACES, SHARES = (_NODES + 1) / 2, _WEIGHTS / 2  # (POINTS,) in a piece of length 1
_CENTRED = PLACES - 0.5
CROWDED = 1e-13  # of the interval: nodes nearer to each other are one


class FunctionPieces:
    """A function over an interval. `breaks`, where it is not smooth, split its integrals, and knots are held there."""

    def __init__(
        self, function: Callable[[np.ndarray], np.ndarray], low: float, high: float, breaks: np.ndarray | None = None
    ) -> None:
        self.function, self.low, self.high, self.mass = function, low, high, high - low
        self.breaks = np.empty(0) if breaks is None else breaks
        self.most, self.rounding, self.cuts, self.suspects = 2**20, 1e-24, self.breaks, np.empty(0)
        self.least = self._of_jumps()
        self.table: tuple[np.ndarray, np.ndarray] | None = None

    def _of_jumps(self) -> float:
        """The squares that lines across the jumps leave: a twelfth of height^2 a unit of length."""
        width, height = np.diff(self.breaks), np.diff(self.function(self.breaks))
        return float(np.sum((height**2 * width)[self._narrow(width)]) / 12)

    def _narrow(self, widths: np.ndarray) -> np.ndarray:
        """Whether two breaks so far apart are the sides of a jump."""
        return widths < 1.5 * NARROWEST * (self.high - self.low)

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

    @cached_property
    def sampled(self) -> "SampledFunction":
        """Where pieces are few, samples cost less than integrals, and are good enough to search by."""
        return SampledFunction(self)

    def at_knots(self, knots: np.ndarray, moments: Moments) -> tuple[np.ndarray, np.ndarray]:
        """The function itself, whose mass per length is 1."""
        return np.ones(knots.shape), self.function(knots)

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
        inside = np.concatenate([[False], self._narrow(np.diff(self.breaks, append=np.inf))])[after]
        crowded = np.append(np.diff(nodes) < CROWDED * width, False)
        crowded[0] = False
        return nodes[~(inside | crowded) | np.isin(nodes, self.breaks)]

    def counts(self, nodes: np.ndarray) -> np.ndarray:
        """As many as one likes."""
        return np.full(len(nodes) - 1, 1e9)

    def settled(self, knots: np.ndarray, held: np.ndarray) -> np.ndarray:
        """As they are: every place is another."""
        return knots


class SampledFunction(FunctionPieces):
    """A function whose moments are those of samples, so dense that it is as good as known between them."""

    def __init__(self, pieces: FunctionPieces) -> None:
        """The Gauss points of stretches between cuts."""
        fine = pieces.distinct(np.union1d(pieces.nodes(FINE), pieces.cuts))
        h = np.diff(fine)[:, None]
        x = (fine[:-1, None] + h * PLACES).ravel()
        y = pieces.function(x)
        super().__init__(lambda t: np.interp(t, x, y), pieces.low, pieces.high, pieces.breaks)
        self._table = DataPieces(x, y, (h * SHARES).ravel())

    def moments(self, knots: np.ndarray) -> Moments:
        """Of the samples."""
        return self._table.moments(knots)

    @property
    def sampled(self) -> "SampledFunction":
        """As it is."""
        return self


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
