"""Solvers as values: the same as their names, and schedules, callbacks and early stopping besides."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relufit import SGD, Adam, Momentum, RelufitError, backends, fit
from relufit.files import fit_file
from relufit.network.optim import Cosine, Optimizer, Steps
from relufit.solvers import LBFGS, FreeKnotSpline, GradientDescent

QUICK: dict[str, Any] = {"hidden": 8, "n": 50, "progress": False}


@pytest.mark.parametrize(
    ("solver", "options"),
    [
        (FreeKnotSpline(), {"solver": "spline"}),
        (LBFGS(), {"solver": "lbfgs"}),
        (LBFGS(iterations=7), {"solver": "lbfgs", "epochs": 7}),
        (GradientDescent(), {"solver": "adam"}),
        (GradientDescent(SGD(0.01), epochs=4, batch_size=9), {"optimizer": SGD(0.01), "epochs": 4, "batch_size": 9}),
        (GradientDescent(Momentum()), {"solver": "momentum"}),
    ],
)
def test_a_value_is_its_name_with_options(solver: Any, options: dict[str, Any]) -> None:
    """A solver fits as its name does with the same options, and the metrics name it."""
    found, wanted = fit("sin", solver=solver, **QUICK), fit("sin", **options, **QUICK)
    assert found.params == wanted.params
    assert found.metrics.solver == wanted.metrics.solver


def test_a_tolerance_belongs_to_the_spline(tmp_path: Path) -> None:
    """FreeKnotSpline(tolerance) finds the smallest number of units, of a function and of a file."""
    found = fit("sin", solver=FreeKnotSpline(tolerance=1e-2)).metrics
    assert found.hidden == fit("sin", tolerance=1e-2).metrics.hidden
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{k},{k * k}\n" for k in range(9)))
    options: dict[str, Any] = {"x": "x", "y": "y", "progress": False}
    path = tmp_path / "a.csv"
    assert fit_file(path, solver=FreeKnotSpline(1.0), **options).metrics.hidden == 2
    assert fit_file(path, solver=GradientDescent(SGD(), epochs=2), hidden=3, **options).metrics.solver == "sgd"


@pytest.mark.parametrize(
    ("solver", "options", "message"),
    [
        (GradientDescent(), {"epochs": 3}, r"give epochs to GradientDescent\(...\) or to fit, not to both"),
        (GradientDescent(), {"learning_rate": 0.1}, "give learning_rate to GradientDescent"),
        (LBFGS(), {"epochs": 3}, "give epochs to LBFGS"),
        (LBFGS(), {"batch_size": 3}, "'lbfgs' does not use batch_size"),
        (FreeKnotSpline(1.0), {"tolerance": 2.0}, "give tolerance to FreeKnotSpline"),
        (FreeKnotSpline(1.0), {"hidden": 3}, "give hidden or tolerance"),
        (FreeKnotSpline(), {"backend": "numpy"}, "'spline' does not use backend"),
        (FreeKnotSpline(-1.0), {}, "must be a positive number"),
        (GradientDescent(epochs=0), {}, "epochs must be"),
        (GradientDescent("adam"), {}, "an optimizer must be one of"),  # type: ignore[arg-type]
    ],
)
def test_what_does_not_go_together_is_refused(solver: Any, options: dict[str, Any], message: str) -> None:
    """An option is given to the solver or to fit, and only if the solver uses it."""
    with pytest.raises(RelufitError, match=message):
        fit("sin", solver=solver, **options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LBFGS(0), "iterations must be"),
        (lambda: GradientDescent(schedule="linear"), "unknown schedule 'linear'; choose one of constant, cosine, step"),
        (lambda: GradientDescent(Adam(schedule=Cosine(9)), schedule="step"), "has a schedule of its own"),
        (lambda: GradientDescent(patience=0), "patience must be"),
        (lambda: GradientDescent(callback=3), "callback must be a function"),  # type: ignore[arg-type]
        (lambda: Cosine(0), "steps must be"),
        (lambda: Steps(0), "every must be"),
        (lambda: Steps(9, factor=0), "factor must be"),
    ],
)
def test_settings_are_checked_when_they_are_made(make: Any, message: str) -> None:
    """A solver or a schedule that cannot be used is not made."""
    with pytest.raises(RelufitError, match=message):
        make()


@pytest.mark.parametrize(("schedule", "rule"), [("cosine", Cosine(10)), ("step", Steps(4))])
@pytest.mark.parametrize("optimizer", [SGD(0.05), Momentum(0.01), Adam(0.01)])
def test_a_schedule_covers_the_training(schedule: str, rule: Any, optimizer: Optimizer) -> None:
    """A schedule by name is that of the optimizer over all updates: here 5 epochs of 2; a continued one starts anew."""
    named = GradientDescent(optimizer, epochs=5, batch_size=20, schedule=schedule)
    own = GradientDescent(type(optimizer)(optimizer.learning_rate, schedule=rule), epochs=5, batch_size=20)
    found = fit("sin", solver=named, **QUICK)
    assert found.params == fit("sin", solver=own, **QUICK).params
    assert found.params != fit("sin", solver=GradientDescent(optimizer, epochs=5, batch_size=20), **QUICK).params
    again = fit("sin", solver=named, state=found.state, **QUICK)
    assert again.metrics.steps == 20
    assert np.abs(again.params.w2 - found.params.w2).max() > 1e-6  # the rate did not stay 0


@pytest.mark.parametrize("backend", ["numba", "numba-hinge", "numpy-hinge", "torch-cpu", "jax-cpu"])
def test_every_backend_follows_a_schedule(backend: str) -> None:
    """Compiled loops take the rates of a schedule from the table of coefficients."""
    if backends.status()[backend] is not None:
        pytest.skip(f"{backend} cannot run here")
    solver = GradientDescent(Adam(0.02), epochs=6, batch_size=10, schedule="cosine")
    found = fit("sin", solver=solver, backend=backend, dtype="float64", **QUICK)
    wanted = fit("sin", solver=solver, dtype="float64", **QUICK)
    for one, other in zip(found.params, wanted.params, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def test_a_callback_sees_each_slice_and_may_end_the_training() -> None:
    """It is called with the epochs done, the loss and the error, and ends the training by StopIteration."""
    seen: list[tuple[int, float, float]] = []

    def look(epochs: int, loss: float, test_mse: float) -> None:
        seen.append((epochs, loss, test_mse))
        if len(seen) == 3:
            raise StopIteration

    found = fit("sin", solver=GradientDescent(epochs=1000, callback=look), **QUICK)
    assert found.metrics.status == "stopped"
    assert [epoch for epoch, _, _ in seen] == found.history.epoch
    assert seen[-1][0] == found.metrics.epochs < 1000
    assert seen[-1][1:] == (found.history.loss[-1], found.metrics.test_mse)


@pytest.mark.parametrize("test_fraction", [0.5, 0.0])
def test_early_stopping_returns_the_best_state(test_fraction: float) -> None:
    """The fit has the least error of all slices, and the training ends after `patience` epochs without progress."""
    rng = np.random.default_rng(0)
    x, y = np.linspace(0, 1, 40), rng.normal(size=40)
    solver = GradientDescent(Adam(0.03), epochs=2000, batch_size=5, patience=30)
    found = fit(x, y, hidden=64, solver=solver, test_fraction=test_fraction, progress=False)
    assert found.metrics.status == "stopped"
    history = found.history
    if test_fraction:
        assert found.metrics.test_mse == min(history.test_mse) < history.test_mse[-1]
        best = int(np.argmin(history.test_mse))
    else:
        best = int(np.argmin([history.loss[epoch - 1] for epoch in history.epoch]))
    assert history.epoch[-1] - history.epoch[best] >= 30
    assert found.state.step == history.epoch[best] * -(-len(x) * (1 - test_fraction) // 5)


def test_patience_that_is_not_exhausted_returns_the_best_state_too() -> None:
    """A training that reaches its last epoch is finished, with the best state on the way."""
    found = fit("sin", solver=GradientDescent(Adam(0.3), epochs=30, patience=30), **QUICK)
    assert found.metrics.status == "finished"
    assert found.metrics.test_mse == min(found.history.test_mse)
