"""The search for the best spline that a network with `hidden` units can represent.

K units can make any spline of K pieces, and K - 1 units one that is closed (relufit/spline/units.py). So the search
closes (closing.py) the best open spline of hidden + 1 pieces (open_splines.py), or takes one of `hidden` pieces.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from relufit.spline import knots
from relufit.spline.closing import NEAR, SMALL_SPLINE, Found, close, squares_of
from relufit.spline.least_squares import Spline, solve
from relufit.spline.lines import Lines, lines_for
from relufit.spline.moments.pieces import Pieces
from relufit.spline.neighbours import nudged
from relufit.spline.newton import improve
from relufit.spline.open_splines import RIVAL, better_plain_ones, open_splines, released
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

POLISHED, POLISHED_SAMPLES = 12, 64  # pieces, and samples per piece, up to which knots are finally moved one by one,
POLISHING, POLISHED_ENOUGH = 12, 1e-6  # rounds of that, and the relative gain below which they end
EXTENDED = 4  # units above which splines of fewer units, with knots added, are tried too, if samples are few
ROUGH_STEPS = 8  # Newton steps of rough splines


def best_spline(pieces: Pieces, hidden: int) -> Found:
    """The best spline that `hidden` units can represent: of hidden + 1 pieces that are closed, or of hidden pieces."""
    if pieces.table is not None and hidden >= pieces.most:  # the spline that joins all samples
        return Found(solve(pieces, pieces.table[0]), None)
    found = _searched(pieces, hidden)
    if hidden <= EXTENDED or pieces.most > FEW_SAMPLES or not is_scarce(pieces, hidden):
        return found
    # With few samples per piece, a search for fewer units may find a better spline. A piece may join two samples, so
    # half as many pieces as samples may be exact; more are harder to place.
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
    best_open = rivals[0]
    if best_open.is_exact:  # as for |x|: then one piece less is mostly exact too
        least_turn = 1 + np.argmin(np.abs(np.diff(best_open.slopes)))
        thinned = solve(pieces, np.delete(best_open.knots, least_turn))
        if thinned.is_exact:
            return Found(thinned, None)
    closed = close(rivals, lines)
    closed = _polished(closed._replace(spline=released(closed.spline)))
    # No spline of fewer pieces is better than `best_open`; the error of most is 1 + 4 / hidden times as large.
    slack = 1e-3 if hidden <= SMALL_SPLINE else 2 / hidden
    allowed = pieces.least + (best_open.squares - pieces.least) * (1 + slack)
    if closed.spline.squares <= allowed or closed.spline.is_exact:
        return closed
    return min(closed, _polished(Found(_with_fewer_pieces(best_open, hidden, lines), None)), key=squares_of)


def _filled(found: Found, hidden: int) -> Found:
    """Add knots, and so units; the new units of a closed spline face right."""
    spline = filled(found.spline, hidden if found.left is None else hidden + 1)
    if found.left is None:
        return Found(spline, None)
    left = np.isin(spline.knots[1:-1], found.spline.knots[1:-1][found.left])
    return Found(solve(spline.pieces, spline.knots, closure_of(left)), left)


def _with_fewer_pieces(best_open: Spline, count: int, lines: Lines) -> Spline:
    """A spline of one piece less than `best_open`: with one knot removed, or, for many knots, with all moved a little.

    Lines are starts too if pieces are few, or if the target has breaks or kinks.
    """
    pieces = best_open.pieces
    starts = [thinned(best_open, count)]
    if count > SMALL_SPLINE:
        moved = solve(pieces, np.interp(np.linspace(0, count + 1, count + 1), np.arange(count + 2), best_open.knots))
        starts = [best_of([moved, *starts])]
    if count <= SMALL_SPLINE or len(pieces.breaks) or len(pieces.suspects):
        starts += by_lines(pieces, count, lines)
    limit = RIVAL * best_of(starts).squares
    best = best_of([improve(start, pieces.breaks) for start in starts if start.squares <= limit])
    return released(best_of([best, *better_plain_ones(best)]))


def _polished(found: Found) -> Found:
    """Move the knots of a spline of few pieces on a table one by one to where the error is least.

    The error is not smooth where a knot passes a sample, and often minimal there, where Newton's method oscillates.
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
    """An approximation of `best_spline` for each of these numbers of units, from two starts by a few steps.

    Above SMALL_SPLINE units, closing a spline costs little, so the open spline approximates it.
    """
    open_counts = [min(hidden + 1, pieces.most) for hidden in units]
    counts = sorted({*open_counts, *(hidden for hidden in units if hidden <= SMALL_SPLINE)})
    few = [count for count in counts if count <= 2 * SMALL_SPLINE]
    starts = dict(zip(few, knots.by_lines_each(pieces, few) if few else [], strict=True))

    def opened(count: int) -> Found:
        first = starts.get(count)
        first = knots.by_lines(pieces, count, lines_for(pieces, count)) if first is None else first
        start = best_of([solve(pieces, first), *joining_samples(pieces, count, VERY_FEW_SAMPLES)])
        return Found(improve(start, pieces.breaks, ROUGH_STEPS), None)

    for hidden, count in zip(units, open_counts, strict=True):
        found = opened(count)
        if hidden <= SMALL_SPLINE and count > hidden:
            closed = _roughly_closed(found.spline)
            enough = closed.spline.squares <= found.spline.squares * (1 + NEAR)
            found = closed if enough else min(closed, opened(hidden), key=squares_of)
        yield found


def _roughly_closed(spline: Spline) -> Found:
    """The best of the closed splines with the knots of an open one, improved by a few steps."""
    closed = [Found(solve(spline.pieces, spline.knots, closure_of(left)), left) for left in closures(spline.slopes)]
    best = min(closed, key=squares_of)
    return best._replace(spline=improve(best.spline, spline.pieces.breaks, ROUGH_STEPS))
