"""torch on any of its devices: by autograd, as it is usually used, and by the hand-written backprop for comparison.

`torch-cpu`, `torch-cuda`, `torch-mps`, `torch-xpu`, ... record a graph and differentiate it; `torch-manual` runs
relufit/network/dense.py on torch tensors through array_api_compat. compiled.py uses torch.compile, graphs.py captures a
whole step as one CUDA graph.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from relufit.backends.array import ArrayBackend
from relufit.backends.base import Backend, BackendUnavailable, Samples, device_index
from relufit.network.checks import check_input, check_shapes
from relufit.network.data import Plan
from relufit.network.optim import Optimizer, State
from relufit.network.params import Array, Params, Sizes
from relufit.network.precision import loss_scale

NARROW = {"bfloat16": torch.bfloat16, "float16": torch.float16}  # what operands are converted to


class _Mark:
    """An event on a device's current stream; the difference of two is device time in seconds."""

    def __init__(self, device: torch.device) -> None:
        self.event = torch.cuda.Event(enable_timing=True)
        self.event.record(torch.cuda.current_stream(device))

    def __sub__(self, earlier: "_Mark") -> float:
        return float(earlier.event.elapsed_time(self.event)) * 1e-3  # torch gives milliseconds


class _Clock:
    """Events on a device's current stream, and torch's own kernel that waits."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def mark(self) -> _Mark:
        """Record an event on the stream."""
        return _Mark(self.device)

    def hold(self, seconds: float) -> None:
        """Keep the stream busy for `seconds` at a clock of 2 GHz, longer at a slower one."""
        with torch.cuda.device(self.device):
            torch.cuda._sleep(int(2e9 * seconds))


class _TorchDevice(Backend):
    """Transfers, synchronization, memory and settings of a torch device."""

    def __init__(self, name: str, device: str) -> None:
        self.name, self.device = name, device
        self._module = _device_module(device)
        self._on = torch.device(device)
        if self._module is not None:  # by number: "cuda" alone is the device that is current in the calling thread
            self._on = torch.device(self.device_kind, device_index(device, self._module.device_count()))

    def supports(
        self, sizes: Sizes, dtype: str, optimizer: Optimizer | None = None, plan: Plan | None = None
    ) -> str | None:
        if dtype == "float64" and self.device_kind == "mps":
            return "Apple's GPUs have no float64"
        return super().supports(sizes, dtype, optimizer, plan)

    def to_device(self, array: np.ndarray) -> Array:
        host = np.asarray(array)
        # torch shares host memory, but has neither read-only tensors nor negative strides: those are copied.
        shared = host.flags.writeable and all(stride >= 0 for stride in host.strides)
        return torch.as_tensor(host if shared else host.copy(), device=self._on)

    def to_host(self, array: Array) -> np.ndarray:
        return array.detach().cpu().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)

    def stack(self, losses: list[Array]) -> Array:
        return torch.stack(losses)

    def synchronize(self) -> None:
        if self._module is not None:
            self._module.synchronize(*([] if self.device_kind == "mps" else [self._on]))  # torch.mps takes no device

    def device_clock(self) -> "_Clock | None":
        return _Clock(self._on) if self.device_kind == "cuda" else None

    def memory(self) -> dict[str, int] | None:
        if self.device_kind != "cuda":
            return None
        on, peak = self._on, torch.cuda.max_memory_allocated(self._on)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(on)
        return {"free": torch.cuda.mem_get_info(on)[0], "held": torch.cuda.memory_allocated(on), "peak": peak}

    def facts(self) -> dict[str, str]:
        facts = {"torch": torch.__version__, "threads": str(torch.get_num_threads())}
        if self.device_kind == "cuda":
            known = torch.cuda.get_device_properties(self._on)
            kind = "MIG" if "MIG" in known.name else "GPU"
            facts["gpu"], facts["gpu number"] = known.name, str(self._on.index)
            facts["gpu uuid"] = f"{kind}-{known.uuid}" if hasattr(known, "uuid") else "not known"
            facts["compute capability"] = f"{known.major}.{known.minor}"
            facts["cuda runtime"] = str(torch.version.cuda)
            facts["tf32"] = "on" if torch.backends.cuda.matmul.allow_tf32 else "off"
        return facts

    @contextmanager
    def pinned(self) -> Iterator[None]:
        # These flags are the process's, for all threads: outside this context a product in tf32 is as the user set it.
        # As installed, torch may add the parts of a long sum in the narrow dtype.
        flags, reduced = torch.backends.cuda.matmul, "reduced_precision_reduction"
        wanted = {f"allow_{kind}_{reduced}": False for kind in ("bf16", "fp16")}
        wanted["allow_tf32"] = self.precision == "tf32"
        before = {name: getattr(flags, name) for name in wanted}
        try:
            for name, value in wanted.items():
                setattr(flags, name, value)
            yield
        finally:
            for name, value in before.items():
                setattr(flags, name, value)


class TorchBackend(_TorchDevice):
    """Forward by torch.nn.functional, gradients by autograd, the update in plain tensor operations.

    In bfloat16 and float16, weights and x are converted in each call, as torch.autocast does it: the two layers run in
    the narrow dtype, biases and results of products included, and the loss in float32. tf32 is a flag of the process,
    which `pinned` sets.
    """

    algorithm = "autograd"
    precisions: tuple[str, ...] = ("bfloat16", "float16")

    def __init__(self, name: str, device: str) -> None:
        super().__init__(name, device)
        is_nvidia = self.device.startswith("cuda") and torch.version.hip is None
        if self.precisions and is_nvidia and torch.cuda.get_device_capability(self.device) >= (8, 0):  # Ampere
            self.precisions = (*self.precisions, "tf32")

    def forward(self, params: Params, x: Array) -> Array:
        check_input(params, x)
        with torch.no_grad():
            return self._network(params, x)

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        check_shapes(params, samples)
        with torch.enable_grad():
            leaves = Params(*(p.detach().requires_grad_() for p in params))
            loss = functional.mse_loss(self._network(leaves, samples.x), samples.y)
            scale = loss_scale(self.precision, samples.y.numel())
            grads = torch.autograd.grad(loss if scale == 1 else loss * scale, leaves)
        return loss.detach(), Params(*(grads if scale == 1 else (grad / scale for grad in grads)))

    def product(self, left: np.ndarray, right: np.ndarray) -> Callable[[], Array]:
        operands = [self.to_device(array).to(NARROW.get(self.precision, torch.float32)) for array in (left, right)]
        return lambda: torch.matmul(*operands)

    def _network(self, params: Params, x: Array) -> Array:
        """(N, D) -> (N, O), in the dtype of x; torch rounds the result of each layer to the narrow dtype."""
        narrow = NARROW.get(self.precision)
        if narrow is None:
            return network(params, x)
        return network(Params(*(p.to(narrow) for p in params)), x.to(narrow)).to(x.dtype)

    def train(
        self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range
    ) -> tuple[State, Array]:
        with torch.no_grad():  # the update is not differentiated; loss_and_grads turns recording on for itself
            return super().train(state, samples, optimizer, plan, epochs)


class TorchManualBackend(_TorchDevice, ArrayBackend):
    """relufit/network/dense.py over torch; the difference in time to TorchBackend is the cost of autograd."""

    algorithm = "dense"

    def __init__(self, name: str, device: str) -> None:
        import array_api_compat.torch as xp

        _TorchDevice.__init__(self, name, device)
        self.xp = xp


def network(params: Params, x: Array) -> Array:
    """Linear, ReLU, Linear as functions; torch stores weights as (out, in), relufit as (in, out)."""
    hidden = torch.relu(functional.linear(x, params.w1.T, params.b1))  # (N, H)
    return functional.linear(hidden, params.w2.T, params.b2)  # (N, O)


def _device_module(device: str) -> Any:
    """torch.cuda, torch.mps, ... or None for the CPU. Raises BackendUnavailable if torch has no such device here."""
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
