"""What a fit says of its errors."""

import numpy as np
import pytest

from relufit import Params, init_params, targets
from relufit.fits import errors_against, evaluate

EXACT_HAT = Params(np.array([[1.0, -1.0]]), np.array([0.0, 0.0]), np.array([[1.0], [1.0]]), np.array([0.0]))  # |x|


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("exp(-10000*(x - 0.3)**2)", (-100, 100)),  # between two of the first places
        ("sin(1000*x)", (-6, 6)),
        ("log(x)", (1e-9, 1)),
        ("step(x - 0.1234567)", (-1, 1)),
        ("sqrt(x)", (0, 1)),
    ],
)
def test_errors_against_a_function_settle(text: str, domain: tuple[float, float]) -> None:
    """The mean square is that on five million places, however narrow what the function does."""
    target, params = targets.parse(text, domain), init_params(6, seed=1, domain=domain, dtype="float64")
    params = params._replace(w2=params.w2 * 1e-3)
    mse, largest = errors_against(target, params)
    edges = np.linspace(*domain, 5_000_001)
    places = (edges[1:] + edges[:-1]) / 2
    error = evaluate(params, places[:, None])[:, 0] - target(places)
    assert mse == pytest.approx(np.mean(error**2), rel=1e-4)
    at_edges = evaluate(params, edges[:, None])[:, 0] - target(edges)
    assert largest == pytest.approx(max(np.abs(error).max(), np.abs(at_edges).max()), rel=0.02)


def test_an_exact_network_has_an_error_of_rounding() -> None:
    """An exact network has an error of rounding, and no cell is halved for it."""
    mse, largest = errors_against(targets.ABS, EXACT_HAT)
    assert mse < 1e-30
    assert largest < 1e-14
