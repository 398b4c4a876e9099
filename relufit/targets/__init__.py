"""Targets to fit: sin, x^2, a zoo of harder functions, any Python callable, and expressions in x (expressions.py)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import pi
from typing import Any

import numpy as np

from relufit.errors import RelufitError, check_domain, check_positive
from relufit.targets.expressions import Expression, UnknownName, syntax_tree
from relufit.targets.removable import limit

DOMAIN = (-2 * pi, 2 * pi)
REPEATED = 65  # points at which a callable is evaluated twice
REPEATABLE = 1e-9  # difference allowed for rounding, relative to the largest value
PLACES = 2**13 + 1  # points at which a function is searched for removable singularities
MOST_LIMITS = 64  # points without a value, from which a function counts as undefined there
DIFFERENT = 0.1  # share of points that may differ by rounding x across a jump


@dataclass(frozen=True)
class Target:
    """A function to fit over an interval.

    `function` is vectorised: an array of any shape in, real values of the same shape out. `noise` is the standard
    deviation of the normal noise that `sample` adds to it; errors are measured against the function without it.
    `expression` is the function as text for `parse`, from which derivatives are computed; None if it has none.

    Where the function has no value but a limit, as sin(x)/x at 0, the limit is its value.
    """

    name: str
    function: Callable[[Any], Any]
    domain: tuple[float, float] = DOMAIN
    noise: float = 0.0
    expression: str | None = None

    def __post_init__(self) -> None:
        # A tuple, as a list or an array is not hashable and would not equal another domain.
        object.__setattr__(self, "domain", check_domain(self.domain))
        noise = check_positive(f"the noise of target {self.name!r}", self.noise, or_zero=True)
        object.__setattr__(self, "noise", noise)
        if not callable(self.function):
            raise RelufitError(f"the function of target {self.name!r} cannot be called: {self.function!r}")
        if self.expression is not None:
            syntax_tree(self.expression)

    def __call__(self, x: Any) -> np.ndarray:
        """Evaluate at x (any shape) in float64; same shape out.

        A function of one number (math.sin, or one with an `if`) is called for each element. Raises RelufitError if the
        function fails, returns another shape, or values that are not real and finite, and for an x that is not numeric.
        """
        x = self._numbers(x)
        y = self._call(x)
        if y.shape == ():
            y = np.broadcast_to(y, x.shape)  # a callable may return one number for all x
        if y.shape != x.shape:
            raise RelufitError(
                f"{self.name!r} gave shape {y.shape} for an x of shape {x.shape}; it must work elementwise on arrays"
            )
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            y = self._with_limits(x, y)
        if y.dtype.kind not in "fiub" or not np.isfinite(y).all():
            finite = np.isfinite(y) if y.dtype.kind in "fc" else np.zeros(y.shape, bool)
            where = f" at x = {x[~finite].flat[0]:.6g}" if not finite.all() else ""
            raise RelufitError(f"{self.name!r} is not a finite real number{where}; choose a domain where it is")
        return y.astype(np.float64)

    def demand_function(self) -> None:
        """Raise RelufitError for a callable that is not a function of x, as it draws random numbers or takes a mean.

        It is evaluated at REPEATED points of the domain, then again, and at some of them in reverse order. In the last
        case some values may differ: numpy's loops for long and short arrays round differently, which matters near a
        jump.
        """
        x = np.linspace(*self.domain, REPEATED)
        first, again = self(x), self(x)
        part = slice(REPEATED // 8, REPEATED // 2)  # with another mean, minimum and maximum
        least = REPEATABLE * np.abs(first).max()
        for chosen, found, share, when in (
            (slice(None), again, 0.0, "is called again"),
            (part, self(x[part][::-1])[::-1], DIFFERENT, "is called with other x"),
        ):
            differs = np.abs(found - first[chosen]) > least
            if differs.mean() > share:
                k = int(np.argmax(differs))
                raise RelufitError(
                    f"{self.name!r} is not a function of x: at x = {x[chosen][k]:.6g} it gives {first[chosen][k]:.6g}, "
                    f"and {found[k]:.6g} when it {when}; give a function whose value depends on each x alone, without "
                    "random numbers (`noise` of a Target adds noise)"
                )

    def removable(self) -> dict[float, float]:
        """The places of PLACES in the domain, its ends and 0 among them, without a value, and the limits used there."""
        low, high = self.domain
        x = np.union1d(np.linspace(low, high, PLACES), [0.0] if low < 0 < high else [])
        places = x[~np.isfinite(self._call(x))]
        return dict(zip(places.tolist(), self(places).tolist(), strict=True))

    def _with_limits(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Values y (...) at x (...), with the limits of the function at a few places where they are not finite."""
        missing = ~np.isfinite(y)
        places, which = np.unique(x[missing], return_inverse=True)
        if len(places) > MOST_LIMITS:
            return y
        y = y.astype(np.float64)
        y[missing] = np.array([limit(self._call, place, *self.domain) for place in places.tolist()])[which]
        return y

    def _numbers(self, x: Any) -> np.ndarray:
        try:
            given = np.asarray(x)
            if given.dtype.kind in "fiubO":
                return given.astype(np.float64, copy=False)
        except (TypeError, ValueError, OverflowError):  # a ragged list, or objects that are not numbers
            pass
        raise RelufitError(f"{self.name!r} is a function of real numbers, not of {x!r:.60}")

    def _call(self, x: np.ndarray) -> np.ndarray:
        try:
            with np.errstate(all="ignore"):
                try:
                    return np.asarray(self.function(x.copy()))  # a copy, because the function may modify its argument
                except (TypeError, ValueError):  # not made for arrays
                    return np.asarray([self.function(float(value)) for value in x.flat]).reshape(x.shape)
        except Exception as error:  # the user's function may raise anything
            raise RelufitError(f"{self.name!r} cannot be evaluated: {type(error).__name__}: {error}") from error


