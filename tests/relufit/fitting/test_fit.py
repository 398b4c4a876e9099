"""What `fit` takes: functions and data of any kind, on any backend, and what it refuses."""

from typing import Any

import numpy as np
import pytest

from relufit import SGD, Adam, RelufitError, fit, fit_many, targets

QUICK: dict[str, Any] = {"hidden": 64, "epochs": 20, "progress": False}


@pytest.mark.parametrize("target", ["square", "sin(3*x) + x**2/10", np.cos, targets.RUNGE, lambda x: 5.0])
def test_anything_that_is_a_function_can_be_fitted(target: Any) -> None:
    """Names, expressions, callables, Targets and constants are fitted better than by the best constant."""
    result = fit(target, **QUICK)
    assert result.target is not None
    grid = np.linspace(*result.target.domain, 999)
    assert result.metrics["mse"] <= 0.5 * np.var(result.target(grid)) + 1e-3


def test_data_are_fitted_on_raw_coordinates() -> None:
    """Timestamps and values near a million are fitted, by parameters that act on x as given."""
    x = 1.7e9 + np.linspace(0, 86_400, 500)
    y = 2e6 + 1e5 * np.sin((x - x[0]) / 10_000)
    result = fit(x, y, hidden=128, epochs=150, progress=False)
    assert result.metrics["mse"] < 0.005 * np.var(y)
    assert np.mean((result.predict(x) - y) ** 2) == pytest.approx(result.metrics["mse"])


def test_several_inputs_and_outputs() -> None:
    """Two inputs and two outputs are fitted, and predict gives (N, O)."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (400, 2))
    y = np.stack([x[:, 0] * x[:, 1], np.abs(x[:, 0])], axis=1)
    result = fit(x, y, hidden=64, epochs=100, progress=False)
    assert result.predict(x).shape == (400, 2)
    assert result.metrics["mse"] < 0.1 * np.var(y)


def test_one_sample_and_constant_data() -> None:
    """One sample and a constant column, which has no spread to divide by, are fitted."""
    assert np.isfinite(fit([1.0], [2.0], hidden=1, epochs=2, progress=False).metrics["mse"])
    result = fit([3.0] * 10, [5.0] * 10, hidden=4, epochs=50, progress=False)
    assert result.metrics["max_error"] < 0.5


@pytest.mark.parametrize("backend", ["numpy", "torch-cpu", "torch-manual"])
def test_every_backend_gives_the_same_fit(backend: str) -> None:
    """Every backend gives the same fit over the same batches, to rounding in float64."""
    result = fit("sin", **QUICK, dtype="float64", backend=backend)
    wanted = fit("sin", **QUICK, dtype="float64")
    assert result.metrics["mse"] == pytest.approx(wanted.metrics["mse"], rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("nosuch",), {}),
        (("1/x",), {"domain": (-1, 1), "n": 3}),
        (([1, 2, 3],), {}),
        (([1, 2, 3], [1, 2]), {}),
        (("sin", [1, 2, 3]), {}),
        (([1e300, -1e308], [1, 2]), {}),
        (([1, np.nan], [1, 2]), {}),
        (([], []), {}),
        (([1, 2], [1, 2]), {"domain": (0, 1)}),
        (("sin",), {"hidden": 0}),
        (("sin",), {"hidden": 10.5}),
        (("sin",), {"backend": "nosuch"}),
        (("sin",), {"backend": [3]}),
        (("sin",), {"backend": ["numpy", None]}),
        (("sin",), {"test_fraction": "0.2"}),
        (([1, 2], [1, 2]), {"n": 10}),
        (("sin",), {"weight": [1] * 1000, "solver": "lbfgs"}),
        (("sin",), {"solver": "newton"}),
        (("sin",), {"solver": "newton", "optimizer": Adam()}),
        (("sin",), {"optimizer": "adam"}),
        (("sin",), {"solver": "sgd", "optimizer": Adam()}),
        (("sin",), {"solver": "momentum", "optimizer": SGD()}),
        (("sin",), {"solver": "lbfgs", "batch_size": 32}),
        (("sin",), {"optimizer": Adam(), "learning_rate": 1e-3}),
        (("sin",), {"learning_rate": -1}),
        (("sin",), {"epochs": 0}),
        (("sin",), {"batch_size": 0}),
        (("sin",), {"batch_size": "32"}),
        (("sin",), {"state": 3}),
        (("sin",), {"learning_rate": "0.1"}),
        (("sin",), {"hidden": 10**13}),
        (([10**400, 1], [1, 2]), {}),
        (("sin",), {"dtype": "int32"}),
        (("sin",), {"n": 0}),
        (("sin",), {"seed": -1}),
        (("sin",), {"scheme": "none"}),
        (("sin",), {"scheme": ["he"]}),
        (("sin",), {"solver": ["adam"]}),
        (("sin",), {"solver": "spline", "hidden": np.array([1, 2])}),
        (("sin",), {"solver": "spline", "hidden": 10**400}),
        (("sin",), {"n": 10**13}),
        (("sin",), {"domain": (1, -1)}),
        (("sin",), {"test_fraction": 1}),
    ],
)
def test_bad_input_is_one_sentence(arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Bad input is one sentence, before any training."""
    with pytest.raises(RelufitError) as caught:
        fit(*arguments, **{**QUICK, **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [{}, {"solver": "sgd"}, {"solver": "lbfgs"}, {"backend": "numba"}])
def test_what_no_memory_holds_is_a_sentence(options: dict[str, Any]) -> None:
    """A fit that needs more memory than is free is refused before it allocates, with both numbers."""
    with pytest.raises(RelufitError, match=r"1000000000 hidden units needs .* GiB and .* GiB are free"):
        fit("sin(x)", hidden=10**9, epochs=1, progress=False, **options)
    with pytest.raises(RelufitError, match=r"3 x 1000000000 hidden units needs .* GiB and .* GiB are free"):
        fit_many("sin(x)", hidden=10**9, seeds=[0, 1, 2], epochs=1, progress=False)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_what_varies_by_too_little_is_no_constant(solver: str) -> None:
    """Data whose squares underflow are refused with a sentence, and fitted after multiplication by a constant."""
    x = np.linspace(-3, 3, 40)
    for arguments in (("1e-160*sin(x)",), (x, 1e-160 * np.sin(x)), (x * 1e-160, np.sin(x))):
        with pytest.raises(RelufitError, match="varies by"):
            fit(*arguments, solver=solver, **QUICK)
    assert fit(x, 1e-140 * np.sin(x), solver=solver, **QUICK).metrics["mse"] < 1e-279
