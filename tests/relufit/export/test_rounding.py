"""Weights in another precision: rounded where that is harmless, refused where it loses the network."""

import numpy as np
import pytest

from relufit import Params, RelufitError, fit, init_params
from relufit.export.rounding import POINTS, pick_points, round_params


def test_weights_are_rounded_and_copied() -> None:
    """Weights are rounded to the nearest and copied, in rows, into memory of their own."""
    params = init_params(9, 3, 2, dtype="float64")
    params = params._replace(w1=np.asfortranarray(params.w1))
    x = np.random.default_rng(0).normal(size=(50, 3))
    for dtype in ("float32", "float64"):
        for found, wanted in zip(round_params(params, x, dtype), params, strict=True):
            np.testing.assert_array_equal(found, wanted.astype(dtype))
            assert found.dtype == dtype
            assert found.flags.c_contiguous
            assert not np.shares_memory(found, wanted)


def test_a_fit_of_timestamps_stays_float64() -> None:
    """A fit of timestamps is refused in float32, where terms of 1e9 leave nothing of outputs near 1."""
    x = 1.7e9 + np.linspace(0, 1e3, 200)
    result = fit(x, np.sin(x / 2e2), hidden=16, epochs=20, progress=False)
    assert round_params(result.params, result.x, "float64").w1.dtype == np.float64
    with pytest.raises(RelufitError, match=r"float32 cannot hold this network: outputs of up to .* would be off by"):
        round_params(result.params, result.x, "float32")


def test_a_weight_beyond_float32_is_refused() -> None:
    """A weight of 1e200 is refused, for it is inf in float32, and inf - inf is no agreement."""
    params = Params(np.array([[1e-200]]), np.zeros(1), np.array([[1e200]]), np.zeros(1))
    assert round_params(params, [1.0], "float64") == params
    with pytest.raises(RelufitError, match="cannot hold"):
        round_params(params, [1.0], "float32")


def test_points_are_spread_over_all() -> None:
    """The points tried are all of a few, and some of many, the first among them."""
    params = init_params(3, 2)
    few, many = np.ones((7, 2)), np.arange(20_000.0).reshape(-1, 2)
    assert len(pick_points(params, few)) == 7
    chosen = pick_points(params, many)
    assert POINTS <= len(chosen) < 2 * POINTS
    assert chosen[0, 0] == 0
    assert chosen[-1, 0] > 19_700
