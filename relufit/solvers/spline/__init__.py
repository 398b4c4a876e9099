"""Fit a function or a table of data by the best linear spline, with a given or a chosen number of units.

The network of the spline has knots where the target bends most, and least-squares values; nothing is trained. Before a
fit is returned, the error of its network is compared with the error computed for the spline.

function fits functions and table fits data; solution is what they share.
"""

from importlib import import_module

from relufit.errors import RelufitError
from relufit.fits.problem import Problem
from relufit.fits.result import Fit
from relufit.solvers.progress import silent
from relufit.solvers.spline.function import HIDDEN, fit_function, function_pieces
from relufit.solvers.spline.table import distinct, fit_cells, fit_table
from relufit.spline.selection import Show

__all__ = ["HIDDEN", "distinct", "fit_cells", "fit_problem", "function_pieces"]


def fit_problem(problem: Problem, hidden: int | str | None, tolerance: float | None, show: Show = silent) -> Fit:
    """Fit the target of a problem, or all of its samples, with `hidden` units.

    `test_mse` is the error on the held-out samples of a second fit, without them, with as many units. If all samples
    share one x, the fit is a constant. metrics["status"] is "inexact" if rounding changes the error of the network.
    Ctrl-C is as in `relufit.fit`.

    Raises RelufitError for more than one input or output, more units than distinct x, a tolerance that such a constant
    does not reach, and as `choose_spline` does.
    """
    if problem.x.shape[1] != 1 or problem.y.shape[1] != 1:
        shape = problem.x.shape[1], problem.y.shape[1]
        raise RelufitError(f"spline takes one input and one output, not {shape[0]} and {shape[1]}; use another solver")
    import_module("scipy.linalg.lapack")  # before the clock starts: the import takes ten times as long as a fit
    if problem.target is not None and not problem.target.noise:
        return fit_function(problem, problem.target, hidden, tolerance, show)
    return fit_table(problem, hidden, tolerance, show)
