"""Compiled sums of the residual e = output - y over the samples of each segment: see relufit.network.sorted.hinge.Sums.

Short segments are summed sample by sample, long ones by the moments of runs of samples (sorted/moments.py).
"""

import numpy as np
from numba import njit

from relufit.backends.numba.dense import EXACT, OPTIONS
from relufit.backends.numba.knots import prefetch
from relufit.network.sorted.moments import FAN, FROM, LEAF, OWN, UP_TO

LEAF_BITS, FAN_BITS = LEAF.bit_length() - 1, FAN.bit_length() - 1


@njit(**OPTIONS)
def prefetch_ends(x, y, nodes, ranks):
    """Prefetch the data that `add_long` reads at the ends of segments: leaves of x (N,) and y (O, N), rows of nodes."""
    rows, width, samples = nodes.reshape(-1), nodes[0].size, y.reshape(-1)
    for j in range(len(ranks)):
        leaf = min(ranks[j] >> LEAF_BITS, len(nodes) - 1)
        prefetch(x, leaf << LEAF_BITS)
        for o in range(len(y)):
            prefetch(samples, o * len(x) + (leaf << LEAF_BITS))
        # From the node before the leaf to the one after it: three rows of 8-byte numbers, in lines of 64 bytes.
        for at in range(max(leaf - 1, 0) * width, min((leaf + 2) * width, len(rows)), 8):
            prefetch(rows, at)


@njit(**EXACT)
def add_samples(x, y, first, last, start, value, slope):
    """Sums of e, e x, e (x - start) and e^2 over samples from `first` up to `last`, e = value + slope (x - start) - y.

    A scalar loop: there are a few dozen samples at most, too few to fill a vector loop.
    """
    e_sum, ex_sum, edx_sum, squares = 0.0, 0.0, 0.0, 0.0
    for i in range(first, last):
        dx = np.float64(x[i]) - start
        e = value + slope * dx - np.float64(y[i])
        e_sum += e
        ex_sum += e * np.float64(x[i])
        edx_sum += e * dx
        squares += e * e
    return e_sum, ex_sum, edx_sum, squares


@njit(**OPTIONS)
def add_part_of_leaf(x, y, base, first, last, start, value, slope):
    """As `add_samples`, over samples from `first` up to `last` of the leaf of LEAF samples that begins at `base`.

    The loop covers the whole leaf without a branch: a mispredicted end of a short loop costs more than it saves, and
    stops the processor from loading several leaves at once.
    """
    xs, ys, first, last = x[base : base + LEAF], y[base : base + LEAF], first - base, last - base
    e_sum, ex_sum, edx_sum, squares = 0.0, 0.0, 0.0, 0.0
    for i in range(LEAF):
        dx = np.float64(xs[i]) - start
        e = value + slope * dx - np.float64(ys[i])
        e = e if (first <= i) & (i < last) else 0.0
        e_sum += e
        ex_sum += e * np.float64(xs[i])
        edx_sum += e * dx
        squares += e * e
    return e_sum, ex_sum, edx_sum, squares


@njit(**OPTIONS)
def add_run(moments, o, size, start, value, slope):
    """As `add_samples`, over a run of `size` samples with these moments (2 + 3 O,), for output o."""
    mean_x, sxx, mean_y = moments[0], moments[1], moments[2 + 3 * o]
    sxy, syy = moments[3 + 3 * o], moments[4 + 3 * o]
    dx = mean_x - start
    e = value + slope * dx - mean_y
    spread, total = slope * sxx - sxy, size * e
    return total, spread + mean_x * total, spread + dx * total, total * e + slope * spread + (syy - slope * sxy)


@njit(**OPTIONS)
def add_long(x, y, nodes, offsets, o, first, last, start, value, slope):
    """As `add_samples`, over a segment of at least LEAF samples: its largest runs, and both ends by sample."""
    low, high = (first + LEAF - 1) >> LEAF_BITS, last >> LEAF_BITS
    # At least LEAF samples, so low <= high. If the last leaf would end beyond the data, it is shifted.
    head, tail = first & ~(LEAF - 1), min(high << LEAF_BITS, len(x) - LEAF)
    a0, a1, a2, a3 = add_part_of_leaf(x, y, head, first, low << LEAF_BITS, start, value, slope)
    b0, b1, b2, b3 = add_part_of_leaf(x, y, tail, high << LEAF_BITS, last, start, value, slope)
    level, size = 0, np.float64(LEAF)
    while low < high:
        base, begins, ends = offsets[level], (low + FAN - 1) >> FAN_BITS, high >> FAN_BITS
        if begins > ends:  # within one parent: node by node
            for i in range(base + low, base + high):
                e, ex, edx, squares = add_run(nodes[i, OWN], o, size, start, value, slope)
                a0, a1, a2, a3 = a0 + e, a1 + ex, a2 + edx, a3 + squares
            break
        if low & (FAN - 1):
            samples = size * (FAN - (low & (FAN - 1)))
            e, ex, edx, squares = add_run(nodes[base + low, FROM], o, samples, start, value, slope)
            a0, a1, a2, a3 = a0 + e, a1 + ex, a2 + edx, a3 + squares
        if high & (FAN - 1):
            samples = size * (high & (FAN - 1))
            e, ex, edx, squares = add_run(nodes[base + high - 1, UP_TO], o, samples, start, value, slope)
            b0, b1, b2, b3 = b0 + e, b1 + ex, b2 + edx, b3 + squares
        low, high, level, size = begins, ends, level + 1, size * FAN
    return a0 + b0, a1 + b1, a2 + b2, a3 + b3


@njit(**OPTIONS)
def add_segments(x, y, nodes, offsets, o, edges, start, value, slope, sums):
    """Write the sums of e, e x and e (x - start) of each segment to `sums` (K, 4); return the sum of e^2."""
    total = 0.0
    for k in range(len(edges) - 1):
        first, last = edges[k], edges[k + 1]
        if last - first < LEAF:
            e, ex, edx, squares = add_samples(x, y, first, last, start[k], value[k], slope[k])
        else:
            e, ex, edx, squares = add_long(x, y, nodes, offsets, o, first, last, start[k], value[k], slope[k])
        sums[k, 0], sums[k, 1], sums[k, 2] = e, ex, edx
        total += squares
    return total


@njit(**OPTIONS)
def add_each(x, y, value, sums):
    """As `add_segments`, with a segment for each sample."""
    total = 0.0
    for i in range(len(x)):
        e = value[i] - np.float64(y[i])
        sums[i, 0], sums[i, 1], sums[i, 2] = e, e * np.float64(x[i]), 0.0
        total += e * e
    return total


@njit(**OPTIONS)
def add_places(x, y, places, segments, start, value, slope, sums):
    """As `add_segments`, over the samples at the indices `places` (n,) only, whose segments (n,) are given."""
    total = 0.0
    sums[:] = 0
    for i in range(len(places)):
        k, at = segments[i], np.float64(x[places[i]])
        e = value[k] + slope[k] * (at - start[k]) - np.float64(y[places[i]])
        sums[k, 0] += e
        sums[k, 1] += e * at
        sums[k, 2] += e * (at - start[k])
        total += e * e
    return total
