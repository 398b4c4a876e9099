"""Nodes of a target, and the lines from node to node: what dynamic programming chooses knots from."""

from typing import NamedTuple

import numpy as np

from relufit.spline.density import even_nodes, is_jump
from relufit.spline.pieces import Moments, Pieces, within_jumps
from relufit.spline.ranges import join

NODES_PER_PIECE = 3
NODES_PER_FEW = 8  # a piece, where pieces are few
FEWEST_NODES = 64
FEW_PIECES = 24  # up to which nodes are more, and lines may be of any length
MOST_PIECES = 2**13  # that lines are looked at for
LONGEST = 5  # else a line takes up to this many pieces' worth of nodes
LOOK, LOOK_PER_PIECE = 2048, 4  # places at which turns are counted: at least LOOK, and LOOK_PER_PIECE for each piece
SAMPLES = 4  # samples between two such places, at least
CLEAR = 0.45  # part of the error that lines through SAMPLES samples leave at the most; of noise they leave half
NEGLIGIBLE = 0.1  # part of the root mean square error: turns that change the line by less are not counted
RESOLVED = 3  # pieces for each stretch between two inflection points, from which there are enough for all turns
NODES_PER_STRETCH, MOST_NODES = 5, 2**12
LINES = 2**18  # from node to node


class Lines(NamedTuple):
    """Nodes, what lies between neighbours, and all lines from node to node that are short enough."""

    nodes: np.ndarray  # (M + 1,)
    fine: Moments  # (M,)
    sums: np.ndarray  # (6, longest, M + 1), see _sums
    is_jump: np.ndarray  # (M,) which lines between neighbours lead across a jump

    def of_about(self, count: int) -> "Lines":
        """Without those longer than `count` pieces need."""
        return self._replace(sums=self.sums[:, -max(reach(self.nodes, count), 1) :])


def lines_for(pieces: Pieces, count: int) -> Lines:
    """Lines that `count` pieces may be made of: of any length where they are few; where they are a great many, none.

    Then lines show no more than density does, and they would take all memory.
    """
    if count > MOST_PIECES:
        return lines_between(pieces, _nodes(pieces, MOST_PIECES), 1)
    nodes = _nodes(pieces, count)
    return lines_between(pieces, nodes, len(nodes) if count <= 2 * FEW_PIECES else reach(nodes, count))


def lines_by_turns(pieces: Pieces, count: int, lines: Lines, squares: float) -> Lines | None:
    """Lines that show the turns of a target, where these are more than `count` pieces can follow; else None.

    `squares` is what a spline with `count` pieces leaves of the target. Of a table, turns count where they are more
    than noise: where lines through SAMPLES neighbours leave much less than that.
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
    """Changes of sign of the turns from node to node, without those that lead away by less than `least`."""
    away = np.diff(fine.slope) * (nodes[2:] - nodes[:-2]) / 2
    return int(np.count_nonzero(np.diff(np.sign(away[np.abs(away) > least]))))


def lines_between(pieces: Pieces, nodes: np.ndarray, longest: int) -> Lines:
    """All lines between these nodes that span at most `longest` of them."""
    fine = pieces.moments(nodes)
    return Lines(nodes, fine, _sums(fine, min(longest, len(nodes) - 1)), is_jump(pieces, nodes))


def reach(nodes: np.ndarray, count: int) -> int:
    """How many nodes long a line is at the most, where there are `count` for about the same errors."""
    return round(LONGEST * (len(nodes) - 1) / count)


def _nodes(pieces: Pieces, count: int) -> np.ndarray:
    """Nodes of about equal errors, finer than knots will be, and all breaks; none within a jump."""
    wanted = max(NODES_PER_FEW * min(count, FEW_PIECES), NODES_PER_PIECE * count, FEWEST_NODES)
    nodes = np.union1d(pieces.nodes(2 * wanted), pieces.breaks)
    nodes = even_nodes(pieces, nodes, wanted, np.union1d(pieces.breaks, pieces.suspects))
    if len(nodes) <= 2 * count:  # of a table whose changes crowd in one place
        nodes = np.union1d(nodes, pieces.nodes(2 * count))
    return nodes[~within_jumps(pieces, nodes)]


def _sums(fine: Moments, longest: int) -> np.ndarray:
    """Mass, means of x and y, sxx, sxy, syy from node i - l to node i, at [:, longest - l, i]: (6, longest, nodes).

    What stands where a line would begin before the first node means nothing.
    """
    sums = np.zeros((6, longest, len(fine.mass) + 1))
    sums[:, -1, 1:] = *fine[:5], fine.rest + fine.slope * fine.sxy
    length = 1
    while length < longest:  # lines of up to `length` nodes, and the longest of those after each
        more = min(length, longest - length)
        left, right = sums[:, longest - more :, :-length], sums[:, longest - length, None, length:]
        sums[:, longest - length - more : longest - length, length:] = join(left, right)
        length += more
    return sums
