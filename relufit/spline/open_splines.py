"""The best open spline with a given number of pieces: the slope of its first piece is free.

Newton's method improves several starts (starts.py). If a target has more turns than pieces can follow, joined lines,
shifts and exchanges of pieces are further starts.
"""

from dataclasses import replace

import numpy as np

from relufit.spline import knots
from relufit.spline.closing import ALIKE, FIRST_STEPS, SMALL_SPLINE, STEPS_OF_MANY, different
from relufit.spline.least_squares import Spline, solve
from relufit.spline.lines import (
    FEW_PIECES,
    NEGLIGIBLE,
    NODES_PER_PIECE,
    RESOLVED,
    Lines,
    inflections,
    lines_between,
)
from relufit.spline.moments.pieces import Pieces
from relufit.spline.neighbours import exchanged, lowest, shifted
from relufit.spline.newton import STEPS, improve, improve_all
from relufit.spline.starts import (
    FEW_SAMPLES,
    best_of,
    by_lines,
    by_turns,
    filled,
    is_scarce,
    joining_samples,
    longest_line,
    plain_splines,
    squares_left,
    thinned,
)

MANY = 100  # pieces above which fewer heights and neighbours are tried: their cost grows with the square
HEIGHTS = (2.0, 3), (4.0, 5)  # per round: largest distance from a curve, in root mean squares, and number of heights
NEIGHBOURS = 2  # rounds of neighbours
SHIFTED, EXCHANGED = 24, 12  # largest number of shifts and of exchanges that are improved in a round
STEPS_OF_NEIGHBOURS = 4  # Newton steps of neighbours of more than SMALL_SPLINE pieces
FOLLOWED = 2  # largest number of neighbours, and of splines by turns, that are improved further for many pieces
CROWDED = 150.0  # ratio to the error of lines between nodes that shows crowded bends; evenly spread bends give 81
UNEVEN = 0.5  # share of pieces that contribute to the error, below which it is uneven
MANY_SAMPLES, VERY_MANY_SAMPLES = (
    10,
    64,
)  # samples per piece above which all samples are a start only for uneven errors, or never
SAME = 1e-6  # relative difference of errors below which two converged splines count as one; before, ALIKE
RIVAL, RIVAL_OF_MANY, NEIGHBOUR_RIVAL = 2.0, 1.1, 1.2  # ratio to the least error up to which a spline is improved


def open_splines(pieces: Pieces, count: int, lines: Lines) -> list[Spline]:
    """The best open spline found with `count` pieces, and others found in the search, best first."""
    starts = by_lines(pieces, count, lines)
    starts += joining_samples(pieces, count, FEW_SAMPLES)
    if best_of(starts).is_exact:  # other splines may be easier to close
        return sorted([*starts, *(improve(start, pieces.breaks) for start in starts)], key=squares_left)
    is_uneven = _is_uneven(best_of(starts))
    if pieces.table is not None and count > FEW_PIECES:
        starts += _thinned(pieces, count, lines, best_of(starts), is_uneven)
    begun = [improve(start, pieces.breaks, FIRST_STEPS) for start in starts]
    if is_uneven:  # the best start may converge last
        begun = [improve(start, pieces.breaks, STEPS_OF_MANY) for start in begun]
    behind = (RIVAL if count <= MANY else RIVAL_OF_MANY) * best_of(begun).squares
    is_resolved = count >= RESOLVED * _stretches(lines, best_of(begun))
    is_small = is_scarce(pieces, count) and pieces.most <= FEW_SAMPLES  # then every kind of start is affordable
    steps = STEPS if is_resolved or is_small or is_uneven or count <= MANY else STEPS_OF_MANY
    found = [improve(start, pieces.breaks, steps) for start in begun if start.squares <= behind]
    if count > FEW_PIECES:
        following = by_turns(best_of(found), lines)[:FOLLOWED]
        found += [improve(spline, pieces.breaks) for spline in following]
    if count > 1:
        if not is_resolved or is_small:
            found = _with_joined_lines(found, lines, steps)
        is_easy = is_resolved and count > MANY and not is_small
        found = found if is_easy else _with_neighbours(found)
    found += better_plain_ones(best_of(found))
    found.append(released(best_of(found)))
    return sorted(found, key=squares_left)


def _is_uneven(spline: Spline) -> bool:
    """Whether few pieces of a table have most of the error, as near kinks and jumps, or with few samples per piece.

    The square of the sum over the sum of squares counts the pieces that contribute.
    """
    squares = np.square(spline.errors).sum()
    few_samples = spline.pieces.table is not None and spline.pieces.most <= VERY_MANY_SAMPLES * len(spline.slopes)
    return bool(few_samples and spline.squares**2 < UNEVEN * len(spline.slopes) * squares)


