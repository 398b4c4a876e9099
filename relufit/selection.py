"""How many hidden units a spline gets: as many as asked for, the fewest for a tolerance, or by cross-validation."""

from typing import NamedTuple

import numpy as np

from relufit.cells import Cells
from relufit.errors import RelufitError
from relufit.params import check_count, check_positive
from relufit.pieces import DataPieces, Pieces
from relufit.scaling import Scaling
from relufit.search import Found, best_spline, rough_splines

MOST_UNITS = 2**13  # that a tolerance may take
MOST_CHOSEN = 512  # that cross-validation may choose
FOLDS = 5
STANDARD_ERRORS = 0.5  # fewer units are taken where they are worse by no more than this


def data_pieces(cells: Cells, scaling: Scaling) -> DataPieces:
    """A table, standardised. Raises RelufitError where all samples share one x."""
    if len(cells.x) < 2:
        raise RelufitError("all samples share one x; a fit needs two at least")
    x_unit, y_unit = float(scaling.x_scale[0]), scaling.y_scale
    x, y = (cells.x - scaling.x_shift[0]) / x_unit, (cells.y - scaling.y_shift[0]) / y_unit
    spreads = np.stack([cells.sxx / x_unit**2, cells.sxy / (x_unit * y_unit), cells.syy / y_unit**2])
    return DataPieces(x, y, cells.weight, spreads)


def choose_spline(
    pieces: Pieces, cells: Cells | None, hidden: int | str | None, tolerance: float | None, scaling: Scaling, seed: int
) -> Found:
    """The best spline of `hidden` units, of the fewest that reach a tolerance, or of as many as the data speak for.

    Raises RelufitError for more units than the data have distinct x, for an unreachable tolerance, and for both given.
    """
    if tolerance is not None:
        if hidden is not None:
            raise RelufitError("give hidden or a tolerance, not both: the tolerance chooses the number of units")
        mse = check_positive("a tolerance, a mean squared error,", tolerance)
        return _fewest(pieces, mse / scaling.loss_unit, scaling.loss_unit)
    if hidden is None or hidden == "auto":
        if cells is None:
            raise RelufitError("hidden='auto' is for data with noise; for a function give hidden or a tolerance")
        return best_spline(pieces, cross_validated(cells, scaling, seed))
    units = check_count("hidden", hidden)
    if units > pieces.most and pieces.table is None:
        raise RelufitError(f"a function is fitted by at most {pieces.most} hidden units, not {units}")
    if units > pieces.most:
        raise RelufitError(
            f"the training data has {pieces.most + 1} distinct x, which support {pieces.most} hidden units, not {units}"
        )
    return best_spline(pieces, units)


def _fewest(pieces: Pieces, mse: float, unit: float) -> Found:
    """The spline of the fewest units whose mean square is at most `mse`, by doubling and bisection."""
    most = min(pieces.most, MOST_UNITS)
    low, high = 0, 1  # too few, and not known
    found = best_spline(pieces, high)
    while found.spline.mse > mse:
        if high == most:
            raise RelufitError(
                f"no mean squared error of {mse * unit:.3g} is reached: {most} units, the most there can be, leave "
                f"{found.spline.mse * unit:.3g}"
            )
        low, high = high, min(2 * high, most)
        found = best_spline(pieces, high)
    while high - low > 1:
        middle = (low + high) // 2
        tried = best_spline(pieces, middle)
        if tried.spline.mse <= mse:
            high, found = middle, tried
        else:
            low = middle
    return found


class Validated(NamedTuple):
    """What cross-validation says of a number of units: the mean square on samples left out, and its standard error."""

    hidden: int
    mse: float
    standard_error: float


def cross_validated(cells: Cells, scaling: Scaling, seed: int) -> int:
    """The fewest units that are not worse than the best number by more than half a standard error; at most 512.

    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 7.10, take a whole one: fewer units than are
    best for a noisy sine. Each fold leaves out every fifth cell,
    drawn at random; samples of one x are left out together.
    """
    scores = validate(cells, scaling, seed)
    best = min(scores, key=lambda score: score.mse)
    enough = best.mse + STANDARD_ERRORS * best.standard_error
    return next(score.hidden for score in scores if score.mse <= enough)


def validate(cells: Cells, scaling: Scaling, seed: int) -> list[Validated]:
    """Cross-validation on the moments alone, for 1 unit and more, until three in a row are worse or nothing is left."""
    folds = min(FOLDS, len(cells.x) // 2)
    if folds < 2:
        return [Validated(1, 0.0, 0.0)]
    fold = np.random.default_rng([seed, len(cells.x)]).permutation(len(cells.x)) % folds
    parts = [(take(cells, fold != k), take(cells, fold == k)) for k in range(folds)]
    pieces = [data_pieces(train, scaling) for train, _ in parts]
    candidates = _candidates(min(MOST_CHOSEN, *(train.most for train in pieces)))
    mass = [float(left_out.weight.sum()) for _, left_out in parts]
    scores: list[Validated] = []
    for hidden, *found in zip(candidates, *(rough_splines(train, candidates) for train in pieces), strict=True):
        errors = [squares_on(one, left_out, scaling) for one, (_, left_out) in zip(found, parts, strict=True)]
        means = np.array(errors) / np.array(mass)
        scores.append(Validated(hidden, sum(errors) / sum(mass), float(means.std(ddof=1) / np.sqrt(folds))))
        best = min(scores, key=lambda score: score.mse)
        if best.mse < pieces[0].rounding or (
            len(scores) > 3 and all(s.mse > best.mse + 2 * best.standard_error for s in scores[-3:])
        ):
            break
    return scores


def take(cells: Cells, chosen: np.ndarray) -> Cells:
    """Some of the cells, each counted as a sample."""
    x, y, weight, sxx, sxy, syy = (column[chosen] for column in cells[:6])
    return Cells(x, y, weight, sxx, sxy, syy, len(x))


def squares_on(found: Found, cells: Cells, scaling: Scaling) -> float:
    """Sum of squares, standardised, that a spline leaves of other cells; outside its ends it goes on straight."""
    x = (cells.x - scaling.x_shift[0]) / scaling.x_scale[0]
    y = (cells.y - scaling.y_shift[0]) / scaling.y_scale
    spline = found.spline
    piece = np.searchsorted(spline.knots[1:-1], x, side="right")
    slope = spline.slopes[piece]
    e = spline.values[piece] + slope * (x - spline.knots[piece]) - y
    per_x = slope / scaling.x_scale[0]
    spread = per_x * per_x * cells.sxx - 2 * per_x * cells.sxy / scaling.y_scale + cells.syy / scaling.y_scale**2
    return float(cells.weight @ (e * e) + spread.sum())


def _candidates(most: int) -> list[int]:
    """Numbers of units from 1 to `most`, or the last of these below it."""
    return [units for units in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512) if units <= most]
