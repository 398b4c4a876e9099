"""The search for the best spline that so many hidden units can be: starts, shifts, and ways to close it.

K - 1 units make K pieces where the spline can be closed (relufit/spline/units.py), K units always do. Few pieces have
many local optima. Dynamic programming (relufit/spline/knots.py) begins near the best of them, shifts of whole pieces
(relufit/spline/shifts.py) lead on from there, and several ways to close a spline are followed side by side.
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from relufit.spline import knots
from relufit.spline.least_squares import STEPS, Spline, improve, improve_all, solve
from relufit.spline.lines import Lines, lines_between, lines_for, reach
from relufit.spline.pieces import Pieces
from relufit.spline.shifts import shifted
from relufit.spline.units import SETS, closure_of, closures

MANY = 100  # pieces, from which neither lines that meet nor shifts are looked at
RESOLVED = 3  # pieces for each stretch between two inflection points, from which lines need not meet
HEIGHTS = (2.0, 3), (4.0, 5), (2.0, 4)  # in rounds: up to so many root mean squares off a curve, at so many heights
SHIFTS, SHIFTED = 2, 24  # rounds, and the most that are followed in one
FEW, VERY_FEW = 32, 12  # pieces, up to which several ways to close them are followed, and more
SAMPLES_PER_PIECE, FEW_SAMPLES = 6, 400  # up to so many, lines that join samples are a start
SAME, ALIKE = 1e-6, 1e-3  # of the error: splines that differ by less are one, at the end and half-way
RIVAL, SHIFT_RIVAL, CLOSED_RIVAL = 2.0, 1.2, 1.05  # times the error of the best: what is still followed
NEAR = 1e-3  # of the error of one that is not: a closed spline that is good enough
HOPELESS = 10.0  # times that: one that is not worth improving where a unit for its slope is cheap
RIVALS = 8  # open splines that closing few pieces begins with;
RANDOM, MASKS = 8, 8  # of very few, starts at random too, and more sets of turns of each
CLOSING_STEPS, FOLLOWED = 12, 3  # after which the best of them are followed
FEW_STEPS = 8  # after which starts are compared
CLOSED_STEPS, ROUGH_STEPS = 16, 8


class Found(NamedTuple):
    """The best spline found for a number of hidden units; `left` closes it, None where a unit is spent on its slope."""

    spline: Spline
    left: np.ndarray | None


def best_spline(pieces: Pieces, hidden: int) -> Found:
    """The best spline that `hidden` units can be: of hidden + 1 pieces that are closed, or of hidden pieces."""
    if hidden >= pieces.most:
        return Found(_open_splines(pieces, hidden, _lines(pieces, hidden))[0], None)
    lines = _lines(pieces, hidden + 1)
    rivals = _open_splines(pieces, hidden + 1, lines)
    wide = rivals[0]
    if wide.is_exact:  # as |x| is: one piece fewer mostly does as well
        least_turn = 1 + np.argmin(np.abs(np.diff(wide.slopes)))
        thinned = solve(pieces, np.delete(wide.knots, least_turn))
        if thinned.is_exact:
            return Found(thinned, None)
    closed = _closed(rivals, hidden)
    # No spline of fewer pieces is better than `wide`, and most leave 1 + 4 / hidden times as much.
    slack = 1e-3 if hidden <= FEW else 2 / hidden
    allowed = pieces.least + (wide.squares - pieces.least) * (1 + slack)
    if closed.spline.squares <= allowed or closed.spline.is_exact:
        return closed
    return min(closed, Found(_narrow(wide, hidden, lines), None), key=_squares)


def rough_splines(pieces: Pieces, counts: Sequence[int]) -> Iterator[Found]:
    """Good splines of so many pieces each, for comparing their numbers: one start and few steps."""
    few = [] if len(pieces.breaks) else [count for count in counts if count <= 2 * FEW]
    starts = knots.by_lines_each(pieces, few) if few else []
    for count, start in zip_longest(counts, starts):
        held = _held(pieces, count)
        first = knots.by_lines(pieces, count, held) if start is None else start
        yield Found(improve(solve(pieces, first), held, ROUGH_STEPS), None)


def _lines(pieces: Pieces, count: int) -> Lines:
    return lines_for(pieces, count, _held(pieces, count))


def _open_splines(pieces: Pieces, count: int, lines: Lines) -> list[Spline]:
    """The best spline with `count` pieces, whatever the slope of its first one, and others found on the way to it."""
    held = _held(pieces, count)
    starts = [solve(pieces, knots.by_lines(pieces, count, held, lines))]
    if starts[0].is_exact:
        return starts
    if pieces.table is not None and pieces.most <= max(SAMPLES_PER_PIECE * count, FEW_SAMPLES):
        starts += _joining_samples(pieces, *pieces.table, count, held)
    begun = [improve(start, held, FEW_STEPS) for start in starts]
    behind = RIVAL * _best(begun).squares
    found = [improve(start, held) for start in begun if start.squares <= behind]
    if 1 < count <= MANY:
        stretches = 1 + np.count_nonzero(np.diff(np.sign(np.diff(lines.fine.slope))))
        if count < RESOLVED * stretches:
            found = _joined(found, lines, held)
        found = _shifted(found, held)
    equidistant = solve(pieces, np.linspace(pieces.low, pieces.high, count + 1))
    if equidistant.squares < _best(found).squares:  # as happens where a piece has two samples
        found.append(improve(equidistant, held))
    return sorted(found, key=lambda spline: spline.squares)


def _joined(found: list[Spline], lines: Lines, held: np.ndarray) -> list[Spline]:
    """These splines, and those of joined lines at heights around the target, then around the best so far."""
    best, found = _best(found), list(found)
    pieces, count = best.pieces, len(best.knots) - 1
    around = pieces.at_knots(lines.nodes, lines.fine)[1]
    for highest, number in HEIGHTS:
        heights = around + np.linspace(-highest, highest, number)[:, None] * np.sqrt(best.mse)
        start = knots.by_joined_lines(lines.of_about(count), count, held, heights)
        if start is None:
            break
        tried = improve(solve(pieces, start), held, FEW_STEPS)
        if tried.squares <= RIVAL * best.squares:
            tried = improve(tried, held)
        if all(abs(tried.squares - other.squares) > SAME * other.squares for other in found):
            found.append(tried)
        if count > FEW and tried.squares >= best.squares * (1 - SAME):
            break  # where pieces are fewer, another round may still find something
        best = _best(found)
        around = np.interp(lines.nodes, best.knots, best.values)
    return found


def _shifted(found: list[Spline], held: np.ndarray) -> list[Spline]:
    """These splines, and the best shifts of the best; again of those, where one is better. Rivals are left as found."""
    found = list(found)
    for _ in range(SHIFTS):
        best = _best(found)
        starts, table = shifted(best.knots, best.slopes, held), best.pieces.sampled
        if not len(starts):
            break
        begun = solve(table, starts)
        chosen = np.argsort(begun.squares)[:SHIFTED]
        ended, limit = improve_all(solve(table, starts[chosen]), held, FEW_STEPS), solve(table, best.knots).squares
        for i in _different(ended.squares):
            if ended.squares[i] <= SHIFT_RIVAL * limit and abs(ended.squares[i] - limit) > ALIKE * limit:
                spline = solve(best.pieces, ended.knots[i])
                found.append(improve(spline, held) if spline.squares < best.squares else spline)
        if _best(found).squares >= best.squares * (1 - SAME):
            break
    return found


def _different(squares: np.ndarray) -> list[int]:
    """Which of splines side by side, best first, are not nearly one that is better."""
    chosen: list[int] = []
    for i in np.argsort(squares):
        if all(abs(squares[i] - squares[j]) > ALIKE * squares[j] for j in chosen):
            chosen.append(int(i))
    return chosen


def _joining_samples(pieces: Pieces, x: np.ndarray, y: np.ndarray, count: int, held: np.ndarray) -> list[Spline]:
    """The spline of the best lines that join samples, if there are any."""
    longest = len(x) if len(x) <= FEW_SAMPLES else reach(x, count)
    found = knots.by_joined_lines(lines_between(pieces, x, longest), count, held, y[None])
    return [] if found is None else [solve(pieces, found)]


def _narrow(wide: Spline, count: int, lines: Lines) -> Spline:
    """A spline of one piece fewer: from the knots of `wide`, each moved a little, where they are many."""
    pieces, held = wide.pieces, _held(wide.pieces, count)
    if count > FEW and not len(held) and not len(pieces.suspects):
        start = np.interp(np.linspace(0, count + 1, count + 1), np.arange(count + 2), wide.knots)
    else:
        start = knots.by_lines(pieces, count, held, lines)
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
    if hidden > FEW and tried[0].spline.squares > HOPELESS * best.squares:
        return tried[0]
    first = _improved(tried[0], held, STEPS if hidden <= FEW else CLOSED_STEPS)
    if hidden > FEW or first.spline.squares <= best.squares * (1 + NEAR):  # no closed spline is better than `best`
        return first
    begun = [first, *(_improved(found, held, FEW_STEPS) for found in _promising(rivals, held))]
    behind = CLOSED_RIVAL * min(begun, key=_squares).spline.squares
    return min((_improved(found, held) for found in begun if found.spline.squares <= behind), key=_squares)


def _promising(rivals: list[Spline], held: np.ndarray) -> list[Found]:
    """Of many closed splines, those that are best after a few steps taken side by side."""
    pieces, count = rivals[0].pieces, len(rivals[0].knots) - 1
    table, starts, masks = pieces.sampled, [rival.knots for rival in rivals[:RIVALS]], SETS
    if count <= VERY_FEW and not len(held):
        masks = MASKS
        inner = np.sort(np.random.default_rng(count).uniform(pieces.low, pieces.high, (RANDOM, count - 1)), axis=1)
        starts += [np.array([pieces.low, *knots, pieces.high]) for knots in inner]
    pairs = [(start, left) for start in starts for left in closures(solve(table, start).slopes, masks)]
    begun = solve(table, np.array([start for start, _ in pairs]), np.array([closure_of(left) for _, left in pairs]))
    ended = improve_all(begun, held, CLOSING_STEPS)
    chosen = _different(ended.squares)[:FOLLOWED]
    return [Found(solve(pieces, ended.knots[i], closure_of(pairs[i][1])), pairs[i][1]) for i in chosen]


def _improved(found: Found, held: np.ndarray, steps: int = STEPS) -> Found:
    return found._replace(spline=improve(found.spline, held, steps))


def _squares(found: Found) -> float:
    return found.spline.squares
