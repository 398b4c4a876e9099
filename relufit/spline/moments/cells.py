"""Sum the samples of a large table into cells, which are sufficient for a spline fit, in bounded memory.

A least-squares fit of a function that is linear inside a cell only needs the cell's weight, means and centred second
moments, and samples that share their x always share a cell. So up to MOST distinct x nothing is lost: each x is a cell,
with the mean and the spread of its y. Beyond that, neighbouring samples share a cell, and their positions within the
cell are lost: a fit that bends inside a cell sees the cell's best line.

Moments are centred, and cells are joined by the parallel-axis theorem (Chan, Golub and LeVeque, "Algorithms for
computing the sample variance", The American Statistician 37, 1983): sums of squares of times near 1.7e9 seconds would
cancel to nothing.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from relufit.errors import RelufitError

MOST = 2**20  # largest number of cells in a table: 50 MB, and finer than the pieces of any network here
BUFFER = 2**19  # samples buffered for each sort, which passes over all cells: half as many take 1.4 times as long
LIMIT = 1e100  # largest |x|, |y| and weight, so that no product of a weight and two of them overflows


class Cells(NamedTuple):
    """C cells in ascending order of x; all arrays float64 (C,). A cell of one x has sxx and sxy 0 exactly."""

    x: np.ndarray  # weighted mean of the cell's samples, strictly ascending
    y: np.ndarray  # weighted mean
    weight: np.ndarray  # total, above 0
    sxx: np.ndarray  # sum of weight (x - mean)^2 within the cell
    sxy: np.ndarray  # sum of weight (x - mean) (y - mean)
    syy: np.ndarray  # sum of weight (y - mean)^2
    samples: int  # in all cells together, those of weight zero not counted


def collect(chunks: Iterable[Sequence[Any]]) -> Cells:
    """Sum chunks (x, y, weight or None, ...) of (n,) or (n, 1) arrays into at most MOST cells; sorted or not.

    Up to MOST distinct x this is exact. Beyond, a cell is an interval [i h, (i + 1) h) that holds samples, where h is
    the smallest power of two with at most MOST cells. As chunks arrive, h only grows, by joining cells in pairs, so the
    cells depend on the samples only and not on the chunks (rounding aside). Intervals without samples are not stored,
    so a far outlier does not coarsen the other cells. Memory stays below 300 MB, not counting the chunks. Samples of
    weight zero are left out.

    Raises RelufitError for nan, inf, negative weights, sizes beyond LIMIT, arrays that do not match, and no samples.
    """
    cells, exponent, waiting, full, seen = _NONE, None, [_NONE], 0, 0
    for x, y, weight, *_ in chunks:
        waiting.append(_samples(x, y, weight, first=seen))
        seen += len(x)
        full += len(x) + 16  # a chunk of a single row has a weight too: that of its arrays' headers
        if full >= BUFFER:
            cells, exponent = _add(cells, exponent, waiting)
            waiting, full = [_NONE], 0
    return _checked(_add(cells, exponent, waiting)[0], seen)


def merge_sorted(x: Any, y: Any, weight: Any = None) -> Cells:
    """Sort arrays (N,) or (N, 1) by x and merge equal x into cells; beyond MOST distinct x, neighbours share a cell.

    Cells have equal numbers of distinct x, and so follow the density of the samples, which requires the whole table.
    Samples of weight zero are left out. Raises RelufitError as `collect` does.
    """
    samples = _samples(x, y, weight, first=0)
    return _checked(join_evenly(_equal_x(_sorted([samples])), MOST), len(x))


def join_evenly(cells: Cells, most: int) -> Cells:
    """Join neighbouring cells if there are more than `most`: into `most` runs of about equal numbers of cells."""
    return cells if len(cells.x) <= most else _sum_runs(cells, np.arange(most) * len(cells.x) // most)


def join_places(cells: Cells, places: np.ndarray) -> Cells:
    """Join neighbouring cells with equal `places` (C,), which ascend."""
    return _sum_runs(cells, _starts(places))


def _checked(cells: Cells, seen: int) -> Cells:
    if not seen:
        raise RelufitError("there are no samples")
    if not cells.samples:
        raise RelufitError(f"all {seen} samples have weight zero; at least one must have a positive weight")
    return cells


def _samples(x: Any, y: Any, weight: Any, first: int) -> Cells:
    """Each sample of positive weight as a cell, unsorted; `first` numbers the first one in errors."""
    x, y = _vector("x", x, first), _vector("y", y, first)
    weight = np.broadcast_to(1.0, x.shape) if weight is None else _vector("weight", weight, first)
    if not len(x) == len(y) == len(weight):
        raise RelufitError(f"x, y and weight must be equally long, not {len(x)}, {len(y)} and {len(weight)}")
    if (weight < 0).any():
        raise RelufitError(f"weight is negative at row {first + np.argmax(weight < 0)}; it must be at least 0")
    if not weight.all():
        x, y, weight = x[weight > 0], y[weight > 0], weight[weight > 0]
    zeros = np.broadcast_to(0.0, x.shape)  # takes no memory until cells are joined
    return Cells(x, y, weight, zeros, zeros, zeros, len(x))


def _vector(name: str, values: Any, first: int) -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError:  # a ragged list
        raise RelufitError(f"{name} is not a column of numbers: its rows differ in length") from None
    if array.dtype.kind not in "fiub" and array.size:
        raise RelufitError(f"{name} must hold real numbers, not {array.dtype}")
    if array.ndim != 1 and array.shape[1:] != (1,):
        raise RelufitError(f"{name} must be one column, (N,) or (N, 1), not {array.shape}")
    array = array.reshape(-1).astype(np.float64)  # (N,), a copy: samples wait, and the caller may refill its array
    bad = ~(np.abs(array) < LIMIT)  # true for nan as well
    if bad.any():
        row = np.argmax(bad)
        raise RelufitError(f"{name} holds {array[row]} at row {first + row}; it must be finite and below {LIMIT:g}")
    return array


def _add(cells: Cells, exponent: int | None, waiting: Sequence[Cells]) -> tuple[Cells, int | None]:
    """Add buffered samples to cells; return these and the exponent of their intervals, None while each x is a cell."""
    samples = _sorted(waiting)
    if exponent is None:
        cells = _equal_x(_sorted([cells, _equal_x(samples)], "stable"))
        if len(cells.x) <= MOST:
            return cells, None
    else:
        cells = _sorted([cells, _sum_runs(samples, _starts(_interval(samples.x, exponent)))], "stable")
    exponent = _exponent(cells.x, exponent)
    return _sum_runs(cells, _starts(_interval(cells.x, exponent))), exponent


def _sorted(parts: Sequence[Cells], kind: Literal["quicksort", "stable"] = "quicksort") -> Cells:
    """Concatenate cells and sort them by x; the stable kind is faster for two sorted parts."""
    columns = list(zip(*(part[:-1] for part in parts), strict=True))
    x = np.concatenate(columns[0])
    order = np.argsort(x, kind=kind)
    # One column at a time, so that only one is in memory twice; one number for all samples (stride 0) needs no order.
    rest = (
        column[0] if len(parts) == 1 and column[0].strides == (0,) else np.concatenate(column)[order]
        for column in columns[1:]
    )
    return Cells._make([x[order], *rest, sum(part.samples for part in parts)])


def _equal_x(cells: Cells) -> Cells:
    """Join cells of equal x, given cells of one x each in ascending order."""
    return _sum_runs(cells, _starts(cells.x), same_x=True)


def _starts(keys: np.ndarray) -> np.ndarray:
    """The first indices of runs of equal keys, in ascending keys (n,)."""
    return np.flatnonzero(np.concatenate([np.ones(min(1, len(keys)), bool), keys[1:] != keys[:-1]]))


def _interval(x: np.ndarray, exponent: int) -> np.ndarray:
    """The number i of the interval [i h, (i + 1) h), h = 2^exponent, of each x: exact, as only the exponent changes."""
    return np.floor(np.ldexp(x, -exponent))


def _exponent(x: np.ndarray, least: int | None) -> int:
    """The smallest exponent >= `least` whose intervals divide ascending x (n,) into at most MOST cells.

    Intervals of 2h are pairs of intervals of h, so the number of cells falls with h, and halving finds the exponent.
    """
    largest = int(np.frexp(np.abs(x[[0, -1]]).max())[1])
    finest = largest - 1000 if least is None else max(least, largest - 1000)  # finer overflows
    exponents = range(finest, max(finest, largest) + 1)  # the coarsest leaves two cells
    fits = [e for e in exponents[:1] if _cells_of(x, e) <= MOST]  # almost always, once cells are intervals
    return fits[0] if fits else exponents[bisect_left(exponents, True, key=lambda e: _cells_of(x, e) <= MOST)]


def _cells_of(x: np.ndarray, exponent: int) -> int:
    return len(_starts(_interval(x, exponent)))


def _sum_runs(cells: Cells, starts: np.ndarray, *, same_x: bool = False) -> Cells:
    """Join neighbours: one cell for each run of `cells` that begins at `starts` (ascending, the first is 0).

    With `same_x`, all cells of a run have equal x, so sums over x are 0; skipping them saves half of the time.
    """
    x, y, weight, sxx, sxy, syy, samples = cells
    if len(starts) == len(x):
        return cells
    run = _runs(starts, len(x))
    total = np.bincount(run, weight)
    mean_y, dy = _centred(y, weight, total, starts, run)
    syy = np.bincount(run, syy + weight * dy * dy)
    if same_x:
        return Cells(x[starts], mean_y, total, np.zeros_like(total), np.zeros_like(total), syy, samples)
    mean_x, dx = _centred(x, weight, total, starts, run)
    # Rounding must not move a mean out of its run, and so out of its interval.
    mean_x = np.clip(mean_x, x[starts], x[np.append(starts[1:], len(x)) - 1])
    sxx = np.bincount(run, sxx + weight * dx * dx)
    sxy = np.bincount(run, sxy + weight * dx * dy)
    return Cells(mean_x, mean_y, total, sxx, sxy, syy, samples)


def _runs(starts: np.ndarray, number: int) -> np.ndarray:
    """The number of the run that each value belongs to, (n,), for sums by np.bincount.

    Most runs are short, and np.add.reduceat takes seven times as long for them.
    """
    begins = np.zeros(number, np.intp)
    begins[starts[1:]] = 1
    return np.cumsum(begins)


def _centred(
    values: np.ndarray, weight: np.ndarray, total: np.ndarray, starts: np.ndarray, run: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted means of the runs (C,), and how far each of the n values lies from the mean of its run (n,).

    Summed as differences to the first value of a run, which avoids cancellation.
    """
    first = values[starts]
    mean = first + np.bincount(run, weight * (values - first[run])) / total
    return mean, values - mean[run]


_NONE = Cells._make([*np.empty((6, 0)), 0])
