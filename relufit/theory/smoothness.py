"""How smooth a target is: its second derivative and the integral of its power, its jumps, its modulus of continuity.

The second derivative is exact where the target has an expression and sympy is installed; else it comes from differences
of fourth order, at the step where two neighbouring steps agree best.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from relufit.errors import RelufitError, check_positive
from relufit.network.values import by_value, one_line
from relufit.spline.moments.breaks import find_pole, singularities
from relufit.targets import Target, resolve

GRID = 2**18  # cells of the grid for second derivatives
MODULUS_GRID = 2**17  # least number of cells of the grid for a modulus of continuity,
CELLS_PER_H = 8  # least number of cells per h,
MOST_CELLS = 2**23  # and largest number of cells
JUMP = 0.8  # share of the change over 64 cells in one cell that counts as a jump; |x|^0.05 just does
NOISE = 8 * float(np.finfo(np.float64).eps)  # rounding in second differences, relative to the largest value
AGREEMENT = 1e-2  # largest difference between two steps, relative to the largest |f''|, for f'' to count as found
POWER = 0.4  # of |f''|: the integral of this power gives the error of a spline with free knots
CELLS, GRADED = 1024, 60  # equal intervals at the start of an integral, and halvings of those beside the largest f''
DEEPEST, MOST_INTERVALS = 60, 2**17  # largest number of halvings, and of intervals that are halved at once
NEGLIGIBLE = 1e-13  # change of an interval by halving, relative to the integral, below which it is not halved again
NEARLY = 1e-11  # change of all intervals by halving, relative to the integral, at which halving ends
SETTLED = 1e-6, 1e-3  # largest relative error of an integral that counts: of an exact f'', and of one by differences
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


@by_value
class SecondDerivative(NamedTuple):
    """f'' on GRID + 1 equidistant points of the domain, or the reason why it does not exist."""

    values: np.ndarray | None  # (GRID + 1,)
    exact: bool  # by sympy; else by differences
    reason: str  # why values are None; else ""
    pole: float | None = None  # x at which the target itself grows without bound
    function: Callable[[np.ndarray], np.ndarray] | None = None  # f'' at any x, where it is exact; may hold nan or inf

    def __repr__(self) -> str:
        return one_line(self)


def second_derivative(target: Target) -> SecondDerivative:
    """Find f'' over the domain of a target, without its noise. Raises RelufitError if the target is not finite."""
    places = singularities(target, *target.domain)
    pole = find_pole(target, *target.domain)
    if pole is not None:
        return SecondDerivative(None, False, f"it grows without bound near x = {pole:.6g}", pole)
    if len(places):
        place = places[0] if abs(places[0]) > 1e-8 * (target.domain[1] - target.domain[0]) else 0.0  # a side of 0
        return SecondDerivative(
            None, False, f"f'' does not exist at x = {place:.6g}, as far as can be seen: a kink, or a jump"
        )
    exact = _exact(target)
    if exact is not None:
        found = exact(np.linspace(*target.domain, GRID + 1))
        if np.isfinite(found).all():
            return SecondDerivative(found, True, "", None, exact)
        if not target.removable():  # at a removable singularity the formula of f'' has no value, but differences have
            return SecondDerivative(None, True, "f'' is unbounded on the domain")
    values = _by_differences(target)
    return SecondDerivative(values, False, "" if values is not None else "f'' is unbounded, or too rough to be found")


def integral_of_power(second: SecondDerivative, low: float, high: float) -> float | None:
    """The integral of |f''|^(2/5) over the domain [low, high]; None if there are no values or it does not converge.

    For an exact f'', intervals are halved until the integral converges; they start fine where |f''| is largest, such as
    at an end for log(x), or in a narrow peak. For an f'' by differences, every second value must give nearly the same.
    """
    if second.values is None:
        return None
    if second.function is None:
        found, coarse = (_mean_of_power(second.values[::stride]) * (high - low) for stride in (1, 2))
        return found if abs(found - coarse) <= SETTLED[1] * found else None
    peak = low + (high - low) * float(np.argmax(np.abs(second.values))) / GRID
    beside = (high - low) * 2.0 ** -np.arange(GRADED)
    ends = np.concatenate([np.linspace(low, high, CELLS + 1), peak - beside, peak + beside])
    found, error = _integrate(second.function, np.unique(np.clip(ends, low, high)))
    return found if error <= SETTLED[0] * found else None


def _integrate(function: Callable[[np.ndarray], np.ndarray], ends: np.ndarray) -> tuple[float, float]:
    """The integral of |function|^POWER between the first and last of `ends` (K + 1,), and an estimate of its error.

    Intervals are halved until both halves agree with the whole: near a zero of f'' its power is as steep as a root.
    """
    left, right = ends[:-1], ends[1:]
    whole, settled, error = _power_between(function, left, right), 0.0, 0.0
    for _ in range(DEEPEST):
        middle = (left + right) / 2
        left, right = np.append(left, middle), np.append(middle, right)
        halves = _power_between(function, left, right)
        both = halves[: len(whole)] + halves[len(whole) :]
        change = np.abs(both - whole)
        rough = change > NEGLIGIBLE * (settled + both.sum())
        settled, error = settled + float(both[~rough].sum()), error + float(change[~rough].sum())
        left, right, whole = left[np.tile(rough, 2)], right[np.tile(rough, 2)], halves[np.tile(rough, 2)]
        found, unsettled = settled + float(whole.sum()), float(change[rough].sum())
        if unsettled <= NEARLY * found or len(whole) > MOST_INTERVALS:
            break
    return found, error + unsettled


def _power_between(function: Callable[[np.ndarray], np.ndarray], left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The integral of |function|^POWER over each interval (K,), by Gauss points."""
    half = (right - left) / 2
    x = np.clip((left + half)[:, None] + half[:, None] * _NODES, left[:, None], right[:, None])  # (K, 8)
    return np.asarray(half * (np.abs(function(x)) ** POWER @ _WEIGHTS))


