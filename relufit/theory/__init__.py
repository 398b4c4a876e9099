"""The universal approximation theorem as a construction, bounds on its error, and the largest stable learning rate.

A network that interpolates at H + 1 equidistant points has one unit per change of slope. Its largest error is at most
omega_f(h), the modulus of continuity at the distance h of the points, and at most h^2 max|f''| / 8 where f'' exists
(de Boor, A Practical Guide to Splines, chapter III). Knots placed freely do better, in mean square like MSE*.

smoothness.py finds f'', jumps and the modulus of continuity of a target; hessian.py the curvature of a loss.

Targets are what `relufit.fit` takes: a Target, a zoo name, an expression, a function. Their noise is ignored, except
that a noisy target has no MSE*.
"""

from collections.abc import Callable
from math import ceil, inf, log
from typing import NamedTuple

import numpy as np

from relufit.errors import RelufitError, check_count, check_positive, counted
from relufit.network.params import Params
from relufit.targets import Target, resolve
from relufit.theory.hessian import largest_curvature, largest_stable_learning_rate
from relufit.theory.smoothness import has_jumps, integral_of_power, modulus_of_continuity, second_derivative

__all__ = [
    "Asymptotic", "Bound", "asymptotic_mse", "interpolating_network", "largest_curvature",
    "largest_stable_learning_rate", "modulus_of_continuity", "sup_error_bound", "units_for",
]  # fmt: skip

CURVATURE = "h^2 max|f''| / 8"
MODULUS = "modulus of continuity, estimated on a grid"
NO_BOUND = "none: in mean square only"
MOST_UNITS = 2**18  # largest number that units_for returns


class Bound(NamedTuple):
    """A bound on the largest error, in the units of y, of interpolation at equidistant points."""

    value: float  # inf where the target jumps or has a pole
    kind: str  # CURVATURE, MODULUS or NO_BOUND
    exact: bool  # f'' is from sympy, its maximum over 262 145 points; else f'', or the modulus, is an estimate
    reason: str  # why it is not the bound by f'', or why there is no bound; "" for the bound by f''


class Asymptotic(NamedTuple):
    """The asymptotic mean squared error of the best spline of H pieces as H grows. Not a bound."""

    value: float | None  # in the units of y, squared
    exact: bool  # f'' is from sympy; else from differences
    reason: str  # why value is None; else ""


def interpolating_network(target: object, hidden: int, domain: tuple[float, float] | None = None) -> Params:
    """The network of `hidden` units that equals the target at hidden + 1 equidistant points of its domain.

    Returns float64 Params for D = O = 1 that act on raw x. Units have w1 = 1 or -1, so that knots are exact. They face
    away from the middle knot, which has one unit for each side, so sums start small, and the outer pieces extend as
    lines outside the domain (hidden = 1: as a constant to the left). Raises RelufitError for hidden below 1, for more
    points than floating-point numbers in the domain, and where the target is not finite.
    """
    found, hidden = resolve(target, domain), check_count("hidden", hidden)
    try:
        knots = np.linspace(*found.domain, hidden + 1)
    except (MemoryError, ValueError):  # numpy raises ValueError where not even the size can be expressed
        raise RelufitError(f"a network of {counted(hidden, 'unit')} does not fit in memory") from None
    if not (np.diff(knots) > 0).all():
        raise RelufitError(f"{hidden + 1} points are more than there are floating-point numbers in {found.domain}")
    y = found(knots)
    slopes = np.diff(y) / np.diff(knots)  # (H,)
    middle = hidden // 2
    places = np.concatenate([np.arange(1, middle + 1), np.arange(middle, hidden)])  # (H,) the middle one is in both
    sign = np.repeat([-1.0, 1.0], [middle, hidden - middle])
    bends = np.concatenate([np.diff(slopes[:middle], append=0), np.diff(slopes[middle:], prepend=0)])  # (H,)
    return Params(sign[None], -sign * knots[places], bends[:, None], y[middle : middle + 1])


def sup_error_bound(target: object, hidden: int, domain: tuple[float, float] | None = None) -> Bound:
    """A bound on the largest error of `interpolating_network` on the domain.

    The smaller of the bound by f'', if f'' exists and is bounded, and of omega_f(h), h the distance of the points,
    which a grid can only estimate from below; beyond 2^18 units only the first. Inf if the target jumps or grows
    without bound. Raises RelufitError as `interpolating_network` and `modulus_of_continuity` do.
    """
    found, hidden = resolve(target, domain), check_count("hidden", hidden)
    largest, h = _Largest.of(found), (found.domain[1] - found.domain[0]) / hidden
    if largest.hopeless:
        return Bound(inf, NO_BOUND, False, largest.reason)
    if largest.curvature is None:
        return Bound(modulus_of_continuity(found, h), MODULUS, False, largest.reason)
    by_curvature = Bound(h**2 * largest.curvature / 8, CURVATURE, largest.exact, "")
    if hidden > MOST_UNITS:  # h is too small a part of the domain for a grid
        return by_curvature
    modulus = modulus_of_continuity(found, h)
    if modulus >= by_curvature.value:
        return by_curvature
    return Bound(modulus, MODULUS, False, f"{CURVATURE} is more: {by_curvature.value:.3g}")


