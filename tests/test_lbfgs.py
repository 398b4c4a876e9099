"""L-BFGS on any backend's gradients."""

import numpy as np
import pytest

from relufit import SGD, RelufitError, fit
from relufit.backends.numpy import NumpyBackend


def test_it_is_far_ahead_of_adam_for_the_same_time() -> None:
    """300 iterations of 64 units in float64: two orders of magnitude below where 12 epochs of Adam are."""
    found = fit("sin", solver="lbfgs", hidden=64, epochs=300, dtype="float64", progress=False)
    assert found.metrics["mse"] < 2e-3
    assert found.metrics["epochs"] == len(found.history.loss) <= 300
    assert found.metrics["steps"] >= found.metrics["epochs"]
    assert found.metrics["solver"] == "lbfgs"
    assert found.history.loss[-1] < 1e-2 * found.history.loss[0]
    assert all(np.diff(found.history.loss) <= 0)
    assert found.history.loss[-1] == pytest.approx(found.metrics["train_mse"], rel=1e-6)


def test_it_takes_several_inputs_and_outputs_in_float32() -> None:
    """D = 2, O = 2."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (400, 2))
    y = np.stack([x[:, 0] * x[:, 1], np.abs(x[:, 0])], axis=1)
    found = fit(x, y, solver="lbfgs", hidden=40, epochs=150, progress=False)
    assert found.metrics["test_mse"] < 5e-3
    assert found.params.w1.shape == (2, 40)


class Interrupted(NumpyBackend):
    """Ctrl-C at the 20th gradient."""

    calls = 0

    def loss_and_grads(self, params, samples):  # type: ignore[no-untyped-def]
        self.calls += 1
        if self.calls == 20:
            raise KeyboardInterrupt
        return super().loss_and_grads(params, samples)


def test_ctrl_c_keeps_the_best_weights() -> None:
    """And says so."""
    found = fit("sin", solver="lbfgs", hidden=16, backend=Interrupted("numpy", "cpu"), dtype="float64", progress=False)
    assert found.metrics["status"] == "interrupted"
    assert 5 < found.metrics["epochs"] < 20
    assert found.metrics["train_mse"] == pytest.approx(found.history.loss[-1], rel=1e-9)


def test_a_learning_rate_a_state_or_an_optimizer_is_refused() -> None:
    """It has none of them."""
    state = fit("sin", hidden=4, epochs=1).state
    for options in ({"learning_rate": 0.1}, {"state": state}, {"optimizer": SGD()}):
        with pytest.raises(RelufitError, match="lbfgs"):
            fit("sin", hidden=4, solver="lbfgs", **options)
