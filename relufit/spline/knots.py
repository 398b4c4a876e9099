"""Where the search for knots begins: the best lines between nodes, of those that meet and of those that need not.

By density alone (relufit/spline/density.py) knots are nearly right. But how many pieces lie between two inflection
points, and whether a knot or the middle of a piece stands on them, is a matter of whole numbers, which no small step
can mend. Dynamic programming (relufit/spline/paths.py) decides it: over lines that need not meet where pieces are many.
Where they are fewer than the turns of a target such lines say little about the best that meet: those are looked for as
well, at a few heights a node.
"""

from collections.abc import Sequence

import numpy as np

from relufit.spline.density import by_density, curvature, of_parabola, running
from relufit.spline.lines import Lines, lines_between, lines_for
from relufit.spline.paths import beginnings, forbidden, priced_paths, shortest_paths
from relufit.spline.pieces import Pieces

NONE = np.empty(0)
SCARCE = 4  # samples, up to which a line says little
SPLICES = 8  # places that a part of one path is put into another at
AWAY = 1e-3  # of what a bend beside it would cost, what a piece of one sample does


def by_lines(pieces: Pieces, count: int, lines: Lines, forced: np.ndarray = NONE) -> np.ndarray:
    """The knots of the best `count` separate lines, which end at each of the nodes `forced`: (count + 1,)."""
    if lines.sums.shape[1] * count < len(lines.nodes) - 1:  # `count` lines do not reach the last node
        return _meeting(pieces, lines, None, count)
    found = shortest_paths(_of_separate(pieces, lines, forced), count).best(count)
    return _meeting(pieces, lines, found, count)


def by_lines_each(pieces: Pieces, counts: Sequence[int]) -> list[np.ndarray]:
    """The knots of the best separate lines for each of these numbers of them, (count + 1,), from the same nodes."""
    most = max(counts)
    nodes = lines_for(pieces, most).nodes
    lines = lines_between(pieces, nodes, len(nodes))
    paths = shortest_paths(_of_separate(pieces, lines, NONE), most)
    return [_meeting(pieces, lines, paths.best(count), count) for count in counts]


def _meeting(pieces: Pieces, lines: Lines, found: np.ndarray | None, count: int) -> np.ndarray:
    """The knots at these nodes, or a little beside them; by density, and at breaks, where there is no path."""
    if found is not None:
        return pieces.meeting(lines.nodes[found])
    breaks = pieces.breaks if len(pieces.breaks) < count else NONE
    return np.union1d(by_density(pieces, lines.nodes, count - len(breaks)), breaks)


def by_joined_lines(lines: Lines, count: int, heights: np.ndarray) -> np.ndarray | None:
    """The knots, (count + 1,), of the best `count` joined lines at nodes, at some of the `heights` (V, M + 1) there.

    None where the lines are too short for so few of them.
    """
    errors = _of_joined(lines, heights, forbidden(lines.sums.shape[1], np.zeros(len(lines.nodes), bool)))
    found = shortest_paths(errors, count).best(count)
    return None if found is None else lines.nodes[found]


def by_priced_lines(lines: Lines, count: int, heights: np.ndarray, price: float) -> list[np.ndarray]:
    """Knots of good paths of at most `count` joined lines, where they gain most; `price` is a first guess of a line's.

    Where one path has fewer lines and the next too many, some lines of that take the place of those of the first.
    """
    errors = _of_joined(lines, heights, forbidden(lines.sums.shape[1], np.zeros(len(lines.nodes), bool)))
    found = priced_paths(errors, count, price)
    if found is None:
        return []
    few, many = found
    if len(few) == len(many):
        return [lines.nodes[few]]
    firsts = np.unique(np.linspace(0, len(many) - 1, SPLICES, endpoint=False).astype(int))
    return [lines.nodes[_spliced(few, many, first, count + 1)] for first in firsts]


