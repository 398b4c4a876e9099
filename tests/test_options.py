"""Which options `fit` takes together: none is silently ignored, and none that is not given is in the way."""

import inspect
from typing import Any

import numpy as np
import pytest

from relufit import SGD, Adam, Momentum, RelufitError, fit, fit_many
from relufit.options import DEFAULTS, SOLVERS, STEPPING, TRAINING, USED_BY, settle

VALUES: dict[str, Any] = {
    "optimizer": Adam(), "learning_rate": 1e-3, "batch_size": 32, "state": object(), "backend": "numpy", "epochs": 200,
    "dtype": "float32", "scheme": "spread", "weight": np.ones(9), "tolerance": 1e-3,
}  # fmt: skip


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", VALUES)
def test_an_option_is_used_or_refused(solver: str, name: str) -> None:
    """Also at its default value; the sentence names the solvers that use it."""
    assert VALUES.keys() == USED_BY.keys()
    if solver in USED_BY[name]:
        assert name in settle(solver, {name: VALUES[name]}, of_data=True)
        return
    with pytest.raises(RelufitError, match=f"solver='{solver}' has no use for {name}; leave it out, or take") as caught:
        settle(solver, {name: VALUES[name]}, of_data=True)
    assert all(repr(other) in str(caught.value) for other in USED_BY[name])


def test_the_table_knows_every_option_of_fit() -> None:
    """Those that it has no row for are used by every solver, and not given they are None."""
    names = set(inspect.signature(fit).parameters) - {"target_or_x", "y", "solver"}
    assert set(USED_BY) <= names
    assert names - set(USED_BY) == {"hidden", "seed", "n", "domain", "test_fraction", "progress"}
    assert all(
        inspect.signature(call).parameters[name].default is None for name in DEFAULTS for call in (fit, fit_many)
    )


def test_what_no_solver_uses_together_is_left_out() -> None:
    """Then no solver is named."""
    with pytest.raises(RelufitError, match=r"has no use for tolerance; leave it out$"):
        settle("adam", {"epochs": 5, "tolerance": 1e-3}, of_data=False)


def test_defaults_are_those_of_options_that_the_solver_uses() -> None:
    """Of others there are none."""
    assert settle("adam", {}, of_data=True) == DEFAULTS
    assert settle("spline", {"hidden": None}, of_data=True) == {"test_fraction": 0.2}
    assert settle("lbfgs", {"epochs": 3, "hidden": 7}, of_data=False)["epochs"] == 3


@pytest.mark.parametrize(
    ("options", "of_data", "message"),
    [
        ({"hidden": 3, "tolerance": 0.1}, True, "give hidden or tolerance, not both: the tolerance chooses"),
        ({"state": object(), "scheme": "he"}, True, "give state or scheme, not both"),
        ({"n": 9}, True, "n is for sampling a function"),
        ({"domain": (0, 1)}, True, "domain is the interval of a function"),
        ({"weight": [1.0]}, False, "weight belongs to data"),
        ({"domain": (1, 0)}, False, "low < high"),
        ({"n": 0}, False, "n must be"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], of_data: bool, message: str) -> None:
    """Two options, an option and data, or an option and a function."""
    solver = next(name for name in SOLVERS if all(name in USED_BY.get(option, SOLVERS) for option in options))
    with pytest.raises(RelufitError, match=message):
        settle(solver, options, of_data=of_data)


@pytest.mark.parametrize("call", [fit, fit_many])
def test_a_solver_and_an_optimizer_do_not_contradict_each_other(call: Any) -> None:
    """Either alone says which rule trains; both are fine where they are of one kind."""
    rules: dict[str, Any] = {"sgd": SGD(3e-3), "momentum": Momentum(3e-3), "adam": Adam(3e-3)}
    quick: dict[str, Any] = {"hidden": 4, "epochs": 1, "n": 20, "progress": False}
    for name, rule in rules.items():
        for given in ({"optimizer": rule}, {"solver": name, "optimizer": rule}, {"solver": name}):
            found = call("sin", **given, **quick)
            assert (found if call is fit else found[0]).metrics["solver"] == name
        for other in set(STEPPING) - {name}:
            with pytest.raises(RelufitError, match=f"solver='{other}' and optimizer=.* contradict each other"):
                call("sin", solver=other, optimizer=rule, **quick)


@pytest.mark.parametrize("solver", [None, *TRAINING])
def test_defaults_may_be_given(solver: str | None) -> None:
    """They change nothing, where the solver uses them."""
    given = {name: value for name, value in DEFAULTS.items() if solver in (None, *USED_BY.get(name, SOLVERS))}
    quick: dict[str, Any] = {"hidden": 4, "n": 20, "progress": False, "solver": solver}
    found, wanted = fit("sin", **given, **quick), fit("sin", **quick)
    assert found.params == wanted.params
