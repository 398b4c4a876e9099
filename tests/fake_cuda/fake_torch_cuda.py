"""A stand-in for torch's CUDA devices: tensors of the CPU that belong to a device of a Scene.

`install` replaces the functions of torch.cuda that relufit calls. A tensor on "cuda:1" is a CudaTensor. As in torch, an
operation runs on the device of its tensors whichever is current, and takes tensors of one device only; streams, events
and captures belong to the device that is current. A graph keeps the operations of a capture and runs them again.
"""

import time
from types import SimpleNamespace
from typing import Any

import fake_scene
import torch
from fake_scene import SCENE
from torch.utils._python_dispatch import TorchDispatchMode

FIRST: dict[str, int] = {}  # the device of torch's own stream for captures


class CudaTensor(torch.Tensor):
    """A tensor on a device; operations record where they run."""

    on: int

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, getattr(function, "__name__", "")
        devices = {tensor.on for tensor in tensors((args, kwargs)) if isinstance(tensor, CudaTensor)}
        if len(devices) > 1:
            raise RuntimeError(f"Expected all tensors to be on the same device, but found {devices}")
        on = devices.pop()
        found = super().__torch_function__(function, types, args, kwargs)
        if isinstance(found, torch.device):
            return torch.device("cuda", on)
        if name == "cpu":
            SCENE.do("copy", on)
            return found.as_subclass(torch.Tensor)
        if tensors(found):
            SCENE.do("launch", on)
            capture = getattr(SCENE.here, "capture", None)
            assert capture is None or capture.on == on, "a launch on another device than the one that is captured"
        return tagged(found, on)


def tensors(value: Any) -> list[torch.Tensor]:
    """All tensors in a tree of arguments."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return []
    return [tensor for part in value for tensor in tensors(part)]


def tagged(found: Any, on: int) -> Any:
    """Results as tensors of a device."""
    for tensor in tensors(found):
        if isinstance(tensor, CudaTensor):
            tensor.on = on
    return found


def placed(tensor: torch.Tensor, device: Any) -> torch.Tensor:
    """A tensor as one of the device; those of the CPU stay as they are."""
    asked = None if device is None else torch.device(device)
    if asked is None or asked.type != "cuda":
        return tensor
    on = SCENE.do("allocate", SCENE.current() if asked.index is None else asked.index)
    if not SCENE.finds_memory():
        raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {tensor.nbytes} bytes.")
    result = tensor.clone().as_subclass(CudaTensor)
    result.on = on
    return result


class Steps(TorchDispatchMode):
    """The operations of a capture, below autograd.

    A capture of CUDA computes nothing. This one computes, so an index may be beyond its array, and is then the last.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        now = list(args)
        if function in (torch.ops.aten.index_select.default, torch.ops.aten.index_copy_.default):
            now[2] = args[2].clamp(max=args[0].shape[args[1]] - 1)
        found = function(*now, **(kwargs or {}))
        self.calls.append((function, args, kwargs or {}, found))
        return found

    def run(self) -> None:
        """Compute all of them again, into the memory that they wrote to."""
        for function, args, kwargs, found in self.calls:
            again = function(*args, **kwargs)
            if function.is_view or function._schema.is_mutable:
                continue
            for old, new in zip(tensors(found), tensors(again), strict=True):
                old.copy_(new)


class Graph:
    """torch.cuda.CUDAGraph: runs on the device where it was captured, whichever is current."""

    steps: Steps
    on: int

    def replay(self) -> None:
        """Launch."""
        SCENE.do("launch", self.on)
        SCENE.log.append(("replay", self.on))
        with torch.no_grad():
            self.steps.run()


class Capture:
    """torch.cuda.graph."""

    def __init__(self, graph: Graph, stream: Any = None, capture_error_mode: str = "global") -> None:
        # Without a stream, torch takes one that it made at the first capture of the process.
        on = FIRST.setdefault("capture", SCENE.current()) if stream is None else stream.on
        self.graph, self.on = graph, SCENE.do("stream", on)

    def __enter__(self) -> None:
        self.graph.on, self.graph.steps = self.on, Steps()
        SCENE.here.capture = self
        self.graph.steps.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.graph.steps.__exit__(*error)
        SCENE.here.capture = None


