"""The limit of a function at a point where it has no value, as sin(x)/x and x*log(x) at 0, by its values nearby."""

from collections.abc import Callable

import numpy as np

COARSEST = 4  # halvings of the domain's width at the first distance
MOST = 1000  # distances; the last one is 1e-300 for a point at 0, else that of the nearest floats
LOOK = 4  # consecutive steps, from one distance to the next, that must all be small
CONVERGED = 1e-5  # largest step at the limit, relative to the first values
NOISE = 30.0  # growth of the steps from which smaller distances only show rounding, as in (1 - cos(x))/x**2
ZERO = 1e-9  # limit, relative to the first values, that counts as 0
AGREEMENT = 1e-4  # difference of the limits from both sides, relative to the first values, from which they differ


def limit(function: Callable[[np.ndarray], np.ndarray], x: float, low: float, high: float) -> float:
    """The limit of a function as its argument approaches x inside [low, high]; nan if none is found.

    Inside the interval the limits from both sides must agree. A limit that is approached more slowly than the power 0.1
    of the distance is not found.
    """
    sides = [side for side, is_inside in ((1.0, x < high), (-1.0, x > low)) if is_inside]
    with np.errstate(all="ignore"):
        found = [_one_sided(function, x, side, high - low) for side in sides]
    values, scale = np.array([value for value, _ in found]), max(scale for _, scale in found)
    if not np.ptp(values) <= AGREEMENT * scale:  # nan fails too
        return float("nan")
    return float(values.mean()) if abs(values.mean()) > ZERO * scale else 0.0


def _one_sided(
    function: Callable[[np.ndarray], np.ndarray], x: float, side: float, width: float
) -> tuple[float, float]:
    """The limit from one side, nan if none is found, and the size of the first values."""
    halvings = int(np.log2(width) - np.log2(np.spacing(abs(x))))
    y = function(x + side * width * 2.0 ** -np.arange(COARSEST, min(COARSEST + MOST, halvings)))
    undefined = np.flatnonzero(~np.isfinite(y))
    y = y[: undefined[0]] if len(undefined) else y
    if len(y) <= 3 * LOOK:
        return float("nan"), 0.0
    scale = float(np.abs(y[:LOOK]).max())
    value, step, end = _most_settled(y)
    if step > CONVERGED * scale:  # before any extrapolation, which would give 1/x the limit 0
        return float("nan"), scale
    y = y[:end]  # smaller distances may only show rounding
    while len(y) > LOOK + 2 and step > 0:
        y = _extrapolated(y)
        better, smaller, _ = _most_settled(y)
        if not smaller < step:
            break
        value, step = better, smaller
    return value, scale


def _most_settled(y: np.ndarray) -> tuple[float, float, int]:
    """The value of a sequence (K,) where LOOK consecutive steps are smallest, before noise grows.

    Also returns the largest of these steps, and the end of the part of the sequence that they are from.
    """
    steps = np.abs(np.diff(y))
    largest = np.lib.stride_tricks.sliding_window_view(steps, LOOK).max(axis=1)
    noisy = np.flatnonzero(largest > NOISE * np.minimum.accumulate(largest))
    best = int(np.argmin(largest[: noisy[0]] if len(noisy) else largest))
    return float(y[best + 1 + np.argmin(steps[best : best + LOOK])]), float(largest[best]), best + LOOK + 1


def _extrapolated(y: np.ndarray) -> np.ndarray:
    """Aitken's (1926) extrapolation of a sequence: exact if its steps are a geometric series, as of a power of x."""
    first, second = np.diff(y)[:-1], np.diff(y)[1:]
    change = np.divide(second**2, second - first, out=np.zeros_like(second), where=second != first)
    return y[2:] - change
