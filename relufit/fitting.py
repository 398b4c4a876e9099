"""Fitting a function or a table of data by any solver: standardise, solve, fold the scaling back."""

import sys
from functools import partial
from typing import Any

import numpy as np

from relufit.columns import NUMBER, Columns
from relufit.data import SAMPLES, check_columns, draw_plan, sample, split, weigh
from relufit.errors import RelufitError, counted
from relufit.fits import Fit, Problem
from relufit.memory import demand_memory
from relufit.optim import Optimizer, State
from relufit.options import STEPPING, settle
from relufit.params import Params, Sizes, init_params
from relufit.progress import progress_bar, progress_line
from relufit.scaling import Scaling
from relufit.solvers import lbfgs, spline
from relufit.solvers.lifting import lifted_sizes
from relufit.solvers.spline import HIDDEN
from relufit.solvers.training import (
    Wanted,
    choose_backend,
    choose_optimizer,
    default_box,
    demand_state,
    train,
    training_bytes,
)
from relufit.spline.breaks import demand_no_pole
from relufit.targets import Target, resolve


def fit(
    target_or_x: Any,
    y: Any = None,
    *,
    hidden: int | str | None = None,
    solver: str | None = None,
    backend: Wanted | None = None,
    optimizer: Optimizer | None = None,
    learning_rate: float | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    dtype: str | None = None,
    n: int | None = None,
    domain: tuple[float, float] | None = None,
    test_fraction: float | None = None,
    scheme: str | None = None,
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

    None is an option that is not given; one that the solver has no use for is refused, also at its default value.

    `hidden` units, 512 without it. `solver` is one of

    - "sgd", "momentum", "adam" (adam without `solver`) at `learning_rate` (1e-3), or the rule of an `optimizer`:
      `epochs` (200) in minibatches of `batch_size` (32), from initial weights drawn by `scheme` ("spread"; see
      init_params), or from a `state` (the `.state` of an earlier fit of the same data; of other data it is a warm
      start), continuing its order of minibatches; in `dtype` ("float32") on the `backend` ("numpy");
    - "lbfgs": scipy's L-BFGS on all samples at once, at most `epochs` (200) iterations; it uses `scheme`, `dtype` and
      `backend` likewise;
    - "spline": the best linear spline found, for one input and one output, in milliseconds. A function without noise is
      fitted itself, not its samples, which the Fit only holds. `hidden` may be "auto" for data, which then gets as many
      units as it supports, up to 512 (so it does without `hidden`); or a mean squared error is given as `tolerance`,
      for which the fewest units are taken. It is that of what is fitted: a function without noise over its domain,
      metrics["mse"]; else the samples fitted, metrics["train_mse"].

    A `test_fraction` (0.2) of the samples is held out, and metrics["test_mse"] is the error on them of a fit without
    them. Training by gradients returns that fit. "lbfgs" and "spline" then fit all samples, in the same way and with as
    many units, and return that. Where "spline" fits a function itself, it uses no samples, and errors on them are only
    reported. `seed` is that of everything random.

    With lbfgs and spline the samples of data may have a `weight`, (N,): that of 2 counts as two samples, that of 0 as
    none, and the Fit keeps those that count. (Held out are so many of the samples, whatever their weights.)

    Outside the samples, or the domain of a function, the spline goes straight on: its first and its last piece have no
    end, for `hidden` of 2 and more. With one hidden unit it is either constant on one side of its knot, as the unit is,
    or a line, which is constant only beyond a distance of 1024 times the length of the data to the left.

    x and y are standardised for training in `dtype` and the scaling is folded back into float64 parameters. `progress`
    shows a bar, or of a spline the numbers of units tried; None shows it where stderr is a terminal.

    `backend` is a name, a Backend, or several in order of preference, such as ("cupy-train", "cupy", "numpy"): the
    first that works on this machine and says that it supports the work.

    Ctrl-C ends training, and the search for a number of units, and returns the state reached, with metrics["status"]
    "interrupted": of a spline the fewest units so far for the tolerance, or the best so far where none reach it, or as
    many as the scores so far speak for. Before there is any, KeyboardInterrupt is raised.

    Returns a Fit. metrics: `mse` and `max_error` against the function over the domain (against all samples, for
    data), `train_mse` on the samples fitted, `test_mse` on those held out, `seconds` of solving, epochs, steps, hidden,
    solver, backend, and `status`: "finished", "interrupted" by Ctrl-C, or "inexact" for a spline whose network differs
    from it by more than rounding usually explains, as with pieces too steep for float64.

    Raises RelufitError for bad input, BackendUnavailable where the backend cannot run here, and Diverged, with the
    last good fit as `.fit`, where the loss leaves the finite numbers.
    """
    kind = solver if solver is not None else "adam"
    options = settle(
        kind,
        {
            "hidden": hidden, "backend": backend, "optimizer": optimizer, "learning_rate": learning_rate,
            "epochs": epochs, "batch_size": batch_size, "seed": seed, "dtype": dtype, "n": n, "domain": domain,
            "test_fraction": test_fraction, "scheme": scheme, "state": state, "weight": weight, "tolerance": tolerance,
        },
        of_data=y is not None,
    )  # fmt: skip
    rule, kind = choose_optimizer(solver, optimizer, learning_rate) if kind in STEPPING else (None, kind)
    problem = _problem(target_or_x, y, kind, options, weight)
    shown = sys.stderr.isatty() if progress is None else progress
    if kind == "spline":
        with progress_line(shown) as show:
            return spline.fit_problem(problem, options.get("hidden"), tolerance, show)

    units = options.get("hidden", HIDDEN)
    sizes = Sizes(len(problem.train_index), problem.x.shape[1], units, problem.y.shape[1])
    demand_memory(
        f"training {counted(units, 'hidden unit')}",
        training_bytes(sizes, np.dtype(options["dtype"]).itemsize, lbfgs.MEMORY if rule is None else rule.moments),
        "take fewer units, or solver='spline' for one input and one output",
    )
    draw = partial(_draw_weights, problem, sizes, options["scheme"], options["dtype"], seed)
    if rule is None:
        return _minimize(problem, sizes, options["backend"], draw(), options["epochs"], shown)
    if state is None:
        state = rule.init(draw())
    demand_state(state, sizes, options["dtype"], rule)
    return _train(
        problem, sizes, options["backend"], state, rule, options["epochs"], options["batch_size"], seed, shown
    )


def _problem(target_or_x: Any, y: Any, solver: str, options: dict[str, Any], weight: Any) -> Problem:
    """What is fitted: samples, how they are split and scaled. Raises RelufitError for what cannot be fitted."""
    seed: int = options["seed"]
    x, y, target, columns = _data(target_or_x, y, options.get("n", SAMPLES), options.get("domain"), seed)
    if weight is not None:
        x, y, weight = weigh(x, y, weight)
    function = None if solver != "spline" or target is None or target.noise else target  # that is fitted itself
    train_index, test_index = split(len(x), test_fraction=options["test_fraction"], seed=seed)
    scaling = Scaling.of(x, y, weight) if function is None else Scaling.of_function(function, x, y)
    scaling.demand_spread(x, y if function is None else None)
    return Problem(x, y, target, scaling, train_index, test_index, solver, "numpy", weight, columns)


def _draw_weights(problem: Problem, sizes: Sizes, scheme: str, dtype: str, seed: int) -> Params:
    """Initial weights, for the standardised samples."""
    box = default_box(problem.scaling.scale_x(problem.x))
    return init_params(sizes.hidden, sizes.inputs, sizes.outputs, seed=seed, scheme=scheme, domain=box, dtype=dtype)


def _minimize(problem: Problem, sizes: Sizes, backend: Wanted, start: Params, epochs: int, shown: bool) -> Fit:
    """By L-BFGS, on the first of the backends that can: all samples, and once more without those that are held out."""
    sizes = sizes._replace(samples=len(problem.x))
    work = sizes if problem.weight is None else lifted_sizes(sizes)
    chosen = choose_backend(backend, work, start.w1.dtype.name, None, None)
    problem = problem.on(chosen)
    with progress_bar(epochs, shown) as show:
        fit = lbfgs.minimize(problem.on_all_samples(), chosen, start, epochs, show)
    if not len(problem.test_index) or fit.metrics["status"] == "interrupted":
        return fit
    with progress_bar(epochs, shown) as show:
        scored = lbfgs.minimize(problem, chosen, start, epochs, show)
    fit.metrics.update(test_mse=scored.metrics["test_mse"], status=scored.metrics["status"])
    fit.history.test_mse[-1:] = [scored.metrics["test_mse"]]
    return fit


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
    target_or_x: Any, y: Any, n: int, domain: tuple[float, float] | None, seed: int
) -> tuple[np.ndarray, np.ndarray, Target | None, Columns]:
    if y is not None:
        if isinstance(target_or_x, (str, Target)):
            raise RelufitError(f"{target_or_x!r:.60} is a function and brings its own y; give data as x and y, or no y")
        inputs, outputs, columns = check_columns(target_or_x, y)
        return inputs, outputs, None, columns
    if not isinstance(target_or_x, (str, Target)) and not callable(target_or_x):
        raise RelufitError("data need both x and y; without y, give a Target, a name, an expression or a function")
    target = resolve(target_or_x, domain)
    demand_no_pole(target)
    return *sample(target, n, seed), target, Columns(types=(NUMBER,))
