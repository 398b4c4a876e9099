"""Where the search for knots begins."""

from itertools import combinations

import numpy as np

from relufit.spline.density import by_density
from relufit.spline.knots import by_lines
from relufit.spline.pieces import DataPieces, FunctionPieces, Pieces

NONE = np.empty(0)


def squares_of_lines(pieces: Pieces, knots: np.ndarray) -> float:
    """What separate lines between these knots leave."""
    return float(pieces.moments(knots).rest.sum())


def test_by_density_every_piece_has_the_same_error() -> None:
    """Of exp, nearly, where those of equidistant pieces differ four hundredfold."""
    pieces = FunctionPieces(np.exp, -1.5, 1.5)
    errors = pieces.moments(by_density(pieces, np.linspace(-1.5, 1.5, 2001), 100)).rest
    assert errors.max() < 1.5 * errors.min()


def test_few_lines_are_the_best_of_all() -> None:
    """Of 20 samples in four lines: no other way of cutting them leaves less."""
    rng = np.random.default_rng(0)
    x, y = np.arange(20.0), np.cumsum(rng.normal(size=20))
    pieces = DataPieces(x, y, np.ones(20))
    found = by_lines(pieces, 4, NONE)
    # Lines of up to four samples are charged for the curvature around them: compare lines of five at least.
    cuts = [c for c in combinations(range(5, 16), 3) if min(np.diff(np.array([0, *c, 20]))) >= 5]
    best = min(squares_of_lines(pieces, np.array([0, *(np.array(c) - 0.5), 19.0])) for c in cuts)
    assert squares_of_lines(pieces, found) <= best * (1 + 1e-9)


def test_lines_of_two_samples_are_not_for_nothing() -> None:
    """A steep stretch of a table gets a knot a sample, not lines through pairs that no spline could follow."""
    x = np.linspace(-3, 3, 401)
    pieces = DataPieces(x, np.tanh(20 * x), np.ones(401))
    knots = by_lines(pieces, 40, NONE)
    steep = np.abs(knots) < 0.1
    assert np.diff(knots[steep]).max() < 2.5 * (x[1] - x[0])


def test_lines_end_at_what_is_held() -> None:
    """Kinks are knots, in few pieces and in many."""
    held = np.array([-0.7, 0.31])
    for count in (4, 100):
        knots = by_lines(FunctionPieces(np.sin, -2.0, 2.0, held), count, held)
        assert len(knots) == count + 1
        assert set(held) <= set(knots)
        assert (knots[0], knots[-1]) == (-2.0, 2.0)
        assert (np.diff(knots) > 0).all()


def test_more_pieces_than_nodes_are_still_knots() -> None:
    """A table of 12 samples in 11 pieces."""
    pieces = DataPieces(np.arange(12.0), np.arange(12.0) % 3, np.ones(12))
    knots = by_lines(pieces, 11, NONE)
    assert len(knots) == 12
    assert (np.diff(knots) > 0).all()
