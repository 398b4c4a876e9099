"""Shifts: as many pieces, shared otherwise among the stretches between inflection points."""

import numpy as np
import pytest

from relufit.spline.neighbours import shifted

NONE = np.empty(0)


def wave(knots: np.ndarray) -> np.ndarray:
    """Slopes of the spline that joins values of a sine wave."""
    return np.diff(np.sin(knots)) / np.diff(knots)


def test_one_sign_of_turns_has_no_shifts() -> None:
    knots = np.linspace(0, 1, 9)
    assert shifted(knots, np.diff(knots**2), NONE).shape == (0, 9)


def test_shifts_move_the_pieces_beside_an_inflection() -> None:
    """Shifts move the pieces beside an inflection point by one knot to either side, or by half a piece."""
    knots = np.linspace(0, 2 * np.pi, 9) + 0.1 * np.sin(np.linspace(0, np.pi, 9))
    middle = (knots[3] + knots[4]) / 2
    found = shifted(knots, wave(knots), NONE) - middle
    left, on_it = (found < -1e-12).sum(axis=1), (np.abs(found) <= 1e-12).sum(axis=1)
    assert sorted(zip(left, on_it, strict=True)) == [(3, 0), (3, 1), (4, 1), (5, 0)]


@pytest.mark.parametrize("held", [NONE, np.array([3.0]), np.array([3.0, 5.5])])
def test_shifts_keep_ends_order_and_what_is_held(held: np.ndarray) -> None:
    """Shifts of random knots are sorted and distinct, and keep the ends and the held knots."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        knots = np.unique(np.concatenate([[0, 10], rng.uniform(0, 10, 14), held]))
        found = shifted(knots, wave(knots), held)
        assert len(found)
        assert (found[:, 0] == 0).all()
        assert (found[:, -1] == 10).all()
        assert (np.diff(found) > 0).all()
        assert np.isin(held, found).all()
        for row in found:
            assert np.isin(held, row).all()
            assert not np.allclose(row, knots)
        assert len(np.unique(found.round(12), axis=0)) == len(found)


def test_a_held_knot_bounds_a_stretch() -> None:
    """Shifts exchange whole pieces between the two sides of a held knot."""
    knots = np.linspace(-1, 1, 9)
    found = shifted(knots, np.diff(knots**2), knots[4:5])
    assert sorted((found < 0).sum(axis=1)) == [3, 5]
