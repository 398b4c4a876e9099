"""A spline as the solution of a problem, and the Fit of it."""

from typing import Any, NamedTuple

import numpy as np

from relufit.fits.problem import Problem
from relufit.fits.result import Fit, History
from relufit.network.optim import State
from relufit.network.params import Params
from relufit.spline.closing import Found, placed
from relufit.spline.units import to_params


class Solution(NamedTuple):
    """A spline in standardised coordinates, and the status of the search for it."""

    knots: np.ndarray  # (K + 1,)
    values: np.ndarray  # (K + 1,)
    left: np.ndarray | None  # (K - 1,) turns that face left and close the spline; see relufit/spline/units.py
    mse: float  # of the target or the samples fitted, as computed for the spline
    status: str

    @property
    def params(self) -> Params:
        """The network equal to the spline; float64, in the same coordinates."""
        return to_params(self.knots, self.values, self.left)


def solution_of(found: Found, status: str = "finished") -> Solution:
    """The solution with knots at places that the network can have."""
    spline, left = placed(found)
    return Solution(spline.knots, spline.values, left, spline.mse, status)


def as_fit(problem: Problem, solution: Solution) -> Fit:
    """The Fit of a solution."""
    return problem.fit(State(solution.params, (), 0), History(), solution.status)


def recorded(fit: Fit, **metrics: Any) -> Fit:
    """The fit with these metrics, and the single entry of the history of a fit that was not trained."""
    fit = fit.with_metrics(epochs=0, **metrics)
    found = fit.metrics
    error = found.train_mse if fit.target is None or fit.target.noise else found.mse
    fit.history.record(np.array([error]), 0, found.seconds, found.test_mse)
    return fit
