"""Compiled loops for relufit/hinge.py: the exact gradient for one input in some ten microseconds, however many samples.

The steps are those of the readable form: ranks (knots.py), lines, residual sums of each segment, running sums, and
from these the gradient of each unit. All sums are in float64; parameters and gradients are flat vectors as in dense.py.
"""

import numpy as np
from numba import njit

from relufit.backends.numba.dense import EXACT, OPTIONS, parts
from relufit.backends.numba.knots import find_ranks, find_segments, sorted_inner
from relufit.backends.numba.training import update
from relufit.moments import FAN, FROM, LEAF, OWN, UP_TO

CHUNK = 2**16  # samples of a forward pass whose segments are looked up at once
LEAF_BITS, FAN_BITS = LEAF.bit_length() - 1, FAN.bit_length() - 1
SAMPLES_PER_UNIT = 4  # up to which a segment for each sample is less work than to sort the ranks


@njit(**OPTIONS)
def cut(x, ranks, inner, edges, start, knots):
    """Write the segments that begin at the inner ranks: edges and start (K + 1,), and for each unit knots (H,)."""
    n, last = len(x), len(inner) + 1
    edges[0], edges[last] = 0, n
    for j in range(len(ranks)):
        knots[j] = 0 if ranks[j] == 0 else last
    for k in range(last - 1):
        edges[k + 1] = ranks[inner[k]]
        knots[inner[k]] = k + 1
    for k in range(last):
        start[k] = x[edges[k]]
    start[last] = x[n - 1]


@njit(**OPTIONS)
def lines(w1, b1, w2, b2, start, knots, value, slope):
    """Write value at its start and slope of each segment, (K + 1,); that of the last edge is of no use."""
    value[:] = 0
    slope[:] = 0
    v, a, x0 = np.float64(b2), 0.0, start[0]
    for j in range(len(w1)):
        w, b, u, k = np.float64(w1[j]), np.float64(b1[j]), np.float64(w2[j]), knots[j]
        rising, falling = 1.0 if w > 0 else 0.0, 1.0 if w <= 0 and k > 0 else 0.0  # falling: on before the first sample
        # Of all units, times 0 or 1: a weight that is not finite shows, whatever side of its knot the samples are on.
        v += u * (w * x0 + b) * falling
        a += u * w * falling
        turn = u * (rising - falling)
        slope[k] += turn * w
        value[k] += turn * (w * start[k] + b)
    value[0] += v
    slope[0] += a
    accumulate(start, value, slope)


