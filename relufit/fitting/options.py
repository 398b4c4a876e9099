"""The options of `fit`: which solver uses which, their defaults, and their valid values.

fit, fit_many, fit_file and the command line check their options here. None means: not given.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from relufit.errors import RelufitError, check_choice, check_count, check_domain, check_positive, check_seed
from relufit.network.optim import OPTIMIZERS
from relufit.network.params import SCHEMES, check_dtype, check_hidden
from relufit.solvers.training import CHOOSE, check_backend

STEPPING = tuple(OPTIMIZERS)  # trained step by step on minibatches
TRAINING = (*STEPPING, "lbfgs")
SOLVERS = (*TRAINING, "spline")
TRAINED = ("backend", "optimizer", "learning_rate", "epochs", "batch_size", "state", "scheme")  # options of training
USED_BY = {  # the solvers that use an option; every solver uses the options not listed
    **dict.fromkeys(("optimizer", "learning_rate", "batch_size", "state"), STEPPING),
    **dict.fromkeys(("backend", "epochs", "dtype", "scheme"), TRAINING),
    "weight": ("lbfgs", "spline"),
    "tolerance": ("spline",),
}
DEFAULTS: dict[str, Any] = {
    "backend": "numpy", "epochs": 200, "batch_size": 32, "dtype": "float32", "scheme": "spread", "test_fraction": 0.2,
}  # fmt: skip
CHECKS: dict[str, Callable[[Any], Any]] = {
    "hidden": check_hidden, "epochs": partial(check_count, "epochs"), "batch_size": partial(check_count, "batch_size"),
    "n": partial(check_count, "n"), "domain": check_domain, "backend": check_backend, "dtype": check_dtype,
    "scheme": lambda name: check_choice("init scheme", name, SCHEMES), "seed": check_seed,
    "tolerance": partial(check_positive, "a tolerance, a mean squared error,"),
}  # fmt: skip
EXCLUSIVE = {  # pairs of options that exclude each other, and why
    ("hidden", "tolerance"): "the tolerance chooses the number of units",
    ("state", "scheme"): "the scheme draws initial weights, and a state already has weights",
}
OF_FUNCTIONS = {"n": "is the number of samples of a function", "domain": "is the interval of a function"}


def choose_solver(solver: str, given: dict[str, Any], inputs: int, outputs: int) -> tuple[str, str]:
    """The named solver, or the one that "auto" takes, and the reason for that one, for errors of `settle`.

    "auto" is Adam if one of the options TRAINED is given; else the spline for one input and one output, and L-BFGS for
    several. Raises RelufitError for an unknown solver.
    """
    check_choice("solver", solver, (CHOOSE, *SOLVERS))
    if solver != CHOOSE:
        return solver, ""
    training = [name for name in TRAINED if given.get(name) is not None]
    if training:
        return "adam", f"because {training[0]} is given"
    if inputs == outputs == 1:
        return "spline", "for one input and one output"
    return "lbfgs", "for several inputs or outputs"


def settle(solver: str, given: dict[str, Any], *, of_data: bool, reason: str = "") -> dict[str, Any]:
    """Check the options given and add the defaults of the other options that the solver uses.

    `reason` is the one of `choose_solver`. Raises RelufitError for an unknown solver, for an option that the solver
    does not use or that does not apply to data or to a function (even if its value is the default), for two that
    exclude each other, and for an invalid value.
    """
    check_choice("solver", solver, SOLVERS)
    given = {name: value for name, value in given.items() if value is not None}
    for name, why in OF_FUNCTIONS.items() if of_data else ():
        if name in given:
            raise RelufitError(f"{name} {why}; data have their own x, so leave it out")
    if "weight" in given and not of_data:
        raise RelufitError("weight is a number for each row of x and y; a function has no rows, so leave it out")
    _demand_use(solver, list(given), reason)
    for (one, other), why in EXCLUSIVE.items():
        if one in given and other in given:
            raise RelufitError(f"give {one} or {other}, not both: {why}")
    checked = {name: CHECKS[name](value) if name in CHECKS else value for name, value in given.items()}
    if checked.get("hidden") == "auto" and solver != "spline":
        raise RelufitError(f"hidden='auto' needs solver='spline'; with solver={solver!r} give a number of units")
    return {name: value for name, value in DEFAULTS.items() if is_used(name, solver)} | checked


def is_used(name: str, solver: str) -> bool:
    """Whether the solver uses this option."""
    return solver in USED_BY.get(name, SOLVERS)


def _demand_use(solver: str, names: list[str], reason: str) -> None:
    """Raise RelufitError for options that the solver does not use; the message names the solvers that use them all."""
    unused = [name for name in names if not is_used(name, solver)]
    if unused:
        others = [f"solver={other!r}" for other in SOLVERS if all(is_used(name, other) for name in names)]
        pronoun = "it" if len(unused) == 1 else "them"
        instead = f", or use {' or '.join(others)}" if others else ""
        why = f", which solver={CHOOSE!r} takes {reason}," if reason else ""
        raise RelufitError(f"solver={solver!r}{why} does not use {', '.join(unused)}; leave {pronoun} out{instead}")
