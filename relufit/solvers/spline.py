"""Fitting by the best linear spline: a function itself, or a table of data, and how many units it takes.

The network of the spline has knots where the target bends most, and least-squares values; nothing is trained.
"""

import sys
import time
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
from relufit.spline.breaks import NARROWEST, singularities
from relufit.spline.cells import Cells, join_places, merge_sorted
from relufit.spline.density import by_density, even_nodes
from relufit.spline.functions import PARTS, FunctionPieces
from relufit.spline.selection import Choice, Show, choose_for_table, choose_spline, squares_on, take
from relufit.spline.units import to_params
from relufit.targets import Target

HIDDEN = 512  # units where nobody says how many
FINER_PARTS = 1024, 16384  # that integrals are cut into where they turn out to be wrong,
SURPRISE = 2e-3  # by more than this part of the error
RESOLUTION = 2.0**50  # places of standardised x in a unit, which is about a deviation


def fit_problem(problem: Problem, hidden: int | str | None, tolerance: float | None, show: Show = silent) -> Fit:
    """Fit the target of a problem, or its training samples, with so many units.

    Where all samples share one x the fit is a constant. Ctrl-C is as in `relufit.fit`. Raises RelufitError for more
    than one input or output, more units than distinct x, a tolerance that such a constant does not reach, and what
    `choose_spline` raises.
    """
    if problem.x.shape[1] != 1 or problem.y.shape[1] != 1:
        shape = problem.x.shape[1], problem.y.shape[1]
        raise RelufitError(f"spline takes one input and one output, not {shape[0]} and {shape[1]}; use another solver")
    import_module("scipy.linalg.lapack")  # before the clock starts: it takes ten times as long as a fit
    if problem.target is not None and not problem.target.noise:
        return _fit_function(problem, problem.target, hidden, tolerance, show)
    start = time.perf_counter()
    train = problem.train_index
    weight = None if problem.weight is None else problem.weight[train]
    cells = distinct(merge_sorted(problem.x[train], problem.y[train], weight), problem.scaling)
    solution = _solve_table(cells, problem.scaling, hidden, tolerance, show)
    return _as_fit(problem, solution, time.perf_counter() - start)


class _Solution(NamedTuple):
    """A spline in standardised coordinates, and how it came about."""

    knots: np.ndarray  # (K + 1,)
    values: np.ndarray  # (K + 1,)
    left: np.ndarray | None  # (K - 1,) which turns face left, where they close it; see relufit/spline/units.py
    mse: float  # of what was fitted
    status: str

    @property
    def params(self) -> Params:
        """The network that it is; float64, in the same coordinates."""
        return to_params(self.knots, self.values, self.left)


def _chosen(choice: Choice) -> _Solution:
    (spline, left), status = choice
    return _Solution(spline.knots, spline.values, left, spline.mse, status)


def _solve_table(
    cells: Cells, scaling: Scaling, hidden: int | str | None, tolerance: float | None, show: Show
) -> _Solution:
    """The best spline of a table; where all samples share one x, nothing is known of a slope, and it is a constant."""
    if len(cells.x) > 1 or hidden not in (None, "auto", 1) or (tolerance is not None and hidden is not None):
        return _chosen(choose_for_table(cells, scaling, hidden, tolerance, show))
    mse = float(cells.syy[0] / cells.weight[0])
    if tolerance is not None and mse > check_positive("a tolerance, a mean squared error,", tolerance):
        raise RelufitError(
            f"no mean squared error of {tolerance:.3g} is reached: all samples share one x, and their mean, the most "
            f"there can be, leaves {mse:.3g}"
        )
    x = (cells.x[0] - scaling.x_shift[0]) / scaling.x_scale[0]
    y = (cells.y[0] - scaling.y_shift[0]) / scaling.y_scale
    return _Solution(np.array([x - 1, x + 1]), np.array([y, y]), None, mse / scaling.loss_unit, "finished")


