"""Does it train as float64 does: one step from states along a float64 run, and how long a free run stays beside it.

    pytest bench/test_trajectory.py --benchmark-only --backend numba,torch-cpu

The rows are the comparison (bench/agreement/trajectory.py); the clock runs over the single steps only because
pytest-benchmark needs something to time. A recipe takes the samples in its own order, so it has no free run to
compare.
"""

import pytest

from bench.agreement import answers
from bench.agreement.trajectory import exact_run, forced_steps, free_run
from bench.measure.trial import Trial, record


@pytest.mark.work("trajectory")
def test_trajectory(trial: Trial) -> None:
    """Steps from 32 states of the run within their bounds; then the distance and the relu signs epoch by epoch."""
    run = exact_run(trial.case)
    trial.checks = trial.benchmark.pedantic(forced_steps, (trial.backend, run))
    answers.demand(trial.checks)
    record(trial, **free_run(trial.backend, run))
