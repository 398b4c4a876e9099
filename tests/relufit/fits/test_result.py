"""What a fit says of itself; as a piecewise-linear function, which predict evaluates."""

import pickle

import numpy as np
import pytest
from random_networks import EPS

from relufit import Fit, Params, PiecewiseLinear, RelufitError, fit
from relufit.backends.evaluation import evaluate
from relufit.fits.result import History

X = np.linspace(-3.0, 5.0, 50)


def fit_of(params: Params, x: np.ndarray, y: np.ndarray | None = None) -> Fit:
    """A Fit with these weights, of samples x (N, D)."""
    y = np.zeros((len(x), len(params.b2))) if y is None else y
    return Fit(params, History(), {}, None, x, y)  # type: ignore[arg-type]


def test_a_spline_is_its_pieces() -> None:
    """The pieces of a spline reach from one end of the domain to the other, and predict has their values."""
    found = fit("sin", solver="spline", hidden=32)
    pieces = found.to_piecewise()
    assert (pieces.x[0], pieces.x[-1]) == found.target.domain
    assert len(pieces.slopes) in (32, 33)
    x = np.linspace(-10, 10, 1001)
    np.testing.assert_array_equal(pieces(x), found.predict(x))
    np.testing.assert_allclose(found.predict(x), evaluate(found.params, x[:, None])[:, 0], rtol=0, atol=1e-13)
    np.testing.assert_array_equal(found.predict(pieces.x), pieces.y)
    assert len(pieces.to_params().b1) <= 33


def test_breaks_outside_the_data_are_left_out() -> None:
    """A network with knots beyond the data goes on from its pieces straight, and predict follows the network."""
    params = Params(np.ones((1, 3)), np.array([7.0, 0.0, -9.0]), np.array([[1.0], [2.0], [4.0]]), np.zeros(1))
    found = fit_of(params, X[:, None])
    pieces = found.to_piecewise()
    np.testing.assert_array_equal(pieces.x, [-3, 0, 5])
    assert (pieces.left_slope, pieces.right_slope) == (1.0, 3.0)
    np.testing.assert_array_equal(found.predict([-8.0, -3.0, 10.0]), [0.0, 4.0, 41.0])
    np.testing.assert_array_equal(pieces([-8.0, 10.0]), [-1.0, 37.0])
    assert found.predict(np.inf) == np.inf
    assert found.predict(-np.inf) == 0


def test_several_outputs() -> None:
    """There is a column of y for each output, and the function gives (..., O)."""
    found = fit(X, np.stack([np.sin(X), X**2], axis=1), hidden=16, epochs=2, progress=False)
    pieces = found.to_piecewise()
    assert pieces.y.shape == (len(pieces.x), 2)
    inside = X[(pieces.x[0] <= X) & (pieces.x[-1] >= X)]
    np.testing.assert_array_equal(pieces(inside), found.predict(inside[:, None]))
    params = pieces.to_params()
    scale = np.abs(pieces.y).max() + (np.maximum(X[:, None] * params.w1 + params.b1, 0) @ np.abs(params.w2)).max()
    np.testing.assert_allclose(evaluate(params, X[:, None]), pieces(X), rtol=0, atol=8 * EPS * scale)


def test_units_of_large_data_are_kept() -> None:
    """Pieces of seconds since 1970 and values near 1e6 are in these units."""
    seconds = 1.7e9 + np.arange(40.0)
    pieces = fit(seconds, 1e6 + np.abs(np.arange(40.0) - 20), solver="spline", hidden=2).to_piecewise()
    np.testing.assert_allclose(pieces.x, 1.7e9 + np.array([0, 20, 39]), atol=1e-3)
    np.testing.assert_allclose(pieces.y, 1e6 + np.array([20, 0, 19]), atol=1e-3)


def test_what_has_no_pieces_is_refused() -> None:
    """Several inputs, and data of one x, are errors; predict evaluates both."""
    table = fit(np.stack([X, X**2], axis=1), X, hidden=4, epochs=1, progress=False)
    with pytest.raises(RelufitError, match="one input has pieces, not one of 2 inputs"):
        table.to_piecewise()
    assert table.predict([[1.0, 1.0]]).shape == (1, 1)
    point = fit([2.0, 2.0], [1.0, 3.0], solver="spline")
    with pytest.raises(RelufitError, match=r"all x are 2\.0"):
        point.to_piecewise()
    np.testing.assert_allclose(point.predict([2.0, 9.0]), [2.0, 2.0])


def test_a_network_that_overflows_is_evaluated_all_the_same() -> None:
    """Where float64 cannot hold the pieces, predict gives what the network's formula gives."""
    found = fit_of(Params(np.array([[1e200]]), np.zeros(1), np.array([[1e200]]), np.ones(1)), X[:, None])
    np.testing.assert_array_equal(found.predict([-1.0, 1.0]), [1.0, np.inf])
    np.testing.assert_array_equal(found.to_numpy_function()([-1.0, 1.0]), [1.0, np.inf])
    with pytest.raises(RelufitError, match="not finite on"):
        found.to_piecewise()


def test_the_function_of_numpy_has_the_bits_of_predict() -> None:
    """Both evaluate the same pieces."""
    found = fit("sin", hidden=64, epochs=3, progress=False)
    x = np.linspace(-20, 20, 500)
    np.testing.assert_array_equal(found.to_numpy_function()(x), found.predict(x))


def test_weights_cannot_be_written_to() -> None:
    """The weights of a fit cannot change under what is cached of them; arrays given to it can."""
    weights = np.ones((1, 1))
    found = fit_of(Params(weights, np.zeros(1), np.ones((1, 1)), np.zeros(1)), X[:, None])
    with pytest.raises(ValueError, match="read-only"):
        found.params.w1[0, 0] = 2.0
    assert weights.flags.writeable


def test_a_fit_that_has_predicted_can_be_pickled() -> None:
    """What is cached is no obstacle, and the copy predicts alike."""
    found = fit("abs", solver="spline", hidden=2)
    wanted = found.predict(X)
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.predict(X), wanted)
    assert isinstance(again.to_piecewise(), PiecewiseLinear)
    assert again.to_piecewise() == found.to_piecewise()


def test_a_printed_fit_is_an_aligned_table() -> None:
    """print(fit) names what was fitted, the units, the solver, errors, R^2 and seconds, one in each line."""
    lines = str(fit("sin(x)", hidden=64)).splitlines()
    assert [line[:11].rstrip() for line in lines] == [
        "function", "hidden", "solver", "mse", "max error", "R^2", "seconds",
    ]  # fmt: skip
    assert lines[:3] == ["function   sin(x)", "hidden     64", "solver     spline"]
    assert lines[5] == "R^2        0.999999"
    assert str(fit(range(9), range(9))).startswith("data       9 samples\n")


def test_the_interval_of_a_fit() -> None:
    """The interval is the domain of a function, or that of the samples; several inputs have bounds instead."""
    x = np.array([[3.0, 1.0], [5.0, -2.0], [4.0, 0.0]])
    assert fit("sin(x)", domain=(1, 2), hidden=2).domain == (1.0, 2.0)
    assert fit(x[:, 0], x[:, 1], hidden=1).domain == (3.0, 5.0)
    both = fit(x, x[:, 0], hidden=2, epochs=1, progress=False)
    np.testing.assert_array_equal(both.bounds, [[3, -2], [5, 1]])
    with pytest.raises(RelufitError, match="a fit of 2 inputs has no interval"):
        both.domain  # noqa: B018
