"""What the author of a backend needs: the base class, and the checks of its arguments (relufit/backends/base.py)."""

from relufit.backends.base import (
    Backend,
    BackendUnavailable,
    DeviceClock,
    Samples,
    check_input,
    check_many,
    check_plan,
    check_samples,
    check_shapes,
    check_training,
    device_index,
)

__all__ = [
    "Backend", "BackendUnavailable", "DeviceClock", "Samples", "check_input", "check_many", "check_plan",
    "check_samples", "check_shapes", "check_training", "device_index",
]  # fmt: skip
