"""Choose the number of hidden units of a spline: as given, the smallest for a tolerance, or from the data."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from relufit.errors import RelufitError, check_count, check_positive, counted
from relufit.network.scaling import Scaling
from relufit.spline.closing import Found
from relufit.spline.criterion import Criterion
from relufit.spline.moments.cells import Cells, join_evenly
from relufit.spline.moments.pieces import Pieces
from relufit.spline.moments.samples import DataPieces
from relufit.spline.search import best_spline, rough_splines

MOST_UNITS = 2**13  # largest number of units for a tolerance
MOST_SCORED = 2**15  # largest number of cells on which splines are scored: at least 64 for each unit
COARSE = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512)  # numbers of units that are scored first
FINE = (*range(1, 8), *range(8, 16, 2), *range(16, 32, 4), *range(32, 64, 8), *range(64, 128, 16))
FINE = (*FINE, *range(128, 256, 32), *range(256, 513, 64))  # numbers that may be chosen: steps of at most a quarter

FIRST = 1, 2, 3, 4  # numbers of units that are always scored by best splines
SPIKED = 4  # number of splines in a row with spikes that ends scoring
BELOW = 3  # numbers of units tried below the smallest found, as the error may rise a little with more units

Show = Callable[[int, float], None]  # called with each number of units tried, and the mean square of its spline


class Choice(NamedTuple):
    """A spline with the chosen number of units; `status` is "interrupted" if Ctrl-C ended the search early."""

    found: Found
    status: str


def data_pieces(cells: Cells, scaling: Scaling) -> DataPieces:
    """A standardised table. Raises RelufitError if all samples share one x."""
    if len(cells.x) < 2:
        raise RelufitError("all samples that are fitted share one x, which supports only one hidden unit")
    x_unit, y_unit = float(scaling.x_scale[0]), scaling.y_scale
    x, y = (cells.x - scaling.x_shift[0]) / x_unit, (cells.y - scaling.y_shift[0]) / y_unit
    spreads = np.stack([cells.sxx / x_unit**2, cells.sxy / (x_unit * y_unit), cells.syy / y_unit**2])
    return DataPieces(x, y, cells.weight, spreads, scaling.knot_spacing(float(x[0]), float(x[-1])))


def choose_spline(
    pieces: Pieces, hidden: int | str | None, tolerance: float | None, loss_unit: float, show: Show
) -> Choice:
    """The best spline of `hidden` units, or of the smallest number that reaches a tolerance.

    Ctrl-C ends the search for a tolerance with the best spline so far; before there is one, and for a given number,
    KeyboardInterrupt is raised.

    Raises RelufitError for more units than the data have distinct x, for an unreachable tolerance, and if both are
    given.
    """
    if tolerance is not None:
        if hidden is not None:
            raise RelufitError("give hidden or a tolerance, not both: the tolerance chooses the number of units")
        return _smallest(pieces, check_positive("a tolerance, a mean squared error,", tolerance), loss_unit, show)
    if hidden == "auto":  # without noise, more units are always better
        raise RelufitError("hidden='auto' is for data with noise; for a function give hidden or a tolerance")
    units = check_count("hidden", hidden)
    if units > pieces.most and pieces.table is None:
        raise RelufitError(f"a function is fitted by at most {pieces.most} hidden units, not {units}")
    if units > pieces.most:
        raise RelufitError(
            f"the data have {pieces.most + 1} different x (a large table is summed into cells of x), which support at "
            f"most {counted(pieces.most, 'hidden unit')}, not {units}"
        )
    return Choice(best_spline(pieces, units), "finished")


def _smallest(pieces: Pieces, tolerance: float, loss_unit: float, show: Show) -> Choice:
    """The spline with the smallest number of units whose mean square, times `loss_unit`, is at most `tolerance`.

    If Ctrl-C ends the search: the one with the smallest number so far, or the best so far if none reaches it.
    """
    mse, status = tolerance / loss_unit, "finished"
    most = min(pieces.most, MOST_UNITS)
    limit = "the largest number tried" if most < pieces.most else "the largest number that the samples support"
    tried: dict[int, Found] = {}

    def reaches(units: int) -> bool:
        tried[units] = best_spline(pieces, units)
        show(units, tried[units].spline.mse * loss_unit)
        return tried[units].spline.mse <= mse

    try:
        double_and_bisect(reaches, most)
        smallest = min((units for units, found in tried.items() if found.spline.mse <= mse), default=1)
        for units in set(range(max(smallest - BELOW, 1), smallest)) - set(tried):
            reaches(units)
    except KeyboardInterrupt:
        if not tried:
            raise
        status = "interrupted"
    enough = [units for units, found in tried.items() if found.spline.mse <= mse]
    best = tried[min(enough)] if enough else min(tried.values(), key=lambda found: found.spline.mse)
    if not enough and status == "finished":
        raise RelufitError(
            f"no mean squared error of {tolerance:.3g} is reached: with {most} units, {limit}, it is "
            f"{tried[most].spline.mse * loss_unit:.3g}"
        )
    return Choice(best, status)


def double_and_bisect(reaches: Callable[[int], bool], most: int) -> None:
    """Call `reaches` for numbers of units from 1 to `most` until the smallest that suffices is known, or none does."""
    low, high = 0, 1  # `low` units do not suffice
    while not reaches(high):
        if high == most:
            return
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)


def choose_for_table(cells: Cells, scaling: Scaling, show: Show) -> Choice:
    """The best spline with the number of units, up to 512, of the least score (criterion.py).

    Neighbouring cells of a large table are joined for the scores, so turns within a few ten-thousandths of the samples
    may get fewer units. Ctrl-C ends the search with the best score so far; before there is one, KeyboardInterrupt is
    raised. Raises RelufitError if all samples share one x.
    """
    if len(cells.x) < 4:
        return Choice(best_spline(data_pieces(cells, scaling), 1), "finished")
    scored, status = join_evenly(cells, MOST_SCORED), "finished"
    search = _Search(scored, scaling, show)
    try:
        search.run()
        if scored is not cells:  # a kink inside a joined cell needs one more unit than between samples
            whole = _Search(cells, scaling, show)
            whole.finish(search.best, 0)
            scored, search = cells, whole
    except KeyboardInterrupt:
        if not search.scores:
            raise
        status = "interrupted"
    found = search.found.get(search.best) if scored is cells else None
    return Choice(found or best_spline(data_pieces(cells, scaling), search.best), status)


def _up_to(most: int, units: tuple[int, ...]) -> tuple[int, ...]:
    """The ascending numbers of units below `most`, and `most` itself, or the last number if that is smaller."""
    most = min(most, units[-1])
    return (*units[: bisect_left(units, most)], most)


class _Search:
    """The search for the number of units of the least score."""

    def __init__(self, cells: Cells, scaling: Scaling, show: Show) -> None:
        self.pieces = data_pieces(cells, scaling)
        self.criterion = Criterion.of(self.pieces)
        self.show, self.loss_unit = show, scaling.loss_unit
        self.scores: dict[int, float] = {}  # by numbers of units
        self.found: dict[int, Found] = {}  # best splines found so far, by numbers of units

    @property
    def best(self) -> int:
        """The number of units of the least score so far, among best splines if there are any, else rough ones."""
        return min(self.found or self.scores, key=self.scores.__getitem__)

    def run(self) -> None:
        """Score rough splines, more of them near the best score; from there best splines of fewer and of more units.

        Best splines of FIRST units are scored too, because rough ones may miss a jump or a spike.
        """
        coarse, fine = (_up_to(self.criterion.most, units) for units in (COARSE, FINE))
        self._score_roughly(coarse)
        nearest = coarse.index(self.best)
        low, high = coarse[max(nearest - 1, 0)], coarse[min(nearest + 1, len(coarse) - 1)]
        self._score_roughly([units for units in fine if low < units < high and units not in self.scores])
        start = fine.index(self.best)
        self._score(fine[start])
        self._try_while_better(fine[start::-1])
        if self.best == fine[start] or np.isinf(self.scores[self.best]):
            self._try_while_better(fine[start:])
        for units in FIRST[: self.criterion.most]:
            self._score(units)
        self.finish(self.best, max((units for units in (0, *fine) if units < self.best), default=0))

    def finish(self, units: int, too_few: int) -> None:
        """Score the best spline with `units` units; if it is exact, bisect for the smallest exact number of units."""
        self._score(units)
        while self.criterion.is_exact(self.found[self.best].spline) and self.best - too_few > 1:
            middle = (too_few + self.best) // 2
            if self._score(middle) > self.scores[self.best]:
                too_few = middle

    def _score_roughly(self, numbers: Sequence[int]) -> None:
        for units, rough in zip(numbers, rough_splines(self.pieces, numbers), strict=True):
            self._record(units, rough)

    def _try_while_better(self, numbers: tuple[int, ...]) -> None:
        """Score best splines until one is worse than the best, or, if one has no spikes, SPIKED in a row have some."""
        spiked = 0
        for units in numbers[1:]:
            score = self._score(units)
            spiked = spiked + 1 if np.isinf(score) else 0
            least = self.scores[self.best]
            if (spiked >= SPIKED and np.isfinite(least)) or (not spiked and score > least):
                return

    def _score(self, units: int) -> float:
        """The score of the best spline with `units` units."""
        if units not in self.found:
            found = best_spline(self.pieces, units)
            self._record(units, found)
            self.found[units] = found
        return self.scores[units]

    def _record(self, units: int, found: Found) -> None:
        self.scores[units] = self.criterion.score(found.spline, units)
        self.show(units, found.spline.mse * self.loss_unit)


def chosen_cells(cells: Cells, chosen: np.ndarray) -> Cells:
    """The chosen cells, each counted as one sample."""
    x, y, weight, sxx, sxy, syy = (column[chosen] for column in cells[:6])
    return Cells(x, y, weight, sxx, sxy, syy, len(x))


def squares_on(knots: np.ndarray, values: np.ndarray, cells: Cells, scaling: Scaling) -> float:
    """The standardised sum of squared errors on cells of the spline through (knots, values), (K + 1,) each.

    The spline continues straight outside its ends.
    """
    x = (cells.x - scaling.x_shift[0]) / scaling.x_scale[0]
    y = (cells.y - scaling.y_shift[0]) / scaling.y_scale
    piece = np.searchsorted(knots[1:-1], x, side="right")
    slope = (np.diff(values) / np.diff(knots))[piece]
    e = values[piece] + slope * (x - knots[piece]) - y
    per_x = slope / scaling.x_scale[0]
    spread = per_x * per_x * cells.sxx - 2 * per_x * cells.sxy / scaling.y_scale + cells.syy / scaling.y_scale**2
    return float(cells.weight @ (e * e) + spread.sum())
