"""How smooth a target is: its second derivative over its domain, its jumps, its modulus of continuity.

The second derivative is exact where the target has an expression and sympy is installed; else it comes from differences
of fourth order, at the step where two neighbouring steps agree best.
"""

from typing import NamedTuple

import numpy as np

from relufit.errors import RelufitError
from relufit.spline.breaks import singularities
from relufit.targets import Target, resolve

GRID = 2**18  # cells that second derivatives are looked at in
MODULUS_GRID = 2**17  # cells at least, that a modulus of continuity is looked for in,
CELLS_PER_H = 8  # and at least so many to h,
MOST_CELLS = 2**23  # but no more than these
JUMP = 0.8  # of the change over 64 cells, in a single one: |x|^0.05 has as much
AGREEMENT = 1e-2  # of the largest |f''|, between two steps: where they differ by more, differences found no f''


class SecondDerivative(NamedTuple):
    """f'' on GRID + 1 equidistant points of the domain, or the reason why there is none."""

    values: np.ndarray | None  # (GRID + 1,)
    exact: bool  # by sympy; else by differences
    reason: str  # where values are None


def second_derivative(target: Target) -> SecondDerivative:
    """Find f'' over the domain of a target; noise is left out. Raises RelufitError where it is not finite."""
    places = singularities(target, *target.domain)
    if len(places):
        place = places[0] if abs(places[0]) > 1e-8 * (target.domain[1] - target.domain[0]) else 0.0  # or one side of it
        return SecondDerivative(None, False, f"f'' does not exist at x = {place:.6g}: a kink, or a jump")
    exact = _exact(target)
    if exact is not None:
        finite = bool(np.isfinite(exact).all())
        return SecondDerivative(exact if finite else None, True, "" if finite else "f'' is unbounded on the domain")
    values = _by_differences(target)
    return SecondDerivative(values, False, "" if values is not None else "f'' is unbounded, or too rough to be found")


def has_jumps(target: Target) -> bool:
    """Whether the largest change from point to point hardly falls as 4096 cells become 262 144.

    A jump smaller than what the target changes by in 1/4096 of its domain is not seen.
    """
    y = target(np.linspace(*target.domain, GRID + 1))
    fine, coarse = np.abs(np.diff(y)).max(), np.abs(np.diff(y[::64])).max()
    return bool(fine > JUMP * coarse)


def modulus_of_continuity(target: object, h: float, domain: tuple[float, float] | None = None) -> float:
    """The largest |f(x) - f(y)| over |x - y| <= h, in the units of y, as seen on grids of at least 131 073 points.

    A lower estimate, as every maximum over a grid is; the grids hold h a whole number of times and start at either end.
    `target` is what `relufit.fit` takes, without its noise. Raises RelufitError where h is not positive, or so small
    that eight cells to h would need more than 2^23.
    """
    found = resolve(target, domain)
    low, high = found.domain
    if not (isinstance(h, (int, float)) and 0 < h < float("inf")):
        raise RelufitError(f"h must be a positive number, not {h!r}")
    h = min(float(h), high - low)
    window = max(CELLS_PER_H, int(np.ceil(MODULUS_GRID * (h / (high - low)))))  # cells to h
    cells = int((high - low) / h * window * (1 + 1e-12))
    if cells > MOST_CELLS:
        raise RelufitError(f"h = {h:g} is too small a part of the domain ({low:g}, {high:g}) to be looked at")
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


def _exact(target: Target) -> np.ndarray | None:
    """Find f'' by sympy, which may hold nan or inf; None without an expression or sympy, or where it finds none."""
    if target.expression is None:
        return None
    try:
        from relufit.symbolic import derivative

        second = derivative(target, order=2)
    except RelufitError:
        return None
    with np.errstate(all="ignore"):
        return np.asarray(second.function(np.linspace(*target.domain, GRID + 1)))


def _by_differences(target: Target) -> np.ndarray | None:
    """Find f'' from values: None where no two neighbouring steps agree."""
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
            best, least, noise = finer, change, 64 * np.finfo(np.float64).eps * np.abs(y).max() / (cell * stride) ** 2
        finer = coarser
    if best is None:
        return None
    largest = float(np.abs(best).max())
    if largest <= 4 * noise:  # a straight line: what is left is rounding, at half the stride
        return np.zeros_like(best)
    return best if least <= AGREEMENT * largest else None


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
