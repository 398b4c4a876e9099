"""The best spline with a given number of pieces, whatever the slope of its first one: an open one.

From several starts (starts.py) Newton's method leads on; where a target has more turns than pieces can follow, so do
lines that meet and shifts and exchanges of pieces.
"""

from dataclasses import replace

import numpy as np

from relufit.spline import knots
from relufit.spline.closing import ALIKE, FEW, FEW_STEPS, STEPS_OF_MANY, different
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
from relufit.spline.neighbours import exchanged, lowest, shifted
from relufit.spline.newton import STEPS, improve, improve_all
from relufit.spline.pieces import Pieces
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

MANY = 100  # pieces, from which fewer heights are looked at, and fewer neighbours: with the square of their number
HEIGHTS = (2.0, 3), (4.0, 5)  # in rounds: root mean squares off a curve, and the number of heights
NEIGHBOURS = 2  # rounds of looking at neighbours
SHIFTED, EXCHANGED = 24, 12  # the most of them that are followed in one round
STEPS_OF_NEIGHBOURS = 4  # where pieces are more than FEW
FOLLOWED = 2  # of these, and of splines by turns, the most that are followed any further where pieces are many
CROWDED = 150.0  # times what lines between nodes leave; three nodes a piece leave an 81st, where bends do not crowd
UNEVEN = 0.5  # part of the pieces that matter to the error, below which they share it unevenly
MANY_SAMPLES, VERY_MANY_SAMPLES = 10, 64  # a piece: above them all samples are a start where errors are uneven, or none
SAME = 1e-6  # of the error: splines at their ends that differ by less are one; half-way, ALIKE
RIVAL, RIVAL_OF_MANY, NEIGHBOUR_RIVAL = 2.0, 1.1, 1.2  # times the error of the best: what is still followed


def open_splines(pieces: Pieces, count: int, lines: Lines) -> list[Spline]:
    """The best spline with `count` pieces, whatever the slope of its first one, and others found on the way to it."""
    starts = by_lines(pieces, count, lines)
    starts += joining_samples(pieces, count, FEW_SAMPLES)
    if best_of(starts).is_exact:  # the others may be easier to close
        return sorted([*starts, *(improve(start, pieces.breaks) for start in starts)], key=squares_left)
    is_uneven = _is_uneven(best_of(starts))
    if pieces.table is not None and count > FEW_PIECES:
        starts += _thinned(pieces, count, lines, best_of(starts), is_uneven)
    begun = [improve(start, pieces.breaks, FEW_STEPS) for start in starts]
    if is_uneven:  # the best start may be the last to settle
        begun = [improve(start, pieces.breaks, STEPS_OF_MANY) for start in begun]
    behind = (RIVAL if count <= MANY else RIVAL_OF_MANY) * best_of(begun).squares
    is_resolved = count >= RESOLVED * _stretches(lines, best_of(begun))
    is_small = is_scarce(pieces, count) and pieces.most <= FEW_SAMPLES  # where all that may help is affordable
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
    """Whether few pieces of a table have most of the error: near kinks and jumps, or where single samples decide.

    The square of a sum over the sum of squares counts the terms that matter.
    """
    squares = np.square(spline.errors).sum()
    few_samples = spline.pieces.table is not None and spline.pieces.most <= VERY_MANY_SAMPLES * len(spline.slopes)
    return bool(few_samples and spline.squares**2 < UNEVEN * len(spline.slopes) * squares)


def _thinned(pieces: Pieces, count: int, lines: Lines, best: Spline, is_uneven: bool) -> list[Spline]:
    """Splines with knots at all nodes of the lines, where bends crowd, and at all samples, without the least useful."""
    are_few = is_uneven or pieces.most <= MANY_SAMPLES * count
    is_crowded = best.squares > CROWDED * lines.fine.rest.sum()
    many = [pieces.distinct(lines.nodes)] if are_few or is_crowded else []
    many += [pieces.table[0]] if are_few and pieces.table is not None else []
    return [thinned(solve(pieces, nodes), count) for nodes in many if len(nodes) > count]


