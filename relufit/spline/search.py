"""The search for the best spline that so many hidden units can be.

K - 1 units make K pieces where the spline can be closed (relufit/spline/units.py), K units always do. Few pieces have
many local optima. Dynamic programming (relufit/spline/knots.py) begins near the best of them, shifts and exchanges of
pieces lead on from there, and the result is closed (relufit/spline/closing.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from relufit.spline import knots
from relufit.spline.closing import ALIKE, FEW, FEW_STEPS, NEAR, Found, close, different, squares_of
from relufit.spline.least_squares import Spline, solve
from relufit.spline.lines import (
    FEW_PIECES,
    NEGLIGIBLE,
    NODES_PER_PIECE,
    RESOLVED,
    Lines,
    inflections,
    lines_between,
    lines_by_turns,
    lines_for,
    reach,
)
from relufit.spline.neighbours import exchanged, lowest, nudged, shifted
from relufit.spline.newton import improve, improve_all
from relufit.spline.pieces import Pieces
from relufit.spline.units import closure_of, closures

MANY = 100  # pieces, from which fewer heights are looked at, and fewer neighbours: with the square of their number
HEIGHTS = (2.0, 3), (4.0, 5)  # in rounds: up to so many root mean squares off a curve, at so many heights
NEIGHBOURS = 2  # rounds of looking at neighbours
SHIFTED, EXCHANGED = 24, 12  # the most of them that are followed in one round
FOLLOWED = 2  # of these, the most that are followed any further where pieces are more than FEW
SAMPLES_PER_PIECE, FEW_SAMPLES = 6, 400  # up to so many, lines that join samples are a start,
VERY_FEW_SAMPLES = 128  # and of a rough spline
SAME = 1e-6  # of the error: splines at their ends that differ by less are one; half-way, ALIKE
RIVAL, NEIGHBOUR_RIVAL = 2.0, 1.2  # times the error of the best: what is still followed
POLISHED, POLISHED_SAMPLES = 12, 64  # pieces, and samples of each, up to which knots are moved one by one in the end,
POLISHING, POLISHED_ENOUGH = 12, 1e-6  # so many times, or until the error gets smaller by no more than this part of it
MOST_JOINED = 2**25  # lines between samples, of each number of them, that are looked at whatever their length
THINNING = 12  # part of the knots that are taken away at once
ROUGH_STEPS = 8


def best_spline(pieces: Pieces, hidden: int) -> Found:
    """The best spline that `hidden` units can be: of hidden + 1 pieces that are closed, or of hidden pieces."""
    if pieces.table is not None and hidden >= pieces.most:  # the spline that joins all samples
        return Found(solve(pieces, pieces.table[0]), None)
    lines = lines_for(pieces, hidden + 1)
    rivals = _open_splines(pieces, hidden + 1, lines)
    wide = rivals[0]
    if wide.is_exact:  # as |x| is: one piece fewer mostly does as well
        least_turn = 1 + np.argmin(np.abs(np.diff(wide.slopes)))
        thinned = solve(pieces, np.delete(wide.knots, least_turn))
        if thinned.is_exact:
            return Found(thinned, None)
    closed = close(rivals, lines)
    closed = _polished(closed._replace(spline=_released(closed.spline)))
    # No spline of fewer pieces is better than `wide`, and most leave 1 + 4 / hidden times as much.
    slack = 1e-3 if hidden <= FEW else 2 / hidden
    allowed = pieces.least + (wide.squares - pieces.least) * (1 + slack)
    if closed.spline.squares <= allowed or closed.spline.is_exact:
        return closed
    return min(closed, _polished(Found(_narrow(wide, hidden, lines), None)), key=squares_of)


def _polished(found: Found) -> Found:
    """The same, with the knots of a few pieces of a table moved one by one to where they leave least.

    The error has an edge where a knot passes a sample, and often its minimum: Newton's method goes back and forth.
    """
    spline, left = found
    count, held, table = len(spline.slopes), spline.pieces.breaks, spline.pieces.table
    if table is None or count > POLISHED or spline.is_exact or spline.pieces.effective > POLISHED_SAMPLES * count:
        return found
    for _ in range(POLISHING):
        tried = nudged(spline.knots, held, table[0])
        if not len(tried):
            break
        closures = None if spline.closure is None else np.broadcast_to(spline.closure, (len(tried), count))
        first = int(np.argmin(solve(spline.pieces, tried, closures).squares))
        best = solve(spline.pieces, tried[first], spline.closure)
        if not best.squares < spline.squares:
            break
        is_done, spline = spline.squares - best.squares < POLISHED_ENOUGH * spline.squares, best
        if is_done:
            break
    return Found(spline, left)


def rough_splines(pieces: Pieces, units: Sequence[int]) -> Iterator[Found]:
    """About what `best_spline` gives for each of these numbers of units: the better one of two starts, and few steps.

    More than FEW turns close a spline at little cost, so the open one stands for it.
    """
    wide = [min(hidden + 1, pieces.most) for hidden in units]
    counts = sorted({*wide, *(hidden for hidden in units if hidden <= FEW)})
    few = [count for count in counts if count <= 2 * FEW]
    starts = dict(zip(few, knots.by_lines_each(pieces, few) if few else [], strict=True))

    def opened(count: int) -> Found:
        first = starts.get(count)
        first = knots.by_lines(pieces, count, lines_for(pieces, count)) if first is None else first
        start = _best([solve(pieces, first), *_joining_samples(pieces, count, VERY_FEW_SAMPLES)])
        return Found(improve(start, pieces.breaks, ROUGH_STEPS), None)

    for hidden, count in zip(units, wide, strict=True):
        found = opened(count)
        if hidden <= FEW and count > hidden:
            closed = _roughly_closed(found.spline)
            enough = closed.spline.squares <= found.spline.squares * (1 + NEAR)
            found = closed if enough else min(closed, opened(hidden), key=squares_of)
        yield found


def _roughly_closed(wide: Spline) -> Found:
    """The best of the closed splines with the knots of an open one, improved by few steps."""
    closed = [Found(solve(wide.pieces, wide.knots, closure_of(left)), left) for left in closures(wide.slopes)]
    best = min(closed, key=squares_of)
    return best._replace(spline=improve(best.spline, wide.pieces.breaks, ROUGH_STEPS))


def _open_splines(pieces: Pieces, count: int, lines: Lines) -> list[Spline]:
    """The best spline with `count` pieces, whatever the slope of its first one, and others found on the way to it."""
    starts = _by_lines(pieces, count, lines)
    if _best(starts).is_exact:
        return [_best(starts)]
    starts += _joining_samples(pieces, count, FEW_SAMPLES)
    if pieces.table is not None and count > FEW_PIECES:
        is_scarce = _is_scarce(pieces, count)
        thinned = _thinned(solve(pieces, pieces.table[0] if is_scarce else pieces.distinct(lines.nodes)), count)
        starts += [thinned] if is_scarce or thinned.squares < _best(starts).squares else []
    begun = [improve(start, pieces.breaks, FEW_STEPS) for start in starts]
    behind = RIVAL * _best(begun).squares
    found = [improve(start, pieces.breaks) for start in begun if start.squares <= behind]
    if count > FEW_PIECES:
        found += _by_turns(_best(found), lines)
    if count > 1:
        is_resolved = count >= RESOLVED * _stretches(lines, _best(found))
        if not is_resolved or _is_scarce(pieces, count):
            found = _with_joined_lines(found, lines)
        is_easy = is_resolved and count > MANY and not _is_scarce(pieces, count)
        found = found if is_easy else _with_neighbours(found)
    found += _better_plain_ones(_best(found))
    found.append(_released(_best(found)))
    return sorted(found, key=_squares)


def _by_lines(pieces: Pieces, count: int, lines: Lines) -> list[Spline]:
    """The splines of the best separate lines, and of the best that end at all breaks, where these are others."""
    starts = [knots.by_lines(pieces, count, lines)]
    if len(pieces.breaks) < count and not np.isin(pieces.breaks, starts[0]).all():
        starts.append(knots.by_lines(pieces, count, lines, pieces.breaks))
    return [solve(pieces, start) for start in starts]


def _is_scarce(pieces: Pieces, count: int) -> bool:
    """Whether a piece has so few samples that single ones decide where knots are."""
    return pieces.most <= SAMPLES_PER_PIECE * count


def _thinned(spline: Spline, count: int) -> Spline:
    """The spline without those of its knots that it does best without: of `count` pieces, good where bends crowd.

    A few at once, and no two neighbours, for what a knot is worth depends on those beside it.
    """
    while len(spline.slopes) > count:
        left, right = spline.lengths[:-1], spline.lengths[1:]
        away = np.diff(spline.slopes) * left * right / (left + right)  # of the value from the chord
        worth = away**2 * (spline.gram[2][:-1] + spline.gram[0][1:])
        most = max(1, min(len(spline.slopes) - count, len(spline.slopes) // THINNING))
        least = np.flatnonzero(worth <= np.minimum(np.append(worth[1:], np.inf), np.append(np.inf, worth[:-1])))
        chosen = least[np.argsort(worth[least])[:most]]
        spline = solve(spline.pieces, np.delete(spline.knots, 1 + chosen))
    return spline


def _stretches(lines: Lines, best: Spline) -> int:
    """Stretches of a target between two inflection points, about, from nodes no further apart than pieces are long."""
    nodes, fine = lines.nodes, lines.fine
    if len(best.slopes) > MANY:  # between nodes of a large table are few samples, whose turns are a matter of chance
        nodes = np.append(nodes[:-1:NODES_PER_PIECE], nodes[-1])
        fine = best.pieces.moments(nodes)
    return 1 + inflections(nodes, fine, NEGLIGIBLE * np.sqrt(best.mse))


def _by_turns(best: Spline, lines: Lines) -> list[Spline]:
    """Splines of as many pieces that follow some turns of the target and leave out others, where there are too many."""
    pieces, count = best.pieces, len(best.knots) - 1
    fine = lines_by_turns(pieces, count, lines, best.squares)
    if fine is None:
        return []
    heights = np.stack([pieces.at_knots(fine.nodes, fine.fine)[1], np.interp(fine.nodes, best.knots, best.values)])
    starts = knots.by_priced_lines(fine, count, heights, best.squares / count)
    splines = sorted((_filled(solve(pieces, start), count) for start in starts), key=_squares)
    return [improve(spline, pieces.breaks) for spline in splines[:FOLLOWED]]


def _filled(spline: Spline, count: int) -> Spline:
    """A spline of `count` pieces: the worst ones are halved until there are as many."""
    while len(spline.knots) - 1 < count:
        long = np.where(spline.lengths > 8 * spline.pieces.narrowest, spline.errors, -1.0)
        worst = np.argsort(-long)[: min(count + 1 - len(spline.knots), len(spline.knots) // 2)]
        middles = (spline.knots[worst] + spline.knots[worst + 1]) / 2
        spline = solve(spline.pieces, np.union1d(spline.knots, middles))
    return spline


def plain_splines(pieces: Pieces, count: int) -> list[Spline]:
    """Splines of at most `count` pieces whose knots nothing was searched for: equidistant, and at quantiles of a table.

    Knots are where the network can have them; those that fall together are one.
    """
    return [solve(pieces, _placed(pieces, knots)) for knots in pieces.plain_knots(count)]


def _placed(pieces: Pieces, knots: np.ndarray) -> np.ndarray:
    """Sorted knots (K + 1,), all but the ends rounded to places that the network can have; at most as many."""
    inner = np.rint(knots[1:-1] / pieces.spacing) * pieces.spacing
    inner = np.unique(inner[(inner > pieces.low) & (inner < pieces.high)])
    return np.concatenate([[pieces.low], inner, [pieces.high]])


def placed(found: Found) -> Found:
    """The same with knots at places that the network can have; beside a knot that is rounded, slopes would not fit."""
    spline = found.spline
    knots = _placed(spline.pieces, spline.knots)
    if len(knots) < len(spline.knots):  # some have fallen together, and their turns with them
        return Found(solve(spline.pieces, knots), None)
    return Found(solve(spline.pieces, knots, spline.closure), found.left)


def _better_plain_ones(best: Spline) -> list[Spline]:
    """Plain splines of as many pieces, improved, where they are better than this one.

    As happens where a piece has two samples, and where a function turns too often for the nodes to show it.
    """
    count, held = len(best.knots) - 1, best.pieces.breaks
    plain = (_filled(spline, count) for spline in plain_splines(best.pieces, count) if spline.squares < best.squares)
    return [improve(spline, held) for spline in plain]


def _released(spline: Spline) -> Spline:
    """The same, improved with knots that may leave a kink: the best ones need not stand there. Those at jumps stay."""
    kinks = np.setdiff1d(spline.pieces.breaks, spline.pieces.jumps)
    if not np.isin(spline.knots, kinks).any():
        return spline
    return improve(replace(spline, is_converged=False), spline.pieces.jumps)


def _with_joined_lines(found: list[Spline], lines: Lines) -> list[Spline]:
    """These splines, and those of joined lines at heights around the target, then around the best so far."""
    best, found = _best(found), list(found)
    pieces, count = best.pieces, len(best.knots) - 1
    if pieces.table is not None and _is_scarce(pieces, count):
        lines = lines_between(pieces, pieces.table[0], _longest(pieces.table[0], count, HEIGHTS[0][1]))
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
            tried = improve(tried, pieces.breaks)
        if all(abs(tried.squares - other.squares) > SAME * other.squares for other in found):
            found.append(tried)
        if count > FEW and tried.squares >= best.squares * (1 - SAME):
            break  # where pieces are fewer, another round may still find something
        best = _best(found)
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
        best, table = _best(found), found[0].pieces.sampled
        starts = lowest(table, shifted(best.knots, best.slopes, held), shifts)
        if exchanges:
            starts = np.concatenate([starts, lowest(table, exchanged(table, best.knots), exchanges)])
        if not len(starts):
            break
        ended, limit = improve_all(solve(table, starts), held, FEW_STEPS), solve(table, best.knots).squares
        for i in different(ended.squares)[: None if len(best.slopes) <= FEW else FOLLOWED]:
            if ended.squares[i] <= NEIGHBOUR_RIVAL * limit and abs(ended.squares[i] - limit) > ALIKE * limit:
                spline = solve(best.pieces, ended.knots[i])
                found.append(improve(spline, held) if spline.squares < best.squares else spline)
        if _best(found).squares >= best.squares * (1 - SAME):
            break
    return found


def _joining_samples(pieces: Pieces, count: int, few: int) -> list[Spline]:
    """The spline of the best lines that join samples, if there are any; where samples are few, or few for a piece."""
    if pieces.table is None or not (_is_scarce(pieces, count) or pieces.most <= few):
        return []
    x, y = pieces.table
    found = knots.by_joined_lines(lines_between(pieces, x, _longest(x, count)), count, y[None])
    return [] if found is None else [solve(pieces, found)]


def _longest(x: np.ndarray, count: int, heights: int = 1) -> int:
    """Samples that a line is long at the most: all of them where the lines are not too many to be looked at."""
    return len(x) if len(x) ** 2 * count * heights**2 <= MOST_JOINED else reach(x, count)


def _narrow(wide: Spline, count: int, lines: Lines) -> Spline:
    """A spline of one piece fewer: of the knots of `wide`, each moved a little where they are many, or one taken away.

    Where some stand at breaks, which do not move, lines are looked at too.
    """
    pieces = wide.pieces
    starts = [_thinned(wide, count)]
    if count > FEW:
        starts.append(solve(pieces, np.interp(np.linspace(0, count + 1, count + 1), np.arange(count + 2), wide.knots)))
    if count <= FEW or len(pieces.breaks) or len(pieces.suspects):
        starts += _by_lines(pieces, count, lines)
    limit = RIVAL * _best(starts).squares
    best = _best([improve(start, pieces.breaks) for start in starts if start.squares <= limit])
    return _released(_best([best, *_better_plain_ones(best)]))


def _best(splines: list[Spline]) -> Spline:
    return min(splines, key=_squares)


def _squares(spline: Spline) -> float:
    squares: float = spline.squares
    return squares
