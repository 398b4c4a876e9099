"""torch.compile (Inductor) over the network, over loss with gradients, and over the update."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from relufit.backends.base import BackendUnavailable, Samples
from relufit.backends.torch import TorchBackend, network
from relufit.network.checks import check_input, check_shapes, check_training
from relufit.network.data import Plan
from relufit.network.optim import Optimizer, State, uncompiled
from relufit.network.params import Array, Params, Sizes

VARIANTS = 128  # limit of compiled variants of a function, far more than the sizes, dtypes and strides of a run need


class TorchCompileBackend(TorchBackend):
    """Network, loss with all gradients, and update, each compiled whole by torch.compile (Inductor).

    At H = 512 and N = 32, on one core, a gradient inside one graph (torch.func) takes 110 us; with autograd outside a
    compiled loss it takes 370 us, and compiles twice. An update of Adam takes 50 us instead of 170 us.

    Sizes are symbols of the graph: compiling for each size takes seconds and was hardly faster.
    """

    algorithm = "autograd, compiled"
    precisions = ()  # its graphs are of float32 and float64

    def __init__(self, name: str, device: str) -> None:
        super().__init__(name, device)
        if self.device == "cpu":
            _demand_compiler()
        self._seen: set[tuple[Any, ...]] = set()

    def supports(
        self, sizes: Sizes, dtype: str, optimizer: Optimizer | None = None, plan: Plan | None = None
    ) -> str | None:
        return uncompiled(self.name, optimizer) or super().supports(sizes, dtype, optimizer, plan)

    def to_device(self, array: np.ndarray) -> Array:
        return super().to_device(np.asarray(array, order="C"))  # other strides would be compiled again

    def forward(self, params: Params, x: Array) -> Array:
        check_input(params, x)
        return self.call(network, params, x)

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        check_shapes(params, samples)
        return self.call(loss_and_grads, params, samples.x, samples.y)

    def train(
        self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range
    ) -> tuple[State, Array]:
        check_training(state, samples, optimizer, plan, epochs)
        steps = len(epochs) * plan.steps_per_epoch(len(samples))
        rule: Any = _CompiledRule(self, optimizer, state, steps)
        return super().train(state, samples, rule, plan, epochs)

    def call(self, function: Callable[..., Any], params: Params, *rest: Any) -> Any:
        """Call the compiled function, with a raised limit of variants for arguments of new shapes, dtypes or strides.

        torch stops compiling after 8 variants of a function (sizes of 1, dtypes, strides). `fullgraph` makes it raise
        then, instead of running uncompiled.
        """
        last = rest[-1]
        strides = tuple(array.stride() for array in (*params, last))
        variant = function, params.w1.shape, params.w2.shape, last.shape, last.dtype, strides
        with torch.no_grad():  # the mode is part of a variant; torch.func enables gradients itself
            if variant in self._seen:
                return _compiled(function)(params, *rest)
            with torch._dynamo.config.patch(recompile_limit=VARIANTS):
                result = _compiled(function)(params, *rest)
        self._seen.add(variant)
        return result


class _CompiledRule:
    """An optimizer for some steps from `state` with a compiled update; its coefficients are data of the graph."""

    def __init__(self, backend: TorchCompileBackend, rule: Optimizer, state: State, steps: int) -> None:
        self.backend, self.function, self.first = backend, type(rule).updated, state.step
        self.moments = rule.moments
        table, w1 = rule.coefficients(state.step, state.step + steps), state.params.w1
        self.rows = torch.as_tensor(table, dtype=w1.dtype, device=w1.device).unbind()

    def update(self, state: State, grads: Params) -> State:
        """The state after one update with gradients at `state.params`."""
        row = self.rows[state.step - self.first]
        params, moments = self.backend.call(self.function, state.params, state.moments, grads, row)
        return State(params, moments, state.step + 1)


def loss_and_grads(params: Params, x: Array, y: Array) -> tuple[Array, Params]:
    """Loss and gradients as one pure function, which torch can compile as a whole."""

    def loss(params: Params) -> Array:
        return functional.mse_loss(network(params, x), y)

    grads, value = torch.func.grad_and_value(loss)(params)
    return value, Params(*grads)


@lru_cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled as one graph; torch stores its compiled variants with it."""
    return torch.compile(function, fullgraph=True, dynamic=True)


def _demand_compiler() -> None:
    """Raise BackendUnavailable, with a short reason, if torch finds no C++ compiler."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise BackendUnavailable("torch.compile finds no C++ compiler: install g++, or name one in CXX") from None