def _stretches(lines: Lines, best: Spline) -> int:
    """Stretches of a target between two inflection points, about, from nodes no further apart than pieces are long."""
    nodes, fine = lines.nodes, lines.fine
    if len(best.slopes) > MANY:  # between nodes of a large table are few samples, whose turns are a matter of chance
        nodes = np.append(nodes[:-1:NODES_PER_PIECE], nodes[-1])
        fine = best.pieces.moments(nodes)
    return 1 + inflections(nodes, fine, NEGLIGIBLE * np.sqrt(best.mse))


def _with_joined_lines(found: list[Spline], lines: Lines, steps: int) -> list[Spline]:
    """These splines, and those of joined lines at heights around the target, then around the best so far."""
    best, found = best_of(found), list(found)
    pieces, count = best.pieces, len(best.knots) - 1
    if pieces.table is not None and is_scarce(pieces, count):
        lines = lines_between(pieces, pieces.table[0], longest_line(pieces.table[0], count, HEIGHTS[0][1]))
    else:
        lines = lines.of_about(count)
    around = pieces.at_knots(lines.nodes, lines.fine)[1]
    for highest, number in HEIGHTS if count <= MANY else HEIGHTS[:1]:
        heights = around + np.linspace(-highest, highest, number)[:, None] * np.sqrt(best.mse)
        start = knots.by_joined_lines(lines, count, heights)
        if start is None:
            break
        tried = improve(solve(pieces, start), pieces.breaks, FEW_STEPS)
        if tried.squares <= RIVAL * best.squares:
            tried = improve(tried, pieces.breaks, steps)
        if all(abs(tried.squares - other.squares) > SAME * other.squares for other in found):
            found.append(tried)
        if count > FEW and tried.squares >= best.squares * (1 - SAME):
            break  # where pieces are fewer, another round may still find something
        best = best_of(found)
        around = np.interp(lines.nodes, best.knots, best.values)
    return found


def _with_neighbours(found: list[Spline]) -> list[Spline]:
    """These splines, and the best neighbours of the best; again of those, where one is better.

    Neighbours that are not better are rivals, and left as found.
    """
    found, held = list(found), found[0].pieces.breaks
    part = min(1.0, (MANY / len(found[0].slopes)) ** 2)
    shifts, exchanges = int(part * SHIFTED), int(part * EXCHANGED)
    for _ in range(NEIGHBOURS if shifts else 0):
        best, table = best_of(found), found[0].pieces.sampled
        moved = shifted(best.knots, best.slopes, held)
        # A jump is one piece: more of them inside would be narrower than the network can be sure of.
        narrow = 0.99 * table.narrowest
        moved = moved[(np.diff(moved) < narrow).sum(axis=1) <= (best.lengths < narrow).sum()]
        starts = lowest(table, moved, shifts)
        if exchanges:
            starts = np.concatenate([starts, lowest(table, exchanged(table, best.knots), exchanges)])
        if not len(starts):
            break
        limit = solve(table, best.knots).squares
        ended = improve_all(solve(table, starts), held, FEW_STEPS if len(best.slopes) <= FEW else STEPS_OF_NEIGHBOURS)
        for i in different(ended.squares)[: None if len(best.slopes) <= FEW else FOLLOWED]:
            if ended.squares[i] <= NEIGHBOUR_RIVAL * limit and abs(ended.squares[i] - limit) > ALIKE * limit:
                spline = solve(best.pieces, ended.knots[i])
                found.append(improve(spline, held) if spline.squares < best.squares else spline)
        if best_of(found).squares >= best.squares * (1 - (SAME if len(best.slopes) <= FEW else ALIKE)):
            break
    return found


def better_plain_ones(best: Spline) -> list[Spline]:
    """Plain splines of as many pieces, improved, where they are better than this one.

    As happens where a piece has two samples, and where a function turns too often for the nodes to show it.
    """
    count, held = len(best.knots) - 1, best.pieces.breaks
    plain = (filled(spline, count) for spline in plain_splines(best.pieces, count) if spline.squares < best.squares)
    return [improve(spline, held) for spline in plain]


def released(spline: Spline) -> Spline:
    """The same, improved with knots that may leave a kink: the best ones need not stand there. Those at jumps stay."""
    kinks = np.setdiff1d(spline.pieces.breaks, spline.pieces.jumps)
    if not np.isin(spline.knots, kinks).any():
        return spline
    return improve(replace(spline, is_converged=False), spline.pieces.jumps)
