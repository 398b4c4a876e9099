"""Fitting by the best linear spline: a function itself, or a table of data, and how many units it takes.

The network of the spline has knots where the target bends most, and least-squares values; nothing is trained. Before a
fit is returned, the error of its network is compared with what its spline claims.
"""

import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

import numpy as np

from relufit.data import split
from relufit.errors import RelufitError
from relufit.fits import Fit, History, Problem
from relufit.optim import State
from relufit.params import Params, check_hidden, check_positive
from relufit.progress import progress_line, silent
from relufit.scaling import Scaling
from relufit.spline.breaks import singularities
from relufit.spline.cells import Cells, join_places, merge_sorted
from relufit.spline.closing import Found, placed
from relufit.spline.density import by_density, even_nodes
from relufit.spline.functions import PARTS, FunctionPieces
from relufit.spline.pieces import Pieces
from relufit.spline.search import best_spline
from relufit.spline.selection import Show, choose_for_table, choose_spline, data_pieces, squares_on, take
from relufit.spline.starts import plain_splines
from relufit.spline.units import to_params
from relufit.targets import Target

HIDDEN = 512  # units by default
SURPRISE = 2e-3  # relative difference of the measured error from the integrated one that triggers finer integrals
FINER_PARTS = 1024, 16384  # parts of the domain in finer integrals
AT_JUMPS = 6.0  # times the error of lines across all jumps that the error of a spline may be unknown by
CLAIM = 1e-3  # relative difference of a network's error from that of its spline, above which other splines are tried
LOST = 1e-6  # relative growth of a spline's error when its knots are rounded, above which plain knots are tried too
ROUNDING = 1e-12  # mean square of standardised y that is taken for rounding
ROUNDINGS = 8.0  # roundings of the largest y that are taken for rounding
RESOLUTION = 2.0**50  # places of standardised x in a unit, which is about a deviation


def fit_problem(problem: Problem, hidden: int | str | None, tolerance: float | None, show: Show = silent) -> Fit:
    """Fit the target of a problem, or all of its samples, with `hidden` units.

    Samples that are held out serve `test_mse`, which is that of a second fit, without them, with as many units.
    Where all samples share one x the fit is a constant. metrics["status"] is "inexact" where rounding changes the
    error of the network. Ctrl-C is as in `relufit.fit`.

    Raises RelufitError for more than one input or output, more units than distinct x, a tolerance that such a constant
    does not reach, and what `choose_spline` raises.
    """
    if problem.x.shape[1] != 1 or problem.y.shape[1] != 1:
        shape = problem.x.shape[1], problem.y.shape[1]
        raise RelufitError(f"spline takes one input and one output, not {shape[0]} and {shape[1]}; use another solver")
    import_module("scipy.linalg.lapack")  # before the clock starts: it takes ten times as long as a fit
    if problem.target is not None and not problem.target.noise:
        return _fit_function(problem, problem.target, hidden, tolerance, show)
    start = time.perf_counter()
    test, every = problem.test_index, problem.on_all_samples()

    def cells(index: np.ndarray | slice) -> Cells:
        weight = None if problem.weight is None else problem.weight[index]
        return distinct(merge_sorted(problem.x[index], problem.y[index], weight), problem.scaling)

    table = _Table(cells(slice(None)), cells(problem.train_index) if len(test) else None, problem.scaling, show)
    fit = table.fit(hidden, tolerance, lambda solution: _as_fit(every, solution))
    fit.metrics["seconds"] = time.perf_counter() - start
    score = table.score(fit, lambda solution: problem.mse(problem.scaling.unscale(solution.params), test))
    return _recorded(fit, score)


