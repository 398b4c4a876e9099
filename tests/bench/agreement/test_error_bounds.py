"""The gate's bounds: rigorous enough that right answers pass, tight enough that wrong ones do not."""

import numpy as np
import pytest
from conformance import problem
from exact import exact_grads, exact_loss
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.agreement.error_bounds import (
    QUANTITIES,
    Check,
    check,
    check_gradient,
    compare,
    demand,
    growth,
    lost,
    reference,
    worst,
)
from bench.journal.status import Disagreement
from relufit import Params, Sizes
from relufit.backend import Samples
from relufit.backends.numpy import NumpyBackend


@pytest.mark.parametrize("sizes", [Sizes(30, 1, 9, 1), Sizes(17, 3, 5, 2)])
def test_the_reference_is_the_definition(sizes: Sizes) -> None:
    """The reference equals what is computed sample by sample, over several blocks."""
    params, x, y = problem(sizes, "float64")
    exact = reference(params, x, y)
    assert float(exact.values["loss"]) == pytest.approx(exact_loss(params, x, y), rel=1e-13)
    for found, wanted in zip(exact.grads, exact_grads(params, x, y), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-13)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference of a large batch is worked off in blocks, bounds included."""
    params, x, y = problem(Sizes(50, 2, 8, 2), "float32")
    whole = reference(params, x, y)
    monkeypatch.setattr("bench.agreement.error_bounds.BLOCK_ELEMENTS", 8 * 7)
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


def test_what_is_not_a_number_or_has_another_shape_never_passes() -> None:
    """Values of nan and inf and a missing axis are infinitely wrong."""
    exact, bound = np.ones((3, 1)), np.full((3, 1), 1e9)
    for found in (np.full((3, 1), np.nan), np.full((3, 1), np.inf), np.ones(3), np.ones((3, 2))):
        assert check(found, exact, bound).share == float("inf")
        with pytest.raises(Disagreement):
            demand({"output": check(found, exact, bound)})


def test_the_worst_quantity_is_named() -> None:
    """The complaint names the worst quantity with its error, its bound and how many times too large it is."""
    checks = {"loss": Check(1.0, 2.0, 0.5), "w1": Check(3.0, 1.0, 3.0)}
    with pytest.raises(Disagreement, match=r"w1 is off by 3 where 1 is allowed \(3 times\)"):
        demand(checks)
    demand({"loss": checks["loss"]})


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


class Forgetful(NumpyBackend):
    """A mutant that leaves out the last samples, as a loop over whole blocks would, or a thousandth of the output."""

    def __init__(self, samples: int = 0, output: int = 0) -> None:
        super().__init__()
        self.samples_left_out, self.output_left_out = samples, output

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[object, Params]:
        return super().loss_and_grads(params, samples.take(slice(0, len(samples) - self.samples_left_out)))

    def forward(self, params: Params, x: np.ndarray) -> np.ndarray:
        y = super().forward(params, x)
        y[len(y) - self.output_left_out :] = 0
        return y


def test_mutants_are_caught_over_repeated_samples() -> None:
    """Backends that forget the last samples or end too early are caught over repeats; the sound one passes."""
    params, x, y = problem(Sizes(1000, 1, 64, 1), "float32")
    exact = reference(params, x, y, 20)
    tiled = np.tile(x, (20, 1)), np.tile(y, (20, 1))
    demand(compare(Forgetful(), params, *tiled, exact))
    with pytest.raises(Disagreement):
        demand(compare(Forgetful(samples=500), params, *tiled, exact))
    with pytest.raises(Disagreement, match="output"):
        demand(compare(Forgetful(output=3), params, *tiled, exact))


@pytest.mark.parametrize(("factor", "passes"), [(1.0, True), (1 + 5e-4, True), (1 + 2e-3, False)])
def test_a_gradient_that_lost_more_than_a_thousandth_is_of_no_use(factor: float, passes: bool) -> None:
    """A gradient off by more than a thousandth is refused, even if each element is within its bound."""
    params, x, y = problem(Sizes(1000, 1, 64, 1), "float32")
    exact = reference(params, x, y, 20_000)
    found = {name: value * factor for name, value in exact.values.items()}
    assert all(check(found[name], exact.values[name], exact.bounds[name]).share <= 1 for name in ("w1", "b1", "b2"))
    of_all = check_gradient(found, exact)
    assert of_all.error == pytest.approx(factor - 1, abs=1e-12)
    assert (of_all.share <= 1) == passes
    assert check_gradient({**found, "w1": found["w1"][:, :3]}, exact).share == float("inf")


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
