"""Tables as they come: outliers, scales from 1e-9 to 1e9, weights of any size, one x for all."""

from typing import Any

import numpy as np
import pytest

from relufit import Fit, RelufitError, fit

X = np.random.default_rng(0).uniform(-1, 1, 200)
Y = np.sin(5 * X)


def spline(x: np.ndarray, y: np.ndarray, **options: object) -> Fit:
    """The spline of all samples."""
    return fit(x, y, solver="spline", test_fraction=0.0, progress=False, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("far", [1e3, 1e6, 1e9])
def test_an_outlying_x_spoils_nothing(far: float) -> None:
    """An outlying x takes one piece more, where the others' moments would cancel about the middle of the range."""
    assert spline(np.append(X, far), np.append(Y, 0.0), hidden=8).metrics["mse"] < 0.01 * np.var(Y)


def test_x_of_many_scales() -> None:
    """A table with x of many scales is fitted, although some fall together beside the mean of all."""
    result = spline(np.logspace(-10, 10, 300), np.sin(np.linspace(0, 6, 300)))
    assert result.metrics["mse"] < 0.2 * 0.5


@pytest.mark.parametrize("size", [1e-323, 1e-310, 1e-100, 1e100, 1e300])
def test_weights_of_any_size(size: float) -> None:
    """A common factor of all weights changes nothing."""
    wanted = spline(X, Y, hidden=6).predict(X)
    np.testing.assert_allclose(spline(X, Y, hidden=6, weight=np.full(200, size)).predict(X), wanted, atol=1e-9)


def test_weights_of_many_sizes() -> None:
    """Weights from 1e-25 to 1e25 are accepted; most are negligible beside the largest."""
    weight = np.exp(np.random.default_rng(1).normal(size=200) * 20)
    result = spline(X, Y, weight=weight)
    assert result.metrics["mse"] < 1e-3
    assert 10 < len(result.x) < 30


@pytest.mark.parametrize("solver", ["spline", "lbfgs"])
def test_samples_of_weight_zero_are_not_there(solver: str) -> None:
    """A sample of weight zero changes nothing, whatever its values."""
    weight = np.append(np.ones(200), np.zeros(50))
    x, y = np.append(X, np.full(50, 1e12)), np.append(Y, np.full(50, 1e12))
    options: dict[str, object] = {"solver": solver, "hidden": 8, "progress": False}
    options |= {} if solver == "spline" else {"epochs": 20, "dtype": "float64"}
    found = fit(x, y, weight=weight, **options)  # type: ignore[arg-type]
    plain = fit(X, Y, weight=np.ones(200), **options)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.predict(X), plain.predict(X))
    few = fit(np.arange(100.0), np.arange(100.0), weight=np.arange(100) < 3, solver="spline")
    assert np.isfinite(few.metrics["test_mse"])


@pytest.mark.parametrize("hidden", [None, "auto", 1])
def test_one_x_is_fitted_by_a_constant(hidden: int | str | None) -> None:
    """A table of one x is fitted by its weighted mean; more units are refused."""
    result = spline(np.full(4, 3.0), np.array([1.0, 2.0, 3.0, 4.0]), hidden=hidden, weight=[1, 1, 1, 5])
    np.testing.assert_allclose(result.predict([-1e9, 3.0, 1e9]), 3.25)
    assert result.metrics["mse"] == pytest.approx(1.1875)
    assert result.history.loss == pytest.approx([1.1875])
    with pytest.raises(RelufitError):
        spline(np.full(4, 3.0), np.arange(4.0), hidden=2)


@pytest.mark.parametrize("solver", ["spline", "lbfgs"])
@pytest.mark.parametrize("size", [1e-320, 1e-200, 1e-160, 1e-150, pytest.param(1e-30, marks=pytest.mark.slow), 1e99])
def test_numbers_of_any_size(solver: str, size: float) -> None:
    """Numbers of any size are fitted without warnings or nan, or refused with a sentence if squares underflow."""
    for x, y in ((X * size, Y), (X, Y * size)):
        if size < 1e-154:
            with pytest.raises(RelufitError, match=r"varies by .* multiply it by a constant"):
                fit(x, y, solver=solver, hidden=10, progress=False)
            continue
        options: dict[str, Any] = {} if solver == "spline" else {"hidden": 10, "epochs": 50}
        result = fit(x, y, solver=solver, progress=False, **options)
        error = (result.predict(x) - y) / np.abs(y).max()
        assert np.mean(error**2) < 0.05


@pytest.mark.parametrize("level", [0.0, 1e-30, 0.1, 1e20])
@pytest.mark.parametrize("solver", ["adam", "lbfgs", "spline"])
def test_a_constant_is_fitted_to_its_rounding(solver: str, level: float) -> None:
    """A constant is fitted to its rounding, and nothing of the initial weights is left."""
    options: dict[str, Any] = {} if solver == "spline" else {"epochs": 50, "dtype": "float64"}
    result = fit(X, np.full(200, level), solver=solver, hidden=10, progress=False, **options)
    assert np.abs(result.predict(X) - level).max() <= 1e-13 * level + 1e-150
