"""Fitting a function or a table of data by any solver: standardise, solve, fold the scaling back."""

import sys
from functools import partial
from typing import Any

import numpy as np

from relufit.columns import NUMBER, Columns
from relufit.data import SAMPLES, check_columns, demand_data_alone, draw_plan, sample, split, weigh
from relufit.errors import RelufitError
from relufit.fits import Fit, Problem
from relufit.memory import demand_memory
from relufit.optim import OPTIMIZERS, Optimizer, State
from relufit.params import SCHEMES, Params, Sizes, check_choice, check_count, check_dtype, check_hidden, init_params
from relufit.progress import progress_bar, progress_line
from relufit.scaling import Scaling
from relufit.solvers import lbfgs, spline
from relufit.solvers.lifting import lifted_sizes
from relufit.solvers.spline import HIDDEN
from relufit.solvers.training import (
    Wanted,
    check_backend,
    choose_backend,
    choose_optimizer,
    default_box,
    demand_state,
    train,
    training_bytes,
)
from relufit.spline.breaks import demand_no_pole
from relufit.targets import Target, resolve

SOLVERS = (*OPTIMIZERS, "lbfgs", "spline")


def fit(
    target_or_x: Any,
    y: Any = None,
    *,
    hidden: int | str | None = None,
    solver: str = "adam",
    backend: Wanted = "numpy",
    optimizer: Optimizer | None = None,
    learning_rate: float | None = None,
    epochs: int = 200,
    batch_size: int = 32,
    seed: int = 0,
    dtype: str = "float32",
    n: int | None = None,
    domain: tuple[float, float] | None = None,
    test_fraction: float = 0.2,
    scheme: str = "spread",
    state: State | None = None,
    weight: Any = None,
    tolerance: float | None = None,
    progress: bool | None = None,
) -> Fit:
    """Fit a two-layer ReLU network to a function or to data.

    `target_or_x` is a Target, the name of one ("sin"), an expression in x ("sin(3*x) + x**2") or a vectorised
    callable, sampled at `n` points (1000) of `domain`; or the inputs x, (N,) or (N, D), with `y`, (N,) or (N, O).
    x may hold times (datetime64, datetime, pandas): they are fitted as seconds since 1970 UTC, and count as UTC where
    they name no zone; `Fit.predict` takes times then too. Integers and times that float64 would take for the same are
    refused in x, and rounded in y.

    `hidden` units, 512 without it. `solver` is one of

    - "sgd", "momentum", "adam" at `learning_rate` (default 1e-3), or an `optimizer`: `epochs` in minibatches of
      `batch_size`, from `state` where one is given (the `.state` of an earlier fit of the same data; of other data it
      is a warm start), continuing its order of minibatches;
    - "lbfgs": scipy's L-BFGS on all samples at once, `epochs` iterations at the most, in `dtype` on the backend; it
      takes no `learning_rate`, `optimizer` or `state`;
    - "spline": the best linear spline found, for one input and one output, in milliseconds. A function without noise is
      fitted itself, not its samples. `hidden` may be "auto" for data, which then gets as many units as it supports, up
      to 512 (so it does without `hidden`); or a mean squared error is given as `tolerance`, for which the fewest units
      are taken. It is that of what is fitted: a function without noise over its domain, metrics["mse"]; else the
      training samples, metrics["train_mse"]. It takes no `learning_rate`, `optimizer` or `state`; backend, dtype,
      epochs, batch_size and scheme have no meaning here, though what is unknown is refused.

    With lbfgs and spline the samples of data may have a `weight`, (N,): that of 2 counts as two samples, that of 0 as
    none, and the Fit keeps those that count. (Held out are so many of the samples, whatever their weights.)

    x and y are standardised for training in `dtype` and the scaling is folded back into float64 parameters. `progress`
    shows a bar, or of a spline the numbers of units tried; None shows it where stderr is a terminal.

    `backend` is a name, a Backend, or several in order of preference, such as ("cupy-train", "cupy", "numpy"): the
    first that works on this machine and says that it supports the work.

    Ctrl-C ends training, and the search for a number of units, and returns the state reached, with metrics["status"]
    "interrupted": of a spline the fewest units so far for the tolerance, or the best so far where none reach it, or as
    many as the scores so far speak for. Before there is any, KeyboardInterrupt is raised.

    Returns a Fit. metrics: `mse` and `max_error` against the function over the domain (against all samples, for
    data), `train_mse` and `test_mse` on the samples, `seconds` of solving, epochs, steps, hidden, solver, backend.

    Raises RelufitError for bad input, BackendUnavailable where the backend cannot run here, and Diverged, with the
    last good fit as `.fit`, where the loss leaves the finite numbers.
    """
    x, y, target, columns = _data(target_or_x, y, n, domain, seed)
    hidden = check_hidden(hidden)
    dtype, epochs, batch_size = check_dtype(dtype), check_count("epochs", epochs), check_count("batch_size", batch_size)
    check_backend(backend)  # also where the solver has no use for them
    check_choice("init scheme", scheme, SCHEMES)
    if weight is not None:
        if target is not None:
            raise RelufitError("weight belongs to data, a number for each row of x and y; a function has no rows")
        x, y, weight = weigh(x, y, weight)
    check_options(
        solver, hidden=hidden, tolerance=tolerance, weight=weight,
        optimizer=optimizer, learning_rate=learning_rate, state=state,
    )  # fmt: skip
    rule, solver = choose_optimizer(solver, optimizer, learning_rate) if solver in OPTIMIZERS else (None, solver)
    train_index, test_index = split(len(x), test_fraction=test_fraction, seed=seed)
    function = None if solver != "spline" or target is None or target.noise else target  # that is fitted itself
    scaling = Scaling.of(x, y, weight) if function is None else Scaling.of_function(function, x, y)
    scaling.demand_spread(x, y if function is None else None)
    problem = Problem(x, y, target, scaling, train_index, test_index, solver, "numpy", weight, columns)
    shown = sys.stderr.isatty() if progress is None else progress
    if solver == "spline":
        with progress_line(shown) as show:
            return spline.fit_problem(problem, hidden, tolerance, show)

    units = HIDDEN if hidden is None else check_count("hidden", hidden)
    sizes = Sizes(len(train_index), x.shape[1], units, y.shape[1])
    demand_memory(
        f"training {units} hidden units",
        training_bytes(sizes, np.dtype(dtype).itemsize, lbfgs.MEMORY if rule is None else rule.moments),
        "take fewer units, or solver='spline' for one input and one output",
    )
    draw = partial(_draw_weights, problem, sizes, scheme, dtype, seed)
    if rule is None:
        return _minimize(problem, sizes, backend, draw(), epochs, shown)
    if state is None:
        state = rule.init(draw())
    demand_state(state, sizes, dtype, rule)
    return _train(problem, sizes, backend, state, rule, epochs, batch_size, seed, shown)


