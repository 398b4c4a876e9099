"""Knots by density: where every piece has about the same error.

de Boor (1973), "Good approximation by splines with variable knots": at the optimum every piece has about the same
error, so that knots stand with a density of |f''|^(2/5).
"""

import numpy as np

from relufit.pieces import Moments, Pieces

FLAT = 1e-8  # of the largest error: what a piece counts at least


def by_density(pieces: Pieces, nodes: np.ndarray, count: int) -> np.ndarray:
    """The places of `count` + 1 knots, such that each piece has about the same error, from that between nodes."""
    error = _expected(pieces.moments(nodes), np.diff(nodes))
    density = (error + FLAT * error.max() + 1e-300) ** 0.2  # an error goes with the fifth power of a length
    density = np.convolve(np.pad(density, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    share = running(density)
    return np.interp(np.linspace(0, share[-1], count + 1), share, nodes)


def _expected(m: Moments, h: np.ndarray) -> np.ndarray:
    """Squares that a spline leaves of each piece, (K,): what its own line leaves, or as its neighbours' means say."""
    return np.maximum(m.rest, of_parabola(m.mass, curvature(m), h))


def curvature(m: Moments) -> np.ndarray:
    """|f''| in each piece, (K,), from second divided differences of the means."""
    if len(m.x) < 3:
        return np.zeros(len(m.x))
    between = np.abs(2 * np.diff(np.diff(m.y) / np.diff(m.x)) / (m.x[2:] - m.x[:-2]))
    return np.concatenate([between[:1], between, between[-1:]])


def of_parabola(mass: np.ndarray, curvature: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Squares that a line leaves of a parabola over a length h: f''^2 h^4 / 720 a unit of mass."""
    return mass * (curvature * h * h) ** 2 / 720


def running(values: np.ndarray) -> np.ndarray:
    """Sums of all values before each place, one more than there are values."""
    return np.concatenate([[0.0], np.cumsum(values)])
