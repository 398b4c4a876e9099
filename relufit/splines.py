"""Fitting by the best linear spline: a function itself, or a table of data, and how many units it takes.

The network of the spline has knots where the target bends most, and least-squares values; nothing is trained.
"""

import time

import numpy as np

from relufit import knots
from relufit.breaks import singularities
from relufit.cells import Cells, join_places, merge_sorted
from relufit.data import split
from relufit.errors import RelufitError
from relufit.fits import Fit, History, Problem
from relufit.optim import State
from relufit.params import Params
from relufit.pieces import PARTS, FunctionPieces, Pieces
from relufit.scaling import Scaling
from relufit.search import Found
from relufit.selection import choose_spline, data_pieces, squares_on, take
from relufit.targets import Target
from relufit.units import to_params

RESOLUTION = 2.0**50  # places of standardised x in a unit, which is about a deviation


def fit_problem(problem: Problem, hidden: int | str | None, tolerance: float | None, seed: int) -> Fit:
    """Fit the target of a problem, or its training samples, with so many units.

    Where all samples share one x the fit is a constant. Raises RelufitError for more than one input or output, more
    units than distinct x, and what `choose_spline` raises.
    """
    if problem.x.shape[1] != 1 or problem.y.shape[1] != 1:
        shape = problem.x.shape[1], problem.y.shape[1]
        raise RelufitError(f"spline takes one input and one output, not {shape[0]} and {shape[1]}; use another solver")
    start, exact = time.perf_counter(), problem.target is not None and not problem.target.noise
    cells = None
    if exact:
        pieces: Pieces = function_pieces(problem.target, problem.scaling)  # type: ignore[arg-type]
        hidden = (512 if tolerance is None else None) if hidden is None else hidden
    else:
        train = problem.train_index
        weight = None if problem.weight is None else problem.weight[train]
        cells = distinct(merge_sorted(problem.x[train], problem.y[train], weight), problem.scaling)
        if len(cells.x) == 1 and hidden in (None, "auto", 1):
            return _constant(problem, cells, start)
        pieces = data_pieces(cells, problem.scaling)
    found = choose_spline(pieces, cells, hidden, tolerance, problem.scaling, seed)
    params, seconds = network(found), time.perf_counter() - start
    fit = problem.fit(State(params, (), 0), History(), "finished")
    _record(fit, found.spline.mse * problem.scaling.loss_unit, seconds)
    return fit


def fit_cells(
    cells: Cells,
    *,
    hidden: int | str | None = None,
    tolerance: float | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Fit:
    """Fit a table that was summed into cells; for one too large to be kept as it is.

    The cells are split into those fitted and those for `test_mse`. Mean squares are those of all samples, by the
    moments of the cells; `max_error` is that of the cells' means. The Fit holds the cells' means as x and y.
    """
    start, scaling = time.perf_counter(), Scaling.of(cells.x[:, None], cells.y[:, None])
    cells = distinct(cells, scaling)
    x, y = cells.x[:, None], cells.y[:, None]
    index = split(len(x), test_fraction=test_fraction, seed=seed)
    train, test = (take(cells, np.sort(chosen)) for chosen in index)
    found = choose_spline(data_pieces(train, scaling), train, hidden, tolerance, scaling, seed)
    params, seconds = network(found), time.perf_counter() - start
    problem = Problem(x, y, None, scaling, *index, "spline", "numpy", cells.weight)
    fit = problem.fit(State(params, (), 0), History(), "finished")
    unit = scaling.loss_unit
    squares, weights = [squares_on(found, part, scaling) for part in (train, test)], [train.weight, test.weight]
    means = [s * unit / w.sum() if len(w) else float("nan") for s, w in zip(squares, weights, strict=True)]
    fit.metrics.update(mse=sum(squares) * unit / cells.weight.sum(), train_mse=means[0], test_mse=means[1])
    _record(fit, means[0], seconds)
    return fit


def distinct(cells: Cells, scaling: Scaling) -> Cells:
    """Cells that standardising keeps apart: of x from 1e-9 to 1e9 the smallest fall together beside the mean."""
    x = (cells.x - scaling.x_shift[0]) / scaling.x_scale[0]
    return join_places(cells, np.rint(x * RESOLUTION))


def _constant(problem: Problem, cells: Cells, start: float) -> Fit:
    """Where all samples share one x nothing is known of a slope: the mean, and a unit that does nothing."""
    mean = (cells.y - problem.scaling.y_shift) / problem.scaling.y_scale  # (1,)
    params = Params(np.ones((1, 1)), np.zeros(1), np.zeros((1, 1)), mean)
    seconds, fit = time.perf_counter() - start, problem.fit(State(params, (), 0), History(), "finished")
    _record(fit, float(cells.syy[0] / cells.weight[0]), seconds)
    return fit


def _record(fit: Fit, mse: float, seconds: float) -> None:
    """The one look that there is at a fit that nothing trained."""
    fit.history.record(np.array([mse]), 0, seconds, fit.metrics["test_mse"])
    fit.metrics.update(seconds=seconds, epochs=0)


def network(found: Found) -> Params:
    """The network of a spline; float64, in the spline's own coordinates."""
    return to_params(found.spline.knots, found.spline.values, found.left)


def function_pieces(target: Target, scaling: Scaling) -> FunctionPieces:
    """A function over its domain, standardised, with its kinks and jumps."""

    def function(x: np.ndarray) -> np.ndarray:
        y: np.ndarray = (target(x * scaling.x_scale[0] + scaling.x_shift[0]) - scaling.y_shift[0]) / scaling.y_scale
        return y

    low, high = (float((end - scaling.x_shift[0]) / scaling.x_scale[0]) for end in target.domain)
    pieces = FunctionPieces(function, low, high, singularities(function, low, high))
    fine = np.union1d(pieces.nodes(4 * PARTS), pieces.breaks)
    pieces.refine(knots.by_density(pieces, knots.by_density(pieces, fine, 4 * PARTS), PARTS))
    return pieces