def check_options(
    solver: str,
    *,
    hidden: Any = None,
    tolerance: Any = None,
    weight: Any = None,
    optimizer: Any = None,
    learning_rate: Any = None,
    state: Any = None,
) -> None:
    """Raise RelufitError for an unknown solver, and where one is given what it cannot act upon.

    These are the options of `fit` that are None where nobody gives them; those with a value of their own, such as
    `epochs`, cannot be seen to be given.
    """
    check_choice("solver", solver, SOLVERS)
    if solver != "spline" and tolerance is not None:
        raise RelufitError(f"tolerance needs solver='spline'; {solver} knows none")
    if solver not in ("spline", "lbfgs") and weight is not None:
        raise RelufitError(f"weight needs solver='spline' or 'lbfgs'; {solver} knows none")
    if solver != "spline" and hidden == "auto":
        raise RelufitError("hidden='auto' needs solver='spline'; give a number of units")
    if solver in OPTIMIZERS:
        return
    if optimizer is not None:
        raise RelufitError(f"{solver} takes no optimizer; give a solver or an optimizer, not both")
    if learning_rate is not None or state is not None:
        raise RelufitError(
            f"{solver} has no learning rate, and begins anew; give neither learning_rate nor state, or solver='adam'"
        )


def _draw_weights(problem: Problem, sizes: Sizes, scheme: str, dtype: str, seed: int) -> Params:
    """Initial weights, for the standardised samples."""
    box = default_box(problem.scaling.scale_x(problem.x))
    return init_params(sizes.hidden, sizes.inputs, sizes.outputs, seed=seed, scheme=scheme, domain=box, dtype=dtype)


def _minimize(problem: Problem, sizes: Sizes, backend: Wanted, start: Params, epochs: int, shown: bool) -> Fit:
    """By L-BFGS, on the first of the backends that can."""
    work = sizes if problem.weight is None else lifted_sizes(sizes)
    chosen = choose_backend(backend, work, start.w1.dtype.name, None, None)
    with progress_bar(epochs, shown) as show:
        return lbfgs.minimize(problem.on(chosen), chosen, start, epochs, show)


def _train(
    problem: Problem,
    sizes: Sizes,
    backend: Wanted,
    state: State,
    rule: Optimizer,
    epochs: int,
    batch_size: int,
    seed: int,
    shown: bool,
) -> Fit:
    """By gradients, on the first of the backends that can."""
    plan = draw_plan(sizes.samples, batch=batch_size, seed=seed)
    chosen = choose_backend(backend, sizes, state.params.w1.dtype.name, rule, plan)
    with progress_bar(epochs, shown) as show:
        return train(problem.on(chosen), chosen, state, rule, epochs, batch_size, seed, show)


def _data(
    target_or_x: Any, y: Any, n: int | None, domain: tuple[float, float] | None, seed: int
) -> tuple[np.ndarray, np.ndarray, Target | None, Columns]:
    if y is not None:
        if isinstance(target_or_x, (str, Target)):
            raise RelufitError(f"{target_or_x!r:.60} is a function and brings its own y; give data as x and y, or no y")
        demand_data_alone(n, domain)
        inputs, outputs, columns = check_columns(target_or_x, y)
        return inputs, outputs, None, columns
    if not isinstance(target_or_x, (str, Target)) and not callable(target_or_x):
        raise RelufitError("data need both x and y; without y, give a Target, a name, an expression or a function")
    target = resolve(target_or_x, domain)
    demand_no_pole(target)
    return *sample(target, SAMPLES if n is None else n, seed), target, Columns(types=(NUMBER,))
