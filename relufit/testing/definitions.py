"""Loss, gradients and training from the definitions, sample by sample, in float64: what the suite compares with.

Written on its own: a mistake in network/dense.py or network/optim.py cannot hide by being on both sides.
"""

import numpy as np

from relufit.network.data import Plan
from relufit.network.optim import SGD, Momentum, Optimizer
from relufit.network.params import Params


def exact_loss(params: Params, x: np.ndarray, y: np.ndarray) -> float:
    """The definition, sample by sample and unit by unit."""
    total = 0.0
    for sample, wanted in zip(x, y, strict=True):
        hidden = [max(0.0, float(sample @ w + b)) for w, b in zip(params.w1.T, params.b1, strict=True)]
        total += sum(
            (float(np.dot(hidden, w) + b) - t) ** 2 for w, b, t in zip(params.w2.T, params.b2, wanted, strict=True)
        )
    return total / y.size


def exact_grads(params: Params, x: np.ndarray, y: np.ndarray) -> Params:
    """The chain rule sample by sample, in float64."""
    w1, b1, w2, b2 = params
    grads = [np.zeros_like(p) for p in params]
    for sample, wanted in zip(x, y, strict=True):
        z = sample @ w1 + b1
        h = np.where(z > 0, z, 0)
        dy = 2 * (h @ w2 + b2 - wanted) / y.size
        dz = np.where(z > 0, w2 @ dy, 0)
        for grad, part in zip(grads, (np.outer(sample, dz), dz, np.outer(h, dy), dy), strict=True):
            grad += part
    return Params(*grads)


def exact_training(
    params: Params, x: np.ndarray, y: np.ndarray, rule: Optimizer, plan: Plan
) -> tuple[Params, list[float]]:
    """Train in float64 by the formulas of the papers, written out."""
    values = [p.astype(np.float64) for p in params]
    first, second = ([np.zeros_like(v) for v in values] for _ in range(2))
    losses, step = [], 0
    for epoch in range(plan.epochs):
        order = np.arange(len(x)) if plan.order is None else plan.order[epoch]
        total, batch = 0.0, len(x) if plan.order is None else plan.batch
        for start in range(0, len(x), batch):
            chosen = order[start : start + batch]
            xb, yb = x[chosen], y[chosen]
            z = xb @ values[0] + values[1]
            h = np.maximum(z, 0)
            error = h @ values[2] + values[3] - yb
            total += float(np.mean(error**2)) * len(chosen)
            dy = 2 * error / error.size
            dz = (dy @ values[2].T) * (z > 0)
            step += 1
            for i, g in enumerate((xb.T @ dz, dz.sum(0), h.T @ dy, dy.sum(0))):
                if isinstance(rule, SGD):
                    values[i] = values[i] - rule.learning_rate * g
                elif isinstance(rule, Momentum):
                    first[i] = rule.momentum * first[i] + g
                    values[i] = values[i] - rule.learning_rate * first[i]
                else:
                    first[i] = rule.beta1 * first[i] + (1 - rule.beta1) * g
                    second[i] = rule.beta2 * second[i] + (1 - rule.beta2) * g * g
                    mhat, vhat = first[i] / (1 - rule.beta1**step), second[i] / (1 - rule.beta2**step)
                    values[i] = values[i] - rule.learning_rate * mhat / (np.sqrt(vhat) + rule.eps)
        losses.append(total / len(x))
    return Params(*values), losses
