"""Drawing the inputs of a case."""

import numpy as np
import pytest

from bench.grid.case import Case
from bench.grid.data import draw


def test_a_case_draws_the_same_inputs_each_time() -> None:
    """A case draws the same inputs each time, in its dtype and with as many samples as it asks for."""
    case = Case("gradient", 20, 6, "float64", 3, 2)
    params, x, y = draw(case)
    assert (x.shape, y.shape, params.w1.shape, params.w2.shape) == ((20, 3), (20, 2), (3, 6), (6, 2))
    assert {a.dtype.name for a in (*params, x, y)} == {"float64"}
    np.testing.assert_array_equal(x, draw(case)[1])
    assert len(draw(case, 7)[1]) == 7


def test_many_samples_are_drawn_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many samples drawn in pieces are the same whatever follows them, and are kept for the next backend."""
    monkeypatch.setattr("bench.grid.data.MANY_SAMPLES", 100)
    monkeypatch.setattr("bench.grid.data.PIECE", 64)
    case = Case("scaling", 150, inputs=2)
    _, x, y = draw(case)
    assert (x.shape, y.shape, x.dtype, y.dtype) == ((150, 2), (150, 1), np.float32, np.float32)
    np.testing.assert_allclose(y[:, 0], np.sin(x[:, 0]), atol=1e-6)
    assert len(np.unique(x)) > 290
    assert np.abs(x).max() <= np.float32(2 * np.pi)
    assert draw(case)[1] is x
    np.testing.assert_array_equal(draw(Case("scaling", 150))[1][:, 0], x[:, 0])
