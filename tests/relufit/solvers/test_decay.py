"""L-BFGS with weight decay: the penalty it chooses and the fit it returns."""

from typing import Any

import numpy as np
import pytest
from interrupted import Interrupted

from relufit import RelufitError
from relufit.solvers import decay
from relufit.solvers.decay import minimize_with_decay


def table(n: int = 60, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """A function of two inputs that is not linear, with noise."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (n, 2)) * [1, 1e3] + [0, 1e6]
    return x, np.sin(3 * x[:, :1]) + 1e-6 * (x[:, 1:] - 1e6) ** 2 + rng.normal(0, noise, (n, 1))


def test_the_fit_is_of_all_samples_in_their_units() -> None:
    """State, parameters, history and metrics belong to the samples as they were given."""
    x, y = table()
    found = minimize_with_decay(x, y, hidden=20)
    errors = ((found.predict(x) - y) ** 2).mean()
    assert found.metrics["mse"] == found.metrics["train_mse"] == pytest.approx(errors)
    assert found.history.loss[-1] == pytest.approx(errors, rel=1e-6)
    assert found.metrics["alpha"] in decay.PENALTIES
    assert found.metrics["epochs"] == len(found.history.loss) <= 200
    assert errors < 0.05 * y.var()


def test_noise_asks_for_more_decay() -> None:
    """The more noise there is, the larger the penalty that cross-validation chooses."""
    chosen = [minimize_with_decay(*table(noise=noise), hidden=20).metrics["alpha"] for noise in (0.0, 0.3)]
    assert chosen[0] < chosen[1]


def test_an_offset_or_a_unit_changes_nothing() -> None:
    """Data in another unit, a power of two apart, get the same network in that unit."""
    x, y = table()
    one = minimize_with_decay(x, y, hidden=10, alpha=0.01, epochs=20)
    other = minimize_with_decay(x * [4, 0.25], 1024 * y, hidden=10, alpha=0.01, epochs=20)
    np.testing.assert_allclose(other.predict(x * [4, 0.25]), 1024 * one.predict(x), rtol=1e-6)


def test_many_rows_are_compared_in_one_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    """For many rows only one fold, a fifth, is evaluated, and the fit is nearly as good."""
    monkeypatch.setattr(decay, "MANY", 50)
    x, y = table()
    assert minimize_with_decay(x, y, hidden=20).metrics["mse"] < 0.05 * y.var()
    (kept, held_out), *others = decay._draw_folds(np.random.default_rng(0), 60)
    assert (len(kept), len(held_out), others) == (48, 12, [])


@pytest.mark.parametrize("options", [{"backend": "torch-cpu"}, {"dtype": "float32"}])
def test_it_takes_a_backend_and_a_dtype(options: dict[str, Any]) -> None:
    """Another backend or float32 is used, also with weights."""
    if "backend" in options:
        pytest.importorskip("torch", reason="torch is not installed")
    x, y = table()
    weight = np.random.default_rng(1).uniform(0.5, 2, len(x))
    found = minimize_with_decay(x, y, weight, hidden=20, alpha=1e-3, epochs=60, **options)
    assert found.metrics["backend"] == options.get("backend", "numpy")
    assert found.state.params.w1.dtype == options.get("dtype", "float64")
    assert found.metrics["mse"] < 0.05 * y.var()


def test_ctrl_c() -> None:
    """Ctrl-C ends the training of all samples with the weights so far; before that there is nothing to return."""
    x, y = table()
    found = minimize_with_decay(x, y, hidden=8, alpha=1e-3, backend=Interrupted("numpy", "cpu"))
    assert found.metrics["status"] == "interrupted"
    assert 5 < found.metrics["epochs"] < 20
    with pytest.raises(KeyboardInterrupt):
        minimize_with_decay(x, y, hidden=8, backend=Interrupted("numpy", "cpu"))


def test_bad_options() -> None:
    """A bad option is a RelufitError, and so is work that does not fit into memory."""
    x, y = table(6)
    for options in ({"alpha": -1}, {"hidden": 0}, {"epochs": 0.5}, {"dtype": "int8"}, {"seed": -1}, {"backend": "no"}):
        with pytest.raises(RelufitError):
            minimize_with_decay(x, y, **options)  # type: ignore[arg-type]
    with pytest.raises(RelufitError, match="GiB"):
        minimize_with_decay(x, y, hidden=2**40)
