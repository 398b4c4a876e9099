"""fit(..., solver="spline"): tolerances, the state as a start, and what is refused."""

from typing import Any

import numpy as np
import pytest

from relufit import Adam, RelufitError, fit


def spline(*data: Any, **options: Any) -> Any:
    return fit(*data, solver="spline", progress=False, **options)


def test_it_is_a_start_for_training() -> None:
    """The state of a spline is one of plain gradient descent in float64."""
    first = spline("sin", hidden=16)
    further = fit("sin", hidden=16, solver="sgd", learning_rate=1e-6, dtype="float64", state=first.state, epochs=1)
    assert further.metrics["mse"] == pytest.approx(first.metrics["mse"], rel=0.05)


def test_a_tolerance_is_of_what_is_fitted() -> None:
    """A tolerance is of the function where it has no noise, else of the training samples."""
    function, samples = spline("sin", tolerance=1e-4), spline("noisy_sine", tolerance=5e-3, n=200)
    assert function.metrics["mse"] <= 1e-4
    assert samples.metrics["train_mse"] <= 5e-3
    assert spline(np.ones(9), np.arange(9.0), tolerance=9).metrics["train_mse"] <= 9


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ((np.ones((9, 2)), np.ones(9)), {}, "one input"),
        ((np.ones(9), np.ones((9, 2))), {}, "one output"),
        ((np.ones(9), np.arange(9)), {"hidden": 2}, "one x"),
        ((np.arange(50.0), np.arange(50.0)), {"hidden": 60}, "at most 49 hidden units, not 60"),
        (("sin",), {"hidden": "auto"}, "for data"),
        (("sin",), {"hidden": 3, "tolerance": 1e-3}, "not both"),
        (("sin",), {"tolerance": 0}, "positive"),
        (("sin",), {"tolerance": "small"}, "positive"),
        (("sin",), {"hidden": 0}, ">= 1"),
        (("sin",), {"hidden": 2_000_000}, "a function is fitted by at most 1048576 hidden units"),
        (("sin",), {"tolerance": True}, "positive"),
        ((np.repeat(np.arange(9.0), 2), np.arange(18.0)), {"tolerance": 1e-9}, "no mean squared error of 1e-09"),
        ((np.ones(9), np.arange(9.0)), {"tolerance": 1e-9}, "no mean squared error of 1e-09 is reached: all .* one x"),
        ((np.ones(9), np.arange(9.0)), {"tolerance": "small"}, "must be a positive number"),
        (("sin",), {"weight": np.ones(1000)}, "weight is a number for each row"),
        (("noisy_sine",), {"weight": np.ones(1000)}, "weight is a number for each row"),
        (("sin",), {"dtype": "int3"}, "does not use dtype"),
        ((np.arange(9.0), np.arange(9.0)), {"weight": np.ones(8)}, "each of 9 samples"),
        ((np.arange(9.0), np.arange(9.0)), {"weight": -np.ones(9)}, "at least 0"),
    ],
)
def test_bad_input_is_one_sentence(data: tuple[Any, ...], options: dict[str, Any], message: str) -> None:
    """Bad input is one sentence that says what was given and what is valid."""
    with pytest.raises(RelufitError, match=message):
        spline(*data, **options)


def test_what_only_splines_know_is_refused_elsewhere() -> None:
    """Weights, tolerances and a number of units to be chosen are refused by other solvers."""
    for options in ({"weight": np.ones(9)}, {"tolerance": 1e-3}, {"hidden": "auto"}):
        with pytest.raises(RelufitError, match=r"solver=.*'spline'"):
            fit(np.arange(9.0), np.arange(9.0), solver="adam", **options)


def test_what_only_training_knows_is_refused() -> None:
    """Options of training are refused, even at their default, and whether or not the backend runs here."""
    state = fit("sin", hidden=4, epochs=1).state
    for options in (
        {"learning_rate": 0.1}, {"state": state}, {"optimizer": Adam()}, {"epochs": 200}, {"batch_size": 32},
        {"dtype": "float32"}, {"scheme": "spread"}, {"backend": "numpy"}, {"backend": ("torch-mps", "nosuch")},
    ):  # fmt: skip
        with pytest.raises(RelufitError, match=f"solver='spline' does not use {next(iter(options))}; leave it out"):
            spline("sin", hidden=4, **options)
