"""How well a function can be fitted: the best spline found, its asymptotic error, and the units needed for an error."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from relufit import theory
from relufit.errors import RelufitError, check_positive, counted
from relufit.fits.result import Fit
from relufit.fitting.fit import fit
from relufit.network.metrics import Metrics
from relufit.solvers.progress import progress_line
from relufit.spline.moments.breaks import NARROWEST, singularities
from relufit.spline.selection import double_and_bisect
from relufit.targets import Target, resolve

MOST_UNITS = 2**13  # largest number of units tried for a maximum error; a fit with 8192 takes a second
LOOKS_BELOW = 32  # numbers of units tried below the smallest found: more units may have a larger maximum error
ROUNDING = 1e-9  # relative error allowed for the height of a jump


class Limits(NamedTuple):
    """Results of `limits` for a function and a number of hidden units; None for values that do not exist."""

    target: str
    low: float
    high: float
    hidden: int
    mse: float  # of the best spline found
    max_error: float  # its largest error
    seconds: float  # of the search for it
    asymptotic_mse: float | None  # MSE*(hidden); 0 for a straight line
    exact: bool  # f'' is from sympy; else from differences of the function's values
    ratio: float | None  # mse / asymptotic_mse, if that is above 0
    bound: float | None  # on the largest error of the interpolating network
    bound_kind: str  # how the bound was computed, or why there is no bound
    reason: str | None  # why there is no asymptotic value
    mse_wanted: float | None  # as given
    units_for_mse: int | None  # smallest number found whose best spline has at most `mse_wanted`
    units_by_asymptotic_mse: int | None  # an estimate of that number, by MSE*
    max_error_wanted: float | None  # as given
    units_for_max_error: int | None  # smallest number found whose best spline has at most `max_error_wanted`
    units_by_bound: int | None  # sufficient, by the bound on the interpolating network

    def in_words(self) -> str:
        """The limits as text, a line each."""
        lines = [
            f"{self.target} on [{self.low:.6g}, {self.high:.6g}], {counted(self.hidden, 'hidden unit')}",
            f"best spline found       mean square {self.mse:.4g}, largest error {self.max_error:.3g}, "
            f"in {self.seconds * 1e3:.0f} ms",
        ]
        by = "by sympy" if self.exact else "by differences"
        if self.asymptotic_mse is None:
            lines.append(f"asymptotic value        none: {self.reason}")
        elif self.ratio is None:
            lines.append(f"asymptotic value MSE*   mean square 0: a straight line, as far as f'' shows ({by})")
        else:
            lines.append(
                f"asymptotic value MSE*   mean square {self.asymptotic_mse:.4g} (no bound: the best spline found has "
                f"{self.ratio:.3f} of it; f'' {by})"
            )
        if self.bound is not None:
            lines.append(f"interpolating network   largest error at most {self.bound:.3g}, by {self.bound_kind}")
        if self.units_for_mse is not None:
            lines.append(f"{f'mean square {self.mse_wanted:.4g}':<23} {_units_found(self.units_for_mse)}")
        if self.units_by_asymptotic_mse is not None:
            lines.append(f"{'':<23} {counted(self.units_by_asymptotic_mse, 'unit')}, an estimate by MSE*")
        if self.units_for_max_error is not None:
            lines.append(f"{f'largest error {self.max_error_wanted:.4g}':<23} {_units_found(self.units_for_max_error)}")
        if self.units_by_bound is not None:
            lines.append(f"{'':<23} {counted(self.units_by_bound, 'unit')}, sufficient by the bound on interpolation")
        return "\n".join(lines)


def _units_found(units: int) -> str:
    return f"{counted(units, 'unit')}, the fewest found whose best spline reaches it"


def limits(
    target: object,
    hidden: int = 512,
    *,
    domain: tuple[float, float] | None = None,
    mse: float | None = None,
    max_error: float | None = None,
    progress: bool | None = None,
) -> Limits:
    """Find how well `target`, without its noise, can be fitted with `hidden` units.

    With a mean square `mse` or a maximum error `max_error` over the domain, in the units of y, also find how many units
    reach it. `progress` shows the numbers of units tried; None shows them if stderr is a terminal.

    Raises RelufitError as `fit` does, and if no number of units up to 8192 is found to reach the error.
    """
    function = resolve(target, domain)
    if function.noise:  # the best spline of noisy samples follows their noise, so it says nothing about the function
        function = replace(function, name=f"{function.name} without its noise", noise=0.0)
    mse = None if mse is None else check_positive("mse", mse)
    max_error = None if max_error is None else check_positive("max_error", max_error)
    best = fit(function, hidden=hidden, solver="spline", progress=False)
    asymptotic, bound = theory.asymptotic_mse(function, hidden), theory.sup_error_bound(function, hidden)
    value = asymptotic.value
    shown = sys.stderr.isatty() if progress is None else progress
    return Limits(
        target=function.name,
        low=function.domain[0],
        high=function.domain[1],
        hidden=hidden,
        mse=best.metrics.mse,
        max_error=best.metrics.max_error,
        seconds=best.metrics.seconds,
        asymptotic_mse=value,
        exact=asymptotic.exact,
        ratio=best.metrics.mse / value if value else None,
        bound=bound.value if bound.value < float("inf") else None,
        bound_kind=bound.kind,
        reason=asymptotic.reason or None,
        mse_wanted=mse,
        units_for_mse=None if mse is None else _units_for_mse(function, mse, best, shown),
        units_by_asymptotic_mse=None if mse is None else _units_by_theory(function, mse, None),
        max_error_wanted=max_error,
        units_for_max_error=None if max_error is None else _units_for_max_error(function, max_error, best, shown),
        units_by_bound=None if max_error is None else _units_by_theory(function, None, max_error),
    )


def _units_by_theory(function: Target, mse: float | None, max_error: float | None) -> int | None:
    """The result of `theory.units_for`; None if it raises."""
    try:
        return theory.units_for(function, mse=mse, max_error=max_error)
    except RelufitError:  # no asymptotic value or no bound, or too many units
        return None


def _units_for_mse(function: Target, mse: float, best: Fit, shown: bool) -> int:
    """The smallest number of units found whose best spline has at most this mean square; `best` is a known fit."""
    if best.metrics.mse <= mse and best.metrics.hidden == 1:
        return 1
    found: int = fit(function, solver="spline", tolerance=mse, progress=shown).metrics.hidden
    return min(found, best.metrics.hidden) if best.metrics.mse <= mse else found


def _units_for_max_error(function: Target, max_error: float, best: Fit, shown: bool) -> int:
    """The smallest number of units found whose best spline has at most this maximum error; `best` is a known fit.

    Splines minimise the mean square, so one more unit may raise the maximum error. Therefore the numbers just below the
    one that doubling and bisection find are tried too.
    """
    _demand_no_jump(function, max_error)
    known = {best.metrics.hidden: best.metrics}
    most = max(MOST_UNITS, *known)

    with progress_line(shown) as show:

        def keeps(units: int) -> bool:
            if units not in known:
                known[units] = fit(function, hidden=units, solver="spline", progress=False).metrics
                show(units, known[units].max_error)
            return bool(known[units].max_error <= max_error)

        double_and_bisect(keeps, most)
        enough = [units for units, metrics in known.items() if metrics.max_error <= max_error]
        if not enough:
            raise RelufitError(
                f"no number of units tried fits {function.name!r} with a maximum error of {max_error:.3g}: with {most} "
                f"units, the largest number, it is {known[most].max_error:.3g}; allow a larger error, or give a "
                "mean square"
            )
        found, tried = min(enough), min(enough) - 1
        while tried >= max(1, found - LOOKS_BELOW) and not _is_hopeless(known, tried, max_error):
            found, tried = (tried if keeps(tried) else found), tried - 1
    return found


def _is_hopeless(known: Mapping[int, Metrics], units: int, max_error: float) -> bool:
    """Whether as many units or more have a mean square above max_error^2, so that the maximum error is too large."""
    return any(more >= units and metrics.mse > max_error**2 for more, metrics in known.items())


def _demand_no_jump(function: Target, max_error: float) -> None:
    """Raise RelufitError if the function jumps by more than twice the error: a network is continuous."""
    low, high = function.domain
    places = singularities(function, low, high)
    jumps = np.flatnonzero(np.diff(places) < 1.5 * NARROWEST * (high - low))  # the two sides of each jump
    heights = np.abs(function(places[jumps + 1]) - function(places[jumps]))
    if len(heights) and max_error < (1 - ROUNDING) * heights.max() / 2:
        k = int(np.argmax(heights))
        place = places[jumps[k] : jumps[k] + 2].mean()
        place = place if abs(place) > NARROWEST * (high - low) else 0.0
        raise RelufitError(
            f"no number of units keeps {function.name!r} within {max_error:.3g} everywhere: it jumps by "
            f"{heights[k]:.3g} at x = {place:.6g}, where a continuous network is off by at least {heights[k] / 2:.3g}; "
            "allow a larger error, or give a mean square"
        )
