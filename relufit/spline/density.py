"""Knots by density: every piece has about the same error.

de Boor (1973), "Good approximation by splines with variable knots": at the optimum every piece has about the same
error, so that knots have the density |f''|^(2/5).
"""

import numpy as np

from relufit.spline.moments.pieces import Moments, Pieces

ROUNDS = 12  # largest number of rounds
EVEN = 1.1  # ratio of the largest error to the mean at which the rounds end
NEARLY_EVEN = 4.0  # ratio at which they end unless the last round reduced it
GAINING = 0.7  # by at least this factor
FLAT_SHARE = 96  # one in this many nodes is placed evenly, because a target may be flat at all nodes but not between
FLAT = 1e-10  # least error of a piece, relative to the largest, so that every stretch has nodes


def by_density(pieces: Pieces, nodes: np.ndarray, count: int) -> np.ndarray:
    """`count` + 1 knots such that all pieces have about the same error, from the errors between nodes."""
    return _spaced(nodes, _expected(pieces, nodes), count)


def even_nodes(pieces: Pieces, nodes: np.ndarray, count: int, fixed: np.ndarray) -> np.ndarray:
    """About `count` + 1 nodes between which errors are about equal, and the `fixed` ones, starting from `nodes`.

    It takes several rounds if a target varies mostly in a small part of its domain.
    """
    before, least, spread = nodes, np.inf, pieces.nodes(max(count // FLAT_SHARE, 1))
    for k in range(ROUNDS):
        errors = _expected(pieces, nodes)
        uneven = errors.max() / (errors.mean() + 1e-300)
        if uneven > 2 * least:  # a stretch seemed flat and lost its nodes
            return before
        if k > 1 and (uneven < EVEN or GAINING * least < uneven < NEARLY_EVEN):
            break
        if k > 0:
            least = min(least, uneven)
        spaced = np.union1d(_spaced(nodes, errors, count), spread)
        before, nodes = nodes, np.union1d(pieces.distinct(spaced), fixed)
    return nodes


def _spaced(nodes: np.ndarray, errors: np.ndarray, count: int) -> np.ndarray:
    """`count` + 1 places that divide the errors between nodes equally, if an error depends on the length only."""
    density = (errors + FLAT * errors.max() + 1e-300) ** 0.2  # an error goes with the fifth power of a length
    density = np.convolve(np.pad(density, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    share = running(density)
    return np.interp(np.linspace(0, share[-1], count + 1), share, nodes)


def _expected(pieces: Pieces, nodes: np.ndarray) -> np.ndarray:
    """The expected sum of squares of each piece, (K,): of its own best line, or by the curvature, if that is larger.

    0 for a jump, since a knot inside it does not help.
    """
    m = pieces.moments(nodes)
    by_curvature = of_parabola(m.mass, curvature(pieces, nodes, m), np.diff(nodes))
    return np.where(is_jump(pieces, nodes), 0.0, np.maximum(m.rest, by_curvature))


def is_jump(pieces: Pieces, nodes: np.ndarray) -> np.ndarray:
    """Mask (M,) of the pieces between nodes that are jumps; no node lies within a jump."""
    left, right = pieces.jumps
    return np.asarray(np.isin(nodes[:-1], left) & np.isin(nodes[1:], right))


def curvature(pieces: Pieces, nodes: np.ndarray, m: Moments) -> np.ndarray:
    """|f''| between nodes, (M,), from second divided differences of the means; 0 in jumps and beside them."""
    if len(m.x) < 3:
        return np.zeros(len(m.x))
    between = np.abs(2 * np.diff(np.diff(m.y) / np.diff(m.x)) / (m.x[2:] - m.x[:-2]))
    jump = np.pad(is_jump(pieces, nodes), 1)
    beside = jump[:-2] | jump[1:-1] | jump[2:]
    return np.where(beside, 0.0, np.concatenate([between[:1], between, between[-1:]]))


def of_parabola(mass: np.ndarray, curvature: np.ndarray, h: np.ndarray) -> np.ndarray:
    """The sum of squares of a parabola about its best line over a length h: f''^2 h^4 / 720 per unit of mass."""
    return mass * (curvature * h * h) ** 2 / 720


def running(values: np.ndarray) -> np.ndarray:
    """Cumulative sums of n values, starting with 0: (n + 1,)."""
    return np.concatenate([[0.0], np.cumsum(values)])
