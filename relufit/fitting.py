"""Fitting a function or a table of data by any solver: standardise, solve, fold the scaling back."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from relufit import lbfgs, splines
from relufit.backend import Backend
from relufit.breaks import demand_no_pole
from relufit.data import check_table, draw_plan, sample, split, weigh
from relufit.errors import RelufitError
from relufit.fits import Fit, Problem
from relufit.lifting import lifted_sizes
from relufit.optim import OPTIMIZERS, Optimizer, State
from relufit.params import Sizes, check_count, check_dtype, init_params
from relufit.progress import progress_bar
from relufit.scaling import Scaling
from relufit.splines import HIDDEN
from relufit.targets import Target, resolve
from relufit.training import check_state, choose_backend, choose_optimizer, default_box, train

SOLVERS = (*OPTIMIZERS, "lbfgs", "spline")


def fit(
    target_or_x: Any,
    y: Any = None,
    *,
    hidden: int | str | None = None,
    solver: str = "adam",
    backend: str | Backend | Sequence[str | Backend] = "numpy",
    optimizer: Optimizer | None = None,
    learning_rate: float | None = None,
    epochs: int = 200,
    batch_size: int = 32,
    seed: int = 0,
    dtype: str = "float32",
    n: int = 1000,
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
    callable, sampled at `n` points of `domain`; or the inputs x, (N,) or (N, D), with `y`, (N,) or (N, O).

    `hidden` units, 512 without it. `solver` is one of

    - "sgd", "momentum", "adam" at `learning_rate` (default 1e-3), or an `optimizer`: `epochs` in minibatches of
      `batch_size`, from `state` where one is given (the `.state` of an earlier fit of the same data; of other data it
      is a warm start), continuing its order of minibatches;
    - "lbfgs": scipy's L-BFGS on all samples at once, `epochs` iterations at the most, in `dtype` on the backend;
    - "spline": the best linear spline found, for one input and one output, in milliseconds. A function without noise is
      fitted itself, not its samples. `hidden` may be "auto" for data, which is then chosen by cross-validation up to
      512 (so it is without `hidden`); or a mean squared error is given as `tolerance`, for which the fewest units
      are taken. backend, dtype and what concerns training have no meaning here.

    With lbfgs and spline samples may have a `weight`, (N,): that of 2 counts as two samples, that of 0 as none, and
    the Fit keeps those that count.

    x and y are standardised for training in `dtype` and the scaling is folded back into float64 parameters. `progress`
    shows a bar; None shows it where stderr is a terminal.

    `backend` is a name, a Backend, or several in order of preference, such as ("cupy-train", "cupy", "numpy"): the
    first that works on this machine and says that it supports the work.

    Ctrl-C ends training and returns the state reached, with metrics["status"] "interrupted".

    Returns a Fit. metrics: `mse` and `max_error` against the function over the domain (against all samples, for
    data), `train_mse` and `test_mse` on the samples, `seconds` of solving, epochs, steps, hidden, solver, backend.

    Raises RelufitError for bad input, BackendUnavailable where the backend cannot run here, and Diverged, with the
    last good fit as `.fit`, where the loss leaves the finite numbers.
    """
    x, y, target = _data(target_or_x, y, n, domain, seed)
    if weight is not None:
        x, y, weight = weigh(x, y, weight)
    if solver not in SOLVERS and optimizer is None:
        raise RelufitError(f"unknown solver {solver!r}; choose one of {', '.join(SOLVERS)}")
    train_index, test_index = split(len(x), test_fraction=test_fraction, seed=seed)
    is_spline = solver == "spline" and optimizer is None
    function = None if not is_spline or target is None or target.noise else target  # that is fitted itself
    scaling = Scaling.of(x, y) if function is None else Scaling.of_function(function, x, y)
    problem = Problem(x, y, target, scaling, train_index, test_index, solver, "numpy", weight)
    if is_spline:
        return splines.fit_problem(problem, hidden, tolerance, seed)
    if tolerance is not None:
        raise RelufitError(f"tolerance needs solver='spline'; {solver} knows none")
    if weight is not None and (solver != "lbfgs" or optimizer is not None):
        raise RelufitError(f"weight needs solver='spline' or 'lbfgs'; {solver} knows none")
    if hidden == "auto":
        raise RelufitError("hidden='auto' needs solver='spline'; give a number of units")
    hidden, dtype = check_count("hidden", HIDDEN if hidden is None else hidden), check_dtype(dtype)
    epochs, batch_size = check_count("epochs", epochs), check_count("batch_size", batch_size)
    rule: Optimizer | None = None
    if solver != "lbfgs" or optimizer is not None:
        rule, solver = choose_optimizer(solver, optimizer, learning_rate)
    elif learning_rate is not None or state is not None:
        raise RelufitError("lbfgs has no learning rate, and begins anew; give neither learning_rate nor state")

    sizes = Sizes(len(train_index), x.shape[1], hidden, y.shape[1])
    if state is None:
        box = default_box(problem.scaling.scale_x(x))
        params = init_params(hidden, *sizes[1::2], seed=seed, scheme=scheme, domain=box, dtype=dtype)
        state = State(params, (), 0) if rule is None else rule.init(params)
    plan = draw_plan(len(train_index), batch=batch_size, seed=seed)
    work = sizes if weight is None else lifted_sizes(sizes)
    chosen = choose_backend(backend, work, dtype, rule, None if rule is None else plan)
    problem = problem.solved_by(solver, chosen.name)
    with progress_bar(epochs, sys.stderr.isatty() if progress is None else progress) as show:
        if rule is None:
            return lbfgs.minimize(problem, chosen, state.params, epochs, show)
        check_state(state, sizes, dtype, rule)
        return train(problem, chosen, state, rule, epochs, batch_size, seed, show)


def _data(
    target_or_x: Any, y: Any, n: int, domain: tuple[float, float] | None, seed: int
) -> tuple[np.ndarray, np.ndarray, Target | None]:
    if y is not None:
        if isinstance(target_or_x, (str, Target)):
            raise RelufitError(f"{target_or_x!r:.60} is a function and brings its own y; give data as x and y, or no y")
        if domain is not None:
            raise RelufitError("domain belongs to a function; data bring their own x")
        return *check_table(target_or_x, y), None
    if not isinstance(target_or_x, (str, Target)) and not callable(target_or_x):
        raise RelufitError("data need both x and y; without y, give a Target, a name, an expression or a function")
    target = resolve(target_or_x, domain)
    demand_no_pole(target)
    return *sample(target, n, seed), target