def asymptotic_mse(target: object, hidden: int, domain: tuple[float, float] | None = None) -> Asymptotic:
    """MSE*(H) = (integral of |f''|^(2/5))^5 / (720 H^4 (b - a)): the best linear spline of H pieces, as H grows.

    De Boor 1973, "Good approximation by splines with variable knots". It is an asymptotic value and not a bound: on sin
    the best spline found is 15 % below it with 32 pieces and 1 % with 512, and H units can make H + 1 pieces (with 32
    units it is 26 % below). It has no value for noisy targets, and if f'' does not exist, is not bounded or changes too
    fast to be integrated; `reason` says why. Raises RelufitError for hidden below 1, and if the target is not finite.
    """
    found, hidden = resolve(target, domain), check_count("hidden", hidden)
    if found.noise > 0:
        return Asymptotic(None, False, f"{found.name!r} is noisy: no spline comes closer to its samples than the noise")
    second = second_derivative(found)
    if second.values is None:
        return Asymptotic(None, second.exact, second.reason)
    integral = integral_of_power(second, *found.domain)
    if integral is None:
        return Asymptotic(None, second.exact, "the integral of |f''|^(2/5) does not converge: f'' changes too fast")
    with np.errstate(over="ignore"):
        value = float(np.float64(integral) ** 5 / (720.0 * hidden**4 * (found.domain[1] - found.domain[0])))
    if value == inf:
        return Asymptotic(None, second.exact, "its square is beyond floating point; divide the target by a constant")
    return Asymptotic(value, second.exact, "")


def units_for(
    target: object,
    *,
    mse: float | None = None,
    max_error: float | None = None,
    domain: tuple[float, float] | None = None,
) -> int:
    """The number of units that theory gives for an error, in the units of y; for both errors, if both are given.

    For `max_error` the number is sufficient, by the bound on the interpolating network; the best spline needs far fewer
    (`relufit limit` searches for it). For `mse` it is an estimate for the best spline, by the asymptotic value MSE*;
    training may need more. Raises RelufitError for an error that is not positive, if none is given, if the target has
    no MSE* or no bound, and beyond 2^18 units.
    """
    found = resolve(target, domain)
    mse = None if mse is None else check_positive("mse", mse)
    max_error = None if max_error is None else check_positive("max_error", max_error)
    if mse is None and max_error is None:
        raise RelufitError("give a tolerance: mse, max_error or both")
    by_mse = 1 if mse is None else _units_for_mse(found, mse)
    return max(by_mse, 1 if max_error is None else _units_for_max_error(found, max_error))


class _Largest(NamedTuple):
    """The largest |f''| of a target, or why it has none."""

    curvature: float | None  # max|f''|
    exact: bool
    hopeless: str  # why no network is close everywhere, a jump or a pole; else ""
    reason: str  # why there is no curvature; else ""

    @classmethod
    def of(cls, target: Target) -> "_Largest":
        second = second_derivative(target)
        if second.values is not None:
            return cls(float(np.abs(second.values).max()), second.exact, "", "")
        if second.pole is not None:
            return cls(None, False, second.reason, second.reason)
        return cls(None, False, "it jumps" if has_jumps(target) else "", second.reason)


def _units_for_mse(target: Target, mse: float) -> int:
    one = asymptotic_mse(target, 1)
    if one.value is None:
        raise RelufitError(f"{target.name!r} has no asymptotic error: {one.reason}")
    return _checked_units((one.value / mse) ** 0.25)


def _units_for_max_error(target: Target, max_error: float) -> int:
    largest, length = _Largest.of(target), target.domain[1] - target.domain[0]
    if largest.hopeless:
        raise RelufitError(
            f"no number of units keeps {target.name!r} within {max_error:g} everywhere: {largest.hopeless}"
        )
    if largest.curvature is not None:
        units = length * (largest.curvature / (8 * max_error)) ** 0.5
        fewer = _checked_units(min(units, MOST_UNITS)) - (units <= MOST_UNITS)
        if fewer == 0 or modulus_of_continuity(target, length / fewer) > max_error:
            return _checked_units(units)
    return _smallest_units(lambda units: modulus_of_continuity(target, length / units), max_error)


def _smallest_units(modulus: Callable[[int], float], max_error: float) -> int:
    """The smallest number of units whose modulus is at most an error; each evaluation scans the whole target.

    omega(h / k) is at least omega(h) / k, which gives a lower limit. Then every second trial bisects, and every second
    one assumes that the modulus is a power of h, as it mostly is.
    """
    below, enough = 0, 1
    over = found = modulus(enough)
    while found > max_error:
        least = max(_checked_units(enough * found / max_error), enough + 1)
        below, over, enough = enough, found, _checked_units(max(least, min(2 * enough, MOST_UNITS)))
        found = modulus(enough)
    by_power = True
    while enough - below > 1:
        trial = (below + enough) // 2
        if by_power and over > found > 0:
            share = log(over / max_error) / log(over / found)
            trial = min(max(round(below * (enough / below) ** share), below + 1), enough - 1)
        by_power, tried = not by_power, modulus(trial)
        if tried <= max_error:
            enough, found = trial, tried
        else:
            below, over = trial, tried
    return enough


def _checked_units(units: float) -> int:
    if units > MOST_UNITS:
        raise RelufitError(
            f"by theory this error needs {units:.3g} units, more than {MOST_UNITS}; allow a larger error"
        )
    return max(1, ceil(units * (1 - 1e-12)))  # an integer plus a rounding error stays that integer
