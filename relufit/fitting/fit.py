"""Fit a function or a table of data by any solver: standardise, solve, fold the scaling back."""

import sys
from typing import Any

import numpy as np

from relufit.errors import RelufitError, counted
from relufit.fits.problem import Problem
from relufit.fits.result import Fit
from relufit.fitting.options import STEPPING, choose_solver, settle
from relufit.network.data import SAMPLES, check_columns, draw_plan, sample, split, weigh
from relufit.network.memory import demand_memory
from relufit.network.optim import Optimizer, State
from relufit.network.params import Params, Sizes, init_params
from relufit.network.scaling import Scaling
from relufit.reading.columns import NUMBER, Columns
from relufit.solvers import lbfgs, spline
from relufit.solvers.lifting import lifted_sizes
from relufit.solvers.methods import GradientDescent, Solver, unpacked
from relufit.solvers.progress import progress_bar, progress_line
from relufit.solvers.spline import HIDDEN
from relufit.solvers.training import (
    CHOOSE,
    Wanted,
    Watch,
    choose_backend,
    choose_optimizer,
    default_box,
    demand_state,
    train,
    training_bytes,
)
from relufit.spline.moments.breaks import demand_no_pole
from relufit.targets import Target, resolve

Data = tuple[np.ndarray, np.ndarray, Columns]  # x (N, D), y (N, O)


