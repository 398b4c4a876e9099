"""What cupy says where it cannot run: each kind of trouble is a reason in words, and the process goes on."""

from typing import Any

import pytest

from relufit import BackendUnavailable, backends

cupy = pytest.importorskip("cupy", reason="cupy is not installed")


@pytest.mark.parametrize(
    ("driver", "built", "reason"),
    [
        (0, 13020, "no NVIDIA driver"),
        (12080, 13020, r"driver is for CUDA 12, and this cupy for CUDA 13: update the driver, or .*cuda12"),
    ],
)
def test_the_driver_is_looked_at_first(driver: int, built: int, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing driver and one that is too old are told before cupy is asked for anything."""
    from relufit.backends.cupy import CupyTrainBackend

    monkeypatch.setattr(cupy.cuda.runtime, "driverGetVersion", lambda: driver)
    monkeypatch.setattr(cupy.cuda.runtime, "runtimeGetVersion", lambda: built)
    with pytest.raises(BackendUnavailable, match=reason):
        CupyTrainBackend("cupy-train")


@pytest.mark.parametrize(
    "trouble",
    [
        RuntimeError("CuPy failed to load libnvrtc.so.13: OSError: cannot open shared object file"),
        MemoryError("out of memory allocating 1,024 bytes"),
        RuntimeError("CUDA_ERROR_INVALID_VALUE: too much shared memory"),
    ],
)
def test_what_a_device_raises_is_its_reason(trouble: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first gradient raises is the reason: no NVRTC, no memory, a kernel that cannot be launched."""

    class Troubled:
        """A backend whose first kernel fails."""

        def samples(self, *_: Any) -> None:
            """Fail."""
            raise trouble

        to_device = samples

    monkeypatch.setattr(backends, "create", lambda name: Troubled())
    reason = backends.try_out("cupy-train")
    assert reason == f"{type(trouble).__name__}: {trouble}"