def _thinned(pieces: Pieces, count: int, lines: Lines, best: Spline, is_uneven: bool) -> list[Spline]:
    """Splines with knots at all nodes of the lines, if bends crowd, or at all samples, less the least useful ones."""
    are_few = is_uneven or pieces.most <= MANY_SAMPLES * count
    is_crowded = best.squares > CROWDED * lines.fine.rest.sum()
    many = [pieces.distinct(lines.nodes)] if are_few or is_crowded else []
    many += [pieces.table[0]] if are_few and pieces.table is not None else []
    return [thinned(solve(pieces, nodes), count) for nodes in many if len(nodes) > count]


def _stretches(lines: Lines, best: Spline) -> int:
    """The approximate number of stretches between inflection points, from nodes no further apart than knots."""
    nodes, fine = lines.nodes, lines.fine
    if len(best.slopes) > MANY:  # between nodes of a large table there are few samples, and their turns are random
        nodes = np.append(nodes[:-1:NODES_PER_PIECE], nodes[-1])
        fine = best.pieces.moments(nodes)
    return 1 + inflections(nodes, fine, NEGLIGIBLE * np.sqrt(best.mse))


def _with_joined_lines(found: list[Spline], lines: Lines, steps: int) -> list[Spline]:
    """Add splines of joined lines at heights around the target, then around the best spline so far."""
    best, found = best_of(found), list(found)
    pieces, count = best.pieces, len(best.knots) - 1
    if pieces.table is not None and is_scarce(pieces, count):
        lines = lines_between(pieces, pieces.table[0], longest_line(pieces.table[0], count, HEIGHTS[0][1]))
    else:
        lines = lines.shortened(count)
    around = pieces.at_knots(lines.nodes, lines.fine)[1]
    for highest, number in HEIGHTS if count <= MANY else HEIGHTS[:1]:
        heights = around + np.linspace(-highest, highest, number)[:, None] * np.sqrt(best.mse)
        start = knots.by_joined_lines(lines, count, heights)
        if start is None:
            break
        tried = improve(solve(pieces, start), pieces.breaks, FIRST_STEPS)
        if tried.squares <= RIVAL * best.squares:
            tried = improve(tried, pieces.breaks, steps)
        if all(abs(tried.squares - other.squares) > SAME * other.squares for other in found):
            found.append(tried)
        if count > SMALL_SPLINE and tried.squares >= best.squares * (1 - SAME):
            break  # with fewer pieces, another round may still improve
        best = best_of(found)
        around = np.interp(lines.nodes, best.knots, best.values)
    return found


def _with_neighbours(found: list[Spline]) -> list[Spline]:
    """Add the best neighbours of the best spline; repeat if one of them is better.

    Neighbours that are not better stay in the result as rivals, without further improvement.
    """
    found, held = list(found), found[0].pieces.breaks
    part = min(1.0, (MANY / len(found[0].slopes)) ** 2)
    shifts, exchanges = int(part * SHIFTED), int(part * EXCHANGED)
    for _ in range(NEIGHBOURS if shifts else 0):
        best, table = best_of(found), found[0].pieces.sampled
        moved = shifted(best.knots, best.slopes, held)
        # A jump is one piece: pieces inside it would be too narrow for the network.
        narrow = 0.99 * table.narrowest
        moved = moved[(np.diff(moved) < narrow).sum(axis=1) <= (best.lengths < narrow).sum()]
        starts = lowest(table, moved, shifts)
        if exchanges:
            starts = np.concatenate([starts, lowest(table, exchanged(table, best.knots), exchanges)])
        if not len(starts):
            break
        limit = solve(table, best.knots).squares
        ended = improve_all(
            solve(table, starts), held, FIRST_STEPS if len(best.slopes) <= SMALL_SPLINE else STEPS_OF_NEIGHBOURS
        )
        for i in different(ended.squares)[: None if len(best.slopes) <= SMALL_SPLINE else FOLLOWED]:
            if ended.squares[i] <= NEIGHBOUR_RIVAL * limit and abs(ended.squares[i] - limit) > ALIKE * limit:
                spline = solve(best.pieces, ended.knots[i])
                found.append(improve(spline, held) if spline.squares < best.squares else spline)
        if best_of(found).squares >= best.squares * (1 - (SAME if len(best.slopes) <= SMALL_SPLINE else ALIKE)):
            break
    return found


def better_plain_ones(best: Spline) -> list[Spline]:
    """Plain splines of as many pieces that are better than `best`, improved.

    There are some if a piece has two samples, or if a function has more turns than nodes.
    """
    count, held = len(best.knots) - 1, best.pieces.breaks
    plain = (filled(spline, count) for spline in plain_splines(best.pieces, count) if spline.squares < best.squares)
    return [improve(spline, held) for spline in plain]


def released(spline: Spline) -> Spline:
    """Improve a spline further with free knots at kinks, which need not be the best places; those at jumps stay."""
    kinks = np.setdiff1d(spline.pieces.breaks, spline.pieces.jumps)
    if not np.isin(spline.knots, kinks).any():
        return spline
    return improve(replace(spline, is_converged=False), spline.pieces.jumps)
