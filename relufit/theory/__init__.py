"""What is possible: the universal approximation theorem as a construction, its error, and what training can stand.

A network that interpolates at H + 1 equidistant points has one unit per change of slope. Its largest error is at most
omega_f(h), the modulus of continuity at the distance h of the points, and at most h^2 max|f''| / 8 where f'' exists
(de Boor, A Practical Guide to Splines, chapter III). Knots placed freely do better, in mean square like MSE*.

smoothness.py finds f'', jumps and the modulus of continuity of a target; hessian.py the curvature of a loss.

Targets are what `relufit.fit` takes: a Target, a zoo name, an expression, a function. Their noise is left out, except
that noise has no MSE*.
"""

from math import ceil, inf
from typing import NamedTuple

import numpy as np

from relufit.errors import RelufitError
from relufit.params import Params, check_count
from relufit.targets import Target, resolve
from relufit.theory.hessian import largest_curvature, largest_stable_learning_rate
from relufit.theory.smoothness import has_jumps, modulus_of_continuity, second_derivative

__all__ = [
    "Asymptotic", "Bound", "asymptotic_mse", "interpolating_network", "largest_curvature",
    "largest_stable_learning_rate", "modulus_of_continuity", "sup_error_bound", "units_for",
]  # fmt: skip

CURVATURE = "h^2 max|f''| / 8"
MODULUS = "modulus of continuity, estimated on a grid"
NO_BOUND = "none: in mean square only"
MOST_UNITS = 2**18  # that units_for answers with


class Bound(NamedTuple):
    """A bound on the largest error, in the units of y, of interpolation at equidistant points."""

    value: float  # inf where the target jumps
    kind: str  # CURVATURE, MODULUS or NO_BOUND
    exact: bool  # f'' is sympy's, its maximum that of 262 145 points; else f'', or the modulus, is an estimate
    reason: str  # why there is no bound by f'', or none at all


class Asymptotic(NamedTuple):
    """What the mean squared error of the best H pieces comes close to as H grows. Not a bound."""

    value: float | None  # in the units of y, squared
    exact: bool  # f'' is sympy's; else from differences
    reason: str  # where value is None


def interpolating_network(target: object, hidden: int, domain: tuple[float, float] | None = None) -> Params:
    """The network of `hidden` units that equals the target at hidden + 1 equidistant points of its domain.

    Returns float64 Params for D = O = 1 that act on x as it is. Units have w1 = 1 or -1, so that knots are exact. They
    face away from the knot in the middle, which has one for each side: a sum begins where it is small, and the outer
    pieces go on as lines outside the domain (hidden = 1: a constant to the left of it). Raises RelufitError for hidden
    below 1, and where the target is not finite.
    """
    found, hidden = resolve(target, domain), check_count("hidden", hidden)
    knots = np.linspace(*found.domain, hidden + 1)
    y = found(knots)
    slopes = np.diff(y) / np.diff(knots)  # (H,)
    middle = hidden // 2
    places = np.concatenate([np.arange(1, middle + 1), np.arange(middle, hidden)])  # (H,) the middle one is in both
    sign = np.repeat([-1.0, 1.0], [middle, hidden - middle])
    bends = np.concatenate([np.diff(slopes[:middle], append=0), np.diff(slopes[middle:], prepend=0)])  # (H,)
    return Params(sign[None], -sign * knots[places], bends[:, None], y[middle : middle + 1])


def sup_error_bound(target: object, hidden: int, domain: tuple[float, float] | None = None) -> Bound:
    """How far `interpolating_network` can be from its target on the domain.

    By f'' where it exists and is bounded; else omega_f(h), h the distance of the points, which a grid can only estimate
    from below; inf where the target jumps. Raises RelufitError as `interpolating_network` and `modulus_of_continuity`.
    """
    found, hidden = resolve(target, domain), check_count("hidden", hidden)
    largest, h = _Largest.of(found), (found.domain[1] - found.domain[0]) / hidden
    if largest.curvature is not None:
        return Bound(h**2 * largest.curvature / 8, CURVATURE, largest.exact, "")
    if largest.jumps:
        return Bound(inf, NO_BOUND, False, largest.reason)
    return Bound(modulus_of_continuity(found, h), MODULUS, False, largest.reason)


