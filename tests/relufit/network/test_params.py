"""Initial weights: sizes, seeds, schemes and what is refused."""

from fractions import Fraction

import numpy as np
import pytest

from relufit import RelufitError, init_params
from relufit.errors import check_domain, check_positive
from relufit.network.params import SCHEMES


@pytest.mark.parametrize("scheme", SCHEMES)
def test_shapes_and_dtype(scheme: str) -> None:
    """Each scheme draws the four arrays in the dtype asked for."""
    params = init_params(7, 3, 2, scheme=scheme, dtype="float64")
    assert [p.shape for p in params] == [(3, 7), (7,), (7, 2), (2,)]
    assert {p.dtype.name for p in params} == {"float64"}


def test_float32_is_float64_rounded() -> None:
    """Both precisions start from the same network."""
    for single, double in zip(init_params(50), init_params(50, dtype="float64"), strict=True):
        np.testing.assert_array_equal(single, double.astype(np.float32))


def test_the_seed_decides() -> None:
    """The same seed gives the same weights, another seed others."""
    np.testing.assert_array_equal(init_params(9, seed=4).w1, init_params(9, seed=4).w1)
    assert not np.array_equal(init_params(9, seed=4).w1, init_params(9, seed=5).w1)


@pytest.mark.parametrize("domain", [(-2 * np.pi, 2 * np.pi), (10.0, 11.0)])
def test_spread_puts_every_knot_inside_the_domain(domain: tuple[float, float]) -> None:
    """For D = 1 the knots -b1/w1 are uniform over the domain."""
    params = init_params(4000, domain=domain, dtype="float64")
    knots = -params.b1 / params.w1[0]
    assert knots.min() >= domain[0] - 1e-9
    assert knots.max() <= domain[1] + 1e-9
    assert knots.mean() == pytest.approx(sum(domain) / 2, abs=0.03 * (domain[1] - domain[0]))
    assert params.w1.var() == pytest.approx(2, rel=0.1)
    assert params.w2.var() == pytest.approx(2 / 4000, rel=0.1)


def test_torch_draws_what_linear_draws() -> None:
    """The scheme torch draws weights and biases uniformly within 1/sqrt(fan_in)."""
    params = init_params(900, 4, 3, scheme="torch", dtype="float64")
    for array, fan_in in zip(params, (4, 4, 900, 900), strict=True):
        assert 0.8 / fan_in**0.5 < np.abs(array).max() <= 1 / fan_in**0.5 or array.size < 10


@pytest.mark.parametrize("scheme", ["he", "textbook"])
def test_zero_biases_put_every_knot_at_zero(scheme: str) -> None:
    """The schemes he and textbook put every knot at 0, which is why they hardly fit sin."""
    params = init_params(30, scheme=scheme)
    assert not params.b1.any()
    assert not params.b2.any()


@pytest.mark.parametrize(
    "bad",
    [
        {"hidden": 0},
        {"hidden": -3},
        {"hidden": 2.5},
        {"hidden": True},
        {"inputs": 0},
        {"outputs": 0},
        {"scheme": "xavier"},
        {"dtype": "float16"},
        {"dtype": None},
        {"hidden": 10**13},
        {"hidden": 10**30},
        {"dtype": "no such"},
        {"seed": -1},
        {"seed": "a"},
        {"domain": (1, 1)},
        {"domain": (0, float("inf"))},
        {"domain": 3},
        {"domain": "ab"},
        {"domain": (10**400, 10**401)},
        {"domain": (1, np.nextafter(1, 2))},
        {"domain": (1, 1 + 1e-12)},
        {"domain": (0, 5e-324)},
        {"domain": (0, 1e-200)},
        {"domain": (-1e308, 1e308)},
        {"domain": (-1e160, 1e160)},
        {"domain": (-1e100, 1e100), "dtype": "float32"},
    ],
)
def test_bad_input_is_one_sentence(bad: dict[str, object]) -> None:
    """Bad input raises nothing but a RelufitError, which says what was given."""
    with pytest.raises(RelufitError) as caught:
        init_params(**bad)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_domain_says_how_many_numbers_it_holds() -> None:
    """A domain that holds too few floating-point numbers is refused with their count; the same width at 0 is not."""
    with pytest.raises(RelufitError, match="only about 4504 floating-point numbers"):
        check_domain((1, 1 + 1e-12))
    for domain in ((0, 1e-12), (1, 1 + 1e-10), (-1e-139, 1e-139), (-1e139, 1e139), (1.7e9, 1.7e9 + 1)):
        assert check_domain(domain) == domain


def test_positive_numbers_are_of_any_kind() -> None:
    """A positive number may be Python's or numpy's, but no truth value and no text."""
    for value in (1, 0.5, np.float32(0.5), np.int64(3), Fraction(1, 3)):
        assert check_positive("it", value) == float(value)
    assert check_positive("it", 0, or_zero=True) == 0
    for bad in (True, np.True_, "1", None, 0, -1, float("nan"), float("inf"), 10**400, 1j, np.ones(1)):
        with pytest.raises(RelufitError, match="it must be a positive number"):
            check_positive("it", bad)
    with pytest.raises(RelufitError, match="it must be a number >= 0"):
        check_positive("it", -1, or_zero=True)
