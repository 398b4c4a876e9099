"""Compiled searches of sorted/hinge.py: the position of each knot among sorted samples, and the order of the knots.

A guide to the sorted samples lets the search for each knot begin a few samples away from it.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from relufit.backends.numba.dense import EXACT, OPTIONS, is_on

SAMPLES_PER_CELL = 2  # average number of samples per cell of the guide
FAR_SAMPLES = 2**15  # size from which a table does not fit into the nearest cache
DIGIT = 8  # bits per pass of the radix sort


@njit(**EXACT)
def fill_guide(x, low, scale, guide):
    """Write the first index in sorted x (N,) of each of C cells, `scale` per unit of x from `low` on: (C + 1,)."""
    cells, cell = len(guide) - 1, 0
    guide[0] = 0
    for i in range(len(x)):
        while cell < cell_of(x[i], low, scale, cells):
            cell += 1
            guide[cell] = i
    guide[cell + 1 :] = len(x)


@njit(**OPTIONS)
def cells_per_unit(x, cells):
    """The number of cells per unit of sorted x if they divide [x[0], x[-1]]; 0 if all samples are equal."""
    width = np.float64(x[-1]) - np.float64(x[0])
    return cells / width if width > 0 else 0.0


@njit(**EXACT)
def cell_of(x, low, scale, cells):
    """The cell that contains x, or the nearest one; the first if x is nan. Rounding is monotone, and so is this."""
    place = (np.float64(x) - np.float64(low)) * scale
    place = place if place > 0.0 else 0.0
    return np.int64(place if place < cells - 1.0 else cells - 1.0)


@njit(**EXACT)
def is_left(x, w, b):
    """Whether x lies left of the knot: the unit is off there and rising, or on and not rising."""
    return is_on(x, w, b) != (w > 0)


@intrinsic
def prefetch(typing_context, array, index):
    """Prefetch the cache line of array[index], of a contiguous array, without waiting for it."""

    def codegen(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), cgutils.voidptr_t)
        kinds = [cgutils.voidptr_t] + [ir.IntType(32)] * 3
        llvm_prefetch = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), kinds), "llvm.prefetch.p0"
        )
        builder.call(
            llvm_prefetch, [address, *(ir.IntType(32)(n) for n in (0, 3, 1))]
        )  # to read, into all caches, data
        return context.get_dummy_value()

    return types.void(array, index), codegen


@njit(**OPTIONS)
def find_ranks(x, guide, w1, b1, ranks):
    """Write how many of the sorted samples x (N,) lie left of each unit's knot: ranks (H,)."""
    n = len(x)
    find_cells(x, len(guide) - 1, w1, b1, ranks)
    if n >= FAR_SAMPLES:  # prefetch large tables for all knots ahead
        for j in range(len(ranks)):
            prefetch(guide, ranks[j])
        for j in range(len(ranks)):
            prefetch(x, guide[ranks[j]])
    for j in range(len(ranks)):
        w, b, cell = w1[j], b1[j], np.uint64(ranks[j])  # unsigned: numba need not handle negative indices
        first, last = np.int64(guide[cell]), np.int64(guide[cell + np.uint64(1)])
        rank = first
        if last - first > 2 * SAMPLES_PER_CELL:
            rank = bisect(x, first, last, w, b)
        else:
            while rank < last and is_left(x[rank], w, b):
                rank += 1
        # Rounding may give a wrong cell. If the predicate fails at its ends, search over all samples.
        begins_later = rank == last and last < n and is_left(x[last], w, b)
        if begins_later or (rank == first and first > 0 and not is_left(x[first - 1], w, b)):
            rank = bisect(x, 0, n, w, b)
        ranks[j] = rank


@njit(**OPTIONS)
def find_cells(x, cells, w1, b1, places):
    """Write the cell of the guide to x that contains each unit's knot, or the nearest: places (H,); a vector loop."""
    scale, low = cells_per_unit(x, cells), np.float64(x[0])
    for j in range(len(places)):
        places[j] = cell_of(-np.float64(b1[j]) / np.float64(w1[j]), low, scale, cells)


@njit(**OPTIONS)
def bisect(x, low, high, w, b):
    """The first sample from `low` up to `high` that does not lie left of the unit's knot, or `high`."""
    while low < high:
        middle = (low + high) >> 1
        if is_left(x[middle], w, b):
            low = middle + 1
        else:
            high = middle
    return low


@njit(**OPTIONS)
def sorted_inner(ranks, n):
    """The units whose knots lie between samples, 0 < rank < N, by rank: a radix sort, least significant digit first."""
    units, other, count = np.empty(len(ranks), np.int32), np.empty(len(ranks), np.int32), 0
    for j in range(len(ranks)):
        units[count] = j
        count += 0 < ranks[j] < n
    places, shift = np.empty(1 << DIGIT, np.int32), 0
    while n >> shift > 0:
        places[:] = 0
        for i in range(count):
            places[(ranks[units[i]] >> shift) & ((1 << DIGIT) - 1)] += 1
        total = 0
        for digit in range(1 << DIGIT):
            places[digit], total = total, total + places[digit]
        for i in range(count):
            digit = (ranks[units[i]] >> shift) & ((1 << DIGIT) - 1)
            other[places[digit]] = units[i]
            places[digit] += 1
        units, other, shift = other, units, shift + DIGIT
    return units[:count]


@njit(**OPTIONS)
def find_segments(ends, values, segments):
    """Write the number of the sorted `ends` that are <= each of `values` (n,), by a guide to the ends and bisection."""
    segments[:] = 0
    if len(ends) == 0:
        return
    cells = 2 * len(ends)
    guide, scale = np.empty(cells + 1, np.int32), cells_per_unit(ends, cells)
    fill_guide(ends, ends[0], scale, guide)
    for i in range(len(values)):
        cell = cell_of(values[i], ends[0], scale, cells)
        low, high = guide[cell], guide[cell + 1]
        while low < high:
            middle = (low + high) >> 1
            if ends[middle] <= values[i]:
                low = middle + 1
            else:
                high = middle
        segments[i] = low