def fit(
    target_or_x: Any,
    y: Any = None,
    *,
    hidden: int | str | None = None,
    solver: str | Solver = CHOOSE,
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

    `target_or_x` is a Target, the name of one ("sin"), an expression in x ("sin(3*x) + x**2") or a vectorised callable,
    sampled at `n` points (1000) of `domain`; or the inputs x, (N,) or (N, D), with `y`, (N,) or (N, O). x may hold
    times (datetime64, datetime, pandas): they are fitted as seconds since 1970 UTC, and a time without a zone counts as
    UTC. `Fit.predict` then takes times too. Different integers or times that are equal in float64 are an error in x,
    and are rounded in y.

    None means that an option is not given. An option that the solver does not use is an error, even at its default
    value. Defaults are in parentheses.

    `hidden` is the number of units (512). `solver` ("auto") is one of

    - "sgd", "momentum", "adam": `epochs` (200) in minibatches of `batch_size` (32), at `learning_rate` (1e-3) or by an
      `optimizer` in place of `solver`, in `dtype` ("float32") on the `backend` ("numpy"). Training starts at initial
      weights drawn by `scheme` ("spread"; see init_params), or continues from a `state`: the `.state` of an earlier fit
      of the same data, whose order of minibatches continues, or of other data, as a warm start;
    - "lbfgs": scipy's L-BFGS on all samples at once, at most `epochs` (200) iterations, with `scheme`, `dtype` and
      `backend` as above;
    - "spline": the best linear spline found, for one input and one output, in milliseconds. A function without noise is
      fitted itself, and its samples are only stored in the Fit. For data `hidden` is "auto" by default, which chooses
      the number of units from the data, up to 512. A `tolerance` in place of `hidden` chooses the smallest number of
      units that reaches this mean squared error: metrics["mse"], over the domain, for a function without noise; else
      metrics["train_mse"], on the samples;
    - "auto": "spline" for one input and one output, and "lbfgs" for several. A `backend`, `optimizer`, `learning_rate`,
      `epochs`, `batch_size`, `scheme` or `state` means training: with one of these "auto" is "adam", or the solver of
      the `optimizer`.

    A solver is also a value of relufit.solvers: FreeKnotSpline, LBFGS, or GradientDescent, which has a schedule of the
    learning rate, early stopping and a callback.

    A `test_fraction` (0.2) of the samples is held out, and metrics["test_mse"] is the error on them of a fit without
    them. "sgd", "momentum" and "adam" return that fit. "lbfgs" and "spline" return a fit of all samples, with the same
    number of units. Where "spline" fits a function itself, it uses no samples, and errors on them are only reported.
    `seed` (0) is the seed of all random numbers.

    With "lbfgs" and "spline" the samples of data may have a `weight`, (N,): a sample of weight 2 counts as two samples,
    and one of weight 0 is left out of the Fit. The test fraction counts samples, not weights. The backend of "lbfgs"
    gets the weights as one more input.

    Outside the samples, or the domain of a function, a spline of two hidden units or more continues its first and last
    piece as lines. A spline of one hidden unit is constant on one side of its knot. If it is a line on the data, that
    knot is to the left of them, 1024 times their length away.

    x and y are standardised for training in `dtype` and the scaling is folded back into float64 parameters. `progress`
    shows a bar, or for a spline the numbers of units tried; None shows it if stderr is a terminal.

    `backend` is a name, a Backend, or several in order of preference, such as ("cupy-train", "numba", "numpy"): the
    first that runs on this machine and supports these sizes, dtype and optimizer is used, and metrics["passed_over"]
    has the reason of each one before it. "auto" is the first that can of "numba-hinge", "numba", "numpy-hinge" and
    "numpy": their order in the published times of a training step, for one input and one output. No GPU has been
    measured yet, so "auto" takes none; ("cupy-train", "auto") prefers one. A backend that fails during training is an
    error; no other one is tried. The first fit with numba on a machine compiles its loops, which takes seconds.

    Ctrl-C ends training, and the search for a number of units, and returns the state reached, with metrics["status"]
    "interrupted". For a spline with a `tolerance` that is the smallest number of units found so far, or the best fit if
    none reaches it; for `hidden` "auto" it is the number of units with the best score so far. Before the first result,
    KeyboardInterrupt is raised.

    Returns a Fit; `Metrics` describes its metrics, among them the `solver` that was used. The status is "finished",
    "interrupted" by Ctrl-C, or "inexact" if the error of a spline's network differs from that of the spline, because
    pieces are too steep for float64.

    Raises RelufitError for bad input, BackendUnavailable if the backend cannot run here, and Diverged, with the last
    good fit as `.fit`, if the loss becomes nan, inf or larger than 1e8 (of standardised data).
    """
    named, given = unpacked(solver, {
        "hidden": hidden, "backend": backend, "optimizer": optimizer, "learning_rate": learning_rate,
        "epochs": epochs, "batch_size": batch_size, "seed": seed, "dtype": dtype, "n": n, "domain": domain,
        "test_fraction": test_fraction, "scheme": scheme, "state": state, "weight": weight, "tolerance": tolerance,
    })  # fmt: skip
    data = None if y is None else _table(target_or_x, y)
    inputs, outputs = (1, 1) if data is None else (data[0].shape[1], data[1].shape[1])
    kind, why = choose_solver(named, given, inputs, outputs)
    options = settle(kind, given, of_data=data is not None, reason=why)
    given_rule = options.get("optimizer")
    rule, kind = choose_optimizer(named, given_rule, learning_rate) if kind in STEPPING else (None, kind)
    problem = _problem(target_or_x, data, kind, options)
    shown = sys.stderr.isatty() if progress is None else progress
    if kind == "spline":
        with progress_line(shown) as show:
            return spline.fit_problem(problem, options.get("hidden"), options.get("tolerance"), show)

    units = options.get("hidden", HIDDEN)
    samples = len(problem.x) if rule is None else len(problem.train_index)  # L-BFGS fits those held out too
    sizes = Sizes(samples, inputs, units, outputs)
    demand_memory(
        f"training {counted(units, 'hidden unit')}",
        training_bytes(sizes, np.dtype(options["dtype"]).itemsize, lbfgs.MEMORY if rule is None else rule.moments),
        "take fewer units, or solver='spline' for one input and one output",
    )
    if rule is None:
        return _minimize(problem, sizes, options, shown)
    method = solver if isinstance(solver, GradientDescent) else GradientDescent(rule)
    return _train(problem, sizes, method, options, shown)


def _problem(target_or_x: Any, data: Data | None, solver: str, options: dict[str, Any]) -> Problem:
    """The samples to fit, their split and their scaling. Raises RelufitError for data that cannot be fitted."""
    seed: int = options["seed"]
    weight = options.get("weight")
    target, (x, y, columns) = (None, data) if data is not None else _sampled(target_or_x, options)
    if weight is not None:
        x, y, weight = weigh(x, y, weight)
    # Solver spline fits a function without noise itself, not its samples.
    function = None if solver != "spline" or target is None or target.noise else target
    train_index, test_index = split(len(x), test_fraction=options["test_fraction"], seed=seed)
    scaling = Scaling.of(x, y, weight) if function is None else Scaling.of_function(function, x, y)
    scaling.demand_spread(x, y if function is None else None)
    return Problem(x, y, target, scaling, train_index, test_index, solver, "numpy", weight, columns)


def _draw_weights(problem: Problem, sizes: Sizes, options: dict[str, Any]) -> Params:
    """Initial weights, for the standardised samples."""
    return init_params(
        sizes.hidden,
        sizes.inputs,
        sizes.outputs,
        seed=options["seed"],
        scheme=options["scheme"],
        domain=default_box(problem.scaling.scale_x(problem.x)),
        dtype=options["dtype"],
    )


def _minimize(problem: Problem, sizes: Sizes, options: dict[str, Any], shown: bool) -> Fit:
    """Fit all samples by L-BFGS on the first backend that can, and once more without those held out, for `test_mse`."""
    start, epochs = _draw_weights(problem, sizes, options), options["epochs"]
    lifted = sizes if problem.weight is None else lifted_sizes(sizes)
    chosen, passed_over = choose_backend(options["backend"], lifted, options["dtype"], None, None)
    problem = problem.on(chosen, passed_over)
    with progress_bar(epochs, shown) as show:
        fit = lbfgs.minimize(problem.on_all_samples(), chosen, start, epochs, show)
    if not len(problem.test_index) or fit.metrics.status == "interrupted":
        return fit
    with progress_bar(epochs, shown) as show:
        scored = lbfgs.minimize(problem, chosen, start, epochs, show)
    if scored.metrics.status == "interrupted":  # an interrupted score is not reported; the fit is complete
        return fit
    fit.history.test_mse[-1:] = [scored.metrics.test_mse]
    return fit.with_metrics(test_mse=scored.metrics.test_mse)


def _train(problem: Problem, sizes: Sizes, method: GradientDescent, options: dict[str, Any], shown: bool) -> Fit:
    """Train by gradients on the first backend that can, from the state given or from initial weights."""
    rule, epochs, batch_size, seed = method.optimizer, options["epochs"], options["batch_size"], options["seed"]
    state = options["state"] if "state" in options else rule.init(_draw_weights(problem, sizes, options))
    demand_state(state, sizes, options["dtype"], rule)
    plan = draw_plan(sizes.samples, batch=batch_size, seed=seed)
    chosen, passed_over = choose_backend(options["backend"], sizes, options["dtype"], rule, plan)
    rule = method.scheduled(state.step, epochs * plan.steps_per_epoch(sizes.samples))
    with progress_bar(epochs, shown) as show:
        watch = Watch(show, method.callback, method.patience)
        return train(problem.on(chosen, passed_over), chosen, state, rule, epochs, batch_size, seed, watch)


def _table(x: Any, y: Any) -> Data:
    """Data as arrays. Raises RelufitError for data that cannot be fitted."""
    if isinstance(x, (str, Target)):
        raise RelufitError(f"{x!r:.60} is a function, which needs no y; give data as x and y, or omit y")
    return check_columns(x, y)


def _sampled(target: Any, options: dict[str, Any]) -> tuple[Target, Data]:
    """A function and its samples. Raises RelufitError for what is not a function, or has a pole."""
    if not isinstance(target, (str, Target)) and not callable(target):
        raise RelufitError("data need both x and y; without y, give a Target, a name, an expression or a function")
    found = resolve(target, options.get("domain"))
    demand_no_pole(found)
    return found, (*sample(found, options.get("n", SAMPLES), options["seed"]), Columns(types=(NUMBER,)))
