"""Initial knots for the search: the ends of the best lines between nodes, separate or joined.

Knots by density (relufit/spline/density.py) are nearly right. But the number of pieces between two inflection points,
and whether a knot or the middle of a piece lies on one, are discrete choices, which no small step can change. Dynamic
programming makes them, over separate lines if pieces are many. If pieces are fewer than the
turns of a target, separate lines say little about joined ones, and lines that join at some heights per node are
searched too.

A path is a chain of a given number of lines from the first node to the last; the best one has the least sum of errors.
A line begins at one node and ends at another; joined lines also begin and end at one of several heights. The errors of
all lines are an array (V, longest, V, M + 1): the line that ends at node i, `length` nodes long, has the index
[height at its end, longest - length, height at its beginning, i]. Separate lines have V = 1.
Bellman and Roth (1969), JASA 64(327), 1079-1084.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from relufit.spline.density import by_density, curvature, of_parabola, running
from relufit.spline.lines import Lines, lines_between, lines_for
from relufit.spline.moments.pieces import Pieces

NONE = np.empty(0)
PRICES = 24  # largest number of prices of a line that are tried
NEARLY = 0.02  # relative tolerance of the number of lines, and of the price of a line
WINDOW = 6  # pieces on either side of its even share of the nodes in which a knot is searched, if lines are limited
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


def beginnings(shape: tuple[int, int]) -> np.ndarray:
    """The first node of the line at [longest - length, i], at least 0: (longest, M + 1)."""
    longest, number = shape
    return np.maximum(np.arange(number) - np.arange(longest, 0, -1)[:, None], 0)


def forbidden(longest: int, forced: np.ndarray) -> np.ndarray:
    """Mask of lines that do not exist: they would begin before the first node, or pass a `forced` one (M + 1,)."""
    number, passed = len(forced), np.cumsum(forced)
    end = np.arange(number)
    outside = end - np.arange(longest, 0, -1)[:, None] < 0
    return outside | (passed[np.maximum(end - 1, 0)] != passed[beginnings((longest, number))])


class Paths(NamedTuple):
    """The least errors of chains of 0, 1, ... lines from the first node to the nodes of a window for each number.

    That of j lines to node i, at each height, is least[j, :, longest + i - first[j]]. The `longest` elements before a
    window, and those after it, are inf.
    """

    errors: np.ndarray  # (V, longest, V, M + 1) of the lines
    first: np.ndarray  # (count + 1,) the node that each window begins with
    least: np.ndarray  # (count + 1, V, ...)

    def best(self, count: int) -> np.ndarray | None:
        """The nodes of the best `count` lines from the first to the last, (count + 1,); None if no path exists."""
        heights, longest, _, number = self.errors.shape
        at_end = self.least[count, :, longest + number - 1 - self.first[count]]
        if not np.isfinite(at_end).any():
            return None
        nodes, height = [number - 1], int(at_end.argmin())
        for j in range(count - 1, -1, -1):
            end = nodes[-1]
            place = end - self.first[j]
            totals = self.least[j, :, place : place + longest].T + self.errors[height, :, :, end]
            begin, height = divmod(int(totals.argmin()), heights)
            nodes.append(end - longest + begin)
        return np.asarray(nodes[::-1])


def shortest_paths(errors: np.ndarray, count: int) -> Paths:
    """The paths of up to `count` lines; if lines may have any length, `Paths.best` takes fewer as well."""
    heights, longest, _, number = errors.shape
    last = number - 1
    width = number if longest == last else min(2 * round(WINDOW * last / count) + 1, number)
    share = np.round(np.arange(count + 1) * (last / count)).astype(int)
    first = np.clip(share - width // 2, 0, number - width)
    shift = np.diff(first)
    least = np.full((count + 1, heights, longest + width + shift.max()), np.inf)
    least[0, :, longest] = 0.0
    layer, row, one = least.strides
    # before[j, shift[j]] has the errors that line j + 1 continues: [longest - length, height, end - first[j + 1]].
    before = np.lib.stride_tricks.as_strided(
        least, (count, shift.max() + 1, longest, heights, width), (layer, one, one, row, one), writeable=False
    )
    ends = least[1:, :, longest : longest + width]
    for j in range(count):
        totals = before[j, shift[j]] + errors[..., first[j + 1] : first[j + 1] + width]
        totals.reshape(heights, -1, width).min(axis=1, out=ends[j])
    return Paths(errors, first, least)


def priced_paths(errors: np.ndarray, count: int, price: float) -> tuple[np.ndarray, np.ndarray] | None:
    """The nodes of two paths from the first node to the last, of at most `count` lines and of more; None without them.

    Each line has a price, and a search over prices, from an initial one, finds where the number of lines of the
    cheapest path passes `count` (Lagrangian relaxation; Everett (1963), Operations Research 11(3), 399-417). The cost
    does not depend on the number of lines, and lines may have any length. Not every `count` has a price: all waves of a
    sine gain the same. Then the cheapest paths of `count` lines consist of parts of these two.
    """
    by_end = np.ascontiguousarray(errors.transpose(3, 1, 2, 0))  # [i, longest - length, height begun at, height]
    few = many = None
    low, high = 0.0, np.inf
    for _ in range(PRICES):
        path = _cheapest(by_end, price)
        if path is None:
            return None
        if len(path) - 1 > count:
            many, low = path, price
        else:
            few, high = path, price
        if few is not None and (len(few) - 1 >= count * (1 - NEARLY) or high < low * (1 + NEARLY)):
            break
        price = 4 * low if high == np.inf else high / 4 if low == 0.0 else float(np.sqrt(low * high))
    return None if few is None else (few, few if many is None else many)


def _cheapest(by_end: np.ndarray, price: float) -> np.ndarray | None:
    """The nodes of the path with the least sum of errors and prices of its lines."""
    number, longest, heights, _ = by_end.shape
    least = np.full((longest + number, heights), np.inf)  # `longest` places before the first node
    least[longest] = 0.0
    came_from = np.zeros((number, heights), int)
    for i in range(1, number):
        totals = (by_end[i] + least[i : i + longest, :, None]).reshape(-1, heights)
        came_from[i] = totals.argmin(axis=0)
        least[longest + i] = totals[came_from[i], np.arange(heights)] + price
    if not np.isfinite(least[-1]).any():
        return None
    nodes, height = [number - 1], int(least[-1].argmin())
    while nodes[-1] > 0:
        back, height_before = divmod(int(came_from[nodes[-1], height]), heights)
        nodes.append(nodes[-1] - longest + back)
        height = height_before
    return np.asarray(nodes[::-1])
