"""Compiled loops for the dense form: hidden values live in registers and never touch memory.

For one input and one output, a sample and a unit cost three vector instructions forward (multiply-add, maximum,
multiply-add) and six for the gradient (z again, compare, two selects, two adds). Units are the inner loop, which the
compiler turns into vectors, and four samples share each load of a unit's weights. Sums over samples are kept in the
working precision for CHUNK samples and then added up in float64.

Parameters are one flat vector, and gradients another: W1 (D, H), b1 (H,), W2 transposed (O, H), b2 (O,) in turn.
"""

from typing import Any

import numpy as np
from numba import njit, prange
from numba.extending import intrinsic

# Not True: nnan and ninf let LLVM remove the comparisons that propagate nan, which would hide divergence.
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}


def can_cache() -> bool:
    """Whether numba finds a writable folder for compiled loops; without one, cache=True raises an error."""
    try:
        njit(cache=True)(can_cache)  # decorating compiles nothing, so any function of this file serves
    except RuntimeError:
        return False
    return True


OPTIONS: dict[str, Any] = {"fastmath": FASTMATH, "error_model": "numpy", "nogil": True, "cache": can_cache()}
EXACT: dict[str, Any] = {
    **OPTIONS,
    "fastmath": False,
}  # stated, because a loop inherits the flags of its caller
CHUNK = 256


