"""The curvature of the loss against a dense Hessian by differences, and the largest stable learning rate."""

import contextlib

import numpy as np
import pytest

from relufit import Params, RelufitError, init_params, theory
from relufit.backends.evaluation import evaluate
from relufit.network import dense
from relufit.theory.hessian import hessian_vector_product


def network(inputs: int, outputs: int, seed: int = 3) -> tuple[Params, np.ndarray, np.ndarray]:
    """A small network with samples that stay away from its knots, so that differences do not cross them."""
    rng = np.random.default_rng(seed)
    params = init_params(6, inputs, outputs, seed=seed, domain=(-2, 2), dtype="float64")
    x = rng.uniform(-2, 2, (60, inputs))
    x = x[(np.abs(x @ params.w1 + params.b1) > 1e-3).all(axis=1)]
    return params, x, rng.normal(size=(len(x), outputs))


def shift(params: Params, direction: np.ndarray, size: float) -> Params:
    """Parameters plus size * direction, where the direction is a flat vector."""
    ends = np.cumsum([p.size for p in params])[:-1]
    return Params(*(p + size * d.reshape(p.shape) for p, d in zip(params, np.split(direction, ends), strict=True)))


def flat_gradient(params: Params, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The gradient in the textbook form, as one vector."""
    return np.concatenate([g.ravel() for g in dense.loss_and_grads_textbook(params, x, y, xp=np)[1]])


def dense_hessian(params: Params, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The Hessian by central differences of the gradient, exact except for rounding and cubic terms."""
    step, columns = 1e-5, []
    for unit in np.eye(sum(p.size for p in params)):
        ahead, behind = (flat_gradient(shift(params, unit, s), x, y) for s in (step, -step))
        columns.append((ahead - behind) / (2 * step))
    return np.array(columns)


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 1), (1, 2), (2, 3)])
def test_hessian_products_and_the_largest_curvature(inputs: int, outputs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Products and the largest curvature agree with the dense Hessian by differences, in one block and in many."""
    params, x, y = network(inputs, outputs)
    hessian = dense_hessian(params, x, y)
    zero = Params(*(np.zeros_like(p) for p in params))
    for rows in (60, 7):
        monkeypatch.setattr("relufit.theory.hessian.BLOCK", rows * 6)
        for column, unit in zip(hessian, np.eye(len(hessian)), strict=True):
            product = hessian_vector_product(params, shift(zero, unit, 1.0), x, y)
            found = np.concatenate([p.ravel() for p in product])
            np.testing.assert_allclose(found, column, atol=1e-8 * np.abs(hessian).max())
    values = np.linalg.eigvalsh((hessian + hessian.T) / 2)
    assert theory.largest_curvature(params, x, y) == pytest.approx(values[-1], rel=2e-6)
    assert theory.largest_stable_learning_rate(params, x, y) == pytest.approx(2 / values[-1], rel=2e-6)


def test_a_negative_curvature_of_larger_size_is_not_taken() -> None:
    """The largest curvature is found although the eigenvalue of largest magnitude is negative."""
    params, x, y = network(1, 1)
    y = np.full_like(y, 1e3)
    values = np.linalg.eigvalsh(dense_hessian(params, x, y))
    assert -values[0] > 0.5 * values[-1]
    assert theory.largest_curvature(params, x, y) == pytest.approx(values[-1], rel=1e-5)
    flipped = 2 * evaluate(params, x) - y  # residuals of the other sign: the other end of the spectrum
    values = np.linalg.eigvalsh(dense_hessian(params, x, flipped))
    assert theory.largest_curvature(params, x, flipped) == pytest.approx(values[-1], rel=1e-5)


def descend(params: Params, x: np.ndarray, y: np.ndarray, rate: float, steps: int) -> float:
    """The loss after full-batch gradient descent."""
    for _ in range(steps):
        params = shift(params, flat_gradient(params, x, y), -rate)
    return float(np.mean((evaluate(params, x) - y) ** 2))


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (2, 2)])
def test_descent_converges_below_the_rate_and_diverges_above_it(inputs: int, outputs: int) -> None:
    """Gradient descent near a minimum converges 2 % below the stable rate, and diverges 2 % above it."""
    params, x, _ = network(inputs, outputs)
    y = evaluate(params, x)
    rate = theory.largest_stable_learning_rate(params, x, y)
    noise = np.random.default_rng(0).normal(size=sum(p.size for p in params))
    start = shift(params, noise, 1e-7)
    before = descend(start, x, y, rate, 0)
    assert descend(start, x, y, 0.98 * rate, 200) < before
    assert descend(start, x, y, 1.02 * rate, 200) > 10 * before


def test_tables_are_checked() -> None:
    """Data that do not fit the network, and weights that are not finite or not a network, are refused."""
    params, x, y = network(2, 1)
    for bad in ((x[:, :1], y), (x, np.hstack([y, y])), (x, y[:-1])):
        with pytest.raises(RelufitError):
            theory.largest_stable_learning_rate(params, *bad)
    with pytest.raises(RelufitError, match="finite"):
        theory.largest_stable_learning_rate(params._replace(b2=np.array([np.nan])), x, y)
    short = params._replace(b1=params.b1[:-1])
    for none in (None, [1, 2], 3, short, [[1, [2]], 1, 1, 1], Params("a", "b", "c", "d")):
        with pytest.raises(RelufitError, match="the parameters are"):
            theory.largest_stable_learning_rate(none, x, y)  # type: ignore[arg-type]  # that is what is tested
    one, x, y = network(1, 1)
    assert theory.largest_stable_learning_rate(one, x[:, 0], y[:, 0]) == theory.largest_stable_learning_rate(one, x, y)


def test_large_numbers_have_a_rate_as_long_as_there_is_one() -> None:
    """The rate falls with the square of the weights; if the curvature overflows, an error says so."""
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