def _mean_of_power(values: np.ndarray) -> float:
    """The mean of |g|^POWER over an interval, g linear between neighbouring values (n,).

    In closed form, because the power is as steep as a root at inflection points, where g = 0.
    """
    first, last = values[:-1], values[1:]
    size, change = np.maximum(np.abs(first), np.abs(last)), last - first
    steep = np.abs(change) > 1e-4 * size  # below this, the power is linear to rounding
    powers = np.abs(values) ** POWER
    means = (powers[:-1] + powers[1:]) / 2
    risen = np.sign(values) * np.abs(values) ** (1 + POWER) / (1 + POWER)
    means[steep] = np.diff(risen)[steep] / change[steep]
    return float(means.mean())


def has_jumps(target: Target) -> bool:
    """Whether the largest change from point to point hardly falls from a grid of 4096 cells to one of 262 144.

    Jumps smaller than the change of the target over 1/4096 of its domain are not found.
    """
    y = target(np.linspace(*target.domain, GRID + 1))
    fine, coarse = np.abs(np.diff(y)).max(), np.abs(np.diff(y[::64])).max()
    return bool(fine > JUMP * coarse)


def modulus_of_continuity(target: object, h: float, domain: tuple[float, float] | None = None) -> float:
    """The largest |f(x) - f(y)| over |x - y| <= h, in the units of y, on grids of at least 131 073 points.

    This is a lower estimate, as every maximum over a grid. h is a multiple of the cells of the grids, which start at
    either end. `target` is what `relufit.fit` takes, without its noise. Raises RelufitError if h is not positive, or so
    small that eight cells per h are more than 2^23 cells.
    """
    found = resolve(target, domain)
    low, high = found.domain
    h = min(check_positive("h", h), high - low)
    window = max(CELLS_PER_H, int(np.ceil(MODULUS_GRID * (h / (high - low)))))  # cells to h
    cells = int((high - low) / h * window * (1 + 1e-12))
    if cells > MOST_CELLS:
        raise RelufitError(
            f"h = {h:g} is too small a part of the domain ({low:g}, {high:g}): {cells} cells, and at most {MOST_CELLS} "
            "are allowed; give a larger h"
        )
    steps = np.arange(cells + 1) * (h / window)
    return max(_largest_change(found(np.clip(x, low, high)), window) for x in (low + steps, high - steps))


def _largest_change(y: np.ndarray, window: int) -> float:
    """The largest difference of two values at most `window` places apart, y (n,), n > window; O(n log window)."""
    most, least, width = y, y, 1  # over `width` values from each place on
    while width < window + 1:
        step = min(width, window + 1 - width)
        most, least = np.maximum(most[:-step], most[step:]), np.minimum(least[:-step], least[step:])
        width += step
    return float((most - least).max())


def _exact(target: Target) -> Callable[[np.ndarray], np.ndarray] | None:
    """Find f'' by sympy, whose values may be nan or inf; None without an expression, without sympy, or without f''."""
    if target.expression is None:
        return None
    try:
        from relufit.symbolic import derivative

        second = derivative(target, order=2)
    except RelufitError:
        return None

    def function(x: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.asarray(second.function(x))

    return function


def _by_differences(target: Target) -> np.ndarray | None:
    """Find f'' from values; None if no two neighbouring steps agree."""
    low, high = target.domain
    y = target(np.linspace(low, high, GRID + 1))
    cell = (high - low) / GRID
    best, least = None, np.inf
    finer = _differences(y, 1) / cell**2
    for power in range(1, 15):
        stride = 2**power
        coarser = _differences(y, stride) / (cell * stride) ** 2
        change = float(np.abs(coarser - finer).max())
        if change < least:
            # The noise of the finer step: rounding of the largest value.
            best, least, noise = finer, change, NOISE * np.abs(y).max() / (cell * stride / 2) ** 2
        finer = coarser
    if best is None:
        return None
    largest = float(np.abs(best).max())
    if largest <= 8 * noise:  # a straight line: what is left is rounding
        return np.zeros_like(best)
    # Where a function is flat, as tanh is, the power 2/5 of rounding would add to the integral: noise counts as 0.
    return np.where(np.abs(best) > noise, best, 0.0) if least <= AGREEMENT * largest else None


def _differences(y: np.ndarray, stride: int) -> np.ndarray:
    """stride^2 f'' by differences of fourth order over places `stride` apart, one-sided near the ends: y (n,) -> (n,).

    Coefficients: Fornberg 1988, "Generation of finite difference formulas on arbitrarily spaced grids", tables 1 and 3.
    """
    end = 2 * stride
    inner = [-1 / 12, 4 / 3, -5 / 2, 4 / 3, -1 / 12]
    sided = [15 / 4, -77 / 6, 107 / 6, -13, 61 / 12, -5 / 6]
    found = np.empty_like(y)

    def combined(values: np.ndarray, coefficients: list[float], count: int) -> np.ndarray:
        return np.asarray(sum(c * values[k * stride : k * stride + count] for k, c in enumerate(coefficients)))

    found[end:-end] = combined(y, inner, len(y) - 2 * end)
    found[:end] = combined(y, sided, end)
    found[-end:] = combined(y[::-1], sided, end)[::-1]
    return found
