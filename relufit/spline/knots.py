"""Where the search for knots begins: by density, then by the best separate lines between nodes.

de Boor (1973), "Good approximation by splines with variable knots": at the optimum every piece has about the same
error, so that knots stand with a density of |f''|^(2/5). How many pieces lie between two inflection points, and whether
a knot or the middle of a piece stands on them, is a matter of whole numbers, which no small step can mend. It is found
by dynamic programming over K lines that need not meet: Bellman and Roth (1969), JASA 64(327), 1079-1084.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from relufit.spline.pieces import Moments, Pieces

NODES_PER_PIECE = 3
FEWEST_NODES = 96
FEW_PIECES, FEW_NODES = 24, 400  # up to so many pieces, or samples, lines may be of any length and knots anywhere
LONGEST = 5  # else a line takes up to so many pieces' worth of nodes
WINDOW = 6  # and a knot is looked for so many pieces around its place by density
SAMPLES_PER_PIECE = 6  # up to so many, each may be a node
SCARCE = 4  # samples, up to which a line says little
FLAT = 1e-8  # of the largest error: what a piece counts at least


def by_density(pieces: Pieces, nodes: np.ndarray, count: int) -> np.ndarray:
    """The places of `count` + 1 knots, such that each piece has about the same error, from that between nodes."""
    error = _expected(pieces.moments(nodes), np.diff(nodes))
    density = (error + FLAT * error.max() + 1e-300) ** 0.2  # an error goes with the fifth power of a length
    density = np.convolve(np.pad(density, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    share = _running(density)
    return np.interp(np.linspace(0, share[-1], count + 1), share, nodes)


def _expected(m: Moments, h: np.ndarray) -> np.ndarray:
    """Squares that a spline leaves of each piece, (K,): what its own line leaves, or as its neighbours' means say."""
    return np.maximum(m.rest, _of_parabola(m.mass, _curvature(m), h))


def _curvature(m: Moments) -> np.ndarray:
    """|f''| in each piece, (K,), from second divided differences of the means."""
    if len(m.x) < 3:
        return np.zeros(len(m.x))
    curvature = np.abs(2 * np.diff(np.diff(m.y) / np.diff(m.x)) / (m.x[2:] - m.x[:-2]))
    return np.concatenate([curvature[:1], curvature, curvature[-1:]])


