"""How many hidden units a spline gets: as many as asked for, the fewest for a tolerance, or by cross-validation."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from relufit.errors import RelufitError
from relufit.params import check_count, check_positive
from relufit.scaling import Scaling
from relufit.spline.cells import Cells, join_evenly
from relufit.spline.closing import Found
from relufit.spline.pieces import Pieces
from relufit.spline.samples import DataPieces
from relufit.spline.search import best_spline, rough_splines

MOST_UNITS = 2**13  # that a tolerance may take
MOST_CHOSEN = 512  # that cross-validation may choose
FOLDS = 5
MOST_JUDGED = 2**17  # cells in cross-validation, 256 a unit at least: 120 MB for all folds, and for 2**20 would be 900
STANDARD_ERRORS = 0.5  # fewer units are taken where they are worse by no more than this

Show = Callable[[int, float], None]  # a number of units that was tried, and the mean square that it leaves


class Choice(NamedTuple):
    """A spline of as many units as were chosen; `status` is "interrupted" where Ctrl-C ended the choosing early."""

    found: Found
    status: str


def data_pieces(cells: Cells, scaling: Scaling) -> DataPieces:
    """A table, standardised. Raises RelufitError where all samples share one x."""
    if len(cells.x) < 2:
        raise RelufitError("all samples that are fitted share one x, which supports one hidden unit and no more")
    x_unit, y_unit = float(scaling.x_scale[0]), scaling.y_scale
    x, y = (cells.x - scaling.x_shift[0]) / x_unit, (cells.y - scaling.y_shift[0]) / y_unit
    spreads = np.stack([cells.sxx / x_unit**2, cells.sxy / (x_unit * y_unit), cells.syy / y_unit**2])
    return DataPieces(x, y, cells.weight, spreads, scaling.knot_spacing(float(x[0]), float(x[-1])))


def choose_spline(
    pieces: Pieces, hidden: int | str | None, tolerance: float | None, loss_unit: float, show: Show
) -> Choice:
    """The best spline of `hidden` units, or of the fewest that reach a tolerance.

    Ctrl-C ends the search for the fewest with the best of those found; before the first is found, and for a given
    number, the KeyboardInterrupt goes on.

    Raises RelufitError for more units than the data have distinct x, for an unreachable tolerance, and for both given.
    """
    if tolerance is not None:
        if hidden is not None:
            raise RelufitError("give hidden or a tolerance, not both: the tolerance chooses the number of units")
        return _fewest(pieces, check_positive("a tolerance, a mean squared error,", tolerance), loss_unit, show)
    if hidden == "auto":  # nothing tells a good number from a larger one
        raise RelufitError("hidden='auto' is for data with noise; for a function give hidden or a tolerance")
    units = check_count("hidden", hidden)
    if units > pieces.most and pieces.table is None:
        raise RelufitError(f"a function is fitted by at most {pieces.most} hidden units, not {units}")
    if units > pieces.most:
        raise RelufitError(
            f"the training data has {pieces.most + 1} x that can be told apart (a large table is summed into cells of "
            f"x), which support {pieces.most} hidden units, not {units}"
        )
    return Choice(best_spline(pieces, units), "finished")


def _fewest(pieces: Pieces, tolerance: float, loss_unit: float, show: Show) -> Choice:
    """The spline of the fewest units whose mean square, times `loss_unit`, is at most `tolerance`.

    Where Ctrl-C ends the search: of the fewest so far that reach it, or the best so far where none do.
    """
    mse, status = tolerance / loss_unit, "finished"
    most = min(pieces.most, MOST_UNITS)
    limit = "the most that a tolerance is given" if most < pieces.most else "the most that the samples support"
    tried: list[Found] = []

    def reaches(units: int) -> bool:
        tried.append(best_spline(pieces, units))
        show(units, tried[-1].spline.mse * loss_unit)
        return tried[-1].spline.mse <= mse

    try:
        double_and_bisect(reaches, most)
    except KeyboardInterrupt:
        if not tried:
            raise
        status = "interrupted"
    enough = [found for found in tried if found.spline.mse <= mse]  # each of fewer units than the one before
    best = enough[-1] if enough else min(tried, key=lambda found: found.spline.mse)
    if not enough and status == "finished":
        raise RelufitError(
            f"no mean squared error of {tolerance:.3g} is reached: {most} units, {limit}, leave "
            f"{tried[-1].spline.mse * loss_unit:.3g}"
        )
    return Choice(best, status)


def double_and_bisect(reaches: Callable[[int], bool], most: int) -> None:
    """Ask of numbers of units from 1 to `most` whether they are enough, until no smaller one can be, or none is."""
    low, high = 0, 1  # too few, and not known
    while not reaches(high):
        if high == most:
            return
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)


class Validated(NamedTuple):
    """What cross-validation says of a number of units: the mean square on samples left out, and its standard error."""

    hidden: int
    mse: float
    standard_error: float


def cross_validated(cells: Cells, scaling: Scaling, seed: int, show: Show) -> tuple[int, str]:
    """The fewest units that are not worse than the best number by more than half a standard error; at most 512.

    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 7.10, take a whole one: fewer units than are
    best for a noisy sine. Each fold leaves out a fifth of the cells, drawn at random; samples of one x are one cell.

    Also the status: "interrupted" where Ctrl-C came before all numbers had their scores, and those so far decide.
    """
    scores: list[Validated] = []
    status = "finished"
    try:
        for score in validate(cells, scaling, seed):
            scores.append(score)
            show(score.hidden, score.mse * scaling.loss_unit)
    except KeyboardInterrupt:
        if not scores:
            raise
        status = "interrupted"
    best = min(scores, key=lambda score: score.mse)
    enough = best.mse + STANDARD_ERRORS * best.standard_error
    return next(score.hidden for score in scores if score.mse <= enough), status


def validate(cells: Cells, scaling: Scaling, seed: int) -> Iterator[Validated]:
    """Cross-validation on the moments alone, for 1 unit and more, until nothing but rounding is left.

    More units may leave more, and this is no reason to stop: of twenty periods of a sine, 3 units leave a little less
    than 4, 6, 8 and so on, and 64 nearly nothing.

    All folds are in memory together, so of a large table neighbouring cells are joined before. The choice is the same
    but for chance, and for what turns within a few ten-thousandths of the samples: that may get fewer units.
    """
    cells = join_evenly(cells, MOST_JUDGED)
    folds = min(FOLDS, len(cells.x) // 2)
    if folds < 2:
        yield Validated(1, 0.0, 0.0)
        return
    fold = np.random.default_rng([seed, len(cells.x)]).permutation(len(cells.x)) % folds
    parts = [(take(cells, fold != k), take(cells, fold == k)) for k in range(folds)]
    pieces = [data_pieces(train, scaling) for train, _ in parts]
    candidates = _candidates(min(MOST_CHOSEN, *(train.most for train in pieces)))
    mass = [float(left_out.weight.sum()) for _, left_out in parts]
    for hidden, *found in zip(candidates, *(rough_splines(train, candidates) for train in pieces), strict=True):
        errors = [
            squares_on(one.spline.knots, one.spline.values, left_out, scaling)
            for one, (_, left_out) in zip(found, parts, strict=True)
        ]
        means = np.array(errors) / np.array(mass)
        score = Validated(hidden, sum(errors) / sum(mass), float(means.std(ddof=1) / np.sqrt(folds)))
        yield score
        if score.mse < pieces[0].rounding:
            break


def take(cells: Cells, chosen: np.ndarray) -> Cells:
    """Some of the cells, each counted as a sample."""
    x, y, weight, sxx, sxy, syy = (column[chosen] for column in cells[:6])
    return Cells(x, y, weight, sxx, sxy, syy, len(x))


def squares_on(knots: np.ndarray, values: np.ndarray, cells: Cells, scaling: Scaling) -> float:
    """Sum of squares, standardised, that the spline through (knots, values), (K + 1,) each, leaves of any cells.

    Outside its ends it goes on straight.
    """
    x = (cells.x - scaling.x_shift[0]) / scaling.x_scale[0]
    y = (cells.y - scaling.y_shift[0]) / scaling.y_scale
    piece = np.searchsorted(knots[1:-1], x, side="right")
    slope = (np.diff(values) / np.diff(knots))[piece]
    e = values[piece] + slope * (x - knots[piece]) - y
    per_x = slope / scaling.x_scale[0]
    spread = per_x * per_x * cells.sxx - 2 * per_x * cells.sxy / scaling.y_scale + cells.syy / scaling.y_scale**2
    return float(cells.weight @ (e * e) + spread.sum())


def _candidates(most: int) -> list[int]:
    """Numbers of units from 1 to `most`, or the last of these below it."""
    return [units for units in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512) if units <= most]
