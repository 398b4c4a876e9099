"""Knots by density: errors that are about the same between all nodes."""

import numpy as np
import pytest

from relufit.spline.density import by_density, even_nodes
from relufit.spline.moments.functions import FunctionPieces
from relufit.spline.moments.samples import DataPieces

NONE = np.empty(0)


def test_by_density_every_piece_has_the_same_error() -> None:
    """Pieces of exp by density have nearly equal errors, where equidistant ones differ four hundredfold."""
    pieces = FunctionPieces(np.exp, -1.5, 1.5)
    errors = pieces.moments(by_density(pieces, np.linspace(-1.5, 1.5, 2001), 100)).rest
    assert errors.max() < 1.5 * errors.min()


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [(np.log, 1e-6, 1.0), (np.log, 1e-9, 1.0), (np.reciprocal, 1e-3, 1.0), (np.exp, -50.0, 0.0)],
)
def test_nodes_settle_where_nearly_all_happens_in_a_small_part(function: np.ufunc, low: float, high: float) -> None:
    """Nodes settle at a small part where equidistant ones leave nearly all of the error between two."""
    pieces = FunctionPieces(function, low, high)
    errors = pieces.moments(np.linspace(low, high, 1001)).rest
    assert errors.max() > 50 * errors.mean()
    nodes = even_nodes(pieces, np.linspace(low, high, 1001), 1000, NONE)
    errors = pieces.moments(nodes).rest
    assert errors.max() < 10 * errors.mean()
    assert len(nodes) < 1100


def test_nodes_that_are_fixed_stay_and_none_lie_inside_a_jump() -> None:
    """Both sides of a jump stay nodes, and it draws no others."""
    sides = np.array([-1e-9, 1e-9])
    pieces = FunctionPieces(np.sign, -1.0, 1.0, sides)
    nodes = even_nodes(pieces, np.linspace(-1, 1, 200), 100, sides)
    assert set(sides) <= set(nodes)
    assert np.sort(np.diff(nodes))[1] > 1e-6


def test_nodes_of_a_table_lie_between_its_samples() -> None:
    """A node of a table lies half-way between two samples, one for each pair at most."""
    x = np.linspace(0, 1, 50)
    nodes = even_nodes(DataPieces(x, x**8, np.ones(50)), np.linspace(0, 1, 30), 40, NONE)
    between = (x[1:] + x[:-1]) / 2
    assert np.abs(nodes[1:-1, None] - between).min(axis=1).max() < 1e-12
