"""What a backend is: one array library, on one device, with one algorithm, behind these verbs.

The seam is the whole network, not the single operation, so that a backend may be one compiled loop or one kernel that
runs every step. To write one: subclass Backend, implement the abstract verbs, add a row to the table in
relufit/backends/__init__.py (or an entry point in the group `relufit.backends`). The rules:

- parameters and states are values: no verb modifies what it is given;
- no verb waits for the device, except `to_host`; the caller that measures time calls `synchronize`;
- dtypes are kept; `float32` in is `float32` out;
- all work of a verb is on the backend's own device, whichever device is current in the calling thread;
- `train` is the one verb to override for speed;
- every verb first calls its check from network/checks.py, which raises RelufitError for arguments that do not fit.

A backend whose products can take rounded operands names those precisions of network/precision.py in `precisions`, reads
`self.precision` in its verbs ("" is full precision) and implements `product`. `at("bfloat16")` is then the same library
and device in that precision; arrays that go in and come out stay float32. Run the conformance suite on it too:
`check_backend(backend.at("bfloat16"))`. A class that inherits from such a backend and has verbs of its own sets
`precisions = ()`, unless they read `self.precision`.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from dataclasses import replace
from operator import itemgetter
from typing import Any, Protocol, Self

import numpy as np

from relufit.errors import RelufitError, counted
from relufit.network.checks import check_input, check_many, check_plan, check_samples, check_shapes, check_training
from relufit.network.data import Plan, Samples
from relufit.network.optim import Optimizer, State, map_arrays, stack_states
from relufit.network.params import DTYPES, Array, Params, Sizes

__all__ = [  # what the author of a backend needs
    "Backend", "BackendUnavailable", "DeviceClock", "Samples", "check_input", "check_many", "check_plan",
    "check_samples", "check_shapes", "check_training", "device_index",
]  # fmt: skip


class BackendUnavailable(RelufitError):
    """This backend cannot run here. `reason` says why in words: not installed, no driver, no device, ..."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def device_index(device: str, count: int) -> int:
    """The number in the name of a device, 1 of "cuda:1" and 0 of "cuda", where there are `count` of that kind.

    Raises BackendUnavailable, with the numbers that exist, if there is no such device. The numbers are those of the
    library: CUDA counts only the devices that CUDA_VISIBLE_DEVICES names, from 0 in the order of that list.
    """
    kind, _, number = device.partition(":")
    index, visible = int(number or 0), os.environ.get("CUDA_VISIBLE_DEVICES") if kind == "cuda" else None
    if index < count:
        return index
    where = "this machine has" if visible is None else f"CUDA_VISIBLE_DEVICES={visible!r} leaves"
    noun = "CUDA device" if kind == "cuda" else f"{kind} device"
    if count == 0:
        raise BackendUnavailable(f"{where} no {noun}")
    numbers = {1: "0", 2: "0 and 1"}.get(count, f"0 to {count - 1}")
    raise BackendUnavailable(f"{where} {counted(count, noun)}, {numbers}, and so no {device}")


def bytes_of_columns(sizes: Sizes, dtype: str) -> int:
    """Bytes that a fused call allocates at once: output, residual, residual times x, and one more column (N, D + O)."""
    return 4 * sizes.samples * (sizes.inputs + sizes.outputs) * np.dtype(dtype).itemsize


class DeviceClock(Protocol):
    """A clock on the device's own stream."""

    def mark(self) -> Any:
        """Record a point in time on the stream. The difference of two marks, taken after `synchronize`, is seconds."""

    def hold(self, seconds: float) -> None:
        """Keep the stream busy for about `seconds`: work launched during that time waits in the queue."""


