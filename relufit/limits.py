"""How well a function can be fitted: the best spline found, what theory says of it, and what a tolerance needs."""

from dataclasses import replace
from typing import NamedTuple

from relufit import theory
from relufit.fitting import fit
from relufit.targets import resolve


class Limits(NamedTuple):
    """For a function and a number of hidden units; None where there is no such value, and `reason` says why."""

    target: str
    low: float
    high: float
    hidden: int
    mse: float  # of the best spline found
    max_error: float  # its largest error
    seconds: float  # in which it was found
    asymptotic_mse: float | None  # MSE*(hidden); 0 for a straight line
    exact: bool  # f'' is sympy's; else from differences of the function's values
    ratio: float | None  # mse over it, where it is above 0
    bound: float | None  # on the largest error of the interpolating network
    bound_kind: str  # by what, or why there is none
    reason: str | None  # why there is no asymptotic value
    units_for_mse: int | None  # that the tolerance asked for needs, by MSE*
    units_for_max_error: int | None  # by the bound

    def in_words(self) -> str:
        """The limits as text, a line each."""
        lines = [
            f"{self.target} on [{self.low:.6g}, {self.high:.6g}], {self.hidden} hidden units",
            f"best spline found       mean square {self.mse:.4g}, largest error {self.max_error:.3g}, "
            f"in {self.seconds * 1e3:.0f} ms",
        ]
        by = "by sympy" if self.exact else "by differences"
        if self.asymptotic_mse is None:
            lines.append(f"asymptotic value        none: {self.reason}")
        elif self.ratio is None:
            lines.append(f"asymptotic value MSE*   mean square 0: a straight line, as far as f'' tells ({by})")
        else:
            lines.append(
                f"asymptotic value MSE*   mean square {self.asymptotic_mse:.4g} (no bound: the best spline found has "
                f"{self.ratio:.3f} of it; f'' {by})"
            )
        if self.bound is not None:
            lines.append(f"interpolating network   largest error at most {self.bound:.3g}, by {self.bound_kind}")
        if self.units_for_mse is not None:
            lines.append(f"for that mean square    {self.units_for_mse} units, by MSE*")
        if self.units_for_max_error is not None:
            lines.append(f"for that largest error  {self.units_for_max_error} units, by the bound")
        return "\n".join(lines)


def limits(
    target: object,
    hidden: int = 512,
    *,
    domain: tuple[float, float] | None = None,
    mse: float | None = None,
    max_error: float | None = None,
) -> Limits:
    """What is known of fitting `target`, without its noise, with so many hidden units.

    Raises RelufitError as `fit` and `units_for` do.
    """
    function = resolve(target, domain)
    if function.noise:  # the best spline of noisy samples is no limit: it comes closer to them than to the function
        function = replace(function, name=f"{function.name} without its noise", noise=0.0)
    best = fit(function, hidden=hidden, solver="spline", progress=False)
    asymptotic, bound = theory.asymptotic_mse(function, hidden), theory.sup_error_bound(function, hidden)
    value = asymptotic.value
    return Limits(
        target=function.name,
        low=function.domain[0],
        high=function.domain[1],
        hidden=hidden,
        mse=best.metrics["mse"],
        max_error=best.metrics["max_error"],
        seconds=best.metrics["seconds"],
        asymptotic_mse=value,
        exact=asymptotic.exact,
        ratio=best.metrics["mse"] / value if value else None,
        bound=bound.value if bound.value < float("inf") else None,
        bound_kind=bound.kind,
        reason=asymptotic.reason or None,
        units_for_mse=None if mse is None else theory.units_for(function, mse=mse),
        units_for_max_error=None if max_error is None else theory.units_for(function, max_error=max_error),
    )
