"""Points where a target is not smooth: kinks and jumps of a function, found by halving intervals, and of a table.

A spline with a knot on the kink of |x| is exact; integrals by Gauss points must be split there.
"""

from collections.abc import Callable

import numpy as np

from relufit.errors import RelufitError
from relufit.targets import Target

GRID = 4096  # cells of the grid on which a function is searched
HALVINGS = 24  # of two cells, which locate a point to 1e-11 of the interval
CANDIDATES = 4096  # largest number of points that are examined
NARROWEST = 1e-9  # width of a jump, relative to the interval: a steeper piece loses more to rounding than it gains
STEPS_ACROSS = 8  # least number of floats across a jump, so that the knots on its sides stay distinct
GROWN = 2.0  # a point may be a pole if the function is this many times as large there as three cells away,
STILL = 0.8  # and is one if the last halvings add this share of what those before added; see _keeps_growing
POWER = 4.0  # the same ratio at an end, which no logarithm reaches
SPARE = 6  # further halvings, which only locate the peak
_AROUND = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])  # widths from the middle of two cells
SUSPECT = 4.0  # ratio of a second difference to those nearby, from which a point is examined
OUTLIER = 8.0  # ratio of a change in a table to those nearby, from which it is a jump or a kink
APART = 4.0  # ratio of a sample's distance from the line of its neighbours to those nearby, at a kink
NEARBY = 6  # samples or cells on either side that count as nearby


def narrowest_piece(low: float, high: float, spacing: float = 0.0) -> float:
    """The least length of a piece on [low, high]; knots are multiples of `spacing`, or any floats if it is 0."""
    steps = STEPS_ACROSS * max(spacing, float_spacing(low, high))
    return min(max(NARROWEST * (high - low), steps), (high - low) / STEPS_ACROSS**2)  # if the interval has few floats


def float_spacing(low: float, high: float) -> float:
    """The distance of neighbouring float64 at the end of the interval that is further from 0."""
    return float(np.spacing(max(abs(low), abs(high))))


def singularities(
    function: Callable[[np.ndarray], np.ndarray], low: float, high: float, spacing: float = 0.0
) -> np.ndarray:
    """Kinks of a function inside (low, high), and both sides of its jumps, sorted.

    With each halving of the step, second differences fall by a factor of 4 where f'' exists, of 2 at a kink, and not at
    all at a jump. Only points that stand out on a grid of 4096 cells are found. `spacing` is that of the points at
    which the function has distinct values, if it is larger than the spacing of floats.
    """
    spacing = max(spacing, float_spacing(low, high))
    places, is_jump, _ = _search(function, low, high, spacing)
    half = narrowest_piece(low, high, spacing) / 2
    found = np.sort(np.concatenate([places[~is_jump], places[is_jump] - half, places[is_jump] + half]))
    found = found[(found > low + half) & (found < high - half)]
    return found[np.diff(found, prepend=-np.inf) > half]  # neighbouring cells may have led to the same place


