"""torch on any of its devices: by autograd, as people use it, compiled, and by the hand-written backprop to compare.

`torch-cpu`, `torch-cuda`, `torch-mps`, `torch-xpu`, ... record a graph and differentiate it; `torch-compile` has
torch.compile do the same; `torch-manual` runs relufit/backprop.py on torch tensors through array_api_compat.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from relufit.backend import Backend, BackendUnavailable, Samples, check_input, check_shapes
from relufit.backends.array import ArrayBackend
from relufit.data import Plan
from relufit.optim import SGD, Adam, Momentum, Optimizer, State, uncompiled
from relufit.params import Array, Params, Sizes

VARIANTS = 128  # of a compiled function, at most: far more than the sizes, dtypes and layouts of a run need


class _Mark:
    """A moment on torch's current stream; the difference of two is device time in seconds."""

    def __init__(self) -> None:
        self.event = torch.cuda.Event(enable_timing=True)
        self.event.record()

    def __sub__(self, earlier: "_Mark") -> float:
        return float(earlier.event.elapsed_time(self.event)) * 1e-3  # torch gives milliseconds


class _TorchDevice(Backend):
    """What both kinds have in common: moving arrays, waiting, and the state of the device."""

    def __init__(self, name: str, device: str) -> None:
        self.name, self.device = name, device
        self._module = _device_module(device)

    def supports(
        self, sizes: Sizes, dtype: str, optimizer: Optimizer | None = None, plan: Plan | None = None
    ) -> str | None:
        if dtype == "float64" and self.device.startswith("mps"):
            return "Apple's GPUs have no float64"
        return super().supports(sizes, dtype, optimizer, plan)

    def to_device(self, array: np.ndarray) -> Array:
        host = np.asarray(array)
        # torch shares host memory, but has neither read-only tensors nor negative strides: those are copied.
        shared = host.flags.writeable and all(stride >= 0 for stride in host.strides)
        return torch.as_tensor(host if shared else host.copy(), device=self.device)

    def to_host(self, array: Array) -> np.ndarray:
        return array.detach().cpu().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)

    def stack(self, losses: list[Array]) -> Array:
        return torch.stack(losses)

    def synchronize(self) -> None:
        if self._module is not None:
            self._module.synchronize()

    def device_clock(self) -> Callable[[], Any] | None:
        return _Mark if self.device.startswith("cuda") else None

    def memory(self) -> dict[str, int] | None:
        if not self.device.startswith("cuda"):
            return None
        peak = torch.cuda.max_memory_allocated()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return {"free": torch.cuda.mem_get_info()[0], "held": torch.cuda.memory_allocated(), "peak": peak}

    def facts(self) -> dict[str, str]:
        facts = {"torch": torch.__version__, "threads": str(torch.get_num_threads())}
        if self.device.startswith("cuda"):
            facts["gpu"] = torch.cuda.get_device_name()
            facts["cuda runtime"] = str(torch.version.cuda)
            facts["tf32"] = "on" if torch.backends.cuda.matmul.allow_tf32 else "off"
        return facts

    @contextmanager
    def pinned(self) -> Iterator[None]:
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = False
        try:
            yield
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before


class TorchBackend(_TorchDevice):
    """Forward by torch.nn.functional, gradients by autograd, the update in plain tensor operations."""

    algorithm = "autograd"

    def forward(self, params: Params, x: Array) -> Array:
        check_input(params, x)
        with torch.no_grad():
            return _network(params, x)

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        check_shapes(params, samples)
        with torch.enable_grad():
            leaves = Params(*(p.detach().requires_grad_() for p in params))
            loss = functional.mse_loss(_network(leaves, samples.x), samples.y)
            grads = torch.autograd.grad(loss, leaves)
        return loss.detach(), Params(*grads)

    def train(
        self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range
    ) -> tuple[State, Array]:
        with torch.no_grad():  # the update is not differentiated; loss_and_grads turns recording on for itself
            return super().train(state, samples, optimizer, plan, epochs)


class TorchCompileBackend(TorchBackend):
    """Network, loss with all gradients, and update, each compiled whole by torch.compile (Inductor).

    At H = 512 and N = 32, on one core, a gradient taken inside one graph (torch.func) takes 110 us, against 370 us
    where autograd runs outside a compiled loss, which also compiles twice; an update of Adam 50 us instead of 170 us.

    Sizes are symbols of the graph: compiled for each size, it was hardly faster, and each size takes seconds.
    """

    algorithm = "autograd, compiled"

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
        return super().to_device(np.asarray(array, order="C"))  # another layout is another compilation

    def forward(self, params: Params, x: Array) -> Array:
        check_input(params, x)
        return self.call(_network, params, x)

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        check_shapes(params, samples)
        return self.call(_loss_and_grads, params, samples.x, samples.y)

    def train(
        self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range
    ) -> tuple[State, Array]:
        steps = len(epochs) * plan.steps_per_epoch(len(samples))
        rule: Any = _CompiledRule(self, optimizer, state, steps)
        return super().train(state, samples, rule, plan, epochs)

    def call(self, function: Callable[..., Any], params: Params, *rest: Any) -> Any:
        """Call the compiled function; arguments of a kind not seen before are given the room to be compiled for.

        torch gives up after 8 variants of a function (sizes of 1, dtypes, layouts). `fullgraph` makes it raise then,
        where it would go on uncompiled under this name.
        """
        last = rest[-1]
        layout = tuple(array.stride() for array in (*params, last))
        kind = function, params.w1.shape, params.w2.shape, last.shape, last.dtype, layout
        with torch.no_grad():  # the mode is part of what is compiled for; torch.func records for itself
            if kind in self._seen:
                return _compiled(function)(params, *rest)
            with torch._dynamo.config.patch(recompile_limit=VARIANTS):
                result = _compiled(function)(params, *rest)
        self._seen.add(kind)
        return result


