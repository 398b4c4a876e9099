"""Fitting by the best linear spline: a function itself, or a table of data, and how many units it takes.

The network of the spline has knots where the target bends most, and least-squares values; nothing is trained.
"""

import sys
import time
from importlib import import_module

import numpy as np

from relufit.data import split
from relufit.errors import RelufitError
from relufit.fits import Fit, History, Problem
from relufit.optim import State
from relufit.params import Params, check_positive
from relufit.progress import progress_line, silent
from relufit.scaling import Scaling
from relufit.spline.breaks import NARROWEST, singularities
from relufit.spline.cells import Cells, join_places, merge_sorted
from relufit.spline.density import by_density, even_nodes
from relufit.spline.functions import PARTS, FunctionPieces
from relufit.spline.search import Found
from relufit.spline.selection import Choice, Show, choose_for_table, choose_spline, squares_on, take
from relufit.spline.units import to_params
from relufit.targets import Target

HIDDEN = 512  # units where nobody says how many
FINER_PARTS = 1024, 16384  # that integrals are cut into where they turn out to be wrong,
SURPRISE = 1.02  # the error being so many times what they said
RESOLUTION = 2.0**50  # places of standardised x in a unit, which is about a deviation


def fit_problem(
    problem: Problem, hidden: int | str | None, tolerance: float | None, seed: int, show: Show = silent
) -> Fit:
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
    start, train = time.perf_counter(), problem.train_index
    weight = None if problem.weight is None else problem.weight[train]
    cells = distinct(merge_sorted(problem.x[train], problem.y[train], weight), problem.scaling)
    if len(cells.x) == 1 and hidden in ((None, "auto", 1) if tolerance is None else (None,)):
        return _constant(problem, cells, tolerance, start)
    choice = choose_for_table(cells, problem.scaling, hidden, tolerance, seed, show)
    return _as_fit(problem, choice, time.perf_counter() - start)


def _fit_function(
    problem: Problem, target: Target, hidden: int | str | None, tolerance: float | None, show: Show
) -> Fit:
    """Fit a function itself; again with finer integrals where the error is not what they said.

    That happens where a function has more turns than there are Gauss points to see them.
    """
    start, hidden = time.perf_counter(), HIDDEN if hidden is None and tolerance is None else hidden
    fits: list[Fit] = []
    for parts in (PARTS, *FINER_PARTS):
        try:
            pieces = function_pieces(target, problem.scaling, parts)
            choice = choose_spline(pieces, hidden, tolerance, problem.scaling.loss_unit, show)
        except KeyboardInterrupt:
            if not fits:
                raise
            return _best_so_far(fits)
        fits.append(_as_fit(problem, choice, time.perf_counter() - start))
        if choice.status == "interrupted":
            return _best_so_far(fits)
        told, seen = choice.found.spline.mse, fits[-1].metrics["mse"] / problem.scaling.loss_unit
        # What a jump costs, between its two sides, no integral says well.
        if seen <= SURPRISE * told + NARROWEST * len(pieces.breaks) + pieces.rounding:
            break
    return fits[-1]


def _best_so_far(fits: list[Fit]) -> Fit:
    """Coarse integrals may have misled a fit, but its error is a true one."""
    best = min(fits, key=lambda fit: fit.metrics["mse"])
    best.metrics["status"] = "interrupted"
    return best


def _as_fit(problem: Problem, choice: Choice, seconds: float) -> Fit:
    fit = problem.fit(State(network(choice.found), (), 0), History(), choice.status)
    _record(fit, choice.found.spline.mse * problem.scaling.loss_unit, seconds)
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
    start, scaling = time.perf_counter(), Scaling.of(cells.x[:, None], cells.y[:, None], cells.weight)
    cells = distinct(cells, scaling)
    x, y = cells.x[:, None], cells.y[:, None]
    index = split(len(x), test_fraction=test_fraction, seed=seed)
    train, test = (take(cells, np.sort(chosen)) for chosen in index)
    with progress_line(sys.stderr.isatty() if progress is None else progress) as show:
        found, status = choose_for_table(train, scaling, hidden, tolerance, seed, show)
    params, seconds = network(found), time.perf_counter() - start
    problem = Problem(x, y, None, scaling, *index, "spline", "numpy", cells.weight)
    fit = problem.fit(State(params, (), 0), History(), status)
    unit = scaling.loss_unit
    squares, weights = [squares_on(found, part, scaling) for part in (train, test)], [train.weight, test.weight]
    means = [float(s * unit / w.sum()) if len(w) else float("nan") for s, w in zip(squares, weights, strict=True)]
    fit.metrics.update(mse=float(sum(squares) * unit / cells.weight.sum()), train_mse=means[0], test_mse=means[1])
    _record(fit, means[0], seconds)
    return fit


def distinct(cells: Cells, scaling: Scaling) -> Cells:
    """Cells that standardising keeps apart: of x from 1e-9 to 1e9 the smallest fall together beside the mean."""
    x = (cells.x - scaling.x_shift[0]) / scaling.x_scale[0]
    return join_places(cells, np.rint(x * RESOLUTION))


def _constant(problem: Problem, cells: Cells, tolerance: float | None, start: float) -> Fit:
    """Where all samples share one x nothing is known of a slope: the mean, and a unit that does nothing."""
    mse = float(cells.syy[0] / cells.weight[0])
    if tolerance is not None and mse > check_positive("a tolerance, a mean squared error,", tolerance):
        raise RelufitError(
            f"no mean squared error of {tolerance:.3g} is reached: all samples share one x, and their mean, the most "
            f"there can be, leaves {mse:.3g}"
        )
    mean = (cells.y - problem.scaling.y_shift) / problem.scaling.y_scale  # (1,)
    params = Params(np.ones((1, 1)), np.zeros(1), np.zeros((1, 1)), mean)
    seconds, fit = time.perf_counter() - start, problem.fit(State(params, (), 0), History(), "finished")
    _record(fit, mse, seconds)
    return fit


def _record(fit: Fit, mse: float, seconds: float) -> None:
    """The one look that there is at a fit that nothing trained."""
    fit.history.record(np.array([mse]), 0, seconds, fit.metrics["test_mse"])
    fit.metrics.update(seconds=seconds, epochs=0)


def network(found: Found) -> Params:
    """The network of a spline; float64, in the spline's own coordinates."""
    return to_params(found.spline.knots, found.spline.values, found.left)


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
