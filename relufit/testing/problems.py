"""Networks and data of given sizes, their exact gradients, and how they get to a backend's device and back."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np

from relufit.backends.base import Backend
from relufit.errors import RelufitError
from relufit.network.data import Plan, draw_plan
from relufit.network.optim import SGD, Adam, Momentum, Optimizer, State
from relufit.network.params import Params, Sizes, init_params
from relufit.testing.definitions import exact_grads, exact_loss, exact_training

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
    """Loss and gradients of the float64 problem off its knots: one computation, of up to seconds, for all backends."""
    params, x, y = problem(sizes, "float64", on_knots=False)
    return exact_loss(params, x, y), exact_grads(params, x, y)


@lru_cache
def exact_run(sizes: Sizes, rule: Optimizer, own_order: bool) -> tuple[Plan, Params, list[float]]:
    """A plan of 500 steps, and the weights and losses that it ends with: one computation for all backends."""
    # A recipe shuffles for itself; in full batches there is nothing to shuffle.
    plan = Plan(None, 90, 500) if own_order else draw_plan(90, batch=20, epochs=100, seed=3)
    return plan, *exact_training(*problem(sizes, "float64", on_knots=False), rule, plan)


def on_device(backend: Backend, params: Params) -> Params:
    """Weights on the backend's device."""
    return Params(*map(backend.to_device, params))


def on_host(backend: Backend, params: Params) -> Params:
    """Weights or gradients on the host."""
    return Params(*map(backend.to_host, params))


class Unsupported(Exception):
    """The backend says that it cannot do what a check needs; the message is its reason."""


def demand_support(backend: Backend, sizes: Sizes, dtype: str, rule: Optimizer | None = None) -> None:
    """Raise Unsupported where the backend does not support these sizes, this dtype or this optimizer."""
    reason = backend.supports(sizes, dtype, rule)
    if reason is not None:
        raise Unsupported(f"{backend.name}: {reason}")


def require(condition: object, failure: str) -> None:
    """Raise AssertionError with this reason unless the condition holds, also where Python skips its asserts (-O)."""
    if not condition:
        raise AssertionError(failure)


@contextmanager
def refused(what: str, says: str = "") -> Iterator[None]:
    """Require that the block raises RelufitError, with a message that matches `says`."""
    try:
        yield
    except RelufitError as error:
        require(re.search(says, str(error)), f"{what} is refused with {str(error)!r}, which does not say {says!r}")
    else:
        raise AssertionError(f"{what} is not refused with a RelufitError")


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