@njit(**EXACT)
def accumulate(start, value, slope):
    """Turn jumps and bends at `start` into values and slopes; in this order, so that a step waits for one addition."""
    v, a = value[0], slope[0]
    for k in range(1, len(start)):
        v, a = v + (value[k] + a * (start[k] - start[k - 1])), a + slope[k]
        value[k], slope[k] = v, a


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
    """The same over those of the LEAF samples from `base` on that lie from `first` up to `last`.

    All of the leaf is worked off, without a branch: to guess where a short loop ends costs more than it saves, and
    keeps the processor from waiting for several leaves at once.
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
    """The same over the run of `size` samples that has these moments (2 + 3 O,), for output o."""
    mean_x, sxx, mean_y = moments[0], moments[1], moments[2 + 3 * o]
    sxy, syy = moments[3 + 3 * o], moments[4 + 3 * o]
    dx = mean_x - start
    e = value + slope * dx - mean_y
    spread, total = slope * sxx - sxy, size * e
    return total, spread + mean_x * total, spread + dx * total, total * e + slope * spread + (syy - slope * sxy)


@njit(**OPTIONS)
def add_long(x, y, nodes, offsets, o, first, last, start, value, slope):
    """The same over a segment of a leaf at least: the largest runs inside it, and its ends sample by sample."""
    low, high = (first + LEAF - 1) >> LEAF_BITS, last >> LEAF_BITS
    # Of at least LEAF samples, so low <= high. The leaf of the tail may end beyond the data: then it is moved.
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
    """Write the sums of e, e x and e (x - start) of each segment, (3, K); returns that of e^2 over all."""
    total = 0.0
    for k in range(len(edges) - 1):
        first, last = edges[k], edges[k + 1]
        if last - first < LEAF:
            e, ex, edx, squares = add_samples(x, y, first, last, start[k], value[k], slope[k])
        else:
            e, ex, edx, squares = add_long(x, y, nodes, offsets, o, first, last, start[k], value[k], slope[k])
        sums[0, k], sums[1, k], sums[2, k] = e, ex, edx
        total += squares
    return total


@njit(**OPTIONS)
def add_each(x, y, value, sums):
    """The same where each sample is a segment."""
    total = 0.0
    for i in range(len(x)):
        e = value[i] - np.float64(y[i])
        sums[0, i], sums[1, i], sums[2, i] = e, e * np.float64(x[i]), 0.0
        total += e * e
    return total


@njit(**OPTIONS)
def add_places(x, y, places, segments, start, value, slope, sums):
    """The same over the samples at `places` (n,) alone, whose segments (n,) are given."""
    total = 0.0
    sums[:] = 0
    for i in range(len(places)):
        k, at = segments[i], np.float64(x[places[i]])
        e = value[k] + slope[k] * (at - start[k]) - np.float64(y[places[i]])
        sums[0, k] += e
        sums[1, k] += e * at
        sums[2, k] += e * (at - start[k])
        total += e * e
    return total


@njit(**OPTIONS)
def running_sums(sums, start, left, right):
    """For each edge k write the sums of e, e x and e (x - start[k]) over all samples left of it, and right: (3, K + 1).

    The last moves from edge to edge with the point that it is taken about, so nothing is subtracted from a total.
    """
    last = len(start) - 1
    left[:, 0] = 0
    right[:, last] = 0
    s0, s1, s2, t0, t1, t2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(last):  # both ways at once: each addition waits for the one before it
        s0 += sums[0, k]
        s1 += sums[1, k]
        s2 += sums[2, k] - (start[k + 1] - start[k]) * s0
        left[0, k + 1], left[1, k + 1], left[2, k + 1] = s0, s1, s2
        j = last - 1 - k
        t2 += sums[2, j] + (start[j + 1] - start[j]) * t0
        t1 += sums[1, j]
        t0 += sums[0, j]
        right[0, j], right[1, j], right[2, j] = t0, t1, t2


@njit(**OPTIONS)
def add_unit_gradients(w1, b1, w2, start, knots, left, right, scale, dw1, db1, dw2):
    """Add one output's share to dw1 (H,) and db1 (H,), and write its dw2 (H,)."""
    for j in range(len(w1)):
        w, b, v, k = np.float64(w1[j]), np.float64(b1[j]), np.float64(w2[j]), knots[j]
        s0 = right[0, k] if w > 0 else left[0, k]
        s1 = right[1, k] if w > 0 else left[1, k]
        s2 = right[2, k] if w > 0 else left[2, k]
        dw1[j] += scale * v * s1
        db1[j] += scale * v * s0
        dw2[j] = scale * (w * s2 + (w * start[k] + b) * s0)


