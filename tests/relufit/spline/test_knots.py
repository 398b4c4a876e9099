"""Where the search for knots begins."""

from itertools import combinations, product

import numpy as np

from relufit.spline.knots import by_joined_lines, by_lines
from relufit.spline.lines import lines_between, lines_for
from relufit.spline.moments.functions import FunctionPieces
from relufit.spline.moments.pieces import Pieces
from relufit.spline.moments.samples import DataPieces

NONE = np.empty(0)


def squares_of_lines(pieces: Pieces, knots: np.ndarray) -> float:
    """The sum of squares about separate lines between these knots."""
    return float(pieces.moments(knots).rest.sum())


def test_few_lines_are_the_best_of_all() -> None:
    """For 20 samples, no other four lines have a smaller error."""
    rng = np.random.default_rng(0)
    x, y = np.arange(20.0), np.cumsum(rng.normal(size=20))
    pieces = DataPieces(x, y, np.ones(20))
    found = by_lines(pieces, 4, lines_for(pieces, 4))
    # Lines of up to four samples are charged for the curvature around them: compare lines of five at least.
    cuts = [c for c in combinations(range(5, 16), 3) if min(np.diff(np.array([0, *c, 20]))) >= 5]
    best = min(squares_of_lines(pieces, np.array([0, *(np.array(c) - 0.5), 19.0])) for c in cuts)
    assert squares_of_lines(pieces, found) <= best * (1 + 1e-9)


def test_lines_of_two_samples_are_not_for_nothing() -> None:
    """A steep stretch of a table gets a knot for each sample, not lines through pairs of samples."""
    x = np.linspace(-3, 3, 401)
    pieces = DataPieces(x, np.tanh(20 * x), np.ones(401))
    knots = by_lines(pieces, 40, lines_for(pieces, 40))
    steep = np.abs(knots) < 0.1
    assert np.diff(knots[steep]).max() < 2.5 * (x[1] - x[0])


def test_lines_end_at_what_is_held() -> None:
    """Lines end at held kinks, with few pieces and with many."""
    held = np.array([-0.7, 0.31])
    pieces = FunctionPieces(np.sin, -2.0, 2.0, held)
    for count in (4, 100):
        knots = by_lines(pieces, count, lines_for(pieces, count), held)
        assert len(knots) == count + 1
        assert set(held) <= set(knots)
        assert (knots[0], knots[-1]) == (-2.0, 2.0)
        assert (np.diff(knots) > 0).all()


def test_more_pieces_than_nodes_are_still_knots() -> None:
    """A table of 12 samples has knots for 11 pieces."""
    pieces = DataPieces(np.arange(12.0), np.arange(12.0) % 3, np.ones(12))
    knots = by_lines(pieces, 11, lines_for(pieces, 11))
    assert len(knots) == 12
    assert (np.diff(knots) > 0).all()


def test_joined_lines_are_the_best_of_all() -> None:
    """For 9 nodes with 3 heights each, no other three joined lines have a smaller error."""
    rng = np.random.default_rng(1)
    x, y = np.arange(30.0), np.cumsum(rng.normal(size=30))
    pieces = DataPieces(x, y, np.ones(30))
    nodes = np.concatenate([[0.0], np.arange(3.5, 29, 3.5), [29.0]])
    heights = np.interp(nodes, x, y) + np.array([-1.0, 0.0, 1.0])[:, None]

    def squares(knots: tuple[int, ...], chosen: tuple[int, ...]) -> float:
        values = [heights[v, k] for k, v in zip(knots, chosen, strict=True)]
        return float(((np.interp(x, nodes[list(knots)], values) - y) ** 2).sum())

    inner = list(combinations(range(1, len(nodes) - 1), 2))
    best = min(
        (squares(knots, chosen), knots)
        for knots in ((0, *two, len(nodes) - 1) for two in inner)
        for chosen in product(range(3), repeat=4)
    )
    found = by_joined_lines(lines_between(pieces, nodes, len(nodes)), 3, heights)
    assert found is not None
    np.testing.assert_array_equal(found, nodes[list(best[1])])


def test_joined_lines_need_lines_that_are_long_enough() -> None:
    """Two lines of 40 nodes reach the last node; two lines of at most 15 do not, and there is no path."""
    pieces = FunctionPieces(np.sin, -2.0, 2.0)
    nodes = np.linspace(-2, 2, 41)
    found = by_joined_lines(lines_between(pieces, nodes, 40), 2, np.sin(nodes)[None])
    assert found is not None
    assert (found[0], found[-1], len(found)) == (-2.0, 2.0, 3)
    assert by_joined_lines(lines_between(pieces, nodes, 15), 2, np.sin(nodes)[None]) is None


def test_a_jump_costs_separate_lines_the_piece_that_it_costs_a_spline() -> None:
    """Three separate lines fit a step exactly, with knots on both sides; two lines do not."""
    x = np.linspace(-1, 1, 100)
    sides = np.array([-1e-9, 1e-9])
    for pieces in (FunctionPieces(np.sign, -1.0, 1.0, sides), DataPieces(x, np.sign(x), np.ones(100))):
        three, two = (by_lines(pieces, count, lines_for(pieces, count)) for count in (3, 2))
        np.testing.assert_array_equal(three[1:-1], pieces.breaks)
        assert squares_of_lines(pieces, three) < 1e-8
        assert squares_of_lines(pieces, two) > 1e-3
