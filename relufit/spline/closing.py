"""Close a spline, so that K - 1 units make its K pieces (see relufit/spline/units.py).

The set of turns that face left is one of 2^(K - 1). With many pieces, some set nearly closes the best open spline, and
a few Newton steps make it exact. With few pieces, the best closed spline may be quite different: so many are improved
side by side, from open splines and from random knots, and the worse ones are dropped on the way.
"""

from typing import NamedTuple

import numpy as np

from relufit.spline.least_squares import Spline, solve
from relufit.spline.lines import Lines
from relufit.spline.moments.pieces import Pieces, placed_knots
from relufit.spline.neighbours import exchanged
from relufit.spline.newton import STEPS, improve, improve_all
from relufit.spline.units import closure_of, closures, nearest_sets

SMALL_SPLINE = 32  # largest number of turns for which several sets are tried,
RANDOM_KNOTS = 12  # for which random knots are tried too,
EXHAUSTIVE = 6  # and for which all this is done even if the first set closes the best open spline
CLOSED = 1e-4  # relative increase of the error from an open spline to a closed one with its knots that ends the search
NEAR = 1e-3  # the same after some steps
HOPELESS_RATIO = 10.0  # ratio of these errors above which a closed spline of many turns is not improved
STEPS_OF_MANY = 4  # Newton steps for many turns
RIVALS = 8  # number of open splines that are closed
RANDOM = 256  # sets of random knots, fewer for more turns,
RANDOM_SETS = 2**17  # so that at most this number of sets of turns is evaluated
SETS = 4  # sets of turns for each set of random knots,
SETS_OF_RIVALS = 10  # and for each open spline
ROUNDS = (300, 5), (60, 8), (12, 12)  # of improvement side by side: the number of best splines, and steps for each
FOLLOWED = 2  # splines of the last round that are improved on the target itself
FIRST_STEPS = 8  # Newton steps after which splines are compared,
RIVAL = 1.02  # and dropped above this ratio to the error of the best
ALIKE = 1e-3  # relative difference of errors below which two splines count as one


class Found(NamedTuple):
    """A spline as hidden units; `left` is the mask of the turns that face left and close it.

    It is None if a unit is used for the first slope instead.
    """

    spline: Spline
    left: np.ndarray | None


def close(rivals: list[Spline], lines: Lines) -> Found:
    """The best closed spline found near the rivals, open splines of K pieces each, best first."""
    best, pieces = rivals[0], rivals[0].pieces
    turns = len(best.knots) - 2
    tried = [Found(solve(pieces, best.knots, closure_of(left)), left) for left in closures(best.slopes)]
    tried.sort(key=squares_of)
    if turns > EXHAUSTIVE and tried[0].spline.squares <= best.squares * (1 + CLOSED):
        return tried[0]
    if turns > SMALL_SPLINE and tried[0].spline.squares > HOPELESS_RATIO * best.squares:
        return tried[0]
    first = _improved(tried[0], STEPS if turns <= SMALL_SPLINE else STEPS_OF_MANY)
    if turns > SMALL_SPLINE or (turns > EXHAUSTIVE and first.spline.squares <= best.squares * (1 + NEAR)):
        return first  # no closed spline is better than the best open one
    begun = [first, *(_improved(found, FIRST_STEPS) for found in _promising([*rivals[:RIVALS], first.spline], lines))]
    behind = RIVAL * min(begun, key=squares_of).spline.squares
    return min((_improved(found) for found in begun if found.spline.squares <= behind), key=squares_of)


def _promising(rivals: list[Spline], lines: Lines) -> list[Found]:
    """The best closed splines after improving many side by side, from rivals that are closed or not.

    With up to RANDOM_KNOTS turns, exchanges of the last rival and random knots are starts too. Each of ROUNDS keeps
    only the best, and all those of the first rival.
    """
    pieces, table, turns = rivals[0].pieces, rivals[0].pieces.sampled, len(rivals[0].knots) - 2
    sets = [closures(rival.slopes, SETS_OF_RIVALS) for rival in rivals]
    left, kept = np.concatenate(sets), np.arange(len(sets[0]))
    inner = np.repeat([rival.knots for rival in rivals], list(map(len, sets)), axis=0)
    if turns <= RANDOM_KNOTS:
        more = np.concatenate([exchanged(table, rivals[-1].knots), _at_random(table, lines, turns)])
        nearest = nearest_sets(solve(table, more).slopes, SETS)  # (S, SETS, turns)
        inner = np.concatenate([inner, np.repeat(more, nearest.shape[1], axis=0)])
        left = np.concatenate([left, nearest.reshape(-1, turns)])
    tried = solve(table, inner, closure_of(left))
    for followed, steps in ROUNDS:
        best = np.union1d(kept, np.argsort(tried.squares)[:followed])
        left = left[best]
        tried = improve_all(solve(table, tried.knots[best], closure_of(left)), pieces.breaks, steps)
    chosen = different(tried.squares)[:FOLLOWED]
    return [Found(solve(pieces, tried.knots[i], closure_of(left[i])), left[i]) for i in chosen]


def _at_random(pieces: Pieces, lines: Lines, turns: int) -> np.ndarray:
    """Sets of random knots, (S, turns + 2): half of them uniform, half with the density of the nodes."""
    rng, number = np.random.default_rng(turns), min(RANDOM, RANDOM_SETS >> turns)
    places = rng.uniform(0, 1, (number, turns))
    share = np.linspace(0, 1, len(lines.nodes))
    places[::2] = np.interp(places[::2], share, (lines.nodes - pieces.low) / (pieces.high - pieces.low))
    knots = np.empty((number, turns + 2))
    knots[:, 0], knots[:, -1] = pieces.low, pieces.high
    knots[:, 1:-1] = pieces.low + (pieces.high - pieces.low) * np.sort(places, axis=1)
    return knots[(np.diff(knots) > pieces.narrowest).all(axis=1)]


def _improved(found: Found, steps: int = STEPS) -> Found:
    return found._replace(spline=improve(found.spline, found.spline.pieces.breaks, steps))


def squares_of(found: Found) -> float:
    """The sum of squares of a spline's errors."""
    squares: float = found.spline.squares
    return squares


def different(squares: np.ndarray) -> list[int]:
    """Indices of splines with these errors (S,), best first, without those that are ALIKE a better one."""
    chosen: list[int] = []
    for i in np.argsort(squares):
        if all(abs(squares[i] - squares[j]) > ALIKE * squares[j] for j in chosen):
            chosen.append(int(i))
    return chosen


def placed(found: Found) -> Found:
    """The spline with knots rounded to places that the network can have, and values fitted again."""
    spline = found.spline
    knots = placed_knots(spline.pieces, spline.knots)
    if len(knots) < len(spline.knots):  # some knots became equal, so the set of turns is not valid
        return Found(solve(spline.pieces, knots), None)
    return Found(solve(spline.pieces, knots, spline.closure), found.left)
