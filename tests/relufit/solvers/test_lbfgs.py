"""L-BFGS on any backend's gradients."""

import numpy as np
import pytest
from interrupted import Interrupted

from relufit import SGD, RelufitError, fit, init_params
from relufit.backends.numpy import NumpyBackend
from relufit.fits.problem import Problem
from relufit.network.scaling import Scaling
from relufit.solvers.lbfgs import minimize
from relufit.solvers.progress import silent


def test_it_is_far_ahead_of_adam_for_the_same_time() -> None:
    """300 iterations of L-BFGS end two orders of magnitude below 12 epochs of Adam."""
    found = fit("sin", solver="lbfgs", hidden=64, epochs=300, dtype="float64", progress=False)
    assert found.metrics["mse"] < 2e-3
    assert found.metrics["epochs"] == len(found.history.loss) <= 300
    assert found.metrics["steps"] >= found.metrics["epochs"]
    assert found.metrics["solver"] == "lbfgs"
    assert found.history.loss[-1] < 1e-2 * found.history.loss[0]
    assert all(np.diff(found.history.loss) <= 0)
    assert found.history.loss[-1] == pytest.approx(found.metrics["train_mse"], rel=1e-6)


def test_it_takes_several_inputs_and_outputs_in_float32() -> None:
    """L-BFGS takes two inputs and two outputs in float32."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (400, 2))
    y = np.stack([x[:, 0] * x[:, 1], np.abs(x[:, 0])], axis=1)
    found = fit(x, y, solver="lbfgs", hidden=40, epochs=150, progress=False)
    assert found.metrics["test_mse"] < 5e-3
    assert found.params.w1.shape == (2, 40)


def test_ctrl_c_keeps_the_best_weights() -> None:
    """Ctrl-C returns the best weights so far, with status 'interrupted'."""
    found = fit("sin", solver="lbfgs", hidden=16, backend=Interrupted("numpy", "cpu"), dtype="float64", progress=False)
    assert found.metrics["status"] == "interrupted"
    assert 5 < found.metrics["epochs"] < 20
    assert found.metrics["train_mse"] == pytest.approx(found.history.loss[-1], rel=1e-9)


@pytest.mark.parametrize("solver", ["lbfgs", "spline"])
def test_weights_are_repetitions(solver: str) -> None:
    """A sample of weight 2 counts as one given twice, one of 0 as none, to rounding over 20 steps."""
    x = np.linspace(-2, 2, 60)
    weight = np.random.default_rng(0).integers(0, 5, 60) * (1 + 9 * (x > 1))  # so that the mean is another
    y = np.sin(3 * x) + x**3
    options = {"solver": solver, "hidden": 12, "test_fraction": 0.0}
    options |= {} if solver == "spline" else {"epochs": 20, "dtype": "float64"}
    found = fit(x, y, weight=weight, **options)  # type: ignore[arg-type]
    wanted = fit(np.repeat(x, weight), np.repeat(y, weight), **options)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.predict(x), wanted.predict(x), atol=1e-9)
    assert found.metrics["mse"] == pytest.approx(wanted.metrics["mse"], rel=1e-9)
    other = fit(x, y, **options)  # type: ignore[arg-type]
    assert np.abs(found.predict(x) - other.predict(x)).max() > 1e-3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("level", [5.0, 0.0, -1e9 / 3])
def test_it_ends_where_nothing_is_gained(level: float, dtype: str) -> None:
    """L-BFGS ends where the loss of a constant falls on but errors have long been those of rounding."""
    found = fit(np.arange(99.0), np.full(99, level), solver="lbfgs", epochs=300, dtype=dtype)
    assert found.metrics["epochs"] < 40
    assert found.metrics["max_error"] <= 2 * np.spacing(abs(level)) + 1e-150
    # Nor does one output that is far from 0 end the training of another.
    x = np.linspace(0, 3, 99)
    both = fit(x, np.stack([np.sin(x), np.full(99, 1e16)], axis=1), solver="lbfgs", hidden=8, epochs=60, dtype=dtype)
    assert both.metrics["epochs"] == 60


def test_a_learning_rate_a_state_or_an_optimizer_is_refused() -> None:
    """A learning rate, a state and an optimizer are refused, for L-BFGS has none of them."""
    state = fit("sin", hidden=4, epochs=1).state
    for options in ({"learning_rate": 0.1}, {"state": state}, {"optimizer": SGD()}):
        with pytest.raises(RelufitError, match="lbfgs"):
            fit("sin", hidden=4, solver="lbfgs", **options)


def test_a_penalty_is_in_the_gradient_and_not_in_the_history() -> None:
    """At the end the gradients of penalty and mean square cancel, and the history holds the mean square alone."""
    rng = np.random.default_rng(0)
    x, y, everything = rng.normal(size=(30, 2)), rng.normal(size=(30, 1)), np.arange(30)
    plain = Scaling(np.zeros(2), np.ones(2), np.zeros(1), 1.0)
    for weight in (None, rng.integers(1, 4, 30).astype(float)):
        problem = Problem(x, y, None, plain, everything, np.arange(0), "lbfgs", "numpy", weight)
        backend, start = NumpyBackend("numpy", "cpu"), init_params(4, 2, 1, dtype="float64")
        found = minimize(problem, backend, start, 2000, silent, penalty=0.01)
        repeated = np.repeat(everything, 1 if weight is None else weight.astype(int))
        loss, grads = backend.loss_and_grads(found.params, backend.samples(x[repeated], y[repeated]))
        assert found.history.loss[-1] == pytest.approx(float(loss), rel=1e-9)
        np.testing.assert_allclose(grads.w1, -0.02 * found.params.w1, atol=1e-5)
        np.testing.assert_allclose(grads.w2, -0.02 * found.params.w2, atol=1e-5)
        np.testing.assert_allclose(grads.b1, 0, atol=1e-5)
        np.testing.assert_allclose(grads.b2, 0, atol=1e-5)
