"""A function as a target, integrated by Gauss points; or, where pieces are few, sampled at them once and for all."""

from collections.abc import Callable
from functools import cached_property

import numpy as np

from relufit.spline.breaks import float_spacing, narrowest_piece
from relufit.spline.pieces import Moments, within_jumps
from relufit.spline.samples import DataPieces

PARTS = 64  # that integrals over an interval are cut into, where pieces are fewer
FINE = 128  # stretches, at least, that a function is sampled in
POINTS = 8  # Gauss points of a piece: exact for polynomials up to degree 15
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(POINTS)
PLACES, SHARES = (_NODES + 1) / 2, _WEIGHTS / 2  # (POINTS,) in a piece of length 1
_CENTRED = PLACES - 0.5
CROWDED, CROWDED_STEPS = 1e-13, 2  # of the interval, and of the spacing of knots: nodes nearer to each other are one


class FunctionPieces:
    """A function over an interval, whose integrals are split at `breaks`, where it is not smooth."""

    def __init__(
        self,
        function: Callable[[np.ndarray], np.ndarray],
        low: float,
        high: float,
        breaks: np.ndarray | None = None,
        spacing: float = 0.0,
    ) -> None:
        self.function, self.low, self.high, self.mass = function, low, high, high - low
        self.breaks = np.empty(0) if breaks is None else breaks
        self.cuts = self.breaks  # of integrals
        self.spacing, self.narrowest = max(spacing, float_spacing(low, high)), narrowest_piece(low, high, spacing)
        narrow = np.flatnonzero(np.diff(self.breaks) < 1.5 * self.narrowest)
        self.jumps = self.breaks[np.stack([narrow, narrow + 1])]
        self.suspects = np.empty(0)
        self.most, self.effective = 2**20, np.inf
        self.rounding = 1e-24  # an error of 1e-12: values have 16 digits, knots and slopes lose a few of them
        # A line across a jump leaves a twelfth of height^2 a unit of length.
        self.least = float(np.sum(np.diff(function(self.jumps), axis=0) ** 2 * np.diff(self.jumps, axis=0)) / 12)
        self.table: tuple[np.ndarray, np.ndarray] | None = None
        self._values: tuple[np.ndarray | None, np.ndarray] = None, np.empty(0)

    def _at(self, knots: np.ndarray) -> np.ndarray:
        """The function at the knots, which each step of a search asks for twice."""
        if self._values[0] is not knots:
            self._values = knots, self.function(knots)
        return self._values[1]

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
        return np.ones(knots.shape), self._at(knots)

    def guess(self, knots: np.ndarray) -> np.ndarray:
        """The function itself: hardly needed, but that of an exact fit takes nothing from it."""
        return self._at(knots)

    def pull(self, knots: np.ndarray, away: np.ndarray, mean_squares: np.ndarray) -> np.ndarray:
        """No pull: a function determines every value."""
        return np.zeros(knots.shape)

    def nodes(self, count: int) -> np.ndarray:
        """Equidistant places."""
        return np.linspace(self.low, self.high, count + 1)

    def plain_knots(self, count: int) -> list[np.ndarray]:
        """Equidistant places."""
        return [self.nodes(count)]

    def distinct(self, nodes: np.ndarray) -> np.ndarray:
        """Those that do not lie within a jump, nor as near to another as rounding."""
        crowded = np.append(np.diff(nodes) < max(CROWDED * (self.high - self.low), CROWDED_STEPS * self.spacing), False)
        crowded[0] = False
        return nodes[~(within_jumps(self, nodes) | crowded) | np.isin(nodes, self.breaks)]

    def counts(self, nodes: np.ndarray) -> np.ndarray:
        """A function has as many samples as one likes."""
        return np.full(len(nodes) - 1, 1e9)

    def meeting(self, knots: np.ndarray) -> np.ndarray:
        """The knots as they are: between any two places there are others."""
        return knots


class SampledFunction(FunctionPieces):
    """A function whose moments are those of samples, so dense that it is as good as known between them."""

    def __init__(self, pieces: FunctionPieces) -> None:
        """The Gauss points of stretches between cuts."""
        fine = pieces.distinct(np.union1d(pieces.nodes(FINE), pieces.cuts))
        h = np.diff(fine)[:, None]
        x = (fine[:-1, None] + h * PLACES).ravel()
        y = pieces.function(x)
        super().__init__(lambda t: np.interp(t, x, y), pieces.low, pieces.high, pieces.breaks, pieces.spacing)
        self._table = DataPieces(x, y, (h * SHARES).ravel())

    def moments(self, knots: np.ndarray) -> Moments:
        """Those of the samples."""
        return self._table.moments(knots)

    @property
    def sampled(self) -> "SampledFunction":
        """It is that already."""
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
