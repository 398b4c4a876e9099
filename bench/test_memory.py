"""How much memory: the peak of one gradient beyond its inputs, in a pass of its own.

    pytest bench/test_memory.py --benchmark-only

Nothing is timed here but the measured call itself; its time is not a result.
"""

import pytest

from bench.hardware.memory import peak_bytes
from bench.measure.drawing import draw_samples
from bench.measure.gating import gate
from bench.measure.recording import record
from bench.measure.trial import Trial


@pytest.mark.work("memory")
def test_memory(trial: Trial) -> None:
    """Bytes that a gradient needs at once."""
    if trial.backend.device.startswith("cuda") and trial.backend.memory() is None:
        pytest.skip(f"{trial.backend.name} does not report the peak of a call")
    gate(trial)
    params, samples = draw_samples(trial)
    peak, method = trial.benchmark.pedantic(
        peak_bytes, (trial.backend, lambda: trial.backend.loss_and_grads(params, samples))
    )
    record(trial, peak_bytes=peak, method=method)