class _CompiledRule:
    """An optimizer for some steps from `state`, whose update is compiled; all its numbers are data to the graph."""

    def __init__(self, backend: TorchCompileBackend, rule: Optimizer, state: State, steps: int) -> None:
        self.backend, self.function, self.first = backend, _UPDATES[type(rule)], state.step
        table = rule.coefficients(state.step, state.step + steps)
        if type(rule) is Adam:
            table = np.concatenate([table, np.tile(rule.constants(), (steps, 1))], axis=1)
        w1 = state.params.w1
        self.rows = torch.as_tensor(table, dtype=w1.dtype, device=w1.device).unbind()

    def update(self, state: State, grads: Params) -> State:
        """The state after one update with gradients at `state.params`."""
        row = self.rows[state.step - self.first]
        params, *moments = self.backend.call(self.function, state.params, *state.moments, grads, row)
        return State(params, tuple(moments), state.step + 1)


class TorchManualBackend(_TorchDevice, ArrayBackend):
    """relufit/backprop.py over torch: what autograd costs is the difference to this."""

    algorithm = "dense"

    def __init__(self, name: str, device: str) -> None:
        import array_api_compat.torch as xp

        _TorchDevice.__init__(self, name, device)
        self.xp = xp


def _network(params: Params, x: Array) -> Array:
    """The functional twin of Linear, ReLU, Linear; torch keeps weights as (out, in), we as (in, out)."""
    hidden = torch.relu(functional.linear(x, params.w1.T, params.b1))  # (N, H)
    return functional.linear(hidden, params.w2.T, params.b2)  # (N, O)


def _loss_and_grads(params: Params, x: Array, y: Array) -> tuple[Array, Params]:
    """Loss and gradients as one function of values, which is what can be compiled whole."""

    def loss(params: Params) -> Array:
        return functional.mse_loss(_network(params, x), y)

    grads, value = torch.func.grad_and_value(loss)(params)
    return value, Params(*grads)


def _sgd(params: Params, grads: Params, row: Array) -> tuple[Params, ...]:
    (rate,) = row
    return (Params(*(p - rate * g for p, g in zip(params, grads, strict=True))),)


def _momentum(params: Params, velocity: Params, grads: Params, row: Array) -> tuple[Params, ...]:
    rate, momentum = row
    velocity = Params(*(momentum * v + g for v, g in zip(velocity, grads, strict=True)))
    return Params(*(p - rate * v for p, v in zip(params, velocity, strict=True))), velocity


def _adam(params: Params, first: Params, second: Params, grads: Params, row: Array) -> tuple[Params, ...]:
    rate, root_scale, beta1, rest1, beta2, rest2, eps = row
    first = Params(*(beta1 * m + rest1 * g for m, g in zip(first, grads, strict=True)))
    second = Params(*(beta2 * v + rest2 * (g * g) for v, g in zip(second, grads, strict=True)))
    moved = (p - rate * m / (v.sqrt() * root_scale + eps) for p, m, v in zip(params, first, second, strict=True))
    return Params(*moved), first, second


# The formulas of optim.py on tensors: the next parameters, then the next moments.
_UPDATES: dict[type[Optimizer], Callable[..., tuple[Params, ...]]] = {SGD: _sgd, Momentum: _momentum, Adam: _adam}


@lru_cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled without a break; torch keeps what it compiled with the function, so once is enough."""
    return torch.compile(function, fullgraph=True, dynamic=True)


def _demand_compiler() -> None:
    """Raise BackendUnavailable where torch finds no C++ compiler, in fewer words than it has itself."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise BackendUnavailable("torch.compile finds no C++ compiler: install g++, or name one in CXX") from None


def _device_module(device: str) -> Any:
    """torch.cuda, torch.mps, ... or None for the CPU. Raises BackendUnavailable with the reason where it has none."""
    kind = device.partition(":")[0]
    if kind == "cpu":
        return None
    if kind == "cuda" and torch.version.cuda is None and torch.version.hip is None:
        raise BackendUnavailable(f"this torch ({torch.__version__}) was built without CUDA")
    module = getattr(torch, kind, None)
    if module is None or not hasattr(module, "is_available"):
        raise BackendUnavailable(f"torch {torch.__version__} knows no device {kind!r}")
    if not module.is_available():
        raise BackendUnavailable(f"torch finds no usable {kind} device on this machine")
    return module