def asymptotic_mse(target: object, hidden: int, domain: tuple[float, float] | None = None) -> Asymptotic:
    """MSE*(H) = (integral of |f''|^(2/5))^5 / (720 H^4 (b - a)): the best linear spline of H pieces, as H grows.

    De Boor 1973, "Good approximation by splines with variable knots". An asymptotic value and not a bound: the best
    spline is 10 % below it at H = 32 on sin, and H units can make H + 1 pieces. It has no value for noisy targets, and
    where f'' does not exist or is not bounded; `reason` says so. Raises RelufitError for hidden below 1, and where the
    target is not finite.
    """
    found, hidden = resolve(target, domain), check_count("hidden", hidden)
    if found.noise > 0:
        return Asymptotic(None, False, f"{found.name!r} is noisy: no spline comes closer to its samples than the noise")
    second = second_derivative(found)
    if second.values is None:
        return Asymptotic(None, second.exact, second.reason)
    length = found.domain[1] - found.domain[0]
    integral = length * _mean_of_power(second.values)
    return Asymptotic(integral**5 / (720 * hidden**4 * length), second.exact, "")


def units_for(
    target: object,
    *,
    mse: float | None = None,
    max_error: float | None = None,
    domain: tuple[float, float] | None = None,
) -> int:
    """How many units a tolerance needs, in the units of y: of both where two are given.

    `mse` by MSE*, which is an asymptotic value: fewer may do, and training may need more. `max_error` by the bound on
    interpolation, which that many units keep. Raises RelufitError for a tolerance that is not positive, where none is
    given, where the target has no MSE* or no bound, and beyond 2^18 units.
    """
    found = resolve(target, domain)
    for name, tolerance in {"mse": mse, "max_error": max_error}.items():
        if tolerance is not None and not (isinstance(tolerance, (int, float)) and 0 < tolerance < inf):
            raise RelufitError(f"{name} must be a positive number, not {tolerance!r}")
    if mse is None and max_error is None:
        raise RelufitError("give a tolerance: mse, max_error or both")
    by_mse = 1 if mse is None else _units_for_mse(found, mse)
    return max(by_mse, 1 if max_error is None else _units_for_max_error(found, max_error))


class _Largest(NamedTuple):
    """What a bound on the error is made of."""

    curvature: float | None  # max|f''|
    exact: bool
    jumps: bool
    reason: str

    @classmethod
    def of(cls, target: Target) -> "_Largest":
        second = second_derivative(target)
        if second.values is not None:
            return cls(float(np.abs(second.values).max()), second.exact, False, "")
        return cls(None, False, has_jumps(target), second.reason)


def _units_for_mse(target: Target, mse: float) -> int:
    one = asymptotic_mse(target, 1)
    if one.value is None:
        raise RelufitError(f"{target.name!r} has no asymptotic error: {one.reason}")
    return _checked_units((one.value / mse) ** 0.25)


def _units_for_max_error(target: Target, max_error: float) -> int:
    largest, length = _Largest.of(target), target.domain[1] - target.domain[0]
    if largest.curvature is not None:
        return _checked_units(length * (largest.curvature / (8 * max_error)) ** 0.5)
    if largest.jumps:
        raise RelufitError(f"no number of units keeps {target.name!r} within {max_error:g} everywhere: it jumps")
    below, enough = 0, 1
    while modulus_of_continuity(target, length / enough) > max_error:
        below, enough = enough, _checked_units(2 * enough)
    while enough - below > 1:  # the modulus falls with h
        half = (below + enough) // 2
        fits = modulus_of_continuity(target, length / half) <= max_error
        below, enough = (below, half) if fits else (half, enough)
    return enough


def _checked_units(units: float) -> int:
    if units > MOST_UNITS:
        raise RelufitError(f"this tolerance needs {units:.3g} units, more than {MOST_UNITS}; allow a larger error")
    return max(1, ceil(units * (1 - 1e-12)))  # what is a whole number but for rounding stays one


def _mean_of_power(values: np.ndarray) -> float:
    """The mean of |g|^(2/5) over an interval, of the line between each two neighbouring values of g (n,).

    In closed form, because |g|^(2/5) is steep as a root at the inflection points, where g = 0.
    """
    first, last = values[:-1], values[1:]
    size, change = np.maximum(np.abs(first), np.abs(last)), last - first
    steep = np.abs(change) > 1e-4 * size  # less, and the power is as good as straight itself
    powers = np.abs(values) ** 0.4
    means = (powers[:-1] + powers[1:]) / 2
    risen = np.sign(values) * np.abs(values) ** 1.4 / 1.4
    means[steep] = np.diff(risen)[steep] / change[steep]
    return float(means.mean())
