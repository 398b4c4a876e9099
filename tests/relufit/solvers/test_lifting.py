"""Weights as a network of one more input and one more unit."""

from typing import Any

import numpy as np
import pytest

from relufit import Params, RelufitError, backends, fit, init_params
from relufit.fits.problem import Problem
from relufit.network.scaling import Scaling
from relufit.solvers.lifting import lifted, lifted_samples, lowered


def problem(inputs: int, outputs: int) -> Problem:
    """Of 40 samples with weights from 0 to 3, standardised already."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, inputs)), rng.normal(size=(40, outputs))
    plain = Scaling(np.zeros(inputs), np.ones(inputs), np.zeros(outputs), 1.0)
    return Problem(x, y, None, plain, np.arange(40), np.arange(0), "lbfgs", "numpy", rng.uniform(0, 3, 40).round(1))


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 2)])
@pytest.mark.parametrize("name", ["numpy", "torch-cpu"])
def test_the_plain_loss_is_the_weighted_one(inputs: int, outputs: int, name: str) -> None:
    """The plain loss of lifted data is the weighted one, and its gradients are the derivatives of that."""
    backend, given = backends.load(name), problem(inputs, outputs)
    samples = lifted_samples(given, backend, np.float64)
    params = init_params(7, inputs, outputs, dtype="float64")
    assert given.weight is not None

    def weighted_loss(params: Params) -> float:
        errors = np.maximum(given.x @ params.w1 + params.b1, 0) @ params.w2 + params.b2 - given.y
        return float(np.average((errors**2).mean(axis=1), weights=given.weight))

    loss, grads = backend.loss_and_grads(Params(*map(backend.to_device, lifted(params))), samples)
    assert float(backend.to_host(loss)) == pytest.approx(weighted_loss(params), rel=1e-12)
    found = lowered(Params(*map(backend.to_host, grads)))
    for k, (array, gradient) in enumerate(zip(params, found, strict=True)):
        assert gradient.shape == array.shape
        for place in np.ndindex(array.shape):
            step = np.zeros_like(array)
            step[place] = 1e-6
            ends = [weighted_loss(params._replace(**{Params._fields[k]: array + sign * step})) for sign in (1, -1)]
            assert gradient[place] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-7)


def test_lbfgs_takes_weights() -> None:
    """An answer where two samples of one x disagree lies nearer to the heavier one, in proportion."""
    x = np.repeat(np.linspace(-1, 1, 20), 2)
    y, weight = np.tile([0.0, 1.0], 20) + x, np.tile([1.0, 3.0], 20)
    options: dict[str, Any] = {
        "solver": "lbfgs",
        "hidden": 16,
        "dtype": "float64",
        "test_fraction": 0,
        "progress": False,
    }
    found = fit(x, y, weight=weight, **options)
    np.testing.assert_allclose(found.predict(x), x + 0.75, atol=1e-3)
    assert found.metrics["mse"] == pytest.approx(0.75 * 0.25, rel=1e-4)
    with pytest.raises(RelufitError, match="solver='adam' does not use weight"):
        fit(x, y, weight=weight, solver="adam")
