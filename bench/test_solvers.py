"""How close each solver comes to a function, and how soon: sgd, momentum, adam, L-BFGS and the best spline.

    pytest bench --benchmark-only --profile solvers                      H = 512, 10 s for each solver: 5 minutes
    pytest bench --benchmark-only --profile solvers --hidden 512,64      and H = 64
    pytest bench --benchmark-only --profile solvers --target sin --seconds 20

On numba where it is installed, else on numpy, unless --backend says otherwise: solvers are compared here, not backends.
Inside the clock: the solver (bench/measure/solving.py). Off the clock: errors against the function, drawing the order
of minibatches. A library that compiles for a number of epochs does so inside the clock.
"""

import pytest

from bench.hardware import interference
from bench.journal.status import Status
from bench.measure.solving import Diverging, Solving
from bench.measure.trial import Trial, count_subnormals


@pytest.mark.work("solving")
def test_solver(trial: Trial) -> None:
    """Solve the function for as long as the case has time, and look at it on the way."""
    run = Solving(trial.case, trial.backend, trial.budget_seconds if trial.benchmark.enabled else 0.0)
    trial.checks = run.gate()
    status, reason, before = Status.OK, None, interference.read()
    try:
        trial.benchmark.pedantic(run.solve)
    except Diverging as error:
        trial.benchmark.has_error = False
        status, reason = Status.DIVERGED, str(error)
    seen = interference.between(before, interference.read(), 1)
    trial.checks = {**trial.checks, **run.gate_end()}
    trial.record(status=status, reason=reason, subnormals=count_subnormals(run.params), **run.result(), **seen)
