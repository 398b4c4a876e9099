"""A whole slice of training in one compiled call: gather, gradient, update, for every batch of every epoch."""

import numpy as np
from numba import njit

from relufit.backends.numba.dense import OPTIONS, gradient
from relufit.network.optim import SGD, Adam, Momentum, Optimizer

RULES: dict[type, int] = {SGD: 0, Momentum: 1, Adam: 2}


def compiled(optimizer: Optimizer, step: int, steps: int, dtype: np.dtype) -> tuple[int, np.ndarray]:
    """An optimizer for `update`: its number, and its coefficients for each step (steps, k)."""
    return RULES[type(optimizer)], optimizer.coefficients(step, step + steps).astype(dtype)


@njit(**OPTIONS)
def update(rule, row, flat, moments, grads):
    """One update in place, by the formulas of relufit/network/optim.py: flat (P,), moments (number, P), grads (P,).

    `row` is the step's row of the optimizer's coefficients, in the dtype of the parameters.
    """
    rate = row[0]
    if rule == 0:
        for j in range(len(flat)):
            flat[j] -= rate * grads[j]
    elif rule == 1:
        velocity = moments[0]
        for j in range(len(flat)):
            velocity[j] = row[1] * velocity[j] + grads[j]
            flat[j] -= rate * velocity[j]
    else:
        first, second = moments[0], moments[1]
        root_scale, beta1, rest1, beta2, rest2, eps = row[1], row[2], row[3], row[4], row[5], row[6]
        for j in range(len(flat)):
            first[j] = beta1 * first[j] + rest1 * grads[j]
            second[j] = beta2 * second[j] + rest2 * (grads[j] * grads[j])
            flat[j] -= rate * first[j] / (np.sqrt(second[j]) * root_scale + eps)


@njit(**OPTIONS)
def train(x, t, batch, order, losses, rule, coefficients, flat, moments, d, h, o, threads):
    """Train in place: x (N, D), t (N, O), coefficients (steps, k); order (epochs, N), or (0, 0) for full batches.

    Writes losses (epochs,): the mean of each batch's loss before its update, weighted by samples.
    """
    n, step = len(x), 0
    grads = np.empty_like(flat)
    rows = batch if len(order) > 0 else 0
    xb, tb = np.empty((rows, d), x.dtype), np.empty((rows, o), x.dtype)
    for epoch in range(len(losses)):
        losses[epoch] = 0.0
        for start in range(0, n, batch):
            size = min(batch, n - start)
            if len(order) == 0:
                loss = gradient(x, t, d, h, o, flat, grads, threads)
            else:
                gather(x, t, order[epoch, start : start + size], xb, tb)
                loss = gradient(xb[:size], tb[:size], d, h, o, flat, grads, threads)
            update(rule, coefficients[step], flat, moments, grads)
            losses[epoch] += loss * size / n
            step += 1


@njit(**OPTIONS)
def gather(x, t, index, xb, tb):
    """Copy the samples at `index` to the first rows of xb (batch, D) and tb (batch, O)."""
    for i in range(len(index)):
        for k in range(x.shape[1]):
            xb[i, k] = x[index[i], k]
        for k in range(t.shape[1]):
            tb[i, k] = t[index[i], k]
