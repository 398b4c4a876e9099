"""fit_many: each network ends as it would alone, and what one of them suffers does not touch the others."""

from typing import Any

import numpy as np
import pytest
from cuda_on_host import HostTrain

from relufit import SGD, Adam, RelufitError, fit, fit_many
from relufit.backend import Backend
from relufit.backends import load
from relufit.backends.numpy import NumpyBackend

FEW: dict[str, Any] = {"hidden": 16, "epochs": 6, "n": 60, "progress": False}


def test_one_network_is_a_fit() -> None:
    """One network alone has the bits of fit."""
    (one,) = fit_many("sin", **FEW)
    alone = fit("sin", **FEW)
    for found, wanted in zip(one.params, alone.params, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert one.history.loss == alone.history.loss
    assert one.metrics["mse"] == alone.metrics["mse"]
    assert one.metrics["test_mse"] == alone.metrics["test_mse"] == one.history.test_mse[-1]


@pytest.mark.parametrize("backend", ["numpy", "numpy-hinge", "numba"])
def test_each_learns_its_own_target(backend: str) -> None:
    """Three functions at once are each learned as well as alone."""
    names = ["sin", "square", "cos(x)"]
    domain = (-6.0, 6.0)
    together = fit_many(names, backend=backend, hidden=32, epochs=40, n=200, domain=domain, progress=False)
    for name, one in zip(names, together, strict=True):
        alone = fit(name, backend="numpy", hidden=32, epochs=40, n=200, domain=domain, progress=False)
        assert one.target is not None
        assert one.target.name == (alone.target.name if alone.target else "")
        assert one.metrics["mse"] == pytest.approx(alone.metrics["mse"], rel=0.05)
        assert len(one.history.loss) == 40


def test_the_kernel_trains_them_too() -> None:
    """The CUDA backend's launch of a block for each network trains them, on the host."""
    settings = FEW | {"epochs": 2, "hidden": 8}
    rates = [1e-3, 1e-2, 1e-3]
    device = fit_many("sin", seeds=[0, 1, 2], learning_rates=rates, backend=HostTrain("cupy-train"), **settings)
    host = fit_many("sin", seeds=[0, 1, 2], learning_rates=rates, **settings)
    for found, wanted in zip(device, host, strict=True):
        assert found.metrics["train_mse"] == pytest.approx(wanted.metrics["train_mse"], rel=1e-4)
    assert len({one.metrics["mse"] for one in host}) == 3


def test_seeds_and_rates_belong_to_their_networks() -> None:
    """Another seed gives other weights, and each network has its own rate."""
    same = fit_many("sin", seeds=[3, 3, 4], learning_rates=[1e-3, 1e-2, 1e-3], **FEW)
    np.testing.assert_array_equal(fit_many("sin", seeds=3, **FEW)[0].params.w1, same[0].params.w1)
    first = [one.history.loss[0] for one in same]
    assert first[0] != first[1]
    assert first[0] != first[2]
    alone = fit_many("sin", seeds=[3], learning_rates=[1e-2], **FEW)[0]
    assert alone.metrics["mse"] == pytest.approx(same[1].metrics["mse"], rel=1e-4)


def test_columns_of_data_are_networks() -> None:
    """Each column of y (N, M) has its own scale; its network acts on raw x and gives raw y."""
    x = np.linspace(0, 10, 80)
    y = np.stack([np.sin(x), 1e6 * np.cos(x) + 3e6], axis=1)
    small, large = fit_many(x, y, hidden=64, epochs=1000, progress=False)
    assert small.metrics["train_mse"] < 0.05
    assert large.metrics["train_mse"] < 0.05 * 1e12
    assert large.predict([5.0])[0] == pytest.approx(1e6 * np.cos(5.0) + 3e6, abs=5e5)
    np.testing.assert_array_equal(large.y[:, 0], y[:, 1])


def test_one_that_diverges_leaves_the_others_alone() -> None:
    """A network that diverges ends with its last good state and says so; the others go on."""
    fits = fit_many("sin", solver="sgd", learning_rates=[1e-3, 1e6, 1e-3], **FEW)
    assert [one.metrics["status"] for one in fits] == ["finished", "diverged", "finished"]
    assert np.isfinite(fits[1].metrics["mse"])
    assert fits[0].metrics["mse"] == fits[2].metrics["mse"]
    whole_batch = {**FEW, "epochs": 1, "batch_size": 1000}
    fits = fit_many("sin", solver="sgd", learning_rates=[1e-3, 1e12], **whole_batch)  # seen in the final error only
    assert [one.metrics["status"] for one in fits] == ["finished", "diverged"]


class Interrupted(NumpyBackend):
    """Ctrl-C in the second slice."""

    calls = 0

    def train_many(self, *arguments: Any, **more: Any) -> Any:
        self.calls += 1
        if self.calls == 2:
            raise KeyboardInterrupt
        return super().train_many(*arguments, **more)


def test_ctrl_c_returns_what_was_reached() -> None:
    """Ctrl-C returns what was reached, here after one slice of one epoch."""
    fits = fit_many("sin", seeds=[0, 1], backend=Interrupted(), **FEW)
    assert [one.metrics["status"] for one in fits] == ["interrupted"] * 2
    assert [one.metrics["epochs"] for one in fits] == [1, 1]


def test_goes_on_as_fit() -> None:
    """The state of one of many is a state of fit, which goes on with it."""
    one = fit_many("sin", seeds=[0, 5], **FEW)[1]
    more = fit("sin", state=one.state, **FEW)
    assert more.metrics["steps"] == 2 * one.metrics["steps"]
    assert more.metrics["train_mse"] < one.metrics["train_mse"]


def test_takes_the_first_backend_that_can() -> None:
    """The first backend that can do the work is taken, by `supports` alone."""
    wanted: list[str | Backend] = [HostTrain("cupy-train"), "numpy"]
    metrics = fit_many("sin", backend=wanted, dtype="float64", **FEW)[0].metrics
    assert metrics["backend"] == "numpy"
    assert metrics["passed_over"] == {"cupy-train": "cupy-train computes in float32, not float64"}
    assert fit_many("sin", backend=wanted, **(FEW | {"epochs": 1, "hidden": 4}))[0].metrics["backend"] == "cupy-train"
    assert fit("sin", backend=["cupy", "numpy"], **FEW).metrics["backend"] in ("cupy", "numpy")
    with pytest.raises(RelufitError, match=r"none of these backends can do this: cupy-train: .*float64"):
        fit("sin", backend=[HostTrain("cupy-train")] * 2, dtype="float64", **FEW)


def test_default_trains_several_inputs() -> None:
    """The default trains networks of two inputs, one output for each network."""
    x = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    fits = fit_many(x, np.stack([x[:, 0] * x[:, 1], x.sum(axis=1)], axis=1), hidden=16, epochs=30, progress=False)
    assert [one.params.w1.shape for one in fits] == [(2, 16)] * 2
    assert load("numpy").forward(fits[1].params, x).shape == (50, 1)


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (("sin",), {"seeds": [1, 2], "learning_rates": [1e-3] * 3}, "2 seeds, 3 learning_rates"),
        (("sin",), {"seeds": []}, "0 seeds"),
        (("sin",), {"solver": "spline", "optimizer": SGD()}, "unknown solver 'spline'"),
        (("sin",), {"seeds": [-1]}, "seed must be"),
        (("sin",), {"learning_rates": [1e-3, -1.0]}, "learning_rate must be a positive"),
        (([],), {}, "at least one target"),
        (([1.0, 2.0],), {}, "data need both x and y"),
        ((["sin", "tan(x)"],), {}, r"'tan\(x\)' grows without bound"),
        ((["sin", "runge"],), {}, "give a domain for all"),
        (([0.0, 1.0], [1.0, 2.0]), {"domain": (0, 1)}, "data have their own x"),
        (([0.0, 1.0], [1.0, 2.0]), {"n": 5}, "n is the number of samples of a function"),
        (("sin",), {"solver": "sgd", "optimizer": Adam()}, "solver='sgd' and optimizer=Adam"),
        (("sin",), {"optimizer": SGD(), "learning_rates": [1e-3]}, "give the learning rate to the optimizer"),
        (("sin",), {"hidden": "auto"}, "hidden='auto' needs solver='spline'"),
        (("sin",), {"hidden": 0}, "hidden must be"),
    ],
)
def test_bad_input_is_one_sentence(arguments: tuple[Any, ...], settings: dict[str, Any], message: str) -> None:
    """Bad input is one sentence that says what was given and what is valid."""
    with pytest.raises(RelufitError, match=message):
        fit_many(*arguments, **{**FEW, **settings})