@intrinsic
def fma(typing_context, a, b, c):
    """Compute a * b + c, rounded once: one instruction."""

    def codegen(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return a(a, b, c), codegen


@njit(**EXACT)
def is_on(x, w, b):
    """Whether a unit is on at x, for D = 1: rounded twice, as numpy rounds, so that the masks are the same.

    If a knot is on a sample, b = -w x rounded, the unit is off; a fused multiply-add would see the rounding error.
    """
    return x * w + b > 0


@njit(**OPTIONS)
def relu(z):
    """max(z, 0); in this form nan stays nan, because z < 0 is false."""
    return type(z)(0) if z < 0 else z


@njit(**OPTIONS)
def outputs(x, w1, b1, w2, b2, y):
    """Write y (N,) = relu(x w1 + b1) . w2 + b2 for x (N,) and weights (H,)."""
    zero = x.dtype.type(0)
    whole = len(x) // 4 * 4
    for i in range(0, whole, 4):
        xa, xb, xc, xd = x[i], x[i + 1], x[i + 2], x[i + 3]
        ya = yb = yc = yd = zero
        for j in range(len(w1)):
            w, b, v = w1[j], b1[j], w2[j]
            ya += v * relu(fma(xa, w, b))
            yb += v * relu(fma(xb, w, b))
            yc += v * relu(fma(xc, w, b))
            yd += v * relu(fma(xd, w, b))
        y[i], y[i + 1], y[i + 2], y[i + 3] = ya + b2, yb + b2, yc + b2, yd + b2
    for i in range(whole, len(x)):
        ya = zero
        for j in range(len(w1)):
            ya += w2[j] * relu(fma(x[i], w1[j], b1[j]))
        y[i] = ya + b2


@njit(**OPTIONS)
def add_masked_sums(x, dy, w1, b1, s0, s1):
    """s0 (H,) += sum over samples of dy [z > 0], s1 (H,) += the same of dy x."""
    zero = x.dtype.type(0)
    whole = len(x) // 4 * 4
    for i in range(0, whole, 4):
        xa, xb, xc, xd = x[i], x[i + 1], x[i + 2], x[i + 3]
        ga, gb, gc, gd = dy[i], dy[i + 1], dy[i + 2], dy[i + 3]
        ha, hb, hc, hd = ga * xa, gb * xb, gc * xc, gd * xd
        for j in range(len(w1)):
            w, b = w1[j], b1[j]
            on_a, on_b, on_c, on_d = is_on(xa, w, b), is_on(xb, w, b), is_on(xc, w, b), is_on(xd, w, b)
            # The select of a constant zero becomes an `and` with the mask, and the loop a vector loop.
            s0[j] += ((ga if on_a else zero) + (gb if on_b else zero)) + (
                (gc if on_c else zero) + (gd if on_d else zero)
            )
            s1[j] += ((ha if on_a else zero) + (hb if on_b else zero)) + (
                (hc if on_c else zero) + (hd if on_d else zero)
            )
    for i in range(whole, len(x)):
        xa, ga, ha = x[i], dy[i], dy[i] * x[i]
        for j in range(len(w1)):
            on_a = is_on(xa, w1[j], b1[j])
            s0[j] += ga if on_a else zero
            s1[j] += ha if on_a else zero


@njit(**OPTIONS)
def gradient_one_to_one(x, t, count, w1, b1, w2, b2, grads):
    """Sum of squares and, in the flat `grads` (3 H + 1,), the gradient for D = O = 1; losses are means over `count`."""
    h, scale = len(w1), x.dtype.type(2.0 / count)
    total_dy, squares = 0.0, 0.0
    s0, s1 = np.empty(h, x.dtype), np.empty(h, x.dtype)
    y, dy = np.empty(CHUNK, x.dtype), np.empty(CHUNK, x.dtype)
    several = len(x) > CHUNK
    total0, total1 = np.zeros(h if several else 0), np.zeros(h if several else 0)
    for start in range(0, len(x), CHUNK):
        xc, tc = x[start : start + CHUNK], t[start : start + CHUNK]
        outputs(xc, w1, b1, w2, b2, y)
        for i in range(len(xc)):
            error = y[i] - tc[i]
            squares += np.float64(error) * np.float64(error)
            dy[i] = error * scale
            total_dy += np.float64(dy[i])
        s0[:] = 0
        s1[:] = 0
        add_masked_sums(xc, dy[: len(xc)], w1, b1, s0, s1)
        if several:
            for j in range(h):
                total0[j] += np.float64(s0[j])
                total1[j] += np.float64(s1[j])
    if several:
        unit_gradients(w1, b1, w2, total0, total1, grads)
    else:
        unit_gradients(w1, b1, w2, s0, s1, grads)
    grads[3 * h] = total_dy
    return squares


@njit(**OPTIONS)
def unit_gradients(w1, b1, w2, s0, s1, grads):
    """Write the gradients of w1, b1 and w2 from the masked sums: network/dense.py, loss_and_grads_one_output."""
    h = len(w1)
    for j in range(h):
        grads[j] = w2[j] * s1[j]
        grads[h + j] = w2[j] * s0[j]
        grads[2 * h + j] = w1[j] * s1[j] + b1[j] * s0[j]


@njit(**EXACT)
def hidden(x, w1, b1, z):
    """Write z (H,) of one sample x (D,); for D = 1 rounded as in `is_on`."""
    for j in range(len(b1)):
        z[j] = x[0] * w1[0, j]
    for k in range(1, len(x)):
        for j in range(len(b1)):
            z[j] = fma(x[k], w1[k, j], z[j])
    for j in range(len(b1)):
        z[j] += b1[j]


@njit(**OPTIONS)
def output(z, w2, b2):
    """One output of one sample from its z (H,)."""
    y = b2
    for j in range(len(z)):
        y += w2[j] * relu(z[j])
    return y


@njit(**OPTIONS)
def gradient_general(x, t, count, d, h, o, flat, grads):
    """As `gradient_one_to_one`, for any D and O: x (N, D), t (N, O); one sample at a time, units in the inner loop."""
    zero, scale, squares = x.dtype.type(0), x.dtype.type(2.0 / (count * o)), 0.0
    w1, b1, w2, b2 = parts(flat, d, h, o)
    totals, chunk = np.zeros(len(flat)), np.empty(len(flat), x.dtype)
    dw1, db1, dw2, db2 = parts(chunk, d, h, o)
    z, dz = np.empty(h, x.dtype), np.empty(h, x.dtype)
    for start in range(0, len(x), CHUNK):
        chunk[:] = 0
        for i in range(start, min(start + CHUNK, len(x))):
            hidden(x[i], w1, b1, z)
            dz[:] = 0
            for k in range(o):
                error = output(z, w2[k], b2[k]) - t[i, k]
                squares += np.float64(error) * np.float64(error)
                dy = error * scale
                db2[k] += dy
                for j in range(h):
                    dz[j] += dy * w2[k, j]
                    dw2[k, j] += dy * relu(z[j])
            for j in range(h):
                dz[j] = dz[j] if z[j] > zero else zero
                db1[j] += dz[j]
            for k in range(d):
                for j in range(h):
                    dw1[k, j] += x[i, k] * dz[j]
        for j in range(len(chunk)):
            totals[j] += np.float64(chunk[j])
    for j in range(len(totals)):
        grads[j] = totals[j]
    return squares / o


@njit(**OPTIONS)
def parts(flat, d, h, o):
    """Views of the flat vector: w1 (D, H), b1 (H,), w2 (O, H), b2 (O,)."""
    first, second, third = d * h, d * h + h, d * h + h + o * h
    return flat[:first].reshape(d, h), flat[first:second], flat[second:third].reshape(o, h), flat[third:]


@njit(**OPTIONS)
def forward_one_core(x, d, h, o, flat, y):
    """Write y (N, O) for x (N, D)."""
    w1, b1, w2, b2 = parts(flat, d, h, o)
    if d == 1 and o == 1:
        outputs(x[:, 0], w1[0], b1, w2[0], b2[0], y[:, 0])
        return
    z = np.empty(h, x.dtype)
    for i in range(len(x)):
        hidden(x[i], w1, b1, z)
        for k in range(o):
            y[i, k] = output(z, w2[k], b2[k])


@njit(**OPTIONS)
def gradient_one_core(x, t, count, d, h, o, flat, grads):
    """The part of x (N, D), t (N, O) in the loss over `count` samples; writes their part of the flat `grads`."""
    if d == 1 and o == 1:
        w1, b1, w2, b2 = parts(flat, d, h, o)
        squares = gradient_one_to_one(x[:, 0], t[:, 0], count, w1[0], b1, w2[0], b2[0], grads)
    else:
        squares = gradient_general(x, t, count, d, h, o, flat, grads)
    return squares / count


@njit(parallel=True, **OPTIONS)
def forward_all_cores(x, d, h, o, flat, y, threads):
    """`forward_one_core` on one piece of the samples per thread."""
    for k in prange(threads):
        first, last = len(x) * k // threads, len(x) * (k + 1) // threads
        forward_one_core(x[first:last], d, h, o, flat, y[first:last])


@njit(parallel=True, **OPTIONS)
def gradient_all_cores(x, t, d, h, o, flat, grads, threads):
    """`gradient_one_core` on one piece of the batch per thread; the parts are added in order."""
    n = len(x)
    shares, losses = np.empty((threads, len(flat)), flat.dtype), np.empty(threads)
    for k in prange(threads):
        first, last = n * k // threads, n * (k + 1) // threads
        losses[k] = gradient_one_core(x[first:last], t[first:last], n, d, h, o, flat, shares[k])
    for j in range(len(flat)):
        total = 0.0
        for k in range(threads):
            total += np.float64(shares[k, j])
        grads[j] = total
    return losses.sum()


@njit(**OPTIONS)
def forward(x, d, h, o, flat, y, threads):
    """Write the network's output y (N, O) for x (N, D)."""
    if threads > 1:
        forward_all_cores(x, d, h, o, flat, y, threads)
    else:
        forward_one_core(x, d, h, o, flat, y)


@njit(**OPTIONS)
def gradient(x, t, d, h, o, flat, grads, threads):
    """Return the loss of a batch x (N, D), t (N, O) and write its flat gradient."""
    if threads > 1:
        return gradient_all_cores(x, t, d, h, o, flat, grads, threads)
    return gradient_one_core(x, t, len(x), d, h, o, flat, grads)
