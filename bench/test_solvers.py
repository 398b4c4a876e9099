"""How close each solver comes to a function, and how soon: sgd, momentum, adam, L-BFGS and the best spline.

    pytest bench --benchmark-only --profile solvers                      H = 512, 10 s for each solver: 5 minutes
    pytest bench --benchmark-only --profile solvers --hidden 512,64      and H = 64
    pytest bench --benchmark-only --profile solvers --target sin --seconds 20

On numba where it is installed, else on numpy, unless --backend says otherwise: solvers are compared here, not backends.
Inside the clock: the solver (bench/measure/learning.py). Off the clock: errors against the function, drawing the order
of minibatches. A library that compiles for a number of epochs does so inside the clock.
"""

import pytest

from bench.measure.learning import Solving, time_learning
from bench.measure.trial import Trial, record


@pytest.mark.work("solving")
def test_solver(trial: Trial) -> None:
    """Solve the function for as long as the case has time, and look at it on the way."""
    run = Solving(trial.case, trial.backend, trial.budget_seconds if trial.benchmark.enabled else 0.0)
    trial.checks = run.gate()
    ended = time_learning(trial, run.solve)
    trial.checks = {**trial.checks, **run.gate_end()}
    record(trial, **ended, **run.result())
