"""Initial knots for the search: the ends of the best lines between nodes, separate or joined.

Knots by density (relufit/spline/density.py) are nearly right. But the number of pieces between two inflection points,
and whether a knot or the middle of a piece lies on one, are discrete choices, which no small step can change. Dynamic
programming (relufit/spline/paths.py) makes them, over separate lines if pieces are many. If pieces are fewer than the
turns of a target, separate lines say little about joined ones, and lines that join at some heights per node are
searched too.
"""

from collections.abc import Sequence

import numpy as np

from relufit.spline.density import by_density, curvature, of_parabola, running
from relufit.spline.lines import Lines, lines_between, lines_for
from relufit.spline.paths import beginnings, forbidden, priced_paths, shortest_paths
from relufit.spline.pieces import Pieces

NONE = np.empty(0)
SCARCE = 4  # samples up to which the error of a line is estimated by the curvature around it
SPLICES = 8  # places at which a part of one path is spliced into another
AWAY = 1e-3  # cost of a piece of one sample, relative to the estimated error of a piece there


def by_lines(pieces: Pieces, count: int, lines: Lines, forced: np.ndarray = NONE) -> np.ndarray:
    """The knots of the best `count` separate lines, which end at each of the nodes `forced`: (count + 1,)."""
    if lines.sums.shape[1] * count < len(lines.nodes) - 1:  # `count` lines do not reach the last node
        return _knots_at(pieces, lines, None, count)
    found = shortest_paths(_of_separate(pieces, lines, forced), count).best(count)
    return _knots_at(pieces, lines, found, count)


def by_lines_each(pieces: Pieces, counts: Sequence[int]) -> list[np.ndarray]:
    """The knots of the best separate lines for each number in `counts`, (count + 1,), from the same nodes."""
    most = max(counts)
    nodes = lines_for(pieces, most).nodes
    lines = lines_between(pieces, nodes, len(nodes))
    paths = shortest_paths(_of_separate(pieces, lines, NONE), most)
    return [_knots_at(pieces, lines, paths.best(count), count) for count in counts]


def _knots_at(pieces: Pieces, lines: Lines, found: np.ndarray | None, count: int) -> np.ndarray:
    """The knots near the nodes of a path; without a path, knots by density and at breaks."""
    if found is not None:
        return pieces.at_intersections(lines.nodes[found])
    breaks = pieces.breaks if len(pieces.breaks) < count else NONE
    return np.union1d(by_density(pieces, lines.nodes, count - len(breaks)), breaks)


def by_joined_lines(lines: Lines, count: int, heights: np.ndarray) -> np.ndarray | None:
    """The knots, (count + 1,), of the best `count` lines that join at nodes, at one of the `heights` (V, M + 1) there.

    None if `count` lines are too short to reach the last node.
    """
    errors = _of_joined(lines, heights, forbidden(lines.sums.shape[1], np.zeros(len(lines.nodes), bool)))
    found = shortest_paths(errors, count).best(count)
    return None if found is None else lines.nodes[found]


def by_priced_lines(lines: Lines, count: int, heights: np.ndarray, price: float) -> list[np.ndarray]:
    """Knots of good paths of at most `count` joined lines; `price` is an initial estimate of the price of a line.

    If one path has fewer lines and the next too many, parts of the second are spliced into the first.
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

    Separate lines would follow a jump at no cost, but a spline needs a piece for it. So only the line across a jump
    begins at its left side, or ends at its right side.
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
    """Squares about the best lines, (longest, nodes); for few samples, at least the estimate by the curvature.

    A line through two samples has no error, but a spline has one value per knot, not two per piece.
    """
    nodes, errors = lines.nodes, _of_lines(lines.sums)
    samples, bends = running(pieces.counts(nodes)), running(curvature(pieces, nodes, lines.fine))
    begin, end = beginnings(lines.sums.shape[1:]), np.arange(len(nodes))
    scarce = np.nonzero((samples[end] - samples[begin] <= SCARCE) & (begin < end))
    first, last = begin[scarce], end[scarce[1]]

    def charge(first: np.ndarray, last: np.ndarray) -> np.ndarray:
        return of_parabola(mass, (bends[last] - bends[first]) / (last - first), length)

    mass, length = lines.sums[0][scarce], nodes[last] - nodes[first]
    errors[scarce] = np.maximum(errors[scarce], charge(first, last))
    # A line of one sample has no slope: add a small cost, so that others are preferred, and least away from bends.
    beside = charge(np.maximum(first - 1, 0), np.minimum(last + 1, len(bends) - 1))
    single = samples[last] - samples[first] < 2
    errors[scarce] += np.where(single, pieces.rounding * pieces.mass + AWAY * beside, 0.0)
    return errors


def _of_lines(sums: np.ndarray) -> np.ndarray:
    """Squares about the best line from node to node, (longest, nodes)."""
    _, _, _, sxx, sxy, syy = sums
    return np.maximum(syy - np.divide(sxy * sxy, sxx, out=np.zeros_like(sxx), where=sxx > 0), 0.0)
