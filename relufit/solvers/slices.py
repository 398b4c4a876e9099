"""Training in slices of whole epochs, for `fit` and for the benchmarks.

There are no callbacks. Between two slices, off the clock, the caller shows progress and computes test errors.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from relufit.backends.base import Backend, Samples
from relufit.network.data import Plan, draw_plan
from relufit.network.optim import Optimizer, State
from relufit.network.params import Array

Train = Callable[[State, Samples, Optimizer, Plan, range], tuple[State, Array]]  # Backend.train, or one of many

ORDER_ELEMENTS = 2**24  # sample indices of minibatches that are drawn at once: 64 MB
SLICE_SECONDS = 0.2  # largest length of a slice, if an epoch is not longer


class Slice(NamedTuple):
    """The result of training some epochs."""

    state: State
    losses: np.ndarray  # (epochs in this slice,), on the host; (M, epochs) of M networks
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
    train: Train | None = None,
) -> Iterator[Slice]:
    """Train a plan in slices, by `train` or backend.train, and yield each one; the caller's time is not counted.

    A slice is `epochs_per_slice` epochs, or as many as take about 0.2 s. Then lengths are powers of two (except the
    last), so that a backend that compiles for each number of epochs compiles only a few times.
    """
    train = train or backend.train
    start, length = 0, epochs_per_slice or 1
    while start < plan.epochs:
        epochs = range(start, min(start + length, plan.epochs))
        backend.synchronize()
        begin = time.perf_counter()
        with np.errstate(over="ignore", invalid="ignore"):  # the caller detects divergence by the losses
            state, losses = train(state, samples, optimizer, plan, epochs)
            backend.synchronize()
        elapsed = time.perf_counter() - begin
        yield Slice(state, backend.to_host(losses), epochs, elapsed)
        start = epochs.stop
        if epochs_per_slice is None and elapsed / len(epochs) * 2 * length <= SLICE_SECONDS:
            length *= 2


def train_epochs(
    backend: Backend,
    state: State,
    samples: Samples,
    optimizer: Optimizer,
    epochs: int,
    *,
    batch: int,
    seed: int,
    train: Train | None = None,
) -> Iterator[Slice]:
    """Train for `epochs` epochs in slices, numbered from 0; the order of samples continues that of the state.

    The order is drawn for some epochs at a time, so that its memory does not grow with their number.
    """
    n = len(samples)
    steps = draw_plan(n, batch=batch).steps_per_epoch(n)
    stretch = epochs if steps == 1 else max(1, ORDER_ELEMENTS // n)
    first_epoch = state.step // steps
    for start in range(0, epochs, stretch):
        count = min(stretch, epochs - start)
        plan = draw_plan(n, batch=batch, epochs=count, seed=seed, first_epoch=first_epoch + start)
        for part in train_in_slices(backend, state, samples, optimizer, plan, train=train):
            state = part.state
            yield part._replace(epochs=range(start + part.epochs.start, start + part.epochs.stop))
