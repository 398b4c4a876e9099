"""The network as a torch.nn.Module, to train further or to use in a larger module. Needs torch (relufit[torch])."""

from typing import TYPE_CHECKING, Any

from relufit.errors import RelufitError
from relufit.export.rounding import round_params
from relufit.network.params import Params

if TYPE_CHECKING:
    import torch


def build_module(params: Params, x: Any, dtype: str = "float64") -> "torch.nn.Module":
    """The network as fc1 (Linear), relu1 (ReLU), fc2 (Linear) on the CPU, with a copy of `params` that can be trained.

    It takes tensors (N, D) of `dtype`, float32 or float64, and gives (N, O). It consists of torch's own classes, so
    loading a saved module does not need relufit. The effect of rounding is tested at some of the points `x` (N, D).

    Raises RelufitError without torch, for another dtype, and if `dtype` cannot hold the network.
    """
    torch = _torch()
    w1, b1, w2, b2 = map(torch.from_numpy, round_params(params, x, dtype))
    (inputs, hidden), outputs = w1.shape, len(b2)
    module = torch.nn.Sequential()
    module.add_module("fc1", _linear(torch, inputs, hidden, w1.dtype))
    module.add_module("relu1", torch.nn.ReLU())
    module.add_module("fc2", _linear(torch, hidden, outputs, w1.dtype))
    module.load_state_dict({"fc1.weight": w1.T, "fc1.bias": b1, "fc2.weight": w2.T, "fc2.bias": b2})
    return module


def _linear(torch: Any, inputs: int, outputs: int, dtype: Any) -> Any:
    """A layer with uninitialised weights: drawing them would advance torch's random generator."""
    return torch.nn.utils.skip_init(torch.nn.Linear, inputs, outputs, dtype=dtype)


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise RelufitError("torch is not installed: pip install relufit[torch]") from None
    return torch
