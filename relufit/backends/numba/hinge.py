"""Compiled loops for sorted/hinge.py: the exact gradient for one input in some ten microseconds, however many samples.

The steps are those of the readable form: ranks (knots.py), lines, residual sums of each segment (residuals.py), running
sums, and from these the gradient of each unit. All sums are in float64; parameters and gradients are flat vectors as in
dense.py.
"""

import numpy as np
from numba import njit

from relufit.backends.numba.dense import EXACT, OPTIONS, parts
from relufit.backends.numba.knots import cells_per_unit, fill_guide, find_ranks, find_segments, sorted_inner
from relufit.backends.numba.pieces import evaluate_pieces
from relufit.backends.numba.residuals import add_each, add_places, add_segments, prefetch_ends
from relufit.backends.numba.training import update

FEW_CELLS, MANY_CELLS = 4, 16  # cells per knot in forward, for few samples and many; measured at 512 knots
SAMPLES_PER_UNIT = 4  # up to this ratio, a segment for each sample is faster than sorting the ranks


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
def segment_lines(w1, b1, w2, b2, start, knots, value, slope):
    """Write value at its start and slope of each segment, (K + 1,); the last element is not used."""
    value[:] = 0
    slope[:] = 0
    v, a, x0 = np.float64(b2), 0.0, start[0]
    for j in range(len(w1)):
        w, b, u, k = np.float64(w1[j]), np.float64(b1[j]), np.float64(w2[j]), knots[j]
        rising, falling = 1.0 if w > 0 else 0.0, 1.0 if w <= 0 and k > 0 else 0.0  # falling: on before the first sample
        # Sum over all units, times 0 or 1, so that a weight that is not finite always shows in the output.
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
    """Sum jumps and bends at `start` to values and slopes; in this order, each step waits for one addition only."""
    v, a = value[0], slope[0]
    for k in range(1, len(start)):
        v, a = v + (value[k] + a * (start[k] - start[k - 1])), a + slope[k]
        value[k], slope[k] = v, a


@njit(**OPTIONS)
def running_sums(sums, start, both):
    """For each edge k write the sums of e, e x and e (x - start[k]) over all samples left of it, and right of it.

    both[k] has the sums of the left, both[K + 1 + k] those of the right: (2 (K + 1), 4), a row per cache line. The last
    sum is moved from edge to edge together with its centre, so nothing is subtracted from a total.
    """
    last = len(start) - 1
    both[0], both[2 * last + 1] = 0, 0
    s0, s1, s2, t0, t1, t2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(last):  # both directions at once, because each addition waits for the one before it
        s0 += sums[k, 0]
        s1 += sums[k, 1]
        s2 += sums[k, 2] - (start[k + 1] - start[k]) * s0
        both[k + 1, 0], both[k + 1, 1], both[k + 1, 2] = s0, s1, s2
        j = last - 1 - k
        t2 += sums[j, 2] + (start[j + 1] - start[j]) * t0
        t1 += sums[j, 1]
        t0 += sums[j, 0]
        both[last + 1 + j, 0], both[last + 1 + j, 1], both[last + 1 + j, 2] = t0, t1, t2


@njit(**OPTIONS)
def add_unit_gradients(w1, b1, w2, start, knots, both, scale, dw1, db1, dw2):
    """Add one output's share to dw1 (H,) and db1 (H,), and write its dw2 (H,)."""
    for j in range(len(w1)):
        w, b, v, k = np.float64(w1[j]), np.float64(b1[j]), np.float64(w2[j]), knots[j]
        side = k + len(start) if w > 0 else k  # where the unit is on
        s0, s1, s2 = both[side, 0], both[side, 1], both[side, 2]
        dw1[j] += scale * v * s1
        db1[j] += scale * v * s0
        dw2[j] = scale * (w * s2 + (w * start[k] + b) * s0)


