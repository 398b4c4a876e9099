"""Standardising and folding back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relufit import RelufitError, init_params, sample, targets
from relufit.network import dense
from relufit.network.scaling import Scaling


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e6), st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_folding_back_changes_nothing(x_shift: float, x_scale: float, y_shift: float, y_scale: float) -> None:
    """The raw network on raw x is the scaled one on scaled x, to the rounding that the shift allows."""
    rng = np.random.default_rng(0)
    x, y = x_shift + x_scale * rng.standard_normal((50, 1)), y_shift + y_scale * rng.standard_normal((50, 1))
    scaling = Scaling.of(x, y)
    params = init_params(20, domain=(-2, 2), dtype="float64")
    scaled = dense.forward(params, scaling.scale_x(x), xp=np)
    raw = dense.forward(scaling.unscale(params), x, xp=np)
    ratio = 1 + np.abs(x).max() / x.std()  # how much the shift costs
    np.testing.assert_allclose(scaling.scale_y(raw), scaled, atol=1e-13 * ratio * (1 + np.abs(y).max() / y.std()))


def test_scales_are_powers_of_two_near_the_spread() -> None:
    """Scales are powers of two near the spread, so that dividing by them is exact."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1000, 2)) * [3.0, 1e5] + [7, -2]
    scaling = Scaling.of(x, x)
    assert np.all(np.log2(scaling.x_scale) % 1 == 0)
    assert np.log2(scaling.y_scale) % 1 == 0
    scaled = scaling.scale_x(x)
    assert scaled.mean(axis=0) == pytest.approx([0, 0], abs=1e-6)
    assert np.all((scaled.std(axis=0) > 0.7) & (scaled.std(axis=0) < 1.5))
    assert scaling.loss_unit == scaling.y_scale**2


@pytest.mark.parametrize("constant", [0.0, 5.0, 0.1, -1e9 / 3])
def test_constant_columns_have_a_scale(constant: float) -> None:
    """The scale of a constant x is 1, and of a constant y about its rounding, which is not divided by."""
    column = np.full((7, 1), constant)
    scaling = Scaling.of(column, column)
    assert scaling.x_scale.tolist() == [1.0]
    assert 0 < scaling.y_scale <= 32 * np.finfo(float).eps * abs(constant) + 1e-150
    assert np.abs(scaling.scale_y(column)).max() <= 1


@pytest.mark.parametrize("columns", [1, 2])
def test_weights_are_repetitions(columns: int) -> None:
    """The scaling of weighted samples is that of samples so many times; none has the scaling of ones."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 2)) * [3, 1e5] + 7, rng.standard_normal((50, columns)) * 20
    weight = rng.integers(1, 5, 50)
    x[weight == 4], y[weight == 4] = x[weight == 4] * 30, y[weight == 4] - 500
    found, wanted = Scaling.of(x, y, weight), Scaling.of(np.repeat(x, weight, axis=0), np.repeat(y, weight, axis=0))
    np.testing.assert_allclose(found.x_shift, wanted.x_shift, rtol=1e-12)
    np.testing.assert_allclose(found.y_shift, wanted.y_shift, rtol=1e-12)
    np.testing.assert_array_equal(found.x_scale, wanted.x_scale)
    assert found.y_scale == wanted.y_scale
    assert abs(found.y_shift[0] - Scaling.of(x, y).y_shift[0]) > 10
    np.testing.assert_allclose(Scaling.of(x, y, np.ones(50)).y_shift, Scaling.of(x, y).y_shift, rtol=1e-12)


@pytest.mark.parametrize("text", ["exp(-1e9*x**2)", "exp(-1e9*(x - 0.1234567)**2)", "3 + 1e-290*x + exp(-1e9*x**2)"])
def test_a_peak_between_the_samples_is_seen(text: str) -> None:
    """A peak is seen whose samples are all 0, or as good as, so that their spread is not divided by."""
    x, y = sample(targets.parse(text, (-1, 1)))
    scaling = Scaling.of_function(targets.parse(text, (-1, 1)), x, y)
    assert Scaling.of(x, y).y_scale < 1e-13
    assert 1e-5 < scaling.y_scale < 1
    assert scaling.x_scale == Scaling.of(x, y).x_scale


@pytest.mark.parametrize("text", ["sin(x)", "1e-200*sin(x)", "1/(1e-5 + abs(x))", "1e9 + x"])
def test_a_function_that_samples_show_is_scaled_by_them(text: str) -> None:
    """A function that samples show is scaled by them, whatever its size."""
    target = targets.parse(text, (-1, 1))
    x, y = sample(target)
    assert Scaling.of_function(target, x, y) == Scaling.of(x, y)


@pytest.mark.parametrize("y", [np.full((3, 1), 1e300), np.array([[1e300], [-1e300], [0.0]])])
def test_what_has_no_square_is_refused(y: np.ndarray) -> None:
    """Values without a square in floating point are refused, a constant too, whose rounding is large."""
    with pytest.raises(RelufitError, match="their squares overflow"):
        Scaling.of(np.arange(3.0)[:, None], y)


@pytest.mark.parametrize("unit", [1e-160, 1e-300, 5e-324])
def test_what_varies_by_too_little_is_refused(unit: float) -> None:
    """Values that vary, but too little for float64, are an error; constants, exact or up to rounding, are not."""
    x = np.linspace(-2, 2, 9)[:, None]
    for found, match in (((x * unit, x), "^x varies"), ((x, x * unit), "^y varies")):
        with pytest.raises(RelufitError, match=match):
            Scaling.of(*found).demand_spread(*found)
    wide = np.concatenate([x, x * unit], axis=1)
    with pytest.raises(RelufitError, match="column 1 of x"):
        Scaling.of(wide, x).demand_spread(wide, x)
    Scaling.of(x, wide).demand_spread(x, wide)
    for constant in (np.full_like(x, unit), 0 * x, 1e9 / 3 + 1e-7 * np.sign(x)):
        Scaling.of(constant, constant).demand_spread(constant, constant)


def test_an_offset_of_one_output_is_no_spread_of_another() -> None:
    """Columns near 0 and near a million each keep their own variation."""
    x = np.linspace(-3, 3, 100)[:, None]
    y = np.concatenate([np.sin(x), 1e6 + np.cos(x)], axis=1)
    scaled = Scaling.of(x, y).scale_y(y)
    assert np.all(scaled.std(axis=0) > 0.5)
