"""Which options `fit` takes together: none that is given is ignored."""

import inspect
from typing import Any

import numpy as np
import pytest

from relufit import SGD, Adam, Momentum, RelufitError, fit, fit_many
from relufit.fitting.options import DEFAULTS, SOLVERS, STEPPING, TRAINED, TRAINING, USED_BY, choose_solver, settle

VALUES: dict[str, Any] = {
    "optimizer": Adam(), "learning_rate": 1e-3, "batch_size": 32, "state": object(), "backend": "numpy", "epochs": 200,
    "dtype": "float32", "scheme": "spread", "weight": np.ones(9), "tolerance": 1e-3,
}  # fmt: skip


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", VALUES)
def test_an_option_is_used_or_refused(solver: str, name: str) -> None:
    """An option that the solver does not use is refused, even at its default; the error names solvers that use it."""
    assert VALUES.keys() == USED_BY.keys()
    if solver in USED_BY[name]:
        assert name in settle(solver, {name: VALUES[name]}, of_data=True)
        return
    with pytest.raises(RelufitError, match=f"solver='{solver}' does not use {name}; leave it out, or use") as caught:
        settle(solver, {name: VALUES[name]}, of_data=True)
    assert all(repr(other) in str(caught.value) for other in USED_BY[name])


@pytest.mark.parametrize("name", TRAINED)
def test_an_option_of_training_means_adam(name: str) -> None:
    """Without a solver, each option of training chooses Adam, for one input and for several."""
    for sizes in ((1, 1), (3, 2)):
        assert choose_solver("auto", {name: VALUES[name], "hidden": 3}, *sizes) == ("adam", f"because {name} is given")
    assert choose_solver("lbfgs", {name: VALUES[name]}, 1, 1) == ("lbfgs", "")


def test_auto_is_the_spline_or_lbfgs() -> None:
    """Without an option of training, one input and one output get the spline, and several get L-BFGS."""
    x = np.linspace(0, 3, 40)
    both = np.stack([x, np.cos(x)], axis=1)
    quick: dict[str, Any] = {"hidden": 4, "progress": False}
    assert fit("sin", **quick).metrics.solver == fit(x, x**2, **quick).metrics.solver == "spline"
    assert fit("noisy_sine", progress=False).metrics.hidden < 40  # chosen from the samples
    assert fit(both, x, **quick).metrics.solver == fit(x, both, **quick).metrics.solver == "lbfgs"
    assert fit(both, x, weight=x + 1, dtype="float64", **quick).metrics.solver == "lbfgs"
    assert fit("sin", optimizer=SGD(), **quick).metrics.solver == "sgd"
    assert fit("sin", epochs=1, **quick).metrics.solver == "adam"


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (("sin",), {"dtype": "float32"}, "'spline', which solver='auto' takes for one input and one output, does not"),
        (
            ("sin",),
            {"epochs": 1, "tolerance": 1},
            "'adam', which solver='auto' takes because epochs is given, does not",
        ),
        ((np.ones((3, 2)), np.ones(3)), {"tolerance": 1}, "'lbfgs', which solver='auto' takes for several inputs or "),
        (("sin",), {"solver": None}, "unknown solver None; choose one of auto, sgd"),
    ],
)
def test_a_solver_that_was_not_named_says_why_it_was_taken(data: Any, options: dict[str, Any], message: str) -> None:
    """The error about an option that "auto" cannot use names the solver and the reason for it."""
    with pytest.raises(RelufitError, match=message):
        fit(*data, **options)


def test_the_table_knows_every_option_of_fit() -> None:
    """Every option of fit is in the table or used by all solvers, and its default is None."""
    names = set(inspect.signature(fit).parameters) - {"target_or_x", "y", "solver"}
    assert set(USED_BY) <= names
    assert names - set(USED_BY) == {"hidden", "seed", "n", "domain", "test_fraction", "progress"}
    assert all(
        inspect.signature(call).parameters[name].default is None for name in DEFAULTS for call in (fit, fit_many)
    )


def test_what_no_solver_uses_together_is_left_out() -> None:
    """Where no solver uses all options given, the error names none."""
    with pytest.raises(RelufitError, match=r"does not use tolerance; leave it out$"):
        settle("adam", {"epochs": 5, "tolerance": 1e-3}, of_data=False)


def test_defaults_are_those_of_options_that_the_solver_uses() -> None:
    """Only options that the solver uses get a default."""
    assert settle("adam", {}, of_data=True) == DEFAULTS
    assert settle("spline", {"hidden": None}, of_data=True) == {"test_fraction": 0.2}
    assert settle("lbfgs", {"epochs": 3, "hidden": 7}, of_data=False)["epochs"] == 3


@pytest.mark.parametrize(
    ("options", "of_data", "message"),
    [
        ({"hidden": 3, "tolerance": 0.1}, True, "give hidden or tolerance, not both: the tolerance chooses"),
        ({"state": object(), "scheme": "he"}, True, "give state or scheme, not both"),
        ({"n": 9}, True, "n is the number of samples of a function"),
        ({"domain": (0, 1)}, True, "domain is the interval of a function"),
        ({"weight": [1.0]}, False, "weight is a number for each row"),
        ({"domain": (1, 0)}, False, "low < high"),
        ({"n": 0}, False, "n must be"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], of_data: bool, message: str) -> None:
    """Two options may exclude each other; an option may not apply to data, or to a function."""
    solver = next(name for name in SOLVERS if all(name in USED_BY.get(option, SOLVERS) for option in options))
    with pytest.raises(RelufitError, match=message):
        settle(solver, options, of_data=of_data)


@pytest.mark.parametrize("call", [fit, fit_many])
def test_a_solver_and_an_optimizer_do_not_contradict_each_other(call: Any) -> None:
    """A solver, an optimizer or a matching pair of them is taken; a contradiction is refused."""
    rules: dict[str, Any] = {"sgd": SGD(3e-3), "momentum": Momentum(3e-3), "adam": Adam(3e-3)}
    quick: dict[str, Any] = {"hidden": 4, "epochs": 1, "n": 20, "progress": False}
    for name, rule in rules.items():
        for given in ({"optimizer": rule}, {"solver": name, "optimizer": rule}, {"solver": name}):
            found = call("sin", **given, **quick)
            assert (found if call is fit else found[0]).metrics["solver"] == name
        for other in set(STEPPING) - {name}:
            with pytest.raises(RelufitError, match=f"solver='{other}' and optimizer=.* contradict each other"):
                call("sin", solver=other, optimizer=rule, **quick)


@pytest.mark.parametrize("solver", TRAINING)
def test_defaults_may_be_given(solver: str) -> None:
    """Giving a default that the solver uses changes nothing."""
    given = {name: value for name, value in DEFAULTS.items() if solver in USED_BY.get(name, SOLVERS)}
    quick: dict[str, Any] = {"hidden": 4, "n": 20, "progress": False, "solver": solver}
    found, wanted = fit("sin", **given, **quick), fit("sin", **quick)
    assert found.params == wanted.params
