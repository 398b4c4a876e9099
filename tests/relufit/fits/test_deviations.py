"""The error of a network against a function."""

import numpy as np
import pytest

from relufit import Params, fit, init_params, targets
from relufit.backends.evaluation import evaluate
from relufit.fits.deviations import errors_against

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


@pytest.mark.parametrize(
    ("text", "domain", "jumps"),
    [
        ("floor(x) + x/3", (-3.2, 3.3), np.arange(-3.0, 4)),
        ("step(x - 0.1234567)", (-1, 1), np.array([0.1234567])),
        ("sign(x)*exp(x)", (-1, 2), np.zeros(1)),
        ("x % 0.7", (0.1, 3), 0.7 * np.arange(1, 5)),
    ],
)
def test_the_largest_error_is_that_beside_a_jump(text: str, domain: tuple[float, float], jumps: np.ndarray) -> None:
    """On either side of it, as near as numbers come; of a spline, and of a network that knows no jump."""
    target = targets.parse(text, domain)
    for params in (fit(target, solver="spline", hidden=8).params, fit(target, hidden=8, epochs=3).params):
        beside = np.concatenate([jumps, *(jumps + side for side in (-1e-9, 1e-9, -1e-12, 1e-12))])
        wanted = np.abs(evaluate(params, beside[:, None])[:, 0] - target(beside)).max()
        assert errors_against(target, params)[1] >= wanted * (1 - 1e-9)


def test_an_exact_network_has_an_error_of_rounding() -> None:
    """An exact network has an error of rounding, and no cell is halved for it."""
    mse, largest = errors_against(targets.ABS, EXACT_HAT)
    assert mse < 1e-30
    assert largest < 1e-14
