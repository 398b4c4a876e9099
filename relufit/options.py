"""The options of `fit`: which solver uses which, what they are where they are not given, and which values they take.

fit, fit_many and fit_file, and through them the command line, ask here. None stands for an option that is not given.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from relufit.errors import RelufitError
from relufit.optim import OPTIMIZERS
from relufit.params import (
    SCHEMES,
    check_choice,
    check_count,
    check_domain,
    check_dtype,
    check_hidden,
    check_positive,
    check_seed,
)
from relufit.solvers.training import check_backend

STEPPING = tuple(OPTIMIZERS)  # step by step, over minibatches
TRAINING = (*STEPPING, "lbfgs")
SOLVERS = (*TRAINING, "spline")
USED_BY = {  # all others are used by every solver
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
EXCLUSIVE = {  # why one of the two is given, and not both
    ("hidden", "tolerance"): "the tolerance chooses the number of units",
    ("state", "scheme"): "the scheme draws initial weights, and the state brings its own",
}
OF_FUNCTIONS = {"n": "is for sampling a function", "domain": "is the interval of a function"}


def settle(solver: str, given: dict[str, Any], *, of_data: bool) -> dict[str, Any]:
    """The options given, checked, and the defaults of those that the solver uses and that are not given.

    Raises RelufitError for an unknown solver, an option that the solver or the data have no use for, also where its
    value is the default, two that exclude each other, and a value that is not valid.
    """
    check_choice("solver", solver, SOLVERS)
    given = {name: value for name, value in given.items() if value is not None}
    for name, why in OF_FUNCTIONS.items() if of_data else ():
        if name in given:
            raise RelufitError(f"{name} {why}; data bring their own x, so leave it out")
    if "weight" in given and not of_data:
        raise RelufitError("weight belongs to data, a number for each row of x and y; a function has no rows")
    _demand_use(solver, list(given))
    for (one, other), why in EXCLUSIVE.items():
        if one in given and other in given:
            raise RelufitError(f"give {one} or {other}, not both: {why}")
    checked = {name: CHECKS[name](value) if name in CHECKS else value for name, value in given.items()}
    if checked.get("hidden") == "auto" and solver != "spline":
        raise RelufitError(f"hidden='auto' needs solver='spline'; give {solver} a number of units")
    return {name: value for name, value in DEFAULTS.items() if is_used(name, solver)} | checked


def is_used(name: str, solver: str) -> bool:
    """Whether the solver uses this option."""
    return solver in USED_BY.get(name, SOLVERS)


def _demand_use(solver: str, names: list[str]) -> None:
    """Raise RelufitError where one of the options says nothing to the solver; it names solvers that use them all."""
    unused = [name for name in names if not is_used(name, solver)]
    if unused:
        others = [f"solver={other!r}" for other in SOLVERS if all(is_used(name, other) for name in names)]
        instead = f", or take {' or '.join(others)}" if others else ""
        raise RelufitError(
            f"solver={solver!r} has no use for {', '.join(unused)}; leave {'it' if len(unused) == 1 else 'them'} out"
            + instead
        )
