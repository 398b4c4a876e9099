"""Networks and data of given sizes, their exact gradients, and how they get to a backend's device and back."""

from functools import lru_cache

import numpy as np
import pytest
from exact import exact_grads, exact_loss

from relufit import SGD, Adam, Backend, Momentum, Params, Sizes, State, init_params
from relufit.optim import Optimizer

SIZES = [  # N, D, H, O
    Sizes(800, 1, 512, 1),
    Sizes(32, 1, 512, 1),
    Sizes(1, 1, 1, 1),
    Sizes(5, 1, 1, 1),
    Sizes(1, 3, 7, 2),
    Sizes(33, 3, 17, 2),
    Sizes(50, 2, 8, 1),
    Sizes(40, 1, 16, 3),
]
RULES: list[Optimizer] = [SGD(1e-2), Momentum(1e-3), Adam(1e-3)]
DTYPES = ["float32", "float64"]


def problem(sizes: Sizes, dtype: str, seed: int = 0, *, on_knots: bool = True) -> tuple[Params, np.ndarray, np.ndarray]:
    """Weights and data of the given sizes on the host.

    For D = 1 some samples lie exactly on knots, where a fused multiply-add may rightly find z on the other side of 0
    than two roundings do; with `on_knots` False none does.
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, (sizes.samples, sizes.inputs))
    y = np.sin(x.sum(axis=1, keepdims=True) + np.arange(sizes.outputs))
    # The generator that drew x draws the same numbers for the knots.
    weights_seed = seed if on_knots else seed + 1
    params = init_params(sizes.hidden, sizes.inputs, sizes.outputs, seed=weights_seed, domain=(-3, 3), dtype=dtype)
    return params, x.astype(dtype), y.astype(dtype)


@lru_cache
def exact_gradient(sizes: Sizes) -> tuple[float, Params]:
    """Loss and gradients of the float64 problem off its knots, cached for all backends: this takes up to seconds."""
    params, x, y = problem(sizes, "float64", on_knots=False)
    return exact_loss(params, x, y), exact_grads(params, x, y)


def on_device(backend: Backend, params: Params) -> Params:
    """Weights on the backend's device."""
    return Params(*map(backend.to_device, params))


def on_host(backend: Backend, params: Params) -> Params:
    """Weights or gradients on the host."""
    return Params(*map(backend.to_host, params))


def skip_unsupported(backend: Backend, sizes: Sizes, dtype: str, rule: Optimizer | None = None) -> None:
    """Skip, with the reason, what the backend says that it does not do."""
    reason = backend.supports(sizes, dtype, rule)
    if reason is not None:
        pytest.skip(f"{backend.name}: {reason}")


def leaves(state: State) -> list[object]:
    """Every array of a state."""
    return [array for tree in (state.params, *state.moments) for array in tree]


def broken_networks(params: Params) -> list[Params]:
    """The weights with one array that does not go with the others: its length, its rank or its dtype."""
    return [
        params._replace(b1=params.b1[:-1]),
        params._replace(b1=params.b1[:, None]),
        params._replace(w1=params.w1[0]),
        params._replace(w2=params.w2[:-1]),
        params._replace(w2=params.w2.repeat(2, axis=1)),
        params._replace(b2=np.zeros(2, params.b2.dtype)),
        params._replace(w1=params.w1[:, :0], b1=params.b1[:0], w2=params.w2[:0]),
        params._replace(b1=params.b1.astype(np.float64)),
        params._replace(b2=params.b2.astype(np.float64)),
    ]
