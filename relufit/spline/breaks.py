"""Where a target is not smooth: kinks and jumps of a function, found by halving intervals, and those of a table.

A spline with a knot on the kink of |x| is exact there, however few knots it has; integrals by Gauss points need to be
split there.
"""

from collections.abc import Callable

import numpy as np

from relufit.errors import RelufitError
from relufit.targets import Target

GRID = 4096  # cells that a function is looked at in
HALVINGS = 24  # of two cells: then a place is known to 1e-11 of the interval
CANDIDATES = 4096  # places that are looked into
NARROWEST = 1e-9  # width of a jump, as a part of the interval: a steeper piece loses more to rounding than it gains
STEPS_ACROSS = 8  # floats across a jump, at least, so that the knots on its sides do not fall together
GROWN = 2.0  # a place may be a pole where the function is this many times as large as three cells away,
STILL = 0.8  # and is one where the last halvings add this part of what those before added; see _keeps_growing
POWER = 4.0  # times that: at an end, what no logarithm does
SPARE = 6  # halvings beyond those that are compared, which only serve to find the middle
_AROUND = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])  # widths from the middle of two cells
SUSPECT = 4.0  # second differences this many times as large as nearby are looked into
OUTLIER = 8.0  # in a table, a change this many times as large as nearby is a jump, or a kink
APART = 4.0  # times the distance from a line that samples nearby have, at a kink
NEARBY = 6  # samples or cells on either side


def narrowest_piece(low: float, high: float, spacing: float = 0.0) -> float:
    """The least length of a piece on [low, high], whose knots are multiples of `spacing`, or any floats without it."""
    steps = STEPS_ACROSS * max(spacing, float_spacing(low, high))
    return min(max(NARROWEST * (high - low), steps), (high - low) / STEPS_ACROSS**2)  # of an interval of a few floats


def float_spacing(low: float, high: float) -> float:
    """The distance of neighbouring float64 at the end of the interval that is further from 0."""
    return float(np.spacing(max(abs(low), abs(high))))


def singularities(
    function: Callable[[np.ndarray], np.ndarray], low: float, high: float, spacing: float = 0.0
) -> np.ndarray:
    """Kinks of a function inside (low, high), and both sides of its jumps, sorted.

    Second differences fall by 4 with each halving of the step where f'' exists, by 2 at a kink, by nothing at a jump.
    What does not stand out on a grid of 4096 cells is not seen. `spacing` is that of the places at which the function
    has values of its own, where that is more than the spacing of floats.
    """
    spacing = max(spacing, float_spacing(low, high))
    places, is_jump, _ = _search(function, low, high, spacing)
    half = narrowest_piece(low, high, spacing) / 2
    found = np.sort(np.concatenate([places[~is_jump], places[is_jump] - half, places[is_jump] + half]))
    found = found[(found > low + half) & (found < high - half)]
    return found[np.diff(found, prepend=-np.inf) > half]  # neighbouring cells may have led to the same place