def _spliced(few: np.ndarray, many: np.ndarray, first: int, most: int) -> np.ndarray:
    """The path `few`, in part replaced by nodes of `many` from number `first` on: at most `most` nodes."""
    before = few[few < many[first]]
    after = len(few) - np.searchsorted(few, many[first:], side="right")
    taken = np.flatnonzero(len(before) + 1 + np.arange(len(after)) + after <= most)
    if not len(taken):
        return few
    last = first + int(taken[-1])
    return np.concatenate([before, many[first : last + 1], few[few > many[last]]])


def _of_separate(pieces: Pieces, lines: Lines, forced: np.ndarray) -> np.ndarray:
    """Squares about the best lines from node to node, (1, longest, 1, M + 1); inf without a line.

    Between lines that need not meet a jump would cost nothing. So that it costs the piece that a spline spends on it,
    only the line across it begins at its left side, or ends at its right side.
    """
    errors = _charged(pieces, lines)
    errors[forbidden(len(errors), np.isin(lines.nodes, forced))] = np.inf
    from_left, to_right = np.append(lines.is_jump, False), np.append(False, lines.is_jump)
    errors[:-1][from_left[beginnings(errors.shape)[:-1]] | to_right] = np.inf
    errors[-1, to_right] = 0.0
    return errors[None, :, None]


def _of_joined(lines: Lines, heights: np.ndarray, nowhere: np.ndarray) -> np.ndarray:
    """Squares about the lines from node to node and height to height, (V, longest, V, M + 1); inf without a line.

    `heights` are (V, M + 1), `nowhere` (longest, M + 1).
    """
    x, (mass, mean_x, mean_y, sxx, sxy, syy) = lines.nodes, lines.sums
    begin = beginnings(mass.shape)
    h = np.where(x > x[begin], x - x[begin], 1.0)
    place, spread, tilt = (mean_x - x[begin]) / h, sxx / (h * h), sxy / h
    # Of a line from height u to w: left u^2 + right w^2 + 2 both u w - 2 to_left u - 2 to_right w + y2.
    left, right = mass * (1 - place) ** 2 + spread, mass * place**2 + spread
    both = mass * place * (1 - place) - spread
    to_right, y2 = mass * place * mean_y + tilt, mass * mean_y * mean_y + syy
    to_left = mass * mean_y - to_right
    u, w = heights.take(begin, axis=1).swapaxes(0, 1), heights[:, None]  # (longest, V, M + 1), (V, 1, M + 1)
    errors = (2 * both[:, None] * u) * w[..., None, :]
    errors += (left[:, None] * u - 2 * to_left[:, None]) * u
    errors += ((right * w - 2 * to_right) * w + np.where(nowhere, np.inf, y2))[:, :, None]
    return errors


def _charged(pieces: Pieces, lines: Lines) -> np.ndarray:
    """Squares about the best lines, (longest, nodes), of few samples at least what the curvature around them says.

    A line through two samples leaves nothing, but a spline has one value a knot, not two a piece.
    """
    nodes, errors = lines.nodes, _of_lines(lines.sums)
    samples, bends = running(pieces.counts(nodes)), running(curvature(pieces, nodes, lines.fine))
    begin, end = beginnings(lines.sums.shape[1:]), np.arange(len(nodes))
    few = np.nonzero((samples[end] - samples[begin] <= SCARCE) & (begin < end))
    first, last = begin[few], end[few[1]]

    def charge(first: np.ndarray, last: np.ndarray) -> np.ndarray:
        return of_parabola(mass, (bends[last] - bends[first]) / (last - first), length)

    mass, length = lines.sums[0][few], nodes[last] - nodes[first]
    errors[few] = np.maximum(errors[few], charge(first, last))
    # One sample has no slope: where others do as well they are taken, and best away from bends.
    beside = charge(np.maximum(first - 1, 0), np.minimum(last + 1, len(bends) - 1))
    single = samples[last] - samples[first] < 2
    errors[few] += np.where(single, pieces.rounding * pieces.mass + AWAY * beside, 0.0)
    return errors


def _of_lines(sums: np.ndarray) -> np.ndarray:
    """Squares about the best line from node to node, (longest, nodes)."""
    _, _, _, sxx, sxy, syy = sums
    return np.maximum(syy - np.divide(sxy * sxy, sxx, out=np.zeros_like(sxx), where=sxx > 0), 0.0)