def fit_cells(
    cells: Cells,
    *,
    hidden: int | str | None = None,
    tolerance: float | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    progress: bool | None = None,
) -> Fit:
    """Fit a table that was summed into cells; for one too large to be kept as it is.

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
    train, test = (take(cells, np.sort(part)) for part in index)
    x, y = cells.x[:, None], cells.y[:, None]
    problem = Problem(x, y, None, scaling, *index, "spline", "numpy", cells.weight).on_all_samples()

    def made(solution: _Solution) -> Fit:
        fit = _as_fit(problem, solution)
        # Beside the squares of the cells' means, which the network leaves, those of the samples within each cell.
        error = fit.metrics["train_mse"] + _within(solution, cells, scaling)
        fit.metrics.update(mse=error, train_mse=error)
        return fit

    with progress_line(sys.stderr.isatty() if progress is None else progress) as show:
        table = _Table(cells, train if len(test.x) else None, scaling, show)
        fit = table.fit(hidden, tolerance, made)
        fit.metrics["seconds"] = time.perf_counter() - start
        score = table.score(fit, lambda solution: _mean_square(solution, test, scaling))
    return _recorded(fit, score)


class _Solution(NamedTuple):
    """A spline in standardised coordinates, and how it came about."""

    knots: np.ndarray  # (K + 1,)
    values: np.ndarray  # (K + 1,)
    left: np.ndarray | None  # (K - 1,) which turns face left, where they close it; see relufit/spline/units.py
    mse: float  # of what was fitted, as the spline claims
    status: str

    @property
    def params(self) -> Params:
        """The network that it is; float64, in the same coordinates."""
        return to_params(self.knots, self.values, self.left)


def _solution(found: Found, status: str = "finished") -> _Solution:
    spline, left = placed(found)
    return _Solution(spline.knots, spline.values, left, spline.mse, status)


class _Table(NamedTuple):
    """A table of data that is fitted, and scored."""

    cells: Cells
    train: Cells | None  # those that are not held out; None where none are
    scaling: Scaling
    show: Show

    def fit(self, hidden: int | str | None, tolerance: float | None, made: Callable[[_Solution], Fit]) -> Fit:
        """The Fit of all cells, with as many units as asked for, or as they support.

        Where all samples share one x, there is no slope to fit, and the fit is a constant.
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

    def _constant(self, tolerance: float | None, made: Callable[[_Solution], Fit]) -> Fit:
        fit = made(_constant(self.cells, self.scaling))
        mse = fit.metrics["train_mse"]
        if tolerance is not None and mse > check_positive("a tolerance, a mean squared error,", tolerance):
            raise RelufitError(
                f"no mean squared error of {tolerance:.3g} is reached: all samples share one x, and their mean, the "
                f"most there can be, leaves {mse:.3g}"
            )
        return fit

    def _agreeing(self, found: Found, status: str, pieces: Pieces, made: Callable[[_Solution], Fit]) -> Fit:
        """The Fit of a spline whose network leaves the error that was claimed; else the best of it and plainer ones.

        The two differ where a target is too steep for the knots that floating point has, and where a search has placed
        knots closer together than that.
        """
        solution = _solution(found, status)

        def agrees(fit: Fit, solution: _Solution) -> bool:
            seen, claimed = fit.metrics["train_mse"], solution.mse * self.scaling.loss_unit
            steepest = np.abs(np.diff(solution.values) / np.diff(solution.knots)).max()
            of_x = (steepest * pieces.spacing) ** 2 + ROUNDING  # rounding of x, and of standardised y
            rounding = (ROUNDINGS * np.spacing(np.abs(fit.y).max())) ** 2 + of_x * self.scaling.loss_unit
            return bool(abs(seen - claimed) <= CLAIM * seen + rounding)

        fit = made(solution)
        is_agreed = agrees(fit, solution)
        if is_agreed and solution.mse <= found.spline.mse * (1 + LOST) + ROUNDING:
            return fit
        count = len(found.spline.knots) - (1 if found.left is None else 2)  # pieces that as many units always make
        plain = [_solution(Found(spline, None), status) for spline in plain_splines(pieces, count)]
        plain = [other for other in plain if not is_agreed or other.mse < solution.mse]
        tried = [(fit, solution), *((made(other), other) for other in plain)]
        fit, solution = min(tried, key=lambda pair: pair[0].metrics["train_mse"])
        if not agrees(fit, solution):
            fit.metrics["status"] = "inexact"
        return fit

    def score(self, fit: Fit, error: Callable[[_Solution], float]) -> float:
        """The error of a fit without the cells that are held out, with as many units.

        nan where none are held out, and where Ctrl-C ends it.
        """
        if self.train is None:
            return float("nan")
        if len(self.train.x) == 1:
            return error(_constant(self.train, self.scaling))
        try:
            pieces = data_pieces(self.train, self.scaling)
            return error(_solution(best_spline(pieces, min(fit.metrics["hidden"], pieces.most))))
        except KeyboardInterrupt:  # the fit is whole all the same
            return float("nan")