def _fit_function(
    problem: Problem, target: Target, hidden: int | str | None, tolerance: float | None, show: Show
) -> Fit:
    """Fit a function itself; again with finer integrals where the error is not what they said.

    That happens where a function has more turns than there are Gauss points to see them.
    """
    start = time.perf_counter()
    if hidden is None and tolerance is None:
        hidden = HIDDEN
    fits: list[Fit] = []
    for parts in (PARTS, *FINER_PARTS):
        try:
            pieces = function_pieces(target, problem.scaling, parts)
            solution = _chosen(choose_spline(pieces, hidden, tolerance, problem.scaling.loss_unit, show))
        except KeyboardInterrupt:
            if not fits:
                raise
            return _best_so_far(fits)
        fits.append(_as_fit(problem, solution, time.perf_counter() - start))
        if solution.status == "interrupted":
            return _best_so_far(fits)
        seen = fits[-1].metrics["mse"] / problem.scaling.loss_unit
        # What a jump costs, between its two sides, no integral says well.
        if abs(seen - solution.mse) <= SURPRISE * seen + NARROWEST * len(pieces.breaks) + pieces.rounding:
            break
    return fits[-1]


def _best_so_far(fits: list[Fit]) -> Fit:
    """Coarse integrals may have misled a fit, but its error is a true one."""
    best = min(fits, key=lambda fit: fit.metrics["mse"])
    best.metrics["status"] = "interrupted"
    return best


def _as_fit(problem: Problem, solution: _Solution, seconds: float) -> Fit:
    fit = problem.fit(State(solution.params, (), 0), History(), solution.status)
    _record(fit, solution.mse * problem.scaling.loss_unit, seconds)
    return fit


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

    The cells are split into those fitted and those for `test_mse`. Mean squares are those of all samples, by the
    moments of the cells; `max_error` is that of the cells' means. The Fit holds the cells' means as x and y. Ctrl-C and
    `progress` are as in `relufit.fit`.
    """
    start = time.perf_counter()
    hidden = check_hidden(hidden)
    scaling = Scaling.of(cells.x[:, None], cells.y[:, None], cells.weight)
    scaling.demand_spread(cells.x[:, None], cells.y[:, None])
    cells = distinct(cells, scaling)
    x, y = cells.x[:, None], cells.y[:, None]
    index = split(len(x), test_fraction=test_fraction, seed=seed)
    train, test = (take(cells, np.sort(chosen)) for chosen in index)
    with progress_line(sys.stderr.isatty() if progress is None else progress) as show:
        solution = _solve_table(train, scaling, hidden, tolerance, show)
    seconds = time.perf_counter() - start
    problem = Problem(x, y, None, scaling, *index, "spline", "numpy", cells.weight)
    fit = problem.fit(State(solution.params, (), 0), History(), solution.status)

    def mean_square(part: Cells) -> float:
        """Of all samples of these cells; nan of none."""
        squares = squares_on(solution.knots, solution.values, part, scaling)
        return float(squares * scaling.loss_unit / part.weight.sum()) if len(part.x) else float("nan")

    fit.metrics.update(mse=mean_square(cells), train_mse=mean_square(train), test_mse=mean_square(test))
    _record(fit, fit.metrics["train_mse"], seconds)
    return fit


def distinct(cells: Cells, scaling: Scaling) -> Cells:
    """Cells that standardising keeps apart: of x from 1e-9 to 1e9 the smallest fall together beside the mean."""
    x = (cells.x - scaling.x_shift[0]) / scaling.x_scale[0]
    return join_places(cells, np.rint(x * RESOLUTION))


def _record(fit: Fit, mse: float, seconds: float) -> None:
    """The one look that there is at a fit that nothing trained."""
    fit.history.record(np.array([mse]), 0, seconds, fit.metrics["test_mse"])
    fit.metrics.update(seconds=seconds, epochs=0)


def function_pieces(target: Target, scaling: Scaling, parts: int = PARTS) -> FunctionPieces:
    """A function over its domain, standardised, with its kinks and jumps; integrals are cut into so many parts."""

    def function(x: np.ndarray) -> np.ndarray:
        at = np.clip(x * scaling.x_scale[0] + scaling.x_shift[0], *target.domain)  # the ends, there and back
        y: np.ndarray = (target(at) - scaling.y_shift[0]) / scaling.y_scale
        return y

    low, high = (float((end - scaling.x_shift[0]) / scaling.x_scale[0]) for end in target.domain)
    pieces = FunctionPieces(function, low, high, singularities(function, low, high))
    fine = np.union1d(pieces.nodes(4 * parts), pieces.breaks)
    pieces.refine(by_density(pieces, even_nodes(pieces, fine, 4 * parts, pieces.breaks), parts))
    return pieces