@njit(**OPTIONS)
def gradient(x, y, nodes, offsets, guide, places, h, o, flat, grads):
    """Return the loss over the samples at `places`, or over all if there are none, and write the flat gradient.

    x (N,) sorted, y (O, N), nodes and offsets: see relufit.moments.Table; guide: see knots.fill_guide.
    """
    n, whole = len(x), len(places) == 0
    by_sample = whole and n <= SAMPLES_PER_UNIT * h
    w1, b1, w2, b2 = parts(flat, 1, h, o)
    ranks = np.empty(h, np.int64)
    find_ranks(x, guide, w1[0], b1, ranks)
    if by_sample:  # a segment for each sample: no sorting
        knots, edges, start = ranks, np.empty(0, np.int64), np.empty(n + 1)
        for i in range(n):
            start[i] = x[i]
        start[n] = x[n - 1]
    else:
        inner = sorted_inner(ranks, n)
        knots, edges, start = np.empty(h, np.int64), np.empty(len(inner) + 2, np.int64), np.empty(len(inner) + 2)
        cut(x, ranks, inner, edges, start, knots)
    segments = np.empty(len(places), np.int32)
    if not whole:
        find_segments(edges[1:-1], places, segments)
    value, slope = np.empty((2, len(start)))
    sums, left, right = np.empty((3, 3, len(start)))
    dw1, db1, dw2 = np.zeros(h), np.zeros(h), np.empty(h)
    count, squares = n if whole else len(places), 0.0
    scale = 2.0 / (count * o)
    for out in range(o):
        lines(w1[0], b1, w2[out], b2[out], start, knots, value, slope)
        if by_sample:
            squares += add_each(x, y[out], value, sums)
        elif whole:
            squares += add_segments(x, y[out], nodes, offsets, out, edges, start, value, slope, sums)
        else:
            squares += add_places(x, y[out], places, segments, start, value, slope, sums)
        running_sums(sums, start, left, right)
        add_unit_gradients(w1[0], b1, w2[out], start, knots, left, right, scale, dw1, db1, dw2)
        grads[(2 + out) * h : (3 + out) * h] = dw2
        grads[(2 + o) * h + out] = scale * right[0, 0]
    grads[:h] = dw1
    grads[h : 2 * h] = db1
    return squares / (count * o)


@njit(**OPTIONS)
def forward(x, h, o, flat, y):
    """Write y (N, O) for x (N,), by the segment that each sample lies in; see relufit.hinge.forward."""
    w1, b1, w2, b2 = parts(flat, 1, h, o)
    low, high = np.float64(x.min()), np.float64(x.max())
    positions, inner, count = np.empty(h), np.empty(h, np.int64), 0
    for j in range(h):
        positions[j] = -np.float64(b1[j]) / np.float64(w1[0, j])
        inner[count] = j
        count += low < positions[j] < high
    inner = inner[:count][np.argsort(positions[inner[:count]])]
    start, knots = np.empty(count + 2), np.empty(h, np.int64)
    start[0], start[count + 1] = low, high
    for j in range(h):
        w, b = np.float64(w1[0, j]), np.float64(b1[j])
        on = max(w * low + b, w * high + b) > 0
        knots[j] = 0 if on == (w > 0) else count + 1
    for k in range(count):
        start[k + 1] = positions[inner[k]]
        knots[inner[k]] = k + 1
    value, slope = np.empty((2, o, count + 2))
    for out in range(o):
        lines(w1[0], b1, w2[out], b2[out], start, knots, value[out], slope[out])
    segments = np.empty(CHUNK, np.int32)
    for first in range(0, len(x), CHUNK):
        piece = x[first : first + CHUNK]
        find_segments(start[1:-1], piece, segments)
        for i in range(len(piece)):
            k = segments[i]
            for out in range(o):
                y[first + i, out] = value[out, k] + slope[out, k] * (np.float64(piece[i]) - start[k])


@njit(**OPTIONS)
def train(
    x, y, nodes, offsets, guide, places, order, batch, losses, rule, constants, coefficients, h, o, flat, moments
):
    """Train in place as training.train does, on the samples that stand at `places` (n,) of the table.

    order (epochs, n) picks from `places`; where it is (0, 0) every step is a full batch, of all samples of the table if
    `places` is empty.
    """
    n, step = (len(places) if len(places) else len(x)), 0
    grads = np.empty_like(flat)
    chosen = np.empty(batch, places.dtype)
    for epoch in range(len(losses)):
        losses[epoch] = 0.0
        for first in range(0, n, batch):
            size = min(batch, n - first)
            if len(order) == 0:
                loss = gradient(x, y, nodes, offsets, guide, places, h, o, flat, grads)
            else:
                for i in range(size):
                    chosen[i] = places[order[epoch, first + i]]
                loss = gradient(x, y, nodes, offsets, guide, chosen[:size], h, o, flat, grads)
            update(rule, constants, coefficients[step], flat, moments, grads)
            losses[epoch] += loss * size / n
            step += 1
