"""Knots by density: where every piece has about the same error.

de Boor (1973), "Good approximation by splines with variable knots": at the optimum every piece has about the same
error, so that knots stand with a density of |f''|^(2/5).
"""

import numpy as np

from relufit.spline.pieces import Moments, Pieces

ROUNDS = 12  # at the most
EVEN = 1.1  # largest error over the mean: they are equal, and the rounds end
NEARLY_EVEN = 4.0  # below this, the rounds end unless the last one brought it
GAINING = 0.7  # to this many times what it was before
FLAT_SHARE = 96  # one node of this many is spread evenly, whatever the errors: a stretch may only have seemed flat
FLAT = 1e-10  # part of the largest error that a piece counts at least, so that none is left without nodes


def by_density(pieces: Pieces, nodes: np.ndarray, count: int) -> np.ndarray:
    """The places of `count` + 1 knots, such that each piece has about the same error, from that between nodes."""
    return _spaced(nodes, _expected(pieces, nodes), count)


def even_nodes(pieces: Pieces, nodes: np.ndarray, count: int, fixed: np.ndarray) -> np.ndarray:
    """About `count` + 1 nodes between which errors are about the same, and those that are fixed; from other nodes.

    Where nearly all of a target happens in a small part of it, a round moves nodes only some of the way there.
    """
    before, least, spread = nodes, np.inf, pieces.nodes(max(count // FLAT_SHARE, 1))
    for k in range(ROUNDS):
        errors = _expected(pieces, nodes)
        uneven = errors.max() / (errors.mean() + 1e-300)
        if uneven > 2 * least:  # a stretch that seemed flat is not, once no node is left in it
            return before
        if k > 1 and (uneven < EVEN or GAINING * least < uneven < NEARLY_EVEN):
            break
        if k > 0:
            least = min(least, uneven)
        spaced = np.union1d(_spaced(nodes, errors, count), spread)
        before, nodes = nodes, np.union1d(pieces.distinct(spaced), fixed)
    return nodes


def _spaced(nodes: np.ndarray, errors: np.ndarray, count: int) -> np.ndarray:
    """`count` + 1 places that share the errors between nodes equally, as far as lengths decide them."""
    density = (errors + FLAT * errors.max() + 1e-300) ** 0.2  # an error goes with the fifth power of a length
    density = np.convolve(np.pad(density, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    share = running(density)
    return np.interp(np.linspace(0, share[-1], count + 1), share, nodes)


def _expected(pieces: Pieces, nodes: np.ndarray) -> np.ndarray:
    """Squares that a spline leaves of each piece, (K,): what its own line leaves, or as its neighbours' means say.

    Of a jump nothing, since no knot inside it is of use.
    """
    m = pieces.moments(nodes)
    told = of_parabola(m.mass, curvature(pieces, nodes, m), np.diff(nodes))
    return np.where(is_jump(pieces, nodes), 0.0, np.maximum(m.rest, told))


def is_jump(pieces: Pieces, nodes: np.ndarray) -> np.ndarray:
    """Which pieces between nodes, none of them within a jump, are a jump: a mask (M,)."""
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
    """Squares that a line leaves of a parabola over a length h: f''^2 h^4 / 720 a unit of mass."""
    return mass * (curvature * h * h) ** 2 / 720


def running(values: np.ndarray) -> np.ndarray:
    """Sums of all values before each place, one more than there are values."""
    return np.concatenate([[0.0], np.cumsum(values)])