def _of_parabola(mass: np.ndarray, curvature: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Squares that a line leaves of a parabola over a length h: f''^2 h^4 / 720 a unit of mass."""
    return mass * (curvature * h * h) ** 2 / 720


def by_lines(pieces: Pieces, count: int, held: np.ndarray) -> np.ndarray:
    """The knots of the best `count` separate lines between nodes, which end at each of `held`: (count + 1,)."""
    return _by_lines(pieces, _tabulate(pieces, _nodes(pieces, count, held), count), count, held)


def by_lines_and_chords(pieces: Pieces, count: int, held: np.ndarray) -> list[np.ndarray]:
    """The same, and the knots of the best `count` lines that join values of the target; (count + 1,) each.

    These meet, as lines through a few samples each would not. Of a table with few samples a piece they join samples.
    """
    table = _tabulate(pieces, _nodes(pieces, count, held), count)
    lines = _by_lines(pieces, table, count, held)
    if has_few_samples(pieces, count):
        table = _tabulate(pieces, pieces.table[0], count, FEW_NODES)  # type: ignore[index]  # there is one
        y = pieces.table[1]  # type: ignore[index]
    else:
        y = pieces.at_knots(table.nodes, table.fine)[1]
    errors = _of_chords(table.sums, table.nodes, y)
    path = _shortest_path(_ending_at(errors, np.isin(table.nodes, held)), count)
    return [lines] if path is None else [lines, table.nodes[path]]


def has_few_samples(pieces: Pieces, count: int) -> bool:
    """Whether the target is a table of which a search may look at every sample."""
    return pieces.table is not None and pieces.most <= max(SAMPLES_PER_PIECE * count, FEW_NODES)


def by_lines_each(pieces: Pieces, counts: Sequence[int]) -> list[np.ndarray]:
    """The knots of the best lines for each of these numbers of them, (count + 1,), none held, from the same nodes."""
    none = np.empty(0)
    table = _tabulate(pieces, _nodes(pieces, max(counts), none), 1)
    errors = _ending_at(_charged(pieces, table), np.zeros(len(table.nodes), bool))
    least = _least_errors(errors, max(counts))
    return [_settled(pieces, table, _path(least, errors, count), count, none) for count in counts]


class _Table(NamedTuple):
    """Nodes, what lies between neighbours, and all lines from node to node that are short enough."""

    nodes: np.ndarray  # (M + 1,)
    fine: Moments  # (M,)
    sums: np.ndarray  # (6, longest, M + 1), see _sums


def _tabulate(pieces: Pieces, nodes: np.ndarray, count: int, most: int = 0) -> _Table:
    """Lines of any length where they are few, or the nodes at `most` so many."""
    fine, last = pieces.moments(nodes), len(nodes) - 1
    anywhere = count <= FEW_PIECES or last <= most
    return _Table(nodes, fine, _sums(fine, last if anywhere else round(LONGEST * last / count)))


def _by_lines(pieces: Pieces, table: _Table, count: int, held: np.ndarray) -> np.ndarray:
    errors = _ending_at(_charged(pieces, table), np.isin(table.nodes, held))
    return _settled(pieces, table, _shortest_path(errors, count), count, held)


def _settled(pieces: Pieces, table: _Table, path: np.ndarray | None, count: int, held: np.ndarray) -> np.ndarray:
    """The knots at these nodes; by density where there is no path."""
    return by_density(pieces, table.nodes, count) if path is None else pieces.settled(table.nodes[path], held)


def _nodes(pieces: Pieces, count: int, held: np.ndarray) -> np.ndarray:
    """Nodes of about equal errors, finer than knots will be, and `held`."""
    wanted = max(NODES_PER_PIECE * count, FEWEST_NODES)
    nodes = np.union1d(pieces.nodes(2 * wanted), pieces.breaks)
    for _ in range(2):
        nodes = np.union1d(pieces.distinct(by_density(pieces, nodes, wanted)), [*held, *pieces.suspects])
    # Of a table whose changes crowd in one place there may be few such nodes.
    return nodes if len(nodes) > 2 * count else np.union1d(nodes, pieces.nodes(2 * count))


def _sums(fine: Moments, longest: int) -> np.ndarray:
    """Mass, means of x and y, sxx, sxy, syy from node i - l to node i, at [:, longest - l, i]: (6, longest, nodes)."""
    sums = np.zeros((6, longest, len(fine.mass) + 1))
    one = np.stack([*fine[:5], fine.rest + fine.slope * fine.sxy])
    lines = one
    for length in range(1, longest + 1):
        if length > 1:
            lines = _joined(lines[:, :-1], one[:, length - 1 :])
        sums[:, longest - length, length:] = lines
    return sums


def _of_lines(sums: np.ndarray) -> np.ndarray:
    """Squares about the best line from node to node, (longest, nodes)."""
    _, _, _, sxx, sxy, syy = sums
    return np.maximum(syy - np.divide(sxy * sxy, sxx, out=np.zeros_like(sxx), where=sxx > 0), 0.0)


def _of_chords(sums: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squares about the line that joins the values at both nodes, (longest, nodes)."""
    mass, mean_x, mean_y, sxx, sxy, syy = sums
    begin = _begin(sums.shape[1:])
    slope = np.divide(y - y[begin], x - x[begin], out=np.zeros_like(sxx), where=x > x[begin])
    gap = y[begin] + slope * (mean_x - x[begin]) - mean_y
    return mass * gap * gap + np.maximum(syy - slope * (2 * sxy - slope * sxx), 0.0)


def _charged(pieces: Pieces, table: _Table) -> np.ndarray:
    """Squares about the best lines, (longest, nodes), of few samples at least what the curvature around them says.

    A line through two samples leaves nothing, but a spline has one value a knot, not two a piece.
    """
    nodes, errors = table.nodes, _of_lines(table.sums)
    samples, bends = _running(pieces.counts(nodes)), _running(_curvature(table.fine))
    begin, end = _begin(errors.shape), np.arange(len(nodes))
    few = np.nonzero((samples[end] - samples[begin] <= SCARCE) & (begin < end))
    first, last = begin[few], end[few[1]]
    curvature = (bends[last] - bends[first]) / (last - first)
    errors[few] = np.maximum(errors[few], _of_parabola(table.sums[0][few], curvature, nodes[last] - nodes[first]))
    return errors


def _ending_at(errors: np.ndarray, forced: np.ndarray) -> np.ndarray:
    """These errors, and inf for lines that begin before the first node, or pass over one that is forced."""
    longest, number = errors.shape
    end, begin, passed = np.arange(number), _begin(errors.shape), np.cumsum(forced)
    outside = end - np.arange(longest, 0, -1)[:, None] < 0
    errors[outside | (passed[np.maximum(end - 1, 0)] != passed[begin])] = np.inf
    return errors


def _begin(shape: tuple[int, ...]) -> np.ndarray:
    """The node that the line at [longest - l, i] begins at; 0 where there is none."""
    longest, number = shape
    return np.maximum(np.arange(number) - np.arange(longest, 0, -1)[:, None], 0)


def _running(values: np.ndarray) -> np.ndarray:
    """Sums of all values before each place, one more than there are values."""
    return np.concatenate([[0.0], np.cumsum(values)])


def _joined(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Mass, means and centred sums, (6, n), of neighbouring lines taken together: the parallel-axis theorem.

    Chan, Golub and LeVeque (1983), The American Statistician 37(3), 242-247.
    """
    joined = left + right
    share = right[0] / np.where(joined[0] > 0, joined[0], 1.0)
    gap, weight = right[1:3] - left[1:3], left[0] * share
    joined[1:3] = left[1:3] + share * gap
    joined[3] += weight * gap[0] * gap[0]
    joined[4] += weight * gap[0] * gap[1]
    joined[5] += weight * gap[1] * gap[1]
    return joined


def _shortest_path(errors: np.ndarray, count: int) -> np.ndarray | None:
    """The nodes at which the best `count` lines begin and end, (count + 1,); None where the forced nodes leave none."""
    return _path(_least_errors(errors, count), errors, count)


def _least_errors(errors: np.ndarray, count: int) -> np.ndarray:
    """The least error of j lines up to node i, at [j, longest + i]; `longest` places before node 0 are none.

    Where lines cannot be of any length, each ends within a WINDOW of its place among the nodes.
    """
    longest, last = errors.shape[0], errors.shape[1] - 1
    window = last if longest == last else round(WINDOW * last / count)
    best = np.full((count + 1, longest + last + 1), np.inf)
    best[0, longest] = 0.0
    row, one = best.strides
    before = np.lib.stride_tricks.as_strided(best, (count + 1, longest, last + 1), (row, one, one), writeable=False)
    for j in range(1, count + 1):
        centre = round(j * last / count)
        low, high = max(j, centre - window), min(last, centre + window) + 1
        (before[j - 1, :, low:high] + errors[:, low:high]).min(axis=0, out=best[j, longest + low : longest + high])
    return best


def _path(least: np.ndarray, errors: np.ndarray, count: int) -> np.ndarray | None:
    """The nodes of the best `count` lines up to the last node, (count + 1,); None where there are no such lines."""
    longest, last = errors.shape[0], errors.shape[1] - 1
    if not np.isfinite(least[count, longest + last]):
        return None
    path = [last]
    for j in range(count - 1, -1, -1):
        i = path[-1]
        path.append(i - longest + int(np.argmin(least[j, i : i + longest] + errors[:, i])))
    return np.asarray(path[::-1])
