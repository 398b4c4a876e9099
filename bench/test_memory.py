"""How much memory: the peak of one gradient beyond its inputs, in a pass of its own.

    pytest bench/test_memory.py --benchmark-only

Nothing is timed here but the measured call itself; its time is not a result.
"""

import pytest

from bench.hardware.memory import peak_bytes
from bench.measure.trial import Trial


@pytest.mark.work("memory")
def test_memory(trial: Trial) -> None:
    """Bytes that a gradient needs at once."""
    if trial.backend.device.startswith("cuda") and trial.backend.memory() is None:
        pytest.skip(f"{trial.backend.name} does not report the peak of a call")
    trial.gate()
    params, samples = trial.draw_samples()
    peak, method = trial.benchmark.pedantic(
        peak_bytes, (trial.backend, lambda: trial.backend.loss_and_grads(params, samples))
    )
    trial.record(peak_bytes=peak, method=method)
