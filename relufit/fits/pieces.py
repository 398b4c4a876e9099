"""A piecewise-linear function as a value: its breaks, slopes and formulas, calculus, and the network equal to it.

`Fit.to_piecewise` returns one. A result of calculus that is piecewise constant or quadratic is a scipy PPoly.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from relufit.backends.evaluation import Evaluation
from relufit.errors import RelufitError, counted
from relufit.fits import piece_tables
from relufit.network.params import Params
from relufit.network.sorted.polyline import EPS, Polyline, slopes_between
from relufit.network.values import by_value
from relufit.reading.columns import convert
from relufit.spline.units import turned_at

LARGEST = 1e300  # largest magnitude of x and y, so that differences do not overflow


@by_value
@dataclass(frozen=True, init=False, eq=False, repr=False)
class PiecewiseLinear:
    """A continuous function of one variable that is linear between breaks, in float64, with one or several outputs.

    x (K + 1,) are the breaks and y, (K + 1,) or (K + 1, O), the values there: K pieces. The function continues beyond
    both ends, by default with the slopes of the first and the last piece; `left_slope` and `right_slope`, numbers or
    (O,), give others. Times in x are taken as seconds since 1970 UTC. Arrays are copied, and cannot be written to.

    Two functions are equal if their arrays and outer slopes are. `print` shows a table of the pieces.

    Raises RelufitError unless x increases strictly, there are two breaks at least, y has a row for each, all numbers
    are finite and at most 1e300, and no slope overflows.
    """

    x: np.ndarray  # (K + 1,)
    y: np.ndarray  # (K + 1,) or (K + 1, O)
    left_slope: Any  # a float, or (O,)
    right_slope: Any

    def __init__(self, x: Any, y: Any, *, left_slope: Any = None, right_slope: Any = None) -> None:
        self._set("x", _breaks(x))
        self._set("y", _values(y, len(self.x)))
        for name, given, end in (("left_slope", left_slope, 0), ("right_slope", right_slope, -1)):
            slope = self.slopes[end] if given is None else _numbers(name, given)
            if slope.shape not in ((), self.y.shape[1:]):
                raise RelufitError(f"{name} must be a number, or one for each output, not of shape {slope.shape}")
            self._set(name, np.broadcast_to(slope, self.y.shape[1:]).copy() if self.y.ndim == 2 else float(slope))

    def _set(self, name: str, value: Any) -> None:
        """Set a field, in place of the assignment that a frozen class refuses."""
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.x, self.y, self.left_slope, self.right_slope)

    def __repr__(self) -> str:
        outputs = f", {counted(self.y.shape[1], 'output')}" if self.y.ndim == 2 else ""
        pieces, (low, high) = counted(len(self.slopes), "piece"), self.x[[0, -1]]
        return f"PiecewiseLinear({pieces} from {low:.6g} to {high:.6g}{outputs})"

    def __str__(self) -> str:
        shown = {name: values for name, values in self.columns().items() if not name.startswith("y")}
        lines = [piece_tables.aligned(piece_tables.as_texts(shown))]
        for side, slope, end in (("left of", self.left_slope, 0), ("right of", self.right_slope, -1)):
            if not _is_rounding(self.x, self._columns, self._all_slopes, end):
                lines.append(f"{side} these pieces the slope is {slope}")
        return "\n".join(lines)

    @cached_property
    def slopes(self) -> np.ndarray:
        """The slope of each piece, (K,) or (K, O)."""
        return slopes_between(self.x, self._columns).reshape(-1, *self.y.shape[1:])

    @cached_property
    def intercepts(self) -> np.ndarray:
        """The value at 0 of the line of each piece, (K,) or (K, O): y = slope x + intercept.

        Far from 0 it has lost digits; y + slope (x - from), at the break where the piece begins, has not.
        """
        starts = self.x[:-1] if self.y.ndim == 1 else self.x[:-1, None]
        return np.asarray(self.y[:-1] - self.slopes * starts)

    def __call__(self, x: Any) -> np.ndarray:
        """The values at x, numbers or times of any shape, in float64: of the shape of x, or (..., O).

        They are exact at the breaks, and elsewhere those of np.interp. An infinite x gives the limit, and nan gives
        nan. Raises RelufitError for anything that is not a number or a time.
        """
        numbers, _ = convert("x", x)
        return self._evaluate(numbers.ravel()).reshape(numbers.shape + self.y.shape[1:])

    def derivative(self) -> Any:
        """The derivative: a scipy.interpolate.PPoly of degree 0, right-continuous.

        Its first and last interval are the continuations beyond x[0] and x[-1], which it extrapolates.
        """
        return self._as_ppoly().derivative()

    def antiderivative(self) -> Any:
        """The antiderivative that is 0 at x[0]: a PPoly of degree 2 with the intervals of `derivative`."""
        integral = self._as_ppoly().antiderivative()
        integral.c[-1] -= integral(self.x[0])
        return integral

    def integrate(self, a: float, b: float) -> Any:
        """The integral from a to b, which may lie outside the breaks: a float, or (O,). It changes sign with the order.

        Raises RelufitError unless both are finite numbers.
        """
        start, stop = _number("a", a), _number("b", b)
        low, high = min(start, stop), max(start, stop)
        points = np.concatenate([[low], self.x[(self.x > low) & (self.x < high)], [high]])
        area = np.trapezoid(self(points), points, axis=0) * np.copysign(1.0, stop - start)
        return float(area) if self.y.ndim == 1 else area

    def solve(self, y: float = 0.0) -> np.ndarray:
        """All x with the value y, increasing, each once, beyond the breaks too; for O outputs (O,) arrays.

        As in PPoly.solve, a piece that is constant at y gives the x where it begins, followed by nan; that before x[0]
        begins at -inf.
        """
        level = _number("y", y)
        slopes = self._all_slopes
        found = [_solutions(self.x, *output) for output in zip(self._columns.T - level, slopes.T, strict=True)]
        if self.y.ndim == 1:
            return found[0]
        solutions = np.empty(len(found), object)
        solutions[:] = found
        return solutions

    def to_params(self) -> Params:
        """The network equal to this function, float64: w1 (1, H) of 1 and -1, with a unit for each change of slope.

        There is one more unit unless a line on one side of some break is constant. Changes of slope at x[0] and x[-1]
        that rounding of y explains have no unit. On the network's terms, sum |w2 relu(z)| + |b2|, the outputs of both
        differ by a few roundings.
        """
        places, values, slopes = _without_equal(self.x, self._columns, self._all_slopes)
        for end in (0, -1):
            if len(places) > 1 and _is_rounding(places, values, slopes, end):
                slopes[1 if end == 0 else -2] = slopes[end]
        places, values, slopes = _without_equal(places, values, slopes)
        w1, b1, w2, b2 = turned_at(places, slopes, values, self.x[0], self.x[-1])
        used = (w2 != 0).any(axis=1)
        used[0] |= not used.any()
        return Params(w1[:, used], b1[used], w2[used], b2)

    def to_csv(self, path: str | Path) -> None:
        """Write the columns of `to_frame` to a .csv file; the numbers read back are the same.

        Raises RelufitError if the file cannot be written.
        """
        piece_tables.write_csv(self.columns(), path)

    def to_frame(self) -> Any:
        """A pandas.DataFrame with a row for each piece: from, to, slope, intercept, y_from and y_to.

        With O outputs the last four are numbered: slope_0, slope_1 and so on. Raises RelufitError without pandas.
        """
        try:
            import pandas as pd
        except ImportError:
            raise RelufitError("pandas is not installed: pip install pandas") from None
        return pd.DataFrame(self.columns())

    def columns(self) -> dict[str, np.ndarray]:
        """The columns of `to_frame` by name, (K,) each."""
        of_outputs = {"slope": self.slopes, "intercept": self.intercepts, "y_from": self.y[:-1], "y_to": self.y[1:]}
        return piece_tables.columns_of(self.x, of_outputs)

    @property
    def _columns(self) -> np.ndarray:
        """The values as (K + 1, O)."""
        return self.y.reshape(len(self.x), -1)

    @property
    def _all_slopes(self) -> np.ndarray:
        """The slopes (K + 2, O) of the pieces and of the lines beyond them."""
        return np.vstack([self.left_slope, self.slopes.reshape(len(self.x) - 1, -1), self.right_slope])

    @cached_property
    def _evaluate(self) -> Evaluation:
        return Evaluation(Polyline(self.x, self._columns, self._all_slopes, 0, len(self.x) - 1))

    def _as_ppoly(self) -> Any:
        """The function as a PPoly, with an interval more at either end, which it extrapolates."""
        from scipy.interpolate import PPoly

        width = self.x[-1] - self.x[0]
        x = np.concatenate([[self.x[0] - width], self.x, [self.x[-1] + width]])
        slopes = np.concatenate([[self.left_slope], self.slopes, [self.right_slope]])
        first = self.y[0] - np.asarray(self.left_slope) * width
        return PPoly(np.stack([slopes, np.concatenate([[first], self.y])]), x)


def _rebuilt(x: np.ndarray, y: np.ndarray, left_slope: Any, right_slope: Any) -> PiecewiseLinear:
    """The function of a pickle."""
    return PiecewiseLinear(x, y, left_slope=left_slope, right_slope=right_slope)


def _numbers(name: str, given: Any) -> np.ndarray:
    """A copy of finite numbers in float64. Raises RelufitError for anything else."""
    values = np.array(convert(name, given)[0])
    if not (np.abs(values) <= LARGEST).all():  # nan fails too
        raise RelufitError(f"{name} must hold finite numbers of at most {LARGEST:g}; leave out nan and inf, or scale")
    return values


def _number(name: str, given: Any) -> float:
    """One finite number. Raises RelufitError for anything else."""
    value = _numbers(name, given)
    if value.ndim:
        raise RelufitError(f"{name} must be one number, not an array of shape {value.shape}")
    return float(value)


def _breaks(given: Any) -> np.ndarray:
    """Breaks (K + 1,) in float64. Raises RelufitError unless they are two at least, and increase."""
    x = _numbers("x", given)
    if x.ndim != 1 or len(x) < 2:
        raise RelufitError(f"x must be a vector of at least 2 breaks, not of shape {x.shape}")
    if not (x[1:] > x[:-1]).all():
        k = int(np.argmin(x[1:] > x[:-1]))
        raise RelufitError(f"x must increase, and {x[k]} is followed by {x[k + 1]}; sort, and merge equal x")
    return x


def _values(given: Any, breaks: int) -> np.ndarray:
    """Values at the breaks, (K + 1,) or (K + 1, O), in float64. Raises RelufitError for another shape."""
    y = _numbers("y", given)
    if y.ndim not in (1, 2) or len(y) != breaks or not y.size:
        raise RelufitError(f"y must have shape ({breaks},) or ({breaks}, O), as x has {breaks} breaks, not {y.shape}")
    return y


def _solutions(x: np.ndarray, away: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """The zeros of a function with values `away` (K + 1,) at x (K + 1,) and slopes (K + 2,); see solve."""
    left_slope, right_slope = slopes[[0, -1]]
    with np.errstate(all="ignore"):
        crossings = np.clip(x - away / slopes[1:], x, np.append(x[1:], np.inf))  # on the piece that begins at each x
        before = x[0] - away[0] / left_slope
    signs = np.sign(away)
    at_break, rises = away == 0, np.append(signs[1:], np.sign(right_slope))
    flat = at_break & np.append(at_break[1:], right_slope == 0)
    inside = (signs * rises < 0) & np.isfinite(crossings)
    found = np.stack([x, np.full(len(x), np.nan), crossings], axis=1)[np.stack([at_break, flat, inside], axis=1)]
    if at_break[0] and left_slope == 0:
        return np.concatenate([[-np.inf, np.nan], found])
    return np.append(before, found) if signs[0] * np.sign(left_slope) > 0 and np.isfinite(before) else found


def _is_rounding(x: np.ndarray, y: np.ndarray, slopes: np.ndarray, end: int) -> bool:
    """Whether rounding of y (K + 1, O) explains the change of the slopes (K + 2, O) at x[0] or x[-1]."""
    inner = 1 if end == 0 else -2
    rise = np.abs((slopes[inner] - slopes[end]) * (x[inner] - x[end]))
    return bool((rise <= 2 * EPS * (np.abs(y[end]) + np.abs(y[inner]))).all())


def _without_equal(
    places: np.ndarray, values: np.ndarray, slopes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leave out places (n,) where no slope changes, their values (n, O) and one slope of each; keep one at least."""
    keep = (np.diff(slopes, axis=0) != 0).any(axis=1)
    keep[0] |= not keep.any()
    return places[keep], values[keep], slopes[np.append(True, keep)]