def _constant(cells: Cells, scaling: Scaling) -> _Solution:
    """The constant of cells that share one x."""
    x = (cells.x[0] - scaling.x_shift[0]) / scaling.x_scale[0]
    y = (cells.y[0] - scaling.y_shift[0]) / scaling.y_scale
    mse = float(cells.syy[0] / cells.weight[0]) / scaling.loss_unit
    return _Solution(np.array([x - 1, x + 1]), np.array([y, y]), None, mse, "finished")


def _mean_square(solution: _Solution, cells: Cells, scaling: Scaling) -> float:
    """Of all samples of some cells, in the units of y."""
    squares = squares_on(solution.knots, solution.values, cells, scaling)
    return squares * scaling.loss_unit / float(cells.weight.sum())


def _within(solution: _Solution, cells: Cells, scaling: Scaling) -> float:
    """What a solution leaves within cells, beyond what it leaves of their means: a mean square of all samples."""
    none = np.zeros_like(cells.sxx)
    return _mean_square(solution, cells, scaling) - _mean_square(
        solution, cells._replace(sxx=none, sxy=none, syy=none), scaling
    )


def _fit_function(
    problem: Problem, target: Target, hidden: int | str | None, tolerance: float | None, show: Show
) -> Fit:
    """Fit a function itself; again with finer integrals where the error is not what they said.

    That happens where a function has more turns than there are Gauss points to see them. Where finer integrals do not
    help either, the best of the fits is "inexact".
    """
    start = time.perf_counter()
    if hidden is None and tolerance is None:
        hidden = HIDDEN
    fits: list[Fit] = []
    status = "inexact"
    for parts in (PARTS, *FINER_PARTS):
        try:
            pieces = function_pieces(target, problem.scaling, parts)
            choice = choose_spline(pieces, hidden, tolerance, problem.scaling.loss_unit, show)
        except KeyboardInterrupt:
            if not fits:
                raise
            status = "interrupted"
            break
        solution = _solution(choice.found, choice.status)
        fits.append(_as_fit(problem, solution))
        seen = fits[-1].metrics["mse"] / problem.scaling.loss_unit
        # What a jump costs, between its two sides, no integral says well.
        at_jumps = AT_JUMPS * pieces.least / pieces.mass
        if abs(seen - solution.mse) <= SURPRISE * seen + at_jumps + pieces.rounding or choice.status != "finished":
            status = choice.status
            break
    # A fit found with coarse integrals may be worse, but its error is measured.
    best = fits[-1] if status == "finished" else min(fits, key=lambda fit: fit.metrics["mse"])
    best.metrics.update(status=status, seconds=time.perf_counter() - start)
    return _recorded(best, best.metrics["test_mse"])


def _as_fit(problem: Problem, solution: _Solution) -> Fit:
    return problem.fit(State(solution.params, (), 0), History(), solution.status)


def _recorded(fit: Fit, test_mse: float) -> Fit:
    """Record the single history entry of a fit that was not trained."""
    error = fit.metrics["train_mse" if fit.target is None or fit.target.noise else "mse"]
    fit.history.record(np.array([error]), 0, fit.metrics["seconds"], test_mse)
    fit.metrics.update(test_mse=test_mse, epochs=0)
    return fit


def distinct(cells: Cells, scaling: Scaling) -> Cells:
    """Cells that standardising keeps apart: of x from 1e-9 to 1e9 the smallest fall together beside the mean."""
    x = (cells.x - scaling.x_shift[0]) / scaling.x_scale[0]
    return join_places(cells, np.rint(x * RESOLUTION))


def function_pieces(target: Target, scaling: Scaling, parts: int = PARTS) -> FunctionPieces:
    """A function over its domain, standardised, with its kinks and jumps; integrals are cut into `parts` parts."""

    def function(x: np.ndarray) -> np.ndarray:
        at = np.clip(x * scaling.x_scale[0] + scaling.x_shift[0], *target.domain)  # the ends, there and back
        y: np.ndarray = (target(at) - scaling.y_shift[0]) / scaling.y_scale
        return y

    low, high = (float((end - scaling.x_shift[0]) / scaling.x_scale[0]) for end in target.domain)
    spacing = scaling.knot_spacing(low, high)
    breaks = np.rint(singularities(function, low, high, spacing) / spacing) * spacing
    pieces = FunctionPieces(function, low, high, breaks, spacing)
    fine = np.union1d(pieces.nodes(4 * parts), pieces.breaks)
    pieces.refine(by_density(pieces, even_nodes(pieces, fine, 4 * parts, pieces.breaks), parts))
    return pieces