def find_pole(function: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> float | None:
    """Where a function grows without bound, as tan does at pi/2; None where it is not seen to.

    Near such a place values are far larger than a few cells away, and go on growing with every halving of the distance
    to it, as a narrow peak does not. An end may be one: the tangent of the number nearest to pi/2 is 1e16.
    """
    places, _, grown = _search(function, low, high, float_spacing(low, high))
    poles = places[grown]
    poles = poles[_keeps_growing(function, poles, low, high)] if len(poles) else poles
    ends = [end for end in (low, high) if _grows_towards(function, end, low, high)]
    return next(map(float, (*poles, *ends)), None)


def demand_no_pole(target: Target) -> None:
    """Raise RelufitError for a function that grows without bound inside its domain: no network comes near it."""
    pole = find_pole(target, *target.domain)
    if pole is not None:
        raise RelufitError(
            f"{target.name!r} grows without bound near x = {pole:.6g}; choose a domain where it is finite"
        )


def _search(
    function: Callable[[np.ndarray], np.ndarray], low: float, high: float, spacing: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The places where a function is not smooth, which of them are jumps, and which poles."""
    x = np.linspace(low, high, 2 * GRID + 1)
    y = function(x)
    bend = np.abs(y[:-2] - 2 * y[1:-1] + y[2:])  # (2 GRID - 1,) about x[1:-1]
    largest, last_cell = np.abs(y).max(), len(y) - 1
    # A jump whose own value lies half-way, as that of sign, bends the cells on both sides of it.
    # It stands out from one side at least: on the other another jump may be near.
    places = np.flatnonzero((bend > SUSPECT * _sides(bend, gap=2).min(axis=0)) & (bend > 1e-13 * largest))
    places = places[np.argsort(-bend[places])][:CANDIDATES]
    middle, width, first = x[places + 1], x[1] - x[0], bend[places]
    last, size = first, np.zeros(len(places))
    beside = np.maximum(np.abs(y[np.maximum(places - 2, 0)]), np.abs(y[np.minimum(places + 4, last_cell)]))
    halvings = min(HALVINGS, int(np.log2(width / spacing)) - 1)  # finer, a function of floats is made of steps
    for _ in range(halvings if len(places) else 0):  # the half with the largest bend: the left, middle or right one
        at = np.clip(middle[:, None] + width * _AROUND, low, high)  # a root has no value one rounding outside
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

    At each halving log|x| grows by the same, 1/|x| by twice as much as before, a peak by ever less: over 8 of them
    1 - |x|^0.05 by 0.76 of it. The distance is that to where the function is largest, down to what floating point
    resolves: a place that was found by its bends is not found well enough.
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

    The distance goes down to what floating point resolves at this end: at 1e-14 it shows that log(x) ends there. At
    0 that is beside nothing, while the pole of tan(x + pi/2) is as far off as the sum is rounded: so a growth by a
    power is looked for at the distances of the other end too.
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
    """The jumps in a table, x (C,) strictly ascending, y (C,): the places (J,), sorted, of the samples before them.

    A jump is a step of y of OUTLIER times the largest of NEARBY steps on either side, and of OUTLIER times what y goes
    up and down along its length there: a gap in x is no jump. A single slope is no evidence: noise makes slopes large
    where samples are close.
    """
    dx, dy = np.diff(x), np.abs(np.diff(y))
    if len(dx) < NEARBY:
        return np.empty(0, int)
    places = _standing_out(dy, OUTLIER)
    places = places[dy[places] > 1e-13 * np.abs(y).max()]
    runs = _nearby(dx, places), _nearby(dy, places)
    with np.errstate(invalid="ignore"):  # at the ends, where there is one side
        rates = np.nan_to_num(runs[1].sum(axis=2) / runs[0].sum(axis=2))
    places = places[dy[places] > OUTLIER * dx[places] * rates.max(axis=0)]
    return np.sort(places[np.argsort(-dy[places])][:CANDIDATES])


def kinks(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Half-way between the samples that a kink in a table may lie between, sorted: x (C,) strictly ascending, y (C,).

    There the slope changes by OUTLIER times the largest change nearby; a kink between two samples changes it twice. In
    noise it also does so where samples are near to each other, but there they are no further off a line than elsewhere.
    """
    if len(x) < NEARBY:
        return np.empty(0)
    dx = np.diff(x)
    slope = np.diff(y) / dx
    change = np.abs(np.diff(slope))  # (C - 2,) at x[1:-1]
    # Between samples that all but coincide, slopes are those of the rounding of y, and of x.
    rounding = np.finfo(np.float64).eps * (np.abs(y).max() + np.abs(x).max() * np.abs(slope)) / dx  # (C - 1,)
    places = _standing_out(change, OUTLIER, gap=1)
    places = places[change[places] > np.maximum(1e-9 * change.max(), 4 * (rounding[places] + rounding[places + 1]))]
    away = change * dx[:-1] * dx[1:] / (dx[:-1] + dx[1:])  # of a sample from the line between those beside it
    places = 1 + places[away[places] > APART * _largest_nearby(away, places, gap=1)]
    places = places[np.argsort(-change[places - 1])][:CANDIDATES]
    left = np.unique(np.concatenate([places - 1, places]))
    return (x[left] + x[left + 1]) / 2


def _standing_out(values: np.ndarray, times: float, gap: int = 0) -> np.ndarray:
    """Where values (N,) are over `times` times the largest of NEARBY ones on either side, but for the next `gap`."""
    far = gap + 1
    above = values > 0
    above[far:] &= values[far:] > times * values[:-far]  # the windows need to be looked at in few places then
    above[:-far] &= values[:-far] > times * values[far:]
    places = np.flatnonzero(above)
    return places[values[places] > times * _largest_nearby(values, places, gap)]


def _largest_nearby(values: np.ndarray, places: np.ndarray, gap: int = 0) -> np.ndarray:
    """The largest of NEARBY values on either side of each place, (P,), its next `gap` neighbours left out."""
    return np.asarray(_nearby(values, places, gap).max(axis=(0, 2)))


def _nearby(values: np.ndarray, places: np.ndarray, gap: int = 0) -> np.ndarray:
    """The NEARBY values before each place and behind it, (2, P, NEARBY), but for the next `gap`; 0 beyond the ends."""
    away = gap + 1 + np.arange(NEARBY)
    at = places[:, None] + np.stack([-away, away])[:, None]
    return np.where((at >= 0) & (at < len(values)), values.take(at, mode="clip"), 0.0)


def _sides(values: np.ndarray, gap: int) -> np.ndarray:
    """The largest of NEARBY values before each and behind it, its next `gap` neighbours left out, (2, N).

    Where one side has no such values, those of the other side.
    """
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, gap + NEARBY), NEARBY).max(axis=1)
    before, behind = windows[: len(values)].copy(), windows[NEARBY + 2 * gap + 1 :][: len(values)].copy()
    before[: gap + 1], behind[len(values) - gap - 1 :] = behind[: gap + 1], before[len(values) - gap - 1 :]
    return np.stack([before, behind])
