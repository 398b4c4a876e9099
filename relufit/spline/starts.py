"""Initial splines of a search: on the knots of the best lines, of lines that join samples, with knots removed or added.

Each is the least-squares spline on its knots; newton.py then moves them.
"""

import numpy as np

from relufit.spline import knots
from relufit.spline.least_squares import Spline, solve
from relufit.spline.lines import Lines, lines_between, lines_by_turns, reach
from relufit.spline.moments.pieces import Pieces, placed_knots

SAMPLES_PER_PIECE, FEW_SAMPLES = 6, 400  # largest numbers of samples for which lines that join samples are a start,
VERY_FEW_SAMPLES = 128  # and a start of a rough spline
MOST_JOINED = 2**25  # largest cost, in lines between samples, for which lines may have any length
THINNING = 5  # at most one in this many knots is removed at once


def by_lines(pieces: Pieces, count: int, lines: Lines) -> list[Spline]:
    """The splines of the best separate lines, and of the best ones that end at all breaks, if they differ."""
    starts = [knots.by_lines(pieces, count, lines)]
    if len(pieces.breaks) < count and not np.isin(pieces.breaks, starts[0]).all():
        starts.append(knots.by_lines(pieces, count, lines, pieces.breaks))
    return [solve(pieces, start) for start in starts]


def joining_samples(pieces: Pieces, count: int, limit: int) -> list[Spline]:
    """The spline of the best lines that join samples, if there are up to `limit` samples, or few per piece; else []."""
    if pieces.table is None or not (is_scarce(pieces, count) or pieces.most <= limit):
        return []
    x, y = pieces.table
    found = knots.by_joined_lines(lines_between(pieces, x, longest_line(x, count)), count, y[None])
    return [] if found is None else [solve(pieces, found)]


def longest_line(x: np.ndarray, count: int, heights: int = 1) -> int:
    """The largest length of a line in samples: any length if the number of lines is affordable."""
    return len(x) if len(x) ** 2 * count * heights**2 <= MOST_JOINED else reach(x, count)


def is_scarce(pieces: Pieces, count: int) -> bool:
    """Whether pieces have so few samples that single ones determine the knots."""
    return pieces.most <= SAMPLES_PER_PIECE * count


def thinned(spline: Spline, count: int) -> Spline:
    """Remove the least useful knots until there are `count` pieces; a good start if bends crowd.

    Several at once, but no two neighbours, because the use of a knot depends on its neighbours.
    """
    while len(spline.slopes) > count:
        left, right = spline.lengths[:-1], spline.lengths[1:]
        away = np.diff(spline.slopes) * left * right / (left + right)  # distance of the value from the chord
        worth = away**2 * (spline.gram[2][:-1] + spline.gram[0][1:])
        surplus = len(spline.slopes) - count
        lesser = worth <= np.minimum(np.append(worth[1:], np.inf), np.append(np.inf, worth[:-1]))
        least = np.flatnonzero(lesser & (worth <= np.partition(worth, surplus - 1)[surplus - 1]))
        chosen = least[np.argsort(worth[least])[: max(1, min(surplus, len(spline.slopes) // THINNING))]]
        spline = solve(spline.pieces, np.delete(spline.knots, 1 + chosen))
    return spline


def by_turns(best: Spline, lines: Lines) -> list[Spline]:
    """Splines of as many pieces, best first, that follow only some turns of a target that has too many."""
    pieces, count = best.pieces, len(best.knots) - 1
    fine = lines_by_turns(pieces, count, lines, best.squares)
    if fine is None:
        return []
    heights = np.stack([pieces.at_knots(fine.nodes, fine.fine)[1], np.interp(fine.nodes, best.knots, best.values)])
    starts = knots.by_priced_lines(fine, count, heights, best.squares / count)
    return sorted((filled(solve(pieces, start), count) for start in starts), key=squares_left)


def filled(spline: Spline, count: int) -> Spline:
    """Halve the worst pieces until there are `count`."""
    while len(spline.knots) - 1 < count:
        long = np.where(spline.lengths > 8 * spline.pieces.narrowest, spline.errors, -1.0)
        worst = np.argsort(-long)[: min(count + 1 - len(spline.knots), len(spline.knots) // 2)]
        middles = (spline.knots[worst] + spline.knots[worst + 1]) / 2
        spline = solve(spline.pieces, np.union1d(spline.knots, middles))
    return spline


def plain_splines(pieces: Pieces, count: int) -> list[Spline]:
    """Splines of at most `count` pieces with knots found without a search: equidistant, and at quantiles of a table.

    Knots are rounded to places that the network can have; equal ones become one.
    """
    return [solve(pieces, placed_knots(pieces, knots)) for knots in pieces.plain_knots(count)]


def best_of(splines: list[Spline]) -> Spline:
    """The spline with the least error."""
    return min(splines, key=squares_left)


def squares_left(spline: Spline) -> float:
    """The sum of squares that a spline leaves."""
    squares: float = spline.squares
    return squares
