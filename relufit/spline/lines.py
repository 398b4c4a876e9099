"""Nodes of a target, and the lines from node to node, from which dynamic programming chooses knots."""

from typing import NamedTuple

import numpy as np

from relufit.spline.density import even_nodes, is_jump
from relufit.spline.moments.pieces import Moments, Pieces, within_jumps
from relufit.spline.moments.ranges import join

NODES_PER_PIECE = 3
NODES_PER_FEW = 8  # nodes per piece, for up to FEW_PIECES pieces
LEAST_NODES = 64
FEW_PIECES = 24  # up to this number of pieces there are more nodes, and lines may have any length
MOST_PIECES = 2**13  # largest number of pieces for which lines are computed
LONGEST = 5  # longest line for more pieces, in average numbers of nodes per piece
LOOK, LOOK_PER_PIECE = 2048, 4  # points at which turns are counted: at least LOOK, and LOOK_PER_PIECE per piece
SAMPLES = 4  # least number of samples between two such points
CLEAR = 0.45  # largest share of the error that lines through SAMPLES samples leave of a target; noise leaves half
NEGLIGIBLE = 0.1  # change of a line, in root mean square errors, below which a turn is not counted
RESOLVED = 3  # pieces per stretch between two inflection points that suffice to follow all turns
NODES_PER_STRETCH, MOST_NODES = 5, 2**12
LINES = 2**18  # largest number of lines from node to node for `lines_by_turns`


class Lines(NamedTuple):
    """Nodes, the moments between neighbours, and all lines from node to node up to a length."""

    nodes: np.ndarray  # (M + 1,)
    fine: Moments  # (M,)
    sums: np.ndarray  # (6, longest, M + 1), see _sums
    is_jump: np.ndarray  # (M,) which lines between neighbours lead across a jump

    def shortened(self, count: int) -> "Lines":
        """The lines that are no longer than `count` pieces need."""
        return self._replace(sums=self.sums[:, -max(reach(self.nodes, count), 1) :])


def lines_for(pieces: Pieces, count: int) -> Lines:
    """Lines for splines of `count` pieces: of any length for few pieces, and between neighbours only for very many.

    With very many pieces, lines are no better than density, and would need too much memory.
    """
    if count > MOST_PIECES:
        return lines_between(pieces, _nodes(pieces, MOST_PIECES), 1)
    nodes = _nodes(pieces, count)
    return lines_between(pieces, nodes, len(nodes) if count <= 2 * FEW_PIECES else reach(nodes, count))


def lines_by_turns(pieces: Pieces, count: int, lines: Lines, squares: float) -> Lines | None:
    """Lines that follow the turns of a target, if `count` pieces are too few to follow all turns; else None.

    `squares` is the error of a spline with `count` pieces. Turns of a table count only if they are more than noise:
    if lines through SAMPLES neighbours have a much smaller error.
    """
    if min(pieces.most // SAMPLES, len(lines.nodes)) < 2:
        return None
    look = pieces.nodes(min(max(LOOK, LOOK_PER_PIECE * count), pieces.most // SAMPLES))
    look = np.union1d(look[~within_jumps(pieces, look)], pieces.breaks)
    seen = pieces.moments(look)
    if seen.rest.sum() > CLEAR * squares:
        return None
    stretches = inflections(look, seen, NEGLIGIBLE * np.sqrt(squares / pieces.mass)) + 1
    if count >= RESOLVED * stretches:
        return None
    wanted = min(NODES_PER_STRETCH * stretches, MOST_NODES)
    nodes = even_nodes(pieces, look, wanted, pieces.breaks) if wanted < len(look) else look
    nodes = nodes[~within_jumps(pieces, nodes)]
    return lines_between(pieces, nodes, LINES // len(nodes))


def inflections(nodes: np.ndarray, fine: Moments, least: float) -> int:
    """The number of changes of sign of the turns at nodes, without turns that change a line by under `least`."""
    away = np.diff(fine.slope) * (nodes[2:] - nodes[:-2]) / 2
    return int(np.count_nonzero(np.diff(np.sign(away[np.abs(away) > least]))))


def lines_between(pieces: Pieces, nodes: np.ndarray, longest: int) -> Lines:
    """All lines between these nodes that span at most `longest` of them."""
    fine = pieces.moments(nodes)
    return Lines(nodes, fine, _sums(fine, min(longest, len(nodes) - 1)), is_jump(pieces, nodes))


def reach(nodes: np.ndarray, count: int) -> int:
    """The largest length of a line in nodes, if `count` lines have about equal errors."""
    return round(LONGEST * (len(nodes) - 1) / count)


def _nodes(pieces: Pieces, count: int) -> np.ndarray:
    """Nodes of about equal errors, finer than knots will be, and all breaks; none within a jump."""
    wanted = max(NODES_PER_FEW * min(count, FEW_PIECES), NODES_PER_PIECE * count, LEAST_NODES)
    nodes = np.union1d(pieces.nodes(2 * wanted), pieces.breaks)
    nodes = even_nodes(pieces, nodes, wanted, np.union1d(pieces.breaks, pieces.suspects))
    if len(nodes) <= 2 * count:  # a table that varies mostly in one place
        nodes = np.union1d(nodes, pieces.nodes(2 * count))
    return nodes[~within_jumps(pieces, nodes)]


def _sums(fine: Moments, longest: int) -> np.ndarray:
    """Mass, means of x and y, sxx, sxy, syy from node i - l to node i, at [:, longest - l, i]: (6, longest, nodes).

    Elements of lines that would begin before the first node are undefined.
    """
    sums = np.zeros((6, longest, len(fine.mass) + 1))
    sums[:, -1, 1:] = *fine[:5], fine.rest + fine.slope * fine.sxy
    length = 1
    while length < longest:  # join lines of up to `length` nodes with the longest of those that follow
        more = min(length, longest - length)
        left, right = sums[:, longest - more :, :-length], sums[:, longest - length, None, length:]
        sums[:, longest - length - more : longest - length, length:] = join(left, right)
        length += more
    return sums
