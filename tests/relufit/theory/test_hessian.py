"""The curvature of the loss where numbers are large; test_theory.py has it where they are not."""

import contextlib

import numpy as np
import pytest

from relufit import Params, RelufitError, init_params, theory


def test_large_numbers_have_a_rate_as_long_as_there_is_one() -> None:
    """The rate goes with the inverse square of the weights; beyond floating point a sentence says so."""
    start, x = init_params(6, domain=(-2, 2), dtype="float64"), np.linspace(-2, 2, 60)
    y = np.zeros(len(x))
    rates = [
        theory.largest_stable_learning_rate(Params(*(p * size for p in start)), x, y) * size**2
        for size in (1e20, 1e100, 1e140)
    ]
    np.testing.assert_allclose(rates, rates[0], rtol=1e-5)
    for size in (1e153, 1e154, 1e155, 1e200, 1e300):
        with contextlib.suppress(RelufitError):
            assert theory.largest_stable_learning_rate(Params(*(p * size for p in start)), x, y) < 1e-300
    with pytest.raises(RelufitError, match="too large"):
        theory.largest_stable_learning_rate(Params(*(p * 1e200 for p in start)), x, y)
