"""Training in slices of whole epochs, with time between them for whoever watches: what `fit` and the harness share.

There are no callbacks. Between two slices, off the clock, the caller looks at progress, divergence and test errors.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from relufit.backend import Backend, Samples
from relufit.data import Plan
from relufit.optim import Optimizer, State
from relufit.params import Params

SLICE_SECONDS = 0.2
DIVERGED_LOSS = 1e8  # of standardised data, where a constant has the loss 1: this is lost long before it overflows


class Slice(NamedTuple):
    """A stretch of training between two looks at it."""

    state: State
    losses: np.ndarray  # (epochs in this slice,), on the host
    epochs: range
    seconds: float  # training only: from a synchronized start to a synchronized end


def train_in_slices(
    backend: Backend,
    state: State,
    samples: Samples,
    optimizer: Optimizer,
    plan: Plan,
    *,
    epochs_per_slice: int | None = None,
) -> Iterator[Slice]:
    """Train a plan in slices, yielding after each one; the caller's time is not counted.

    A slice is `epochs_per_slice` epochs, or as many as take about 0.2 s: then lengths are powers of two (and what is
    left over), so that a backend that compiles for a number of epochs compiles a handful of times.
    """
    start, length = 0, epochs_per_slice or 1
    while start < plan.epochs:
        epochs = range(start, min(start + length, plan.epochs))
        backend.synchronize()
        begin = time.perf_counter()
        with np.errstate(over="ignore", invalid="ignore"):  # divergence is looked for in the losses, not warned of
            state, losses = backend.train(state, samples, optimizer, plan, epochs)
            backend.synchronize()
        elapsed = time.perf_counter() - begin
        yield Slice(state, backend.to_host(losses), epochs, elapsed)
        start = epochs.stop
        if epochs_per_slice is None and elapsed / len(epochs) * 2 * length <= SLICE_SECONDS:
            length *= 2


def first_divergence(losses: np.ndarray) -> int | None:
    """The place of the first loss, of data near 1, that is not finite or above DIVERGED_LOSS; None without one."""
    good = np.isfinite(losses) & (losses <= DIVERGED_LOSS)
    return None if good.all() else int(np.argmin(good))


def map_arrays(function: Callable[[Any], Any], state: State) -> State:
    """A State with `function` applied to each of its arrays: to move it to a device, or to the host."""
    params, *moments = (Params(*map(function, tree)) for tree in (state.params, *state.moments))
    return State(params, tuple(moments), state.step)
