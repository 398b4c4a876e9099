"""How fast it learns: loss against steps and seconds, from the same weights over the same minibatches.

    pytest bench/test_convergence.py --benchmark-only --target sin

Inside the clock: `train`, in 50 slices of a few epochs, the same for all (bench/measure/learning.py). Off the clock: a
first slice, dropped, in which compiled libraries compile; between slices, the test error.
A recipe shuffles for itself; its rows say "own order".
"""

import pytest

from bench.measure.learning import SLICES, Convergence, time_learning
from bench.measure.trial import Trial, gate, record


@pytest.mark.work("convergence")
def test_convergence(trial: Trial) -> None:
    """Train 800 of 1000 samples in batches of 32, and look at the 200 others after every slice."""
    gate(trial)
    run = Convergence(trial.case, trial.backend, SLICES if trial.benchmark.enabled else 1)
    ended = time_learning(trial, run.learn)
    record(trial, **ended, **run.result())
