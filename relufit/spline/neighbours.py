"""Neighbours of a spline that Newton's method does not reach: splines of as many pieces, distributed differently.

Between two inflection points all turns have one sign. No small step changes the number of pieces of such a stretch, or
whether a knot or the middle of a piece lies on the inflection point. A shift does: the bounds of some neighbouring
stretches move by half a piece or a whole one, and the knots in between are redistributed. So does an exchange: one of
the knots that help least moves into a piece where another knot helps most.
"""

import numpy as np

from relufit.spline.least_squares import solve
from relufit.spline.moments.pieces import Pieces

HALVES = np.array([-1.0, -0.5, 0.5, 1.0])  # pieces by which bounds move; bounds at held knots move by whole pieces
SHORTEST = 0.5  # least length of a stretch after a shift, in pieces
MOST = 256  # approximate number of shifts; with many stretches, fewer bounds move at once
PARTS = np.append(1.0, 0.5 * 4.0 ** -np.arange(8))  # parts of the distance to a sample by which a knot is nudged
ENDS = 6  # knots that help least, and pieces that gain most, that are exchanged


def shifted(knots: np.ndarray, slopes: np.ndarray, held: np.ndarray) -> np.ndarray:
    """The knots (K + 1,) of a spline with these slopes (K,) after each of its shifts, (S, K + 1).

    The `held` knots do not move, and bound stretches too.
    """
    turns, along = np.diff(slopes), np.arange(len(knots), dtype=np.float64)
    fixed = along[1:-1][np.isin(knots[1:-1], held)]
    inflections = np.flatnonzero(turns[:-1] * turns[1:] < 0) + 1.5  # in the middle of a piece whose ends turn both ways
    bounds = np.concatenate([along[:1], np.union1d(inflections, fixed), along[-1:]])
    inner = len(bounds) - 2
    if not inner:
        return np.empty((0, len(knots)))
    first, last = np.triu_indices(inner)
    first, last = (places[last - first <= MOST // (4 * inner)] + 1 for places in (first, last))
    place = np.arange(len(bounds))
    moving = (first[:, None] <= place) & (place <= last[:, None])  # (M, B)
    moved = (bounds + HALVES[:, None] * moving[:, None]).reshape(-1, len(bounds))  # (4 M, B)
    allowed = (HALVES % 1 == 0) | ~moving[:, np.isin(bounds, fixed)].any(axis=1, keepdims=True)  # (M, 4)
    moved = moved[(np.diff(moved).min(axis=1) >= SHORTEST) & allowed.ravel()]
    # The position along the old spline of each new knot; all rows are searched as one ascending array.
    apart = 2 * len(knots) * np.arange(len(moved))[:, None]
    piece = np.searchsorted((moved + apart).ravel(), (along + apart).ravel(), side="right").reshape(-1, len(along))
    piece = (piece - len(bounds) * np.arange(len(moved))[:, None] - 1).clip(0, inner)
    start = np.take_along_axis(moved, piece, axis=1)
    part = (along - start) / (np.take_along_axis(moved, piece + 1, axis=1) - start)
    return np.interp(bounds[piece] + part * (bounds[piece + 1] - bounds[piece]), along, knots)


def lowest(pieces: Pieces, knots: np.ndarray, most: int) -> np.ndarray:
    """The `most` sets of knots with the least errors, of splines side by side, (S, K + 1)."""
    return knots[np.argsort(solve(pieces, knots).squares)[:most]] if len(knots) > most else knots


def exchanged(pieces: Pieces, knots: np.ndarray) -> np.ndarray:
    """The knots (K + 1,) with one of those that help least moved into a piece that it helps most, (S, K + 1)."""
    long = np.flatnonzero(np.diff(knots) > 8 * pieces.narrowest)  # not a jump
    if not len(long):
        return np.empty((0, len(knots)))
    middles = (knots[long] + knots[long + 1]) / 2
    without = np.array([np.delete(knots, k) for k in range(1, len(knots) - 1)])
    halved = np.sort(np.column_stack([np.tile(knots, (len(middles), 1)), middles]), axis=1)
    least = np.argsort(solve(pieces, without).squares)[:ENDS]
    most = np.argsort(solve(pieces, halved).squares)[:ENDS]
    pairs = [(k, j) for k in least for j in most if long[j] not in (k, k + 1)]  # the pieces beside knot k + 1
    return np.array([np.sort(np.append(without[k], middles[j])) for k, j in pairs]).reshape(-1, len(knots))


def nudged(knots: np.ndarray, held: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The knots (K + 1,) with one moved towards a neighbouring sample of x (C,): (S, K + 1), for every inner free knot.

    It moves by the whole distance to the sample on either side, and by smaller and smaller parts of it.
    """
    free = 1 + np.flatnonzero(~np.isin(knots[1:-1], held))
    right = np.searchsorted(x, knots[free], side="right").clip(1, len(x) - 1)
    left = np.maximum(np.searchsorted(x, knots[free], side="left") - 1, 0)
    rows = []
    for k, ends in zip(free, np.stack([x[left], x[right]], axis=1), strict=True):
        for end in ends:
            moved = np.repeat(knots[None], len(PARTS), axis=0)
            moved[:, k] += PARTS * (end - knots[k])
            rows.append(moved)
    found = np.concatenate(rows) if rows else np.empty((0, len(knots)))
    return found[(np.diff(found) > 0).all(axis=1)]
