"""Fit a function itself, not samples of it."""

import time

import numpy as np

from relufit.fits.problem import Problem
from relufit.fits.result import Fit
from relufit.network.scaling import Scaling
from relufit.solvers.spline.solution import as_fit, recorded, solution_of
from relufit.spline.density import by_density, even_nodes
from relufit.spline.moments.breaks import singularities
from relufit.spline.moments.functions import PARTS, FunctionPieces
from relufit.spline.selection import Show, choose_spline
from relufit.targets import Target

HIDDEN = 512  # units by default
SURPRISE = 2e-3  # relative difference of the measured error from the integrated one that triggers finer integrals
FINER_PARTS = 1024, 16384  # parts of the domain in finer integrals
AT_JUMPS = 6.0  # uncertainty of the error of a spline, in errors of the lines across all jumps


def fit_function(
    problem: Problem, target: Target, hidden: int | str | None, tolerance: float | None, show: Show
) -> Fit:
    """Fit a function itself; again with finer integrals if the measured error differs from the integrated one.

    That happens if a function has more turns than there are Gauss points. If finer integrals do not help either, the
    best of the fits is "inexact".
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
        solution = solution_of(choice.found, choice.status)
        fits.append(as_fit(problem, solution))
        seen = fits[-1].metrics.mse / problem.scaling.loss_unit
        # Integrals across a jump are inaccurate.
        at_jumps = AT_JUMPS * pieces.least / pieces.mass
        if abs(seen - solution.mse) <= SURPRISE * seen + at_jumps + pieces.rounding or choice.status != "finished":
            status = choice.status
            break
    # A fit found with coarse integrals may be worse, but its error is measured.
    best = fits[-1] if status == "finished" else min(fits, key=lambda fit: fit.metrics.mse)
    return recorded(best, status=status, seconds=time.perf_counter() - start)


def function_pieces(target: Target, scaling: Scaling, parts: int = PARTS) -> FunctionPieces:
    """A standardised function over its domain, with its kinks and jumps; integrals are split into `parts` parts."""

    def function(x: np.ndarray) -> np.ndarray:
        at = np.clip(x * scaling.x_scale[0] + scaling.x_shift[0], *target.domain)  # rounding may move the ends outside
        y: np.ndarray = (target(at) - scaling.y_shift[0]) / scaling.y_scale
        return y

    low, high = (float((end - scaling.x_shift[0]) / scaling.x_scale[0]) for end in target.domain)
    spacing = scaling.knot_spacing(low, high)
    breaks = np.rint(singularities(function, low, high, spacing) / spacing) * spacing
    pieces = FunctionPieces(function, low, high, breaks, spacing)
    fine = np.union1d(pieces.nodes(4 * parts), pieces.breaks)
    pieces.refine(by_density(pieces, even_nodes(pieces, fine, 4 * parts, pieces.breaks), parts))
    return pieces