class Current:
    """torch.cuda.device and torch.cuda.stream: a device that is current inside `with`."""

    def __init__(self, device: Any) -> None:
        self.on = index_of(device)

    def __enter__(self) -> None:
        self.before = SCENE.current()
        SCENE.set_device(self.on)

    def __exit__(self, *_: Any) -> None:
        SCENE.here.device = self.before


class Event:
    """A point in time on a stream."""

    def __init__(self, enable_timing: bool = False) -> None:
        self.on = -1

    def record(self, stream: Any = None) -> None:
        """Take the time."""
        self.on, self.seconds = SCENE.do("event", SCENE.current() if stream is None else stream.on), time.perf_counter()

    def elapsed_time(self, stop: "Event") -> float:
        """Milliseconds."""
        assert self.on == stop.on, "events of two devices"
        return (stop.seconds - self.seconds) * 1e3


def index_of(device: Any) -> int:
    """The number of a device, which may be a stream's."""
    if device is None or isinstance(device, int):
        return SCENE.current() if device is None else device
    found = getattr(device, "on", None)
    return int(found if found is not None else torch.device(device).index or 0)


def stream_on(device: Any = None) -> Any:
    """A stream of a device."""
    return SimpleNamespace(on=SCENE.do("stream", index_of(device)), wait_stream=lambda other: None)


def makes(function: Any) -> Any:
    """A function that makes a tensor, on a device where one is asked for."""

    def make(*args: Any, device: Any = None, **kwargs: Any) -> Any:
        data = args[0] if args and isinstance(args[0], CudaTensor) else None
        return data if data is not None else placed(function(*args, **kwargs), device)

    return make


def properties(device: Any) -> Any:
    """What torch says of a device."""
    on, (major, minor) = SCENE.do("query", index_of(device)), SCENE.capability
    return SimpleNamespace(name="Fake GPU", uuid=SCENE.uuid(on), major=major, minor=minor)


def is_available() -> bool:
    """Whether the scene has a device."""
    SCENE.call()
    return bool(SCENE.physical)


def bytes_of(device: Any) -> int:
    """The bytes in use on a device: nothing is counted."""
    return SCENE.do("query", index_of(device)) * 0


def install(module: Any) -> None:
    """Replace what relufit calls of torch.cuda, and the functions that make tensors on a device."""
    replaced = {
        "is_available": is_available,
        "device_count": lambda: len(SCENE.physical),
        "current_device": SCENE.current,
        "set_device": lambda device: SCENE.set_device(index_of(device)),
        "device": Current,
        "stream": Current,
        "Stream": stream_on,
        "current_stream": stream_on,
        "Event": Event,
        "CUDAGraph": Graph,
        "graph": Capture,
        "synchronize": lambda device=None: SCENE.do("synchronize", index_of(device)),
        "_sleep": lambda cycles: SCENE.do("launch"),
        "mem_get_info": lambda device=None: (fake_scene.CAPACITY - bytes_of(device), fake_scene.CAPACITY),
        "memory_allocated": bytes_of,
        "max_memory_allocated": bytes_of,
        "reset_peak_memory_stats": bytes_of,
        "empty_cache": lambda: SCENE.log.extend(("free", on) for on in SCENE.bytes),
        "get_device_properties": properties,
    }
    for name, function in replaced.items():
        setattr(module.cuda, name, function)
    for name in ("as_tensor", "asarray", "tensor", "zeros"):
        setattr(module, name, makes(getattr(module, name)))
    module.version.cuda = "13.0"

    def profile(**_: Any) -> None:
        raise RuntimeError("CUPTI has nothing to watch")

    module.profiler.profile = profile
