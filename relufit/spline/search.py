"""The search for the best spline that a network with `hidden` units can be.

K - 1 units make K pieces where the spline can be closed (relufit/spline/units.py), K units always do. So the best open
spline of K pieces (open_splines.py) is closed (closing.py), or gives way to one of K - 1 pieces.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from relufit.spline import knots
from relufit.spline.closing import FEW, NEAR, Found, close, squares_of
from relufit.spline.least_squares import Spline, solve
from relufit.spline.lines import Lines, lines_for
from relufit.spline.neighbours import nudged
from relufit.spline.newton import improve
from relufit.spline.open_splines import RIVAL, better_plain_ones, open_splines, released
from relufit.spline.pieces import Pieces
from relufit.spline.starts import (
    FEW_SAMPLES,
    VERY_FEW_SAMPLES,
    best_of,
    by_lines,
    filled,
    is_scarce,
    joining_samples,
    thinned,
)
from relufit.spline.units import closure_of, closures

POLISHED, POLISHED_SAMPLES = 12, 64  # pieces, and samples of each, up to which knots are moved one by one in the end,
POLISHING, POLISHED_ENOUGH = 12, 1e-6  # rounds, and the relative gain below which they end
FEWER = 4  # units, from which splines of fewer units and more knots are tried too, where samples are few
ROUGH_STEPS = 8


def best_spline(pieces: Pieces, hidden: int) -> Found:
    """The best spline that `hidden` units can represent: of hidden + 1 pieces that are closed, or of hidden pieces."""
    if pieces.table is not None and hidden >= pieces.most:  # the spline that joins all samples
        return Found(solve(pieces, pieces.table[0]), None)
    found = _searched(pieces, hidden)
    if hidden <= FEWER or pieces.most > FEW_SAMPLES or not is_scarce(pieces, hidden):
        return found
    # Where single samples decide, a search may miss what one for fewer units finds. A piece may join two samples, so
    # that half as many pieces as samples may be exact; more are harder to place.
    half = pieces.most // 2 + 1
    for fewer in (hidden - 1, hidden - 2, *([half] if hidden - 2 > half else [])):
        if found.spline.is_exact:
            break
        found = min(found, _filled(_searched(pieces, fewer), hidden), key=squares_of)
    return found


def _searched(pieces: Pieces, hidden: int) -> Found:
    """The best spline found for this number of units alone."""
    lines = lines_for(pieces, hidden + 1)
    rivals = open_splines(pieces, hidden + 1, lines)
    wide = rivals[0]
    if wide.is_exact:  # as |x| is: one piece fewer mostly does as well
        least_turn = 1 + np.argmin(np.abs(np.diff(wide.slopes)))
        thinned = solve(pieces, np.delete(wide.knots, least_turn))
        if thinned.is_exact:
            return Found(thinned, None)
    closed = close(rivals, lines)
    closed = _polished(closed._replace(spline=released(closed.spline)))
    # No spline of fewer pieces is better than `wide`, and most leave 1 + 4 / hidden times as much.
    slack = 1e-3 if hidden <= FEW else 2 / hidden
    allowed = pieces.least + (wide.squares - pieces.least) * (1 + slack)
    if closed.spline.squares <= allowed or closed.spline.is_exact:
        return closed
    return min(closed, _polished(Found(_narrow(wide, hidden, lines), None)), key=squares_of)


def _filled(found: Found, hidden: int) -> Found:
    """The same with more knots, and so more units; those that a closed spline gets face right."""
    spline = filled(found.spline, hidden if found.left is None else hidden + 1)
    if found.left is None:
        return Found(spline, None)
    left = np.isin(spline.knots[1:-1], found.spline.knots[1:-1][found.left])
    return Found(solve(spline.pieces, spline.knots, closure_of(left)), left)


def _narrow(wide: Spline, count: int, lines: Lines) -> Spline:
    """A spline of one piece fewer: of the knots of `wide`, each moved a little where they are many, or one taken away.

    Where some stand at breaks, which do not move, lines are looked at too.
    """
    pieces = wide.pieces
    starts = [thinned(wide, count)]
    if count > FEW:
        moved = solve(pieces, np.interp(np.linspace(0, count + 1, count + 1), np.arange(count + 2), wide.knots))
        starts = [best_of([moved, *starts])]
    if count <= FEW or len(pieces.breaks) or len(pieces.suspects):
        starts += by_lines(pieces, count, lines)
    limit = RIVAL * best_of(starts).squares
    best = best_of([improve(start, pieces.breaks) for start in starts if start.squares <= limit])
    return released(best_of([best, *better_plain_ones(best)]))


def _polished(found: Found) -> Found:
    """The same, with the knots of a few pieces of a table moved one by one to where the error is least.

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
        start = best_of([solve(pieces, first), *joining_samples(pieces, count, VERY_FEW_SAMPLES)])
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
