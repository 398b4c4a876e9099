"""How much memory: the peak of one gradient beyond its inputs, in a pass of its own.

    pytest bench/test_memory.py --benchmark-only

Nothing is timed here but the measured call itself; its time is not a result.
"""

import pytest

from bench.hardware.memory import peak_bytes
from bench.measure.throughput import draw_samples
from bench.measure.trial import Trial, gate, record


@pytest.mark.work("memory")
def test_memory(trial: Trial) -> None:
    """Bytes that a gradient needs at once."""
    gate(trial)
    params, samples = draw_samples(trial)
    call = lambda: trial.backend.loss_and_grads(params, samples)  # noqa: E731
    peak, method = trial.benchmark.pedantic(peak_bytes, (trial.backend, call))
    record(trial, peak_bytes=peak, method=method)
