"""Ridge regression, and the network that represents it."""

import numpy as np
import pytest

from relufit import init_params
from relufit.backends import load
from relufit.solvers.ridge import PENALTIES, carry, ridge_regressions


def samples(n: int, inputs: int, outputs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normal x and y, and weights."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, inputs)) + 1, rng.normal(size=(n, outputs)) - 2, rng.uniform(0.5, 3, n)


@pytest.mark.parametrize(("n", "inputs", "outputs"), [(30, 3, 1), (30, 3, 2), (5, 20, 2), (1, 2, 1)])
def test_it_is_a_minimum(n: int, inputs: int, outputs: int) -> None:
    """The gradient of the penalised weighted mean square vanishes for each penalty."""
    x, y, weight = samples(n, inputs, outputs)
    for penalty, c, b in zip(PENALTIES, *ridge_regressions(x, y, weight, 9), strict=True):
        weighted = (weight / weight.sum())[:, None] * (x @ c + b - y)
        np.testing.assert_allclose(x.T @ weighted + penalty * c, 0, atol=1e-12)
        np.testing.assert_allclose(weighted.sum(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("hidden", [1, 3, 4, 9])
def test_a_network_carries_it(hidden: int) -> None:
    """A network of H units equals the ridge regression of H / 2 directions, near the data and far away."""
    x, y, weight = samples(40, 4, 3)
    coefficients, intercepts = ridge_regressions(x, y, weight, hidden // 2)
    others = init_params(hidden, 4, 3, dtype="float64")
    found = carry(coefficients[8], intercepts[8], others._replace(w2=np.zeros((hidden, 3))))
    far = 100 * x
    np.testing.assert_allclose(load("numpy").forward(found, far), far @ coefficients[8] + intercepts[8], atol=1e-10)
    assert np.linalg.matrix_rank(coefficients[8]) == min(3, hidden // 2)
    drawn = carry(coefficients[8], intercepts[8], others)
    first = 2 * min(3, hidden // 2)
    np.testing.assert_array_equal(drawn.w1[:, first:], others.w1[:, first:])
