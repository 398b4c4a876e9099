"""Is it right: each quantity's error and the bound that rounding puts on it, in float32 and float64.

    pytest bench/test_agreement.py --benchmark-only

The rows are the comparison; the clock runs over one gradient only because pytest-benchmark needs something to time.
"""

import pytest

from bench.measure.throughput import draw_samples
from bench.measure.trial import Trial, gate, record


@pytest.mark.work("agreement")
def test_agreement(trial: Trial) -> None:
    """Output, loss and four gradients against float64 numpy on the same weights and batch."""
    gate(trial)
    params, samples = draw_samples(trial)
    trial.benchmark.pedantic(trial.backend.loss_and_grads, (params, samples))
    record(trial)
