"""How fast: forward, gradient, training step, latency and transfer.

    pytest bench/test_throughput.py --benchmark-only --backend numpy,torch-cpu --batch 800

Inside the clock: K calls and one synchronization, divided by K; nothing else. Weights and data are on the device
before it starts, except where moving them is measured. The calls take 16 sets of weights in turn, from successive
steps of a training. Building the samples and the first call are measured apart, and have columns of their own.
"""

import pytest

from bench.measure import throughput
from bench.measure.trial import Trial


@pytest.mark.work("forward")
def test_forward(trial: Trial) -> None:
    """The network's output for samples on the device."""
    throughput.forward(trial)


@pytest.mark.work("gradient")
def test_gradient(trial: Trial) -> None:
    """Loss and all gradients: forward and backward."""
    throughput.gradient(trial)


@pytest.mark.work("step")
def test_step(trial: Trial) -> None:
    """Forward, backward and update, in calls of `train`."""
    throughput.step(trial)


@pytest.mark.work("ensemble")
def test_ensemble(trial: Trial) -> None:
    """A step of many networks at once, on the same batches."""
    throughput.ensemble(trial)


@pytest.mark.work("latency")
def test_latency(trial: Trial) -> None:
    """One forward from a host array to a host array, the clock read around each call."""
    throughput.latency(trial)


@pytest.mark.work("to_device")
def test_to_device(trial: Trial) -> None:
    """One column of samples from the host to the device. A CPU library may share the memory: then it is no copy."""
    throughput.to_device(trial)


@pytest.mark.work("to_host")
def test_to_host(trial: Trial) -> None:
    """One column of outputs from the device to the host."""
    throughput.to_host(trial)
