"""The search for the best spline that so many hidden units can be: starts, exchanges of knots, and closing it.

K - 1 units make K pieces where the spline can be closed (units.py), K units always do. Few pieces have many
local optima, so for them more starts are followed, and knots are taken out in one place and put in another.
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from relufit.spline import knots
from relufit.spline.breaks import NARROWEST
from relufit.spline.least_squares import Spline, improve, solve
from relufit.spline.pieces import Pieces
from relufit.spline.units import closure_of, closures

FEW = 24  # pieces up to which knots are exchanged
ROUNDS = 3  # of exchanges
FOLLOWED = 2  # exchanges in a round that are followed,
FEW_STEPS = 8  # for so many steps
RIVAL = 4.0  # times the error of the best after as many: a start that is still followed
CLOSED_STEPS, ROUGH_STEPS = 16, 8


class Found(NamedTuple):
    """The best spline found for a number of hidden units; `left` closes it, None where a unit is spent on its slope."""

    spline: Spline
    left: np.ndarray | None


def best_spline(pieces: Pieces, hidden: int) -> Found:
    """The best spline that `hidden` units can be: of hidden + 1 pieces that are closed, or of hidden pieces."""
    if hidden >= pieces.most:
        return Found(_best_open(pieces, hidden), None)
    wide = _best_open(pieces, hidden + 1)
    if wide.is_exact:  # exact, as |x| is: one piece fewer mostly does as well
        narrow = _narrow(wide, hidden)
        if narrow.is_exact:
            return Found(narrow, None)
    closed = _closed(wide, FOLLOWED if hidden <= FEW else 1)
    # No spline of fewer pieces is better than `wide`, and most leave 1 + 4 / hidden times as much.
    slack = 1e-3 if hidden <= FEW else 2 / hidden
    allowed = pieces.least + (wide.squares - pieces.least) * (1 + slack)
    if closed.spline.squares <= allowed or closed.spline.is_exact:
        return closed
    return min(closed, Found(_narrow(wide, hidden), None), key=lambda found: found.spline.squares)


def rough_splines(pieces: Pieces, counts: Sequence[int]) -> Iterator[Found]:
    """Good splines of so many pieces each, for comparing their numbers: one start, few steps, and no exchanges."""
    few = [] if len(pieces.breaks) else [count for count in counts if count <= 2 * FEW]
    starts = knots.by_lines_each(pieces, few) if few else []
    for count, start in zip_longest(counts, starts):
        held = _held(pieces, count)
        first = knots.by_lines(pieces, count, held) if start is None else start
        yield Found(improve(solve(pieces, first), held, ROUGH_STEPS), None)


def _best_open(pieces: Pieces, count: int) -> Spline:
    """The best spline with `count` pieces, whatever the slope of its first one."""
    held = _held(pieces, count)
    few = count <= FEW
    with_chords = few or knots.has_few_samples(pieces, count)
    by_lines = knots.by_lines_and_chords if with_chords else lambda *given: [knots.by_lines(*given)]
    starts = [solve(pieces, start) for start in by_lines(pieces, count, held)]
    if few and not len(held):
        starts.append(solve(pieces, knots.by_density(pieces, pieces.nodes(4 * count), count)))
    for start in starts:
        if start.is_exact:
            return start
    begun = [improve(start, held, FEW_STEPS) for start in starts]
    behind = RIVAL * _best(begun).squares
    best = _best([improve(start, held) for start in begun if start.squares <= behind])
    equidistant = solve(pieces, np.linspace(pieces.low, pieces.high, count + 1))
    if equidistant.squares < best.squares:  # as happens where a piece has two samples
        best = improve(equidistant, held)
    return _exchange(best, held) if 2 < count <= FEW and not best.is_exact else best


def _narrow(wide: Spline, count: int) -> Spline:
    """A spline of one piece fewer: from the knots of `wide`, each moved a little, where they are many."""
    pieces, held = wide.pieces, _held(wide.pieces, count)
    if count > FEW and not len(held) and not len(pieces.suspects):
        start = np.interp(np.linspace(0, count + 1, count + 1), np.arange(count + 2), wide.knots)
    else:
        start = knots.by_lines(pieces, count, held)
    return improve(solve(pieces, start), held)


def _held(pieces: Pieces, count: int) -> np.ndarray:
    """Kinks and jumps hold knots where there are knots enough."""
    return pieces.breaks if len(pieces.breaks) < count else pieces.breaks[:0]


def _best(splines: list[Spline]) -> Spline:
    return min(splines, key=lambda spline: spline.squares)


def _exchange(spline: Spline, held: np.ndarray) -> Spline:
    """Take a knot out and put one into the middle of a piece, as long as a better spline comes of it."""
    for _ in range(ROUNDS):
        tried = sorted(_exchanges(spline, held), key=lambda other: other.squares)[:FOLLOWED]
        best = _best([spline, *(improve(other, held, FEW_STEPS) for other in tried)])
        if best is spline:
            break
        spline = improve(best, held)
    return spline


def _exchanges(spline: Spline, held: np.ndarray) -> list[Spline]:
    """Every knot that is not held moved into each of the worst pieces that are no jumps."""
    middles, h = (spline.knots[:-1] + spline.knots[1:]) / 2, np.diff(spline.knots)
    worst = np.argsort(np.where(h > 2 * NARROWEST * h.sum(), -spline.errors, 0.0))[:2]
    found = []
    for j in np.flatnonzero(~np.isin(spline.knots[1:-1], held)) + 1:
        for k in worst:
            if k not in (j - 1, j):
                found.append(solve(spline.pieces, np.sort(np.append(np.delete(spline.knots, j), middles[k]))))
    return found


def _closed(spline: Spline, followed: int) -> Found:
    """The spline with its slopes closed by the best set of turns, and its knots improved under that."""
    held = spline.pieces.breaks if np.isin(spline.pieces.breaks, spline.knots).all() else spline.pieces.breaks[:0]
    tried = [Found(solve(spline.pieces, spline.knots, closure_of(left)), left) for left in closures(spline.slopes)]
    tried.sort(key=lambda found: found.spline.squares)
    if tried[0].spline.squares <= spline.squares * (1 + 1e-4):
        return tried[0]
    improved = [found._replace(spline=improve(found.spline, held, CLOSED_STEPS)) for found in tried[:followed]]
    return min(improved, key=lambda found: found.spline.squares)