def find_pole(function: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> float | None:
    """A point where a function grows without bound, as tan does at pi/2; None if none is found.

    Near such a point values are far larger than a few cells away, and keep growing with every halving of the distance,
    unlike those of a narrow peak. An end may be a pole: the tangent of the float nearest to pi/2 is 1e16.
    """
    places, _, grown = _search(function, low, high, float_spacing(low, high))
    poles = places[grown]
    poles = poles[_keeps_growing(function, poles, low, high)] if len(poles) else poles
    ends = [end for end in (low, high) if _grows_towards(function, end, low, high)]
    return next(map(float, (*poles, *ends)), None)


def demand_no_pole(target: Target) -> None:
    """Raise RelufitError for a function that grows without bound in its domain, which no network approximates."""
    pole = find_pole(target, *target.domain)
    if pole is not None:
        raise RelufitError(
            f"{target.name!r} grows without bound near x = {pole:.6g}; choose a domain where it is finite"
        )


def _search(
    function: Callable[[np.ndarray], np.ndarray], low: float, high: float, spacing: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The points where a function is not smooth, and which of them are jumps and which are poles."""
    x = np.linspace(low, high, 2 * GRID + 1)
    y = function(x)
    bend = np.abs(y[:-2] - 2 * y[1:-1] + y[2:])  # (2 GRID - 1,) about x[1:-1]
    largest, last_cell = np.abs(y).max(), len(y) - 1
    # A jump whose value lies half-way, as that of sign, bends the cells on both sides of it. It stands out from at
    # least one side; on the other side another jump may be near.
    places = np.flatnonzero((bend > SUSPECT * _sides(bend, gap=2).min(axis=0)) & (bend > 1e-13 * largest))
    places = places[np.argsort(-bend[places])][:CANDIDATES]
    middle, width, first = x[places + 1], x[1] - x[0], bend[places]
    last, size = first, np.zeros(len(places))
    beside = np.maximum(np.abs(y[np.maximum(places - 2, 0)]), np.abs(y[np.minimum(places + 4, last_cell)]))
    halvings = min(HALVINGS, int(np.log2(width / spacing)) - 1)  # on a finer scale, rounding makes steps
    for _ in range(halvings if len(places) else 0):  # take the half with the largest bend: left, middle or right
        at = np.clip(middle[:, None] + width * _AROUND, low, high)  # rounding must not leave the domain
        values = function(at)
        bends = np.abs(values[:, :-2] - 2 * values[:, 1:-1] + values[:, 2:])
        best = np.argmax(bends, axis=1)
        middle, last = at[np.arange(len(at)), best + 1], bends.max(axis=1)
        size, width = np.abs(values).max(axis=1), width / 2
    singular = (last > first * 2.0 ** -(halvings + 3)) & (last > 64 * np.finfo(np.float64).eps * largest)
    return middle[singular], (last > 0.01 * first)[singular], (size > GROWN * beside + 1e-6 * largest)[singular]


def _keeps_growing(
    function: Callable[[np.ndarray], np.ndarray], places: np.ndarray, low: float, high: float
) -> np.ndarray:
    """Whether values grow about as much over the last quarter of halvings of the distance as over the quarter before.

    With each halving, log|x| grows by the same amount, 1/|x| by twice the amount before, and a peak by less and less:
    over 8 halvings 1 - |x|^0.05 grows by 0.76 of the amount before. Distances are from the largest value of the
    function, located to floating-point resolution, because the point found by second differences is not exact enough.
    """
    width, spacing = (high - low) / (2 * GRID), np.spacing(max(abs(low), abs(high)))
    halvings = int(np.log2(width / spacing)) - SPARE
    if halvings < 4:  # nothing to compare
        return np.ones(len(places), bool)
    peak = places
    for k in range(halvings + SPARE):
        at = np.clip(peak[:, None] + width * 2.0**-k * _AROUND, low, high)
        peak = at[np.arange(len(at)), np.argmax(np.abs(function(at)), axis=1)]
    quarter = halvings // 4
    distance = width * 2.0 ** -np.array([halvings - 2 * quarter, halvings - quarter, halvings])
    beside = np.clip(peak[:, None] + np.append(-distance, distance), low, high)
    first, middle, last = np.abs(function(beside)).reshape(-1, 2, 3).max(axis=1).T
    return (last - middle > STILL * (middle - first)) & (last - middle > 1e-3 * last)


def _grows_towards(function: Callable[[np.ndarray], np.ndarray], end: float, low: float, high: float) -> bool:
    """Whether a function grows towards an end as towards a pole, by the rule of `_keeps_growing`.

    Distances go down to the spacing of floats at this end: at 1e-14 this shows that log(x) has a pole at 0. At an end
    of 0 this spacing is tiny, but the pole of tan(x + pi/2) is off by the rounding of the sum: so growth like a power
    is also tested at the spacing of the other end.
    """
    width, inwards = (high - low) / (2 * GRID), 1.0 if end == low else -1.0
    size, beside = np.abs(function(np.array([end, end + inwards * 4 * width])))
    if size <= GROWN * beside:
        return False
    for spacing, least in ((np.spacing(abs(end)), STILL), (np.spacing(max(abs(low), abs(high))), POWER)):
        halvings = int(np.log2(width) - np.log2(spacing)) - SPARE
        quarter = halvings // 4
        distance = width * 2.0 ** -np.array([halvings - 2.0 * quarter, halvings - quarter, halvings])
        first, middle, last = np.abs(function(np.clip(end + inwards * distance, low, high)))
        if quarter > 0 and last - middle > least * (middle - first) and last - middle > 1e-3 * last:
            return True
    return False


def jumps(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The jumps in a table, x (C,) strictly ascending, y (C,): the indices (J,), sorted, of the samples before them.

    A jump is a step of y that is OUTLIER times the largest of NEARBY steps on either side, and OUTLIER times the
    variation of y nearby over the same length, so that a gap in x is not a jump. A single slope is not sufficient:
    noise makes slopes large where samples are close.
    """
    dx, dy = np.diff(x), np.abs(np.diff(y))
    if len(dx) < NEARBY:
        return np.empty(0, int)
    places = _standing_out(dy, OUTLIER)
    places = places[dy[places] > 1e-13 * np.abs(y).max()]
    runs = _nearby(dx, places), _nearby(dy, places)
    with np.errstate(invalid="ignore"):  # at the ends one side is empty
        rates = np.nan_to_num(runs[1].sum(axis=2) / runs[0].sum(axis=2))
    places = places[dy[places] > OUTLIER * dx[places] * rates.max(axis=0)]
    return np.sort(places[np.argsort(-dy[places])][:CANDIDATES])


def kinks(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Midpoints between the samples on both sides of a kink, sorted: x (C,) strictly ascending, y (C,).

    At a kink the slope changes by OUTLIER times the largest change nearby, twice if it is between two samples. With
    noise this also happens where samples are close, but there they are no further from a line than elsewhere.
    """
    if len(x) < NEARBY:
        return np.empty(0)
    dx = np.diff(x)
    slope = np.diff(y) / dx
    change = np.abs(np.diff(slope))  # (C - 2,) at x[1:-1]
    # Between samples that almost coincide, slopes are dominated by the rounding of y and x.
    rounding = np.finfo(np.float64).eps * (np.abs(y).max() + np.abs(x).max() * np.abs(slope)) / dx  # (C - 1,)
    places = _standing_out(change, OUTLIER, gap=1)
    places = places[change[places] > np.maximum(1e-9 * change.max(), 4 * (rounding[places] + rounding[places + 1]))]
    away = change * dx[:-1] * dx[1:] / (dx[:-1] + dx[1:])  # distance of a sample from the line of its neighbours
    places = 1 + places[away[places] > APART * _largest_nearby(away, places, gap=1)]
    places = places[np.argsort(-change[places - 1])][:CANDIDATES]
    left = np.unique(np.concatenate([places - 1, places]))
    return (x[left] + x[left + 1]) / 2


def _standing_out(values: np.ndarray, times: float, gap: int = 0) -> np.ndarray:
    """Indices of values (N,) above `times` times the largest of NEARBY ones on either side, without the next `gap`."""
    far = gap + 1
    above = values > 0
    above[far:] &= values[far:] > times * values[:-far]  # leaves few candidates for the larger windows
    above[:-far] &= values[:-far] > times * values[far:]
    places = np.flatnonzero(above)
    return places[values[places] > times * _largest_nearby(values, places, gap)]


def _largest_nearby(values: np.ndarray, places: np.ndarray, gap: int = 0) -> np.ndarray:
    """The largest of NEARBY values on either side of each index, (P,), without its next `gap` neighbours."""
    return np.asarray(_nearby(values, places, gap).max(axis=(0, 2)))


def _nearby(values: np.ndarray, places: np.ndarray, gap: int = 0) -> np.ndarray:
    """The NEARBY values before and after each index, (2, P, NEARBY), without the next `gap`; 0 beyond the ends."""
    away = gap + 1 + np.arange(NEARBY)
    at = places[:, None] + np.stack([-away, away])[:, None]
    return np.where((at >= 0) & (at < len(values)), values.take(at, mode="clip"), 0.0)


def _sides(values: np.ndarray, gap: int) -> np.ndarray:
    """The largest of NEARBY values before and after each one, without its next `gap` neighbours, (2, N).

    If one side has no such values, those of the other side.
    """
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, gap + NEARBY), NEARBY).max(axis=1)
    before, behind = windows[: len(values)].copy(), windows[NEARBY + 2 * gap + 1 :][: len(values)].copy()
    before[: gap + 1], behind[len(values) - gap - 1 :] = behind[: gap + 1], before[len(values) - gap - 1 :]
    return np.stack([before, behind])
