"""Neighbours of a spline: as many pieces, shared otherwise among its stretches.

Between two inflection points all turns have one sign. How many pieces such a stretch has, and whether a knot or the
middle of a piece stands on the inflection point, no small step changes. A shift does: the bounds of some neighbouring
stretches move by a whole or half a piece, counted along the spline, and the knots are spread in between as before.
"""

import numpy as np

WHOLE, HALVES = (-1.0, 1.0), (-1.0, -0.5, 0.5, 1.0)
SHORTEST = 0.5  # of a piece, that is left of a stretch
MOST = 256  # shifts, about: where stretches are many, only those of fewer bounds at once


def shifted(knots: np.ndarray, slopes: np.ndarray, held: np.ndarray) -> np.ndarray:
    """The knots (K + 1,) of a spline with these slopes (K,) after each of its shifts, (S, K + 1).

    Those held stay where they are, and bound stretches too.
    """
    turns, along = np.diff(slopes), np.arange(len(knots), dtype=np.float64)
    fixed = along[1:-1][np.isin(knots[1:-1], held)]
    inflections = np.flatnonzero(turns[:-1] * turns[1:] < 0) + 1.5  # in the middle of a piece whose ends turn both ways
    bounds = np.concatenate([along[:1], np.union1d(inflections, fixed), along[-1:]])
    found = []
    inner = len(bounds) - 2
    together = min(inner, 1 + MOST // (4 * max(inner, 1)))
    for first in range(1, inner + 1):
        for last in range(first, min(first + together, inner + 1)):
            moving = slice(first, last + 1)
            for by in WHOLE if np.isin(bounds[moving], fixed).any() else HALVES:
                moved = bounds.copy()
                moved[moving] += by
                if np.diff(moved).min() >= SHORTEST:
                    found.append(np.interp(np.interp(along, moved, bounds), along, knots))
    return np.array(found).reshape(-1, len(knots))
