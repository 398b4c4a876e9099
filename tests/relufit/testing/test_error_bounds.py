"""The bounds are wide enough that right answers pass and tight enough that wrong ones do not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.agreement.answers import check, compare, worst
from relufit import Params, Sizes
from relufit.backends.numpy import NumpyBackend
from relufit.testing.definitions import exact_grads, exact_loss
from relufit.testing.error_bounds import QUANTITIES, growth, lost, reference
from relufit.testing.problems import problem


@pytest.mark.parametrize("sizes", [Sizes(30, 1, 9, 1), Sizes(17, 3, 5, 2)])
def test_the_reference_is_the_definition(sizes: Sizes) -> None:
    """The reference equals what is computed sample by sample, over all samples."""
    params, x, y = problem(sizes, "float64")
    exact = reference(params, x, y)
    assert float(exact.values["loss"]) == pytest.approx(exact_loss(params, x, y), rel=1e-13)
    for found, wanted in zip(exact.grads, exact_grads(params, x, y), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-13)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference of a large batch is computed in chunks, bounds included."""
    params, x, y = problem(Sizes(50, 2, 8, 2), "float32")
    whole = reference(params, x, y)
    monkeypatch.setattr("relufit.testing.error_bounds.CHUNK_ELEMENTS", 8 * 7)
    parts = reference(params, x, y)
    for name in QUANTITIES:
        np.testing.assert_allclose(parts.values[name], whole.values[name], rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(parts.bounds[name], whole.bounds[name], rtol=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 300), st.integers(1, 3), st.integers(1, 64), st.integers(1, 3), st.integers(0, 10**6),
    st.sampled_from([1e-3, 1.0, 1e3]), st.sampled_from(["float32", "float64"]),
)  # fmt: skip
def test_right_answers_pass(n: int, d: int, h: int, o: int, seed: int, scale: float, dtype: str) -> None:
    """Random networks and data, large and small, with samples on knots: numpy in either precision is within bounds."""
    params, x, y = problem(Sizes(n, d, h, o), dtype, seed)
    x = (np.round(x, 1) * scale).astype(dtype)
    params = params._replace(b1=-np.sum(params.w1 * x[np.arange(h) % n].T, axis=0).astype(dtype))  # knots on samples
    checks = compare(NumpyBackend(), params, x, y, reference(params, x, y))
    assert worst(checks)[1].share <= 1


def test_sequential_float32_sums_pass() -> None:
    """The worst order of summation that anyone would write, one term after the other, is within the bound."""
    params, x, y = problem(Sizes(20_000, 1, 16, 1), "float32")
    exact = reference(params, x, y)
    z = x * params.w1 + params.b1
    error = np.cumsum(np.maximum(z, 0) * params.w2[:, 0], axis=1, dtype=np.float32)[:, -1:] + params.b2 - y
    dz = np.where(z > 0, np.float32(2 / 20_000) * error * params.w2[:, 0], np.float32(0))
    found = np.cumsum(dz, axis=0, dtype=np.float32)[-1]
    assert 0.001 < check(found, exact.values["b1"], exact.bounds["b1"]).share <= 1


@pytest.mark.parametrize(
    "change", [lambda g: g * 1.001, lambda g: np.where(np.arange(g.size) == 3, g * 1.03, g), lambda g: -g]
)
def test_wrong_gradients_do_not_pass(change: object) -> None:
    """Gradients that are off by a thousandth, in one array by three hundredths, or in sign, do not pass."""
    params, x, y = problem(Sizes(800, 1, 64, 1), "float32")
    exact = reference(params, x, y)
    wrong = change(exact.values["b1"]).astype(np.float32)  # type: ignore[operator]
    assert check(wrong, exact.values["b1"], exact.bounds["b1"]).share > 1


def test_growth_is_the_smaller_of_the_two_bounds() -> None:
    """Rounding grows linearly for short sums and by the square root for long ones."""
    assert growth(1) == 1
    assert growth(36) == 36
    assert growth(10_000) == 600


def test_a_long_sum_may_lose_more_but_not_much() -> None:
    """A float32 sum may lose next to nothing more at the grid's sizes, and at any size a hundredth at most."""
    unit = 2.0**-24
    assert lost(65_536, unit) < 0.05 * growth(65_536)
    assert growth(10**6) < lost(10**6, unit) < 3 * growth(10**6)
    assert lost(10**9, unit) * unit == 0.01
    assert lost(10**9, 2.0**-53) * 2.0**-53 < 1e-9


@pytest.mark.parametrize("repeats", [1, 7])
def test_repeated_samples_have_the_same_answer_and_a_wider_bound(repeats: int) -> None:
    """Means over the samples again and again are those of once; numpy passes, and the bounds allow for equal errors."""
    params, x, y = problem(Sizes(400, 1, 64, 1), "float32")
    once, exact = reference(params, x, y), reference(params, x, y, repeats)
    for name in QUANTITIES:
        np.testing.assert_array_equal(exact.values[name], once.values[name])
        assert (exact.bounds[name] >= once.bounds[name]).all()
    tiled = np.tile(x, (repeats, 1)), np.tile(y, (repeats, 1))
    assert worst(compare(NumpyBackend(), params, *tiled, exact))[1].share <= 1


def test_a_flipped_mask_is_allowed_only_at_the_kink() -> None:
    """The whole contribution of a unit may go where z rounds to the other side of 0, and nowhere else."""
    x, y = np.full((1, 1), 3.0, np.float32), np.zeros((1, 1), np.float32)
    w1 = np.full((1, 1), 1 / 3, np.float32)
    at_kink = Params(w1, -w1[0] * x[0], np.ones((1, 1), np.float32), np.ones(1, np.float32))
    exact = reference(at_kink, x, y)
    contribution = 2 * float(exact.values["output"][0, 0])
    assert check(np.array([contribution]), exact.values["b1"], exact.bounds["b1"]).share <= 1
    away = at_kink._replace(b1=at_kink.b1 - np.float32(0.1))
    exact = reference(away, x, y)
    assert check(np.array([contribution]), exact.values["b1"], exact.bounds["b1"]).share > 1