def parse(text: str, domain: tuple[float, float] = DOMAIN) -> Target:
    """Parse an expression in x, such as "sin(3*x) + x**2", into a Target over `domain`.

    Allowed: x, numbers, pi, e, + - * / ** %, parentheses and the functions of `expressions.FUNCTIONS`, among them
    where(condition, a, b), whose condition is a comparison such as 0 < x <= 1; at most 1000 characters, nested at most
    50 deep (a long sum is not deep). Raises RelufitError for everything else.
    """
    function = Expression(text)
    return Target(function.text, function, domain, expression=function.text)


def _runge(x: Any) -> Any:
    return 1 / (1 + 25 * x * x)


def _step(x: Any) -> Any:
    return np.heaviside(x, 1.0)


def _sines(x: Any) -> Any:
    return np.sin(x) + np.sin(3 * x) / 3 + np.sin(7 * x) / 7


SIN = Target("sin", np.sin, expression="sin(x)")
SQUARE = Target("square", np.square, expression="x**2")
ABS = Target("abs", np.abs, expression="abs(x)")
EXP = Target("exp", np.exp, expression="exp(x)")
RUNGE = Target("runge", _runge, (-1.0, 1.0), expression="1/(1 + 25*x**2)")
STEP = Target("step", _step, expression="step(x)")
NOISY_SINE = Target("noisy_sine", np.sin, noise=0.1, expression="sin(x)")
SINES = Target(
    "sines",
    _sines,
    expression="sin(x) + sin(3*x)/3 + sin(7*x)/7",
)

ZOO = {target.name: target for target in (SIN, SQUARE, ABS, EXP, RUNGE, STEP, NOISY_SINE, SINES)}


def resolve(target: object, domain: tuple[float, float] | None = None) -> Target:
    """Turn a Target, a zoo name, an expression in x or a vectorised callable into a Target over `domain`.

    Without `domain` a Target keeps its own and everything else gets [-2 pi, 2 pi] (zoo entries: theirs).
    Raises RelufitError for anything else, and what `parse` raises.
    """
    if isinstance(target, str):
        found = _named_or_parsed(target)
    elif isinstance(target, Target):
        found = target
    elif callable(target):
        found = Target(getattr(target, "__name__", type(target).__name__), target)
    else:
        raise RelufitError(
            f"cannot fit {target!r}: give a Target, one of {', '.join(ZOO)}, an expression or a function"
        )
    found = found if domain is None else replace(found, domain=domain)
    if found.expression is None:
        found.demand_function()
    return found


def _named_or_parsed(text: str) -> Target:
    try:
        return ZOO.get(text.strip()) or parse(text)
    except UnknownName as error:
        raise RelufitError(f"{UnknownName(error.name, ZOO)}; named targets are {', '.join(ZOO)}") from None
