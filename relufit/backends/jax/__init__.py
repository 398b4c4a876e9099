"""jax on the CPU or on a CUDA device: differentiated by autodiff and compiled by XLA, as jax users write it.

`train` is one compiled call for all its epochs: a scan over epochs around a scan over minibatches; `train_many` maps
that over networks by vmap. Learning rates, the step and the order are data, so only new shapes are compiled again.

By default, jax rounds 64-bit numbers to 32 bits. The verbs enable 64 bits for arrays that have them, in a context of
the calling thread, and do not change the setting of the process.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib.version
import numpy as np

from relufit.backends.base import Backend, BackendUnavailable, Samples, device_index
from relufit.backends.jax import compiled
from relufit.errors import RelufitError
from relufit.network.checks import beyond_32_bits, check_input, check_many, check_shapes, check_training
from relufit.network.data import Plan
from relufit.network.optim import Optimizer, State, uncompiled
from relufit.network.params import Array, Params, Sizes

Moments = compiled.Moments


class _Samples(Samples):
    """Samples whose indices may have 64 bits, as numpy's have."""

    def take(self, index: Any) -> Samples:
        with jax.enable_x64(True):
            return _Samples(self.x[index], self.y[index])


class JaxBackend(Backend):
    """jit around autodiff; `train` by lax.scan."""

    algorithm = "autograd"
    precisions: tuple[str, ...] = ("bfloat16", "float16")

    def __init__(self, name: str = "jax-cpu", device: str = "cpu") -> None:
        self.name, self.device = name, device
        self._on = _device(device)  # what is computed from arrays on a device is computed there
        if self.device_kind == "cuda" and float(getattr(self._on, "compute_capability", 0)) >= 8:  # Ampere
            self.precisions = (*self.precisions, "tf32")
        # The last computation and the last transfer. A device completes each of them in order, so waiting for the last
        # ones waits for all. (On the CPU too, calls return before their results are computed.)
        self._computed: Any = None
        self._moved: Any = None

    def supports(
        self, sizes: Sizes, dtype: str, optimizer: Optimizer | None = None, plan: Plan | None = None
    ) -> str | None:
        reason = beyond_32_bits(self.name, sizes.samples) or uncompiled(self.name, optimizer)
        return reason or super().supports(sizes, dtype, optimizer, plan)

    def to_device(self, array: np.ndarray) -> Array:
        with jax.enable_x64(True):
            self._moved = jax.device_put(np.asarray(array), self._on)
        return self._moved

    def to_host(self, array: Array) -> np.ndarray:
        return np.asarray(array)

    def synchronize(self) -> None:
        pending, self._computed, self._moved = (self._computed, self._moved), None, None  # release the memory
        jax.block_until_ready(pending)

    def samples(self, x: Any, y: Any) -> Samples:
        plain = super().samples(x, y)
        return _Samples(plain.x, plain.y)

    def forward(self, params: Params, x: Array) -> Array:
        check_input(params, x)
        with _width_of(x):
            self._computed = compiled.network(params, x, self.precision)
        return self._computed

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        check_shapes(params, samples)
        with _width_of(samples.x):
            loss, grads = compiled.loss_and_grads(params, samples.x, samples.y, self.precision)
        self._computed = loss
        return loss, grads

    def product(self, left: np.ndarray, right: np.ndarray) -> Callable[[], Array]:
        narrow = compiled.NARROW.get(self.precision, jnp.float32)
        operands = [self.to_device(array).astype(narrow) for array in (left, right)]

        def run() -> Array:
            self._computed = compiled.product(*operands, self.precision)
            return self._computed

        return run

    def train(
        self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range
    ) -> tuple[State, Array]:
        check_training(state, samples, optimizer, plan, epochs)
        return self._train(compiled.train, state, samples, optimizer, plan, epochs)

    def train_many(
        self,
        states: State,
        samples: Samples,
        optimizer: Optimizer,
        plan: Plan,
        epochs: range,
        rates: np.ndarray | None = None,
    ) -> tuple[State, Array]:
        factors = check_many(states, samples, optimizer, plan, epochs, rates)
        function = partial(compiled.train_many, rates=factors.astype(samples.x.dtype))
        return self._train(function, states, samples, optimizer, plan, epochs)

    def _train(
        self,
        function: Callable[..., tuple[Params, Moments, Array]],
        state: State,
        samples: Samples,
        optimizer: Optimizer,
        plan: Plan,
        epochs: range,
    ) -> tuple[State, Array]:
        """Call `compiled.train` or `compiled.train_many`."""
        if (reason := beyond_32_bits(self.name, len(samples))) is not None:  # jax would cut the order to 32 bits
            raise RelufitError(reason)
        steps = plan.steps_per_epoch(len(samples))
        table = optimizer.coefficients(state.step, state.step + len(epochs) * steps)
        order = None if plan.order is None else plan.order[epochs.start : epochs.stop]
        with _width_of(samples.x):
            params, moments, losses = function(
                state.params,
                state.moments,
                samples.x,
                samples.y,
                order,
                table.reshape(len(epochs), steps, -1).astype(samples.x.dtype),
                rule=type(optimizer),
                precision=self.precision,
                batch=len(samples) if order is None else min(plan.batch, len(samples)),
            )
        self._computed = losses
        return State(params, moments, state.step + len(epochs) * steps), losses

    def facts(self) -> dict[str, str]:
        facts = {
            "jax": jax.__version__,
            "jaxlib": jaxlib.version.__version__,
            "platform": self._on.client.platform_version,
        }
        if self.device_kind == "cuda":
            facts["gpu"], facts["gpu number"] = self._on.device_kind, str(self._on.local_hardware_id)
            facts["compute capability"] = str(getattr(self._on, "compute_capability", "not known"))
            facts["preallocation"] = os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "true")
        return facts

    def memory(self) -> None:
        # jax counts the peak of the process and cannot reset it, so the peak since the last call is not known. The last
        # results need not be kept to be waited for; after an error, waiting for them would raise it again.
        self._computed = self._moved = None

    def pinned(self) -> AbstractContextManager[Any]:
        # Products request the highest precision themselves. 64 bits are enabled between the verbs too, where the
        # benchmarks compute with their results.
        return jax.enable_x64(True)


def _width_of(array: Array) -> AbstractContextManager[Any]:
    """The context for the dtype of the array: it enables 64 bits if the array has them."""
    return jax.enable_x64(True) if array.dtype == np.float64 else nullcontext()


def _device(device: str) -> Any:
    """The device of that kind and number. Raises BackendUnavailable with the reason where jax has none."""
    kind = device.partition(":")[0]
    try:
        found = jax.devices(kind)
    except RuntimeError as error:  # jax raises nothing narrower
        plugin = any(find_spec(f"jax_{kind}{version}_plugin") for version in (12, 13))
        if kind == "cuda" and not plugin:
            reason = f"this jax ({jax.__version__}) has no CUDA plugin: pip install jax[cuda13] (or cuda12)"
        else:
            reason = f"jax {jax.__version__} finds no usable {kind} device on this machine"
        raise BackendUnavailable(reason) from error
    return found[device_index(device, len(found))]
