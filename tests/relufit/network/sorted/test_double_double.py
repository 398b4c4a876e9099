"""Sums and products of 106 bits, against fractions."""

from fractions import Fraction

import numpy as np

from relufit.network.sorted.double_double import DoubleDouble, product, running_sums


def test_a_product_is_exact() -> None:
    """High and low part are the product, for factors of any size."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=500) * 10.0 ** rng.integers(-100, 100, 500), rng.normal(size=500) * 1e200
    a[:2] = 0.0, -0.0
    found = product(a, b)
    for left, right, high, low in zip(*map(np.ndarray.tolist, (a, b, *found)), strict=True):
        assert Fraction(left) * Fraction(right) == Fraction(high) + Fraction(low)
        assert high == left * right


def test_running_sums_do_not_cancel() -> None:
    """Sums of terms that cancel to a 10^27th part are exact, in every column."""
    big = np.array([1e15, 1.0, -1e15, 3.0, 2.0**-40, -4.0])
    terms = np.stack([big, 2 * big], axis=1)
    found = running_sums(DoubleDouble(terms, np.zeros_like(terms)))
    np.testing.assert_array_equal(found.high[:, 0], [0, 1e15, 1e15 + 1, 1, 4, 4 + 2.0**-40, 2.0**-40])
    np.testing.assert_array_equal(found.high[:, 1], 2 * found.high[:, 0])


def test_a_line_is_evaluated_without_cancellation() -> None:
    """1e20 x - 1e20 at the float after 1 is right to the last bit."""
    x = np.array([1 + 2.0**-52])
    found = product(np.array([1e20]), x).plus(DoubleDouble(np.array([-1e20]), np.zeros(1)))
    assert found.high[0] == 1e20 * 2.0**-52
    assert DoubleDouble(np.array([1.0]), np.array([2.0**-60])).times(np.array([3.0])).low[0] == 3 * 2.0**-60
