"""Fit a table of data: arrays, or samples summed into cells."""

import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from relufit.errors import RelufitError, check_positive
from relufit.fits.problem import Problem
from relufit.fits.result import Fit
from relufit.network.data import split
from relufit.network.metrics import r_squared, variance
from relufit.network.params import check_hidden
from relufit.network.scaling import Scaling
from relufit.solvers.progress import progress_line
from relufit.solvers.spline.solution import Solution, as_fit, recorded, solution_of
from relufit.spline.closing import Found
from relufit.spline.moments.cells import Cells, join_places, merge_sorted
from relufit.spline.moments.pieces import Pieces
from relufit.spline.search import best_spline
from relufit.spline.selection import Show, choose_for_table, choose_spline, chosen_cells, data_pieces, squares_on
from relufit.spline.starts import plain_splines

CLAIM = 1e-3  # relative difference of the errors of a network and its spline, above which other splines are tried
LOST = 1e-6  # relative growth of a spline's error when its knots are rounded, above which plain knots are tried too
ROUNDING = 1e-12  # mean square of standardised y that counts as rounding
ROUNDINGS = 8.0  # error that counts as rounding, in spacings of floats at the largest y
RESOLUTION = 2.0**50  # distinct positions per unit of standardised x


def fit_table(problem: Problem, hidden: int | str | None, tolerance: float | None, show: Show) -> Fit:
    """Fit all samples of a problem; see `relufit.solvers.spline.fit_problem`."""
    start = time.perf_counter()
    test, every = problem.test_index, problem.on_all_samples()

    def cells(index: np.ndarray | slice) -> Cells:
        weight = None if problem.weight is None else problem.weight[index]
        return distinct(merge_sorted(problem.x[index], problem.y[index], weight), problem.scaling)

    table = _Table(cells(slice(None)), cells(problem.train_index) if len(test) else None, problem.scaling, show)
    fit = table.fit(hidden, tolerance, lambda solution: as_fit(every, solution))
    seconds = time.perf_counter() - start
    score = table.score(fit, lambda solution: problem.mse(problem.scaling.unscale(solution.params), test))
    return recorded(fit, seconds=seconds, test_mse=score)


def fit_cells(
    cells: Cells,
    *,
    hidden: int | str | None = None,
    tolerance: float | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    progress: bool | None = None,
) -> Fit:
    """Fit a table that was summed into cells, because it is too large to keep as arrays.

    Some of the cells are held out for `test_mse`. Mean squares are those of all samples, by the moments of the cells;
    `max_error` is that of the cells' means. The Fit holds the cells' means as x and y. Ctrl-C and `progress` are as in
    `relufit.fit`; the cells held out and metrics["status"] are as in `fit_problem`.
    """
    start = time.perf_counter()
    hidden = check_hidden(hidden)
    scaling = Scaling.of(cells.x[:, None], cells.y[:, None], cells.weight)
    scaling.demand_spread(cells.x[:, None], cells.y[:, None])
    cells = distinct(cells, scaling)
    index = split(len(cells.x), test_fraction=test_fraction, seed=seed)
    train, test = (chosen_cells(cells, np.sort(part)) for part in index)
    x, y = cells.x[:, None], cells.y[:, None]
    problem = Problem(x, y, None, scaling, *index, "spline", "numpy", cells.weight).on_all_samples()

    spread = variance(y, cells.weight) + float(cells.syy.sum() / cells.weight.sum())

    def made(solution: Solution) -> Fit:
        fit = as_fit(problem, solution)
        # Add the squares of the samples within each cell to those of the cells' means.
        error = fit.metrics.train_mse + _within(solution, cells, scaling)
        return fit.with_metrics(mse=error, train_mse=error, r2=r_squared(error, spread))

    with progress_line(sys.stderr.isatty() if progress is None else progress) as show:
        table = _Table(cells, train if len(test.x) else None, scaling, show)
        fit = table.fit(hidden, tolerance, made)
        seconds = time.perf_counter() - start
        score = table.score(fit, lambda solution: _mean_square(solution, test, scaling))
    return recorded(fit, seconds=seconds, test_mse=score)


