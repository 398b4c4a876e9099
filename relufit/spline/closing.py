"""Ways to close a spline, so that K - 1 units make its K pieces (relufit/spline/units.py says how).

Which turns face left is a choice among 2^(K - 1). Where pieces are many, some choice nearly closes the best open spline
as it is, and a few Newton steps do the rest. Where they are few, the best closed spline may look quite different: so
many of them are improved side by side, from open splines and from knots at random, and the worse half-way ones dropped.
"""

from typing import NamedTuple

import numpy as np

from relufit.spline.least_squares import Spline, solve
from relufit.spline.lines import Lines
from relufit.spline.neighbours import exchanged
from relufit.spline.newton import STEPS, improve, improve_all
from relufit.spline.pieces import Pieces, placed_knots
from relufit.spline.units import closure_of, closures, nearest_sets

FEW = 32  # turns, up to which several sets are tried,
VERY_FEW = 12  # and of knots at random too;
FEWEST = 6  # up to which that is done even where the first set closes the best open spline
CLOSED = 1e-4  # of the error of an open spline, more in a closed one with the same knots: nothing is to be gained
NEAR = 1e-3  # of the error of an open spline, more in a closed one after some steps: good enough
HOPELESS = 10.0  # times the error of the open spline: not worth improving, where one unit more costs little
STEPS_OF_MANY = 4  # where turns are many
RIVALS = 8  # open splines that are closed
RANDOM = 256  # sets of knots at random, fewer of more turns,
RANDOM_SETS = 2**17  # so that no more sets of turns than these are looked at
SETS = 4  # of turns, for each of them,
SETS_OF_RIVALS = 10  # and for each open spline
ROUNDS = (300, 5), (60, 8), (12, 12)  # how many of the best are followed, for how many steps
FOLLOWED = 2  # of the last ones, on the target itself
FEW_STEPS = 8  # after which those are compared,
RIVAL = 1.02  # and dropped above this many times the error of the best
ALIKE = 1e-3  # of the error: splines that differ by less are taken for one


class Found(NamedTuple):
    """A spline as hidden units; `left` says which of its turns face left and close it.

    It is None where a unit is spent on its first slope.
    """

    spline: Spline
    left: np.ndarray | None


def close(rivals: list[Spline], lines: Lines) -> Found:
    """The best closed spline, knots improved, of those near to open ones: the rivals, of K pieces each, best first."""
    best, pieces = rivals[0], rivals[0].pieces
    turns = len(best.knots) - 2
    tried = [Found(solve(pieces, best.knots, closure_of(left)), left) for left in closures(best.slopes)]
    tried.sort(key=squares_of)
    if turns > FEWEST and tried[0].spline.squares <= best.squares * (1 + CLOSED):
        return tried[0]
    if turns > FEW and tried[0].spline.squares > HOPELESS * best.squares:
        return tried[0]
    first = _improved(tried[0], STEPS if turns <= FEW else STEPS_OF_MANY)
    if turns > FEW or (turns > FEWEST and first.spline.squares <= best.squares * (1 + NEAR)):
        return first  # no closed spline is better than the best open one, if that was found
    begun = [first, *(_improved(found, FEW_STEPS) for found in _promising([*rivals[:RIVALS], first.spline], lines))]
    behind = RIVAL * min(begun, key=squares_of).spline.squares
    return min((_improved(found) for found in begun if found.spline.squares <= behind), key=squares_of)


def _promising(rivals: list[Spline], lines: Lines) -> list[Found]:
    """Closed splines that are best after some steps side by side, from rivals that are closed or not.

    Where turns are very few also from exchanges of the last of the rivals, and from knots at random. Of many only the
    better ones are followed any further, and again, and again; those of the first rival are all followed to the end.
    """
    pieces, table, turns = rivals[0].pieces, rivals[0].pieces.sampled, len(rivals[0].knots) - 2
    sets = [closures(rival.slopes, SETS_OF_RIVALS) for rival in rivals]
    left, kept = np.concatenate(sets), np.arange(len(sets[0]))
    inner = np.repeat([rival.knots for rival in rivals], list(map(len, sets)), axis=0)
    if turns <= VERY_FEW:
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
    """Sets of random knots, (S, turns + 2): half of them anywhere, half where nodes crowd since the target bends."""
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
    """What a spline leaves."""
    squares: float = found.spline.squares
    return squares


def different(squares: np.ndarray) -> list[int]:
    """Of splines side by side with these errors (S,), those that are not nearly a better one, best first."""
    chosen: list[int] = []
    for i in np.argsort(squares):
        if all(abs(squares[i] - squares[j]) > ALIKE * squares[j] for j in chosen):
            chosen.append(int(i))
    return chosen


def placed(found: Found) -> Found:
    """The same with knots at places that the network can have; beside a knot that is rounded, slopes would not fit."""
    spline = found.spline
    knots = placed_knots(spline.pieces, spline.knots)
    if len(knots) < len(spline.knots):  # some have fallen together, and their turns with them
        return Found(solve(spline.pieces, knots), None)
    return Found(solve(spline.pieces, knots, spline.closure), found.left)