class Backend(ABC):
    """One array library, on one device, with one algorithm. See the module's docstring for the rules."""

    name: str  # "torch-cuda", or "torch-cuda:1" on the second device
    device: str  # "cpu", "cuda", "mps", ..., with its number if it was asked for by number: "cuda:1"
    algorithm: str = "dense"
    precisions: tuple[str, ...] = ()  # names of relufit.network.precision.PRECISIONS that `at` takes
    precision: str = ""  # of the products; "" is that of the arrays

    def at(self, precision: str) -> Self:
        """This library on this device with products in a precision of `precisions`.

        Raises RelufitError for any other precision.
        """
        if precision not in self.precisions:
            has = f"only those in {', '.join(self.precisions)}" if self.precisions else "none in reduced precision"
            raise RelufitError(f"{self.name} has no products in {precision!r}, {has}")
        variant = copy(self)
        variant.precision = precision
        return variant

    def product(self, left: np.ndarray, right: np.ndarray) -> Callable[[], Array]:
        """A function that computes left (N, K) @ right (K, M) in the precision of the backend, by its library.

        The host arrays are float32; they are copied to the device and rounded before the function is called. The
        benchmark measures the peak rate of products by it. Raises RelufitError where `precisions` is empty.
        """
        raise RelufitError(f"{self.name} has no products in reduced precision")

    @property
    def device_kind(self) -> str:
        """The device without its number: "cuda" of "cuda:1"."""
        return self.device.partition(":")[0]

    def supports(
        self, sizes: Sizes, dtype: str, optimizer: Optimizer | None = None, plan: Plan | None = None
    ) -> str | None:
        """None if this backend supports these sizes, dtype, optimizer and plan; else the reason, in words."""
        if self.precision and dtype != "float32":
            return f"{self.name} with products in {self.precision} takes float32 arrays, not {dtype}"
        return None if dtype in DTYPES else f"{self.name} computes in {' or '.join(DTYPES)}, not {dtype}"

    def algorithm_of(self, verb: str, batch: int, samples: int) -> str:
        """The algorithm that `verb` uses for batches of `batch` out of `samples` samples.

        `verb` is "forward", "loss_and_grads" or "train". The default is `algorithm`; a backend that uses another one
        for some sizes overrides this.
        """
        return self.algorithm

    def working_bytes(self, verb: str, sizes: Sizes, dtype: str) -> int:
        """Bytes that a call of `verb` allocates at once beyond its inputs, or an upper bound of them.

        `verb` is as in `algorithm_of`, "to_device" or "to_host". This default is that of separate operations on whole
        batches: forward keeps two (N, H) arrays, the gradient five. Override it where less is kept, or cases are
        refused that would fit into memory.
        """
        arrays = {"to_device": 0, "to_host": 0, "forward": 2}.get(verb, 5)
        return arrays * sizes.samples * sizes.hidden * np.dtype(dtype).itemsize

    @abstractmethod
    def to_device(self, array: np.ndarray) -> Array:
        """Copy a host array to the device (on a CPU it may be shared); the dtype is kept."""

    @abstractmethod
    def to_host(self, array: Array) -> np.ndarray:
        """Copy a device array, 0-d ones too, to a numpy array; the dtype is kept. Waits until it is computed."""

    @abstractmethod
    def forward(self, params: Params, x: Array) -> Array:
        """The network's output, (N, D) -> (N, O), keeping nothing for a gradient. Call `check_input` first."""

    @abstractmethod
    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        """The mean squared error, a 0-d array on the device, and its gradients. Call `check_shapes` first."""

    def synchronize(self) -> None:
        """Wait until the device has finished all submitted work."""
        return  # a CPU library has finished when its call returns

    def samples(self, x: Any, y: Any) -> Samples:
        """Put data x (N, D), y (N, O) on the device, once, and precompute what depends on the data only.

        Takes host arrays, or arrays that `to_device` made. Raises RelufitError for wrong shapes or dtypes, for no
        samples, and for nan or inf in host arrays (device arrays are not read back).
        """
        check_samples(x, y)
        return Samples(*(self.to_device(a) if isinstance(a, np.ndarray) else a for a in (x, y)))

    def train(
        self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range
    ) -> tuple[State, Array]:
        """Run the given epochs of a plan; returns the state and losses (len(epochs),).

        The loss of an epoch is the mean of each batch's loss before its update, weighted by samples. The default
        takes each batch, calls `loss_and_grads` and updates. Call `check_training` first.
        """
        check_training(state, samples, optimizer, plan, epochs)
        order = None if plan.order is None else self.to_device(plan.order[epochs.start : epochs.stop])
        pieces = plan.slices(len(samples))
        losses = []
        for row in range(len(epochs)):
            # One gather per epoch, then views: one index operation per batch would cost as much as the batch itself.
            epoch_samples = samples if order is None else samples.take(order[row])
            total = 0.0
            for piece in pieces:
                batch = epoch_samples if len(pieces) == 1 else epoch_samples.take(piece)
                loss, grads = self.loss_and_grads(state.params, batch)
                state = optimizer.update(state, grads)
                total = total + loss * ((piece.stop - piece.start) / len(samples))
            losses.append(total)
        return state, self.stack(losses)

    def train_many(
        self,
        states: State,
        samples: Samples,
        optimizer: Optimizer,
        plan: Plan,
        epochs: range,
        rates: np.ndarray | None = None,
    ) -> tuple[State, Array]:
        """Train M networks on the same batches; returns their states and losses (M, epochs).

        Every array of `states` has a leading axis M. Where O = 1 the samples may have y (N, M): then network m fits
        column m; else all fit y (N, O). `rates` (M,), on the host, multiply the learning rate of each network. The
        default trains one after the other. Call `check_many` first.
        """
        factors = check_many(states, samples, optimizer, plan, epochs, rates)
        after, losses = [], []
        for m, factor in enumerate(factors):
            state = map_arrays(itemgetter(m), states)
            rule = replace(optimizer, learning_rate=optimizer.learning_rate * float(factor))
            fitted = samples if samples.y.shape[1] == state.params.w2.shape[1] else self.column(samples, m)
            state, loss = self.train(state, fitted, rule, plan, epochs)
            after.append(state)
            losses.append(loss)
        return stack_states(self.stack, after), self.stack(losses)

    def column(self, samples: Samples, m: int) -> Samples:
        """The samples with column m of y alone."""
        return self.samples(samples.x, samples.y[:, m : m + 1])

    def stack(self, arrays: list[Array]) -> Array:
        """Stack the arrays along a new first axis. The default copies them through the host, which waits."""
        return self.to_device(np.stack([self.to_host(array) for array in arrays]))

    def device_clock(self) -> DeviceClock | None:
        """A clock on the device's own stream; None if the device has none."""
        return None

    def memory(self) -> dict[str, int] | None:
        """Bytes of the device's memory: `free`, `held`, and `peak` since the last call.

        First gives back to the device what the backend and its library's allocator keep for later calls: after an
        out-of-memory error, a call of every loaded backend leaves the device to the next work. None if the device
        shares the host's memory, or if the library does not report it.
        """
        return None

    def facts(self) -> dict[str, str]:
        """Facts about the library for the reader of a measurement: versions, device, threads, modes."""
        return {}

    def pinned(self) -> AbstractContextManager[Any]:
        """A context with the settings of a comparable measurement (TF32 off, ...); relufit itself changes none."""
        return nullcontext()