class _Table(NamedTuple):
    """A table of data to fit, and to score by a second fit without the cells held out."""

    cells: Cells
    train: Cells | None  # without the cells held out; None if none are
    scaling: Scaling
    show: Show

    def fit(self, hidden: int | str | None, tolerance: float | None, made: Callable[[Solution], Fit]) -> Fit:
        """The Fit of all cells, with the given number of units, or a number chosen from the data.

        If all samples share one x, there is no slope to fit, and the fit is a constant.
        """
        both = tolerance is not None and hidden is not None
        if len(self.cells.x) == 1 and hidden in (None, "auto", 1) and not both:
            return self._constant(tolerance, made)
        pieces = data_pieces(self.cells, self.scaling)
        if tolerance is None and hidden in (None, "auto"):
            choice = choose_for_table(self.cells, self.scaling, self.show)
        else:
            choice = choose_spline(pieces, hidden, tolerance, self.scaling.loss_unit, self.show)
        return self._agreeing(choice.found, choice.status, pieces, made)

    def _constant(self, tolerance: float | None, made: Callable[[Solution], Fit]) -> Fit:
        fit = made(_constant(self.cells, self.scaling))
        mse = fit.metrics.train_mse
        if tolerance is not None and mse > check_positive("a tolerance, a mean squared error,", tolerance):
            raise RelufitError(
                f"no mean squared error of {tolerance:.3g} is reached: all samples share one x, and their mean, "
                f"the best fit, has {mse:.3g}"
            )
        return fit

    def _agreeing(self, found: Found, status: str, pieces: Pieces, made: Callable[[Solution], Fit]) -> Fit:
        """The Fit of a spline if its network has the error of the spline; else the best of it and of plain splines.

        The two differ if a target is too steep for the spacing of floating-point knots, or if a search has placed knots
        closer together than that spacing.
        """
        solution = solution_of(found, status)

        def agrees(fit: Fit, solution: Solution) -> bool:
            seen, claimed = fit.metrics.train_mse, solution.mse * self.scaling.loss_unit
            steepest = np.abs(np.diff(solution.values) / np.diff(solution.knots)).max()
            of_x = (steepest * pieces.spacing) ** 2 + ROUNDING  # rounding of x, and of standardised y
            rounding = (ROUNDINGS * np.spacing(np.abs(fit.y).max())) ** 2 + of_x * self.scaling.loss_unit
            return bool(abs(seen - claimed) <= CLAIM * seen + rounding)

        fit = made(solution)
        is_agreed = agrees(fit, solution)
        if is_agreed and solution.mse <= found.spline.mse * (1 + LOST) + ROUNDING:
            return fit
        count = len(found.spline.knots) - (1 if found.left is None else 2)  # pieces that these units can always make
        plain = [solution_of(Found(spline, None), status) for spline in plain_splines(pieces, count)]
        plain = [other for other in plain if not is_agreed or other.mse < solution.mse]
        tried = [(fit, solution), *((made(other), other) for other in plain)]
        fit, solution = min(tried, key=lambda pair: pair[0].metrics.train_mse)
        return fit if agrees(fit, solution) else fit.with_metrics(status="inexact")

    def score(self, fit: Fit, error: Callable[[Solution], float]) -> float:
        """The error on the held-out cells of a fit without them, with as many units.

        nan if no cells are held out, and if Ctrl-C ends it.
        """
        if self.train is None:
            return float("nan")
        if len(self.train.x) == 1:
            return error(_constant(self.train, self.scaling))
        try:
            pieces = data_pieces(self.train, self.scaling)
            return error(solution_of(best_spline(pieces, min(fit.metrics.hidden, pieces.most))))
        except KeyboardInterrupt:  # the fit itself is complete
            return float("nan")


def _constant(cells: Cells, scaling: Scaling) -> Solution:
    """The constant of cells that share one x."""
    x = (cells.x[0] - scaling.x_shift[0]) / scaling.x_scale[0]
    y = (cells.y[0] - scaling.y_shift[0]) / scaling.y_scale
    mse = float(cells.syy[0] / cells.weight[0]) / scaling.loss_unit
    return Solution(np.array([x - 1, x + 1]), np.array([y, y]), None, mse, "finished")


def _mean_square(solution: Solution, cells: Cells, scaling: Scaling) -> float:
    """The mean squared error over all samples of some cells, in the units of y."""
    squares = squares_on(solution.knots, solution.values, cells, scaling)
    return squares * scaling.loss_unit / float(cells.weight.sum())


def _within(solution: Solution, cells: Cells, scaling: Scaling) -> float:
    """The part of the mean squared error over all samples that is within cells, beyond that of their means."""
    none = np.zeros_like(cells.sxx)
    return _mean_square(solution, cells, scaling) - _mean_square(
        solution, cells._replace(sxx=none, sxy=none, syy=none), scaling
    )


def distinct(cells: Cells, scaling: Scaling) -> Cells:
    """Join cells whose x are equal when standardised: of x from 1e-9 to 1e9, the smallest become equal."""
    x = (cells.x - scaling.x_shift[0]) / scaling.x_scale[0]
    return join_places(cells, np.rint(x * RESOLUTION))
