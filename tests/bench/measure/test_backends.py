"""What is done for all backends of a device, with planted ones."""

import gc
import weakref
from typing import Any

import pytest
from trials import make

from bench.grid.case import Case
from bench.measure import backends, trial
from bench.measure.trial import Unsuitable, demand_support
from relufit.backends.numpy import NumpyBackend


class OnDevice(NumpyBackend):
    """Says that it is on a device, and counts how often it was asked for its memory."""

    asked, free, held = 0, 8 * 2**30, 0
    block_elements = None  # works on whole batches

    def __init__(self, name: str = "fake", device: str = "cuda") -> None:
        super().__init__()
        self.name, self.device = name, device

    def memory(self) -> Any:
        self.asked += 1
        return {"free": self.free, "held": self.held, "peak": 0}


class Array:
    """What a case keeps on the device."""


def test_after_an_error_every_pool_of_the_device_is_freed() -> None:
    """The arrays of the failed case are let go, and all backends of its device give back memory, others do not."""
    loaded = [OnDevice("a"), OnDevice("b"), OnDevice("c", "cuda:1"), NumpyBackend()]
    seen: list[weakref.ref[Array]] = []

    def case() -> None:
        array = Array()
        seen.append(weakref.ref(array))
        try:
            raise KeyError
        except KeyError:
            raise MemoryError from None

    with pytest.raises(MemoryError) as caught:
        case()
    gc.collect()
    assert seen[0]() is not None
    backends.free_memory(loaded, "a", caught.value)
    assert seen[0]() is None
    assert [backend.asked for backend in loaded[:3]] == [1, 1, 0]  # type: ignore[attr-defined]


CASE = Case("gradient", 2**20)  # 10 GiB in arrays of (N, 512)


def test_the_memory_of_a_device_is_the_least_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the device has free, or what it was given less what the backend holds; without an answer, what NVML says."""
    backend = OnDevice()
    monkeypatch.setattr(trial.machine, "available_bytes", lambda: 2**40)
    with pytest.raises(Unsuitable, match=r"needs up to 10.* GiB at once and 8.0 GiB are free"):
        demand_support(make(CASE, backend)[0])
    backend.free = 2**40
    demand_support(make(CASE, backend)[0])
    backend.held = 2**30
    given, _ = make(CASE, backend)
    given.gpu_bytes = 4 * 2**30
    with pytest.raises(Unsuitable, match=r"and 3.0 GiB are free"):
        demand_support(given)
    asked: list[str] = []
    monkeypatch.setattr(backend, "memory", lambda: None)
    monkeypatch.setattr(trial.nvidia, "free_bytes", lambda device: asked.append(device) or 2 * 2**30)
    given.gpu_bytes = 2**40
    with pytest.raises(Unsuitable, match=r"and 2.0 GiB are free"):
        demand_support(given)
    assert asked == ["cuda"]
    monkeypatch.setattr(trial.nvidia, "free_bytes", lambda device: None)
    demand_support(given)


def test_the_data_of_a_case_must_fit_into_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much memory the device has, the samples are drawn on the host, within its control group."""
    backend = OnDevice()
    backend.free = 2**50
    monkeypatch.setattr(trial.machine, "available_bytes", lambda: 2**30)
    with pytest.raises(Unsuitable, match=r"needs up to 2.2 GiB of the host's memory and 1.0 GiB are free"):
        demand_support(make(Case("scaling", 10**8), backend)[0])
