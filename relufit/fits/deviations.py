"""How far a network is from the function it was fitted to: the mean square and the maximum over the domain."""

import numpy as np

from relufit.backends.evaluation import evaluate
from relufit.network.params import Params
from relufit.network.scaling import VARIES
from relufit.network.sorted.polyline import knots_of
from relufit.spline.moments.breaks import singularities
from relufit.spline.moments.functions import PLACES, SHARES
from relufit.targets import Target

CELLS = 1000  # initial number of cells of the integral of an error against a function, besides cuts at the knots
HALVINGS = 30  # largest number of halvings of a cell
MOST_CELLS = 2**16  # largest number of cells that are halved at once
SETTLED = 1e-6  # relative change of the mean square below which the integral counts as converged
BISECTIONS = 52  # steps of the bisection for a jump between two places where a function is not smooth
ROUNDING = 1e-14  # relative change of the function's values that counts as rounding


def errors_against(target: Target, params: Params) -> tuple[float, float]:
    """Mean square and maximum of |network - function| over the target's domain, in float64."""
    return errors_and_variance(target, params)[:2]


def errors_and_variance(target: Target, params: Params) -> tuple[float, float, float]:
    """Mean square and maximum of |network - function| over the target's domain, and the variance of the function.

    By Gauss points in cells between knots, where the network is a line, and between CELLS + 1 equidistant points; a
    cell is halved until that no longer changes its part of the mean square. The maximum includes both sides of jumps,
    which Gauss points do not reach.
    """
    low, high = target.domain
    middle = float(target(np.array([low]))[0])  # deviations from it are squared, so that an offset costs no digits

    def measure(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, float, float]:
        """Integrals over each cell, (3, K): of squared errors, of deviations of the function, and of their squares.

        Also the largest error, and the largest value of the function.
        """
        x = np.concatenate([(left[:, None] + (right - left)[:, None] * PLACES).ravel(), left, right[-1:]])
        y = target(x)
        error, away = evaluate(params, x[:, None])[:, 0] - y, y - middle
        parts = np.stack([error**2, away, away**2])[:, : PLACES.size * len(left)].reshape(3, -1, PLACES.size)
        return parts @ SHARES * (right - left), float(np.abs(error).max()), float(np.abs(y).max())

    ends = np.union1d(np.linspace(low, high, CELLS + 1), knots_of(params, low, high))
    left, right = ends[:-1], ends[1:]
    with np.errstate(over="ignore", invalid="ignore"):
        whole, largest, scale = measure(left, right)
        settled, cells = np.zeros(3), len(left)
        for _ in range(HALVINGS):
            centre = (left + right) / 2
            left, right = np.stack([left, centre], axis=1).ravel(), np.stack([centre, right], axis=1).ravel()
            halves, worst, _ = measure(left, right)
            both, largest = halves.reshape(3, -1, 2).sum(axis=2), max(largest, worst)
            enough = SETTLED * (settled[0] + both[0].sum()) / cells + (ROUNDING * scale) ** 2 * (right - left)[::2]
            open_ = np.abs(both[0] - whole[0]) > enough
            settled += both[:, ~open_].sum(axis=1)
            if not open_.any() or open_.sum() > MOST_CELLS:
                settled += both[:, open_].sum(axis=1)
                break
            chosen = np.repeat(open_, 2)
            left, right, whole = left[chosen], right[chosen], halves[:, chosen]
        else:
            settled += whole.sum(axis=1)
        sharp = _sharp_places(target)
        largest = float(np.abs(evaluate(params, sharp[:, None])[:, 0] - target(sharp)).max(initial=largest))
        mse, mean, mean_square = (settled / (high - low)).tolist()
        spread = mean_square - mean**2
    return mse, largest, spread if spread > (VARIES * scale) ** 2 else 0.0


def _sharp_places(target: Target) -> np.ndarray:
    """Kinks of a target, and the floats just before and just after each of its jumps: errors are largest there."""
    places = singularities(target, *target.domain)
    if not len(places):
        return places
    left, right = places[:-1], places[1:]
    for _ in range(BISECTIONS):
        middle = (left + right) / 2
        below, at, above = target(np.stack([left, middle, right]))
        in_left = np.abs(at - below) > np.abs(above - at)
        left, right = np.where(in_left, left, middle), np.where(in_left, middle, right)
    return np.concatenate([places, left, right])
