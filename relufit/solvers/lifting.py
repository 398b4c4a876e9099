"""Weighted samples for backends, whose loss has no weights: a network with one more input and one more unit.

With s > 0, s relu(z) = relu(s z), so s times the network at x is a network at (s x, s): the biases b1 become the
weights of the input s, and b2 those of one more unit, relu(s) = s. Fitted to s y with s the root of a sample's weight,
its plain loss is the weighted one, and its gradients hold those of the network.
"""

from typing import Any

import numpy as np

from relufit.backends.base import Backend, Samples
from relufit.fits.problem import Problem
from relufit.network.params import Params, Sizes


def lifted_sizes(sizes: Sizes) -> Sizes:
    """The sizes that a backend must support: one more input and one more unit."""
    return Sizes(sizes.samples, sizes.inputs + 1, sizes.hidden + 1, sizes.outputs)


def lifted(params: Params) -> Params:
    """The network on (s x, s): w1 (D + 1, H + 1), w2 (H + 1, O), and biases of 0."""
    w1, b1, w2, b2 = params
    (inputs, hidden), outputs, dtype = w1.shape, len(b2), w1.dtype
    first = np.zeros((inputs + 1, hidden + 1), dtype)
    first[:-1, :-1], first[-1, :-1], first[-1, -1] = w1, b1, 1.0
    return Params(first, np.zeros(hidden + 1, dtype), np.vstack([w2, b2[None]]), np.zeros(outputs, dtype))


def lowered(grads: Params) -> Params:
    """The gradients of the network from those of the lifted one, whose other weights are constant."""
    return Params(grads.w1[:-1, :-1], grads.w1[-1, :-1], grads.w2[:-1], grads.w2[-1])


def lifted_samples(problem: Problem, backend: Backend, dtype: Any) -> Samples:
    """The training samples of a weighted problem on a device, (s x, s) and s y, standardised; the mean of s^2 is 1."""
    index, scaling, weight = problem.train_index, problem.scaling, np.asarray(problem.weight)[problem.train_index]
    s = np.sqrt(weight / weight.mean())[:, None]  # (N, 1)
    x, y = s * scaling.scale_x(problem.x[index]), s * scaling.scale_y(problem.y[index])
    return backend.samples(np.hstack([x, s]).astype(dtype), y.astype(dtype))
