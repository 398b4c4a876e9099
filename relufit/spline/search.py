"""The search for the best spline that so many hidden units can be: starts, lines that meet, and closing it.

K - 1 units make K pieces where the spline can be closed (relufit/spline/units.py), K units always do. Few pieces have
many local optima: for them all starts that dynamic programming offers are followed, and many ways to close each.
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from relufit.spline import knots
from relufit.spline.least_squares import STEPS, Spline, improve, improve_all, solve
from relufit.spline.lines import Lines, lines_between, lines_for, reach
from relufit.spline.pieces import Pieces
from relufit.spline.units import SETS, closure_of, closures

JOINED = 100  # pieces, up to which lines that meet are looked at,
HEIGHTS = (2.0, 3), (4.0, 5), (2.0, 4)  # in rounds: up to so many root mean squares off a curve, at so many heights
FEW, VERY_FEW = 24, 12  # pieces, up to which several ways to close them are followed, and all rounds are made
SAMPLES_PER_PIECE, FEW_SAMPLES = 6, 400  # up to so many, lines that join samples are a start
SAME, ALIKE = 1e-6, 1e-3  # of the error: splines that differ by less are one, at the end and half-way
NEAR = 1e-3  # of the error of one that is not: a closed spline that is good enough
RANDOM, MASKS = 8, 8  # starts at random, and sets of turns of each, that closing very few pieces begins with,
CLOSING_STEPS, FOLLOWED = 20, 3  # after which the best of them are followed
FEW_STEPS = 8  # after which starts are compared
RIVAL = 2.0  # times the error of the best: a start that is still followed
CLOSED_STEPS, ROUGH_STEPS = 16, 8


class Found(NamedTuple):
    """The best spline found for a number of hidden units; `left` closes it, None where a unit is spent on its slope."""

    spline: Spline
    left: np.ndarray | None


def best_spline(pieces: Pieces, hidden: int) -> Found:
    """The best spline that `hidden` units can be: of hidden + 1 pieces that are closed, or of hidden pieces."""
    if hidden >= pieces.most:
        return Found(_open_splines(pieces, hidden)[0], None)
    rivals = _open_splines(pieces, hidden + 1)
    wide = rivals[0]
    if wide.is_exact:  # exact, as |x| is: one piece fewer mostly does as well
        narrow = _narrow(wide, hidden)
        if narrow.is_exact:
            return Found(narrow, None)
    closed = _closed(rivals, hidden)
    # No spline of fewer pieces is better than `wide`, and most leave 1 + 4 / hidden times as much.
    slack = 1e-3 if hidden <= FEW else 2 / hidden
    allowed = pieces.least + (wide.squares - pieces.least) * (1 + slack)
    if closed.spline.squares <= allowed or closed.spline.is_exact:
        return closed
    return min(closed, Found(_narrow(wide, hidden), None), key=_squares)


def rough_splines(pieces: Pieces, counts: Sequence[int]) -> Iterator[Found]:
    """Good splines of so many pieces each, for comparing their numbers: one start and few steps."""
    few = [] if len(pieces.breaks) else [count for count in counts if count <= 2 * FEW]
    starts = knots.by_lines_each(pieces, few) if few else []
    for count, start in zip_longest(counts, starts):
        held = _held(pieces, count)
        first = knots.by_lines(pieces, count, held) if start is None else start
        yield Found(improve(solve(pieces, first), held, ROUGH_STEPS), None)


def _open_splines(pieces: Pieces, count: int) -> list[Spline]:
    """The best spline with `count` pieces, whatever the slope of its first one, and others found on the way to it."""
    held = _held(pieces, count)
    lines = lines_for(pieces, count, held)
    starts = [solve(pieces, knots.by_lines(pieces, count, held, lines))]
    if starts[0].is_exact:
        return starts
    if pieces.table is not None and pieces.most <= max(SAMPLES_PER_PIECE * count, FEW_SAMPLES):
        starts += _joining_samples(pieces, *pieces.table, count, held)
    begun = [improve(start, held, FEW_STEPS) for start in starts]
    behind = RIVAL * _best(begun).squares
    found = [improve(start, held) for start in begun if start.squares <= behind]
    if 1 < count <= JOINED:
        found = _rearranged(found, lines, held)
    equidistant = solve(pieces, np.linspace(pieces.low, pieces.high, count + 1))
    if equidistant.squares < _best(found).squares:  # as happens where a piece has two samples
        found.append(improve(equidistant, held))
    return sorted(found, key=lambda spline: spline.squares)


def _rearranged(found: list[Spline], lines: Lines, held: np.ndarray) -> list[Spline]:
    """These splines, and those of joined lines at heights around the target, then around the best so far."""
    best, found = _best(found), list(found)
    pieces, count = best.pieces, len(best.knots) - 1
    around = pieces.at_knots(lines.nodes, lines.fine)[1]
    for highest, number in HEIGHTS:
        heights = around[:, None] + np.linspace(-highest, highest, number) * np.sqrt(best.mse)
        start = knots.by_joined_lines(lines.of_about(count), count, held, heights)
        if start is None:
            break
        tried = improve(solve(pieces, start), held, FEW_STEPS)
        if tried.squares <= RIVAL * best.squares:
            tried = improve(tried, held)
        if all(abs(tried.squares - other.squares) > SAME * other.squares for other in found):
            found.append(tried)
        if count > VERY_FEW and tried.squares >= best.squares * (1 - SAME):
            break  # where pieces are fewer, another round may still find something
        best = _best(found)
        around = np.interp(lines.nodes, best.knots, best.values)
    return found


def _joining_samples(pieces: Pieces, x: np.ndarray, y: np.ndarray, count: int, held: np.ndarray) -> list[Spline]:
    """The spline of the best lines that join samples, if there are any."""
    longest = len(x) if len(x) <= FEW_SAMPLES else reach(x, count)
    found = knots.by_joined_lines(lines_between(pieces, x, longest), count, held, y[:, None])
    return [] if found is None else [solve(pieces, found)]


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


def _closed(rivals: list[Spline], hidden: int) -> Found:
    """The best spline whose slopes are closed by a set of turns, of those near to some that are not, knots improved."""
    best, pieces = rivals[0], rivals[0].pieces
    held = pieces.breaks if np.isin(pieces.breaks, best.knots).all() else pieces.breaks[:0]
    tried = [Found(solve(pieces, best.knots, closure_of(left)), left) for left in closures(best.slopes)]
    tried.sort(key=_squares)
    if tried[0].spline.squares <= best.squares * (1 + 1e-4):
        return tried[0]
    first = _improved(tried[0], held, STEPS if hidden <= FEW else CLOSED_STEPS)
    if hidden > FEW or first.spline.squares <= best.squares * (1 + NEAR):  # no closed spline is better than `best`
        return first
    return min([first, *(_improved(found, held) for found in _promising(rivals, held))], key=_squares)


def _promising(rivals: list[Spline], held: np.ndarray) -> list[Found]:
    """Of many closed splines, those that are best after a few steps taken side by side."""
    pieces, count = rivals[0].pieces, len(rivals[0].knots) - 1
    table, starts, masks = pieces.sampled(), [rival.knots for rival in rivals], SETS
    if count <= VERY_FEW and not len(held):
        masks = MASKS
        inner = np.sort(np.random.default_rng(count).uniform(pieces.low, pieces.high, (RANDOM, count - 1)), axis=1)
        starts += [np.array([pieces.low, *knots, pieces.high]) for knots in inner]
    pairs = [(start, left) for start in starts for left in closures(solve(table, start).slopes, masks)]
    begun = solve(table, np.array([start for start, _ in pairs]), np.array([closure_of(left) for _, left in pairs]))
    ended = improve_all(begun, held, CLOSING_STEPS)
    chosen: list[int] = []
    for i in np.argsort(ended.squares):
        if all(abs(ended.squares[i] - ended.squares[j]) > ALIKE * ended.squares[j] for j in chosen):
            chosen.append(int(i))
    return [Found(solve(pieces, ended.knots[i], closure_of(pairs[i][1])), pairs[i][1]) for i in chosen[:FOLLOWED]]


def _improved(found: Found, held: np.ndarray, steps: int = STEPS) -> Found:
    return found._replace(spline=improve(found.spline, held, steps))


def _squares(found: Found) -> float:
    return found.spline.squares
