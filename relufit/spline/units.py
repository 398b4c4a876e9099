"""A linear spline as a two-layer ReLU network, with the smallest number of hidden units.

Every unit adds one change of slope, a turn, at its knot: relu(x - t) w to the right of t, or relu(t - x) w to the left.
The slope of the first piece is given by the units that face left: s_0 = -(the sum of their turns). So K pieces need K
units, two of them at one knot, one for the slope on each side of it; or K - 1 units if a set L of the K - 1 turns
closes the spline,

    s_0 + sum over L of (s_j - s_{j - 1}) = sum over k of a_k s_k = 0     a_k = [k = 0] + [k in L] - [k + 1 in L]

such as all turns left of a flat piece. For most functions some set nearly closes the best spline; newton.py makes it
exact, at a small cost in error.
"""

import numpy as np

from relufit.network.params import Params

ALL_SETS = 12  # largest number of turns for which every set is tried
SETS = 4  # default number of sets that `closures` returns
FAR = 1024  # distance of the knot of a line of one unit, in lengths of the line; a larger one would lose more digits
FLATTEST = 2  # number of flattest pieces for which the set of all turns to their left is tried


def closures(slopes: np.ndarray, most: int = SETS) -> list[np.ndarray]:
    """At most `most` sets of turns that nearly close a spline with these slopes (K,): masks (K - 1,) of them."""
    turns = np.diff(slopes)
    # The set of all turns left of a nearly flat piece: closing it changes little besides that piece.
    flattest = np.argsort(np.abs(slopes), kind="stable")
    prefixes = [np.arange(len(turns)) < k for k in flattest[:FLATTEST]]
    if len(turns) <= ALL_SETS:
        near = list(nearest_sets(slopes[None], max(most - FLATTEST, 1))[0])
        return near + [prefix for prefix in prefixes if not any((prefix == mask).all() for mask in near)]
    return [_exchanged(mask, slopes[0], turns) for mask in prefixes] + prefixes


def nearest_sets(slopes: np.ndarray, most: int) -> np.ndarray:
    """The `most` sets of turns that come nearest to closing each of splines side by side, slopes (S, K).

    Returns masks (S, most, K - 1), or all sets if there are fewer, the nearest first; for up to ALL_SETS turns.
    """
    turns = np.diff(slopes)
    masks = every_set(turns.shape[1])
    missed = np.abs(slopes[:, :1] + turns @ masks.T)  # (S, 2^(K - 1))
    most = min(most, len(masks))
    nearest = np.argpartition(missed, most - 1, axis=1)[:, :most]
    order = np.argsort(np.take_along_axis(missed, nearest, axis=1), axis=1, kind="stable")
    return masks[np.take_along_axis(nearest, order, axis=1)]


def every_set(turns: int) -> np.ndarray:
    """All sets of `turns` turns: masks (2^turns, turns)."""
    return (np.arange(2**turns)[:, None] >> np.arange(turns) & 1).astype(bool)


def _exchanged(mask: np.ndarray, first_slope: float, turns: np.ndarray) -> np.ndarray:
    """A set nearer to closing: swap the sides of the best pair of turns, repeatedly, while that helps."""
    mask, best = mask.copy(), abs(first_slope + turns[mask].sum())
    for _ in range(4):
        missing = -(first_slope + turns[mask].sum())
        change = np.where(mask, -turns, turns)
        order = np.argsort(change)
        ranked = change[order]
        partner = np.searchsorted(ranked, missing - change).clip(1, len(change) - 1)
        partner -= np.abs(ranked[partner - 1] + change - missing) < np.abs(ranked[partner] + change - missing)
        i = int(np.argmin(np.abs(missing - change - ranked[partner])))
        j = int(order[partner[i]])
        if i == j:
            break
        tried = mask.copy()
        tried[[i, j]] ^= True
        left = abs(first_slope + turns[tried].sum())
        if not left < best:
            break
        mask, best = tried, left
    return mask


def closure_of(left: np.ndarray) -> np.ndarray:
    """The coefficients a, (..., K), of the slopes for sets of the turns, masks (..., K - 1)."""
    a = np.zeros((*left.shape[:-1], left.shape[-1] + 1))
    a[..., 0] = 1.0
    a[..., 1:] += left
    a[..., :-1] -= left
    return a


def to_params(knots: np.ndarray, values: np.ndarray, left: np.ndarray | None = None) -> Params:
    """The network equal to a spline of K + 1 knots and values; float64, with w1 of 1 and -1.

    It has K - 1 units with a set `left` of the K - 1 turns that closes the spline, else K. The network continues
    straight beyond both ends. Only a line, which is one unit, is constant beyond FAR lengths to the left.
    """
    slopes, inner = np.diff(values) / np.diff(knots), knots[1:-1]
    turns = np.diff(slopes)
    if left is not None:
        facing, middle = np.where(left, -1.0, 1.0), len(slopes) // 2
        w1, b1 = facing, -facing * inner
        at_middle = np.maximum(w1 * knots[middle] + b1, 0.0) @ turns
        return Params(w1[None], b1, turns[:, None], np.array([values[middle] - at_middle]))
    if not len(inner):
        place = knots[0] - FAR * (knots[-1] - knots[0])
        constant = values[0] - slopes[0] * (knots[0] - place)
        return Params(np.ones((1, 1)), np.array([-place]), slopes[:, None], np.array([constant]))
    return turned_at(inner, slopes[:, None], values[1:-1, None], knots[0], knots[-1])


def turned_at(places: np.ndarray, slopes: np.ndarray, values: np.ndarray, low: float, high: float) -> Params:
    """The network with slopes (n + 1, O) before, between and after places (n,), where it has the values (n, O).

    It has n + 1 units, and w1 of 1 and -1. Rounding is kept small on [low, high].
    """
    # Units left of one place face left, those right of it face right; at the place there is one of each.
    k, turns = _pivot(places, slopes, low, high), np.diff(slopes, axis=0)
    facing = np.where(np.arange(len(slopes)) <= k, -1.0, 1.0)
    weights = np.concatenate([turns[:k], -slopes[k : k + 1], slopes[k + 1 : k + 2], turns[k + 1 :]])
    return Params(facing[None], -facing * np.insert(places, k, places[k]), weights, values[k].copy())


def _pivot(places: np.ndarray, slopes: np.ndarray, low: float, high: float) -> int:
    """The index of the place from which units face away: the one with the least rounding at the ends.

    The rounding of a unit is proportional to its output, which is largest at the end that it faces.
    """
    turns, sizes = np.abs(np.diff(slopes, axis=0)).sum(axis=1), np.abs(slopes).sum(axis=1)
    to_left, to_right = places - low, high - places
    left, right = np.cumsum(turns * to_left) - turns * to_left, np.cumsum((turns * to_right)[::-1])[::-1]
    own = sizes[:-1] * to_left + (sizes[1:] - turns) * to_right
    return int(np.argmin(left + right + own))
