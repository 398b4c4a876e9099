"""A function as a target: integrated by Gauss points, or sampled at fixed points for splines of few pieces."""

from collections.abc import Callable
from functools import cached_property

import numpy as np

from relufit.spline.moments.breaks import float_spacing, narrowest_piece
from relufit.spline.moments.pieces import Moments, within_jumps
from relufit.spline.moments.samples import DataPieces

PARTS = 64  # parts of integrals over the interval, if pieces are fewer
FINE = 128  # least number of stretches in which a function is sampled
POINTS = 8  # Gauss points of a piece: exact for polynomials up to degree 15
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(POINTS)
PLACES, SHARES = (_NODES + 1) / 2, _WEIGHTS / 2  # (POINTS,) in a piece of length 1
_CENTRED = PLACES - 0.5
CROWDED, CROWDED_STEPS = 1e-13, 2  # least distance of nodes, relative to the interval, and in spacings of knots


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
        self.rounding = 1e-24  # an error of 1e-12: values have 16 digits, knots and slopes lose some of them
        # The mean square of a line across a jump is height^2 / 12.
        self.least = float(np.sum(np.diff(function(self.jumps), axis=0) ** 2 * np.diff(self.jumps, axis=0)) / 12)
        self.table: tuple[np.ndarray, np.ndarray] | None = None
        self._values: tuple[np.ndarray | None, np.ndarray] = None, np.empty(0)

    def _at(self, knots: np.ndarray) -> np.ndarray:
        """The function at the knots, cached because each step of a search evaluates it twice."""
        if self._values[0] is not knots:
            self._values = knots, self.function(knots)
        return self._values[1]

    def refine(self, cuts: np.ndarray) -> None:
        """Split integrals at these sorted places too, if pieces are few and may be long."""
        self.cuts = np.union1d(self.breaks, cuts)

    def moments(self, knots: np.ndarray) -> Moments:
        """Moments by Gauss points, on each part of a piece between cuts."""
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
        """Samples of the function, which are faster than integrals for few pieces, and sufficient for a search."""
        return SampledFunction(self)

    def at_knots(self, knots: np.ndarray, moments: Moments) -> tuple[np.ndarray, np.ndarray]:
        """Mass per length, which is 1, and the function itself."""
        return np.ones(knots.shape), self._at(knots)

    def interpolated(self, knots: np.ndarray) -> np.ndarray:
        """The function itself, so that an exact fit stays exact."""
        return self._at(knots)

    def pull(self, knots: np.ndarray, away: np.ndarray, mean_squares: np.ndarray) -> np.ndarray:
        """0, because a function determines every value."""
        return np.zeros(knots.shape)

    def nodes(self, count: int) -> np.ndarray:
        """Equidistant places."""
        return np.linspace(self.low, self.high, count + 1)

    def plain_knots(self, count: int) -> list[np.ndarray]:
        """Equidistant places."""
        return [self.nodes(count)]

    def distinct(self, nodes: np.ndarray) -> np.ndarray:
        """The nodes that are not within a jump, and not closer to another than rounding."""
        crowded = np.append(np.diff(nodes) < max(CROWDED * (self.high - self.low), CROWDED_STEPS * self.spacing), False)
        crowded[0] = False
        return nodes[~(within_jumps(self, nodes) | crowded) | np.isin(nodes, self.breaks)]

    def counts(self, nodes: np.ndarray) -> np.ndarray:
        """A large number, because a function has any number of samples."""
        return np.full(len(nodes) - 1, 1e9)

    def at_intersections(self, knots: np.ndarray) -> np.ndarray:
        """The knots as they are, because a function has values between any two of them."""
        return knots


class SampledFunction(FunctionPieces):
    """A function represented by dense samples, from which its moments are computed."""

    def __init__(self, pieces: FunctionPieces) -> None:
        """Sample at the Gauss points of stretches between cuts."""
        fine = pieces.distinct(np.union1d(pieces.nodes(FINE), pieces.cuts))
        h = np.diff(fine)[:, None]
        x = (fine[:-1, None] + h * PLACES).ravel()
        y = pieces.function(x)
        super().__init__(lambda t: np.interp(t, x, y), pieces.low, pieces.high, pieces.breaks, pieces.spacing)
        self._table = DataPieces(x, y, (h * SHARES).ravel())

    def moments(self, knots: np.ndarray) -> Moments:
        """Moments of the samples."""
        return self._table.moments(knots)

    @property
    def sampled(self) -> "SampledFunction":
        """Itself."""
        return self


def _gathered(moments: Moments, owner: np.ndarray, pieces: int) -> Moments:
    """Moments of pieces from those of their parts; `owner` is the piece of each part."""

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