@njit(**OPTIONS)
def gradient(x, y, nodes, offsets, guide, places, h, o, flat, grads):
    """Return the loss over the samples at `places`, or over all if `places` is empty, and write the flat gradient.

    x (N,) sorted, y (O, N), nodes and offsets: see sorted.moments.MomentTree; guide: see knots.fill_guide.
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
        if whole and len(nodes) > 0:
            prefetch_ends(x, y, nodes, ranks)
        inner = sorted_inner(ranks, n)
        knots, edges, start = np.empty(h, np.int64), np.empty(len(inner) + 2, np.int64), np.empty(len(inner) + 2)
        cut(x, ranks, inner, edges, start, knots)
    segments = np.empty(len(places), np.int32)
    if not whole:
        find_segments(edges[1:-1], places, segments)
    value, slope = np.empty((2, len(start)))
    sums, both = np.empty((len(start), 4)), np.empty((2 * len(start), 4))
    dw1, db1, dw2 = np.zeros(h), np.zeros(h), np.empty(h)
    count, squares = n if whole else len(places), 0.0
    scale = 2.0 / (count * o)
    for out in range(o):
        segment_lines(w1[0], b1, w2[out], b2[out], start, knots, value, slope)
        if by_sample:
            squares += add_each(x, y[out], value, sums)
        elif whole:
            squares += add_segments(x, y[out], nodes, offsets, out, edges, start, value, slope, sums)
        else:
            squares += add_places(x, y[out], places, segments, start, value, slope, sums)
        running_sums(sums, start, both)
        add_unit_gradients(w1[0], b1, w2[out], start, knots, both, scale, dw1, db1, dw2)
        grads[(2 + out) * h : (3 + out) * h] = dw2
        grads[(2 + o) * h + out] = scale * both[len(start), 0]
    grads[:h] = dw1
    grads[h : 2 * h] = db1
    return squares / (count * o)


@njit(**OPTIONS)
def forward(x, h, o, flat, y):
    """Write y (N, O) for x (N,), by the segment that each sample lies in; see relufit.network.sorted.hinge.forward."""
    w1, b1, w2, b2 = parts(flat, 1, h, o)
    low, high = finite_ends(x)
    middle = low / 2 + high / 2
    positions, inner, count = np.empty(h), np.empty(h, np.int64), 0
    for j in range(h):
        positions[j] = -np.float64(b1[j]) / np.float64(w1[0, j])
        inner[count] = j
        count += low < positions[j] < high
    inner = inner[:count][np.argsort(positions[inner[:count]])]
    start, knots = np.empty(count + 2), np.empty(h, np.int64)
    start[0], start[count + 1] = positions[inner[0]] if count > 0 else middle, high
    for j in range(h):
        w, b = np.float64(w1[0, j]), np.float64(b1[j])
        on = w * middle + b > 0  # half-way, because at an end rounding decides
        knots[j] = 0 if on == (w > 0) else count + 1
    for k in range(count):
        start[k + 1] = positions[inner[k]]
        knots[inner[k]] = k + 1
    marks = np.append(start[1 : count + 1], np.nan)
    guide = np.empty(1 + max(1, count) * (MANY_CELLS if len(x) > MANY_CELLS * count else FEW_CELLS), np.int32)
    scale = cells_per_unit(marks[:count], len(guide) - 1) if count > 0 else 0.0
    fill_guide(marks[:count], marks[0], scale, guide)
    value, slope, rows = np.empty(count + 2), np.empty(count + 2), np.empty((count + 2, 3))
    for out in range(o):
        segment_lines(w1[0], b1, w2[out], b2[out], start, knots, value, slope)
        rows[:, 0], rows[:, 1], rows[:, 2] = start, value, slope
        evaluate_pieces(x, marks, guide, marks[0], scale, rows, y, out)


@njit(**OPTIONS)
def finite_ends(x):
    """See relufit.network.sorted.hinge.finite_ends."""
    largest = np.finfo(np.float64).max
    low, high = np.inf, -np.inf
    for value in x:
        low, high = value if value < low else low, value if value > high else high
    return (0.0, 0.0) if low > high else (max(low, -largest), min(high, largest))


@njit(**OPTIONS)
def train(x, y, nodes, offsets, guide, places, batch, order, losses, rule, coefficients, flat, moments, h, o):
    """Train in place as training.train does, on the samples that stand at `places` (n,) of the table.

    order (epochs, n) picks from `places`; where it is (0, 0) every step is a full batch, of all samples of the table if
    `places` is empty.
    """
    n, step = (len(places) if len(places) else len(x)), 0
    grads = np.empty_like(flat)
    chosen = np.empty(batch if len(order) > 0 else 0, places.dtype)
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
            update(rule, coefficients[step], flat, moments, grads)
            losses[epoch] += loss * size / n
            step += 1
