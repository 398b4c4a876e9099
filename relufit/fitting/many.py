"""Many fits at once: networks that differ in initial weights, learning rate or target, trained side by side.

They share the samples of x, the split and the order of minibatches, so a backend can train them on the same batches:
each in a block of a GPU, each on a core, or one after the other.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from relufit.backends.base import Backend
from relufit.errors import RelufitError, counted
from relufit.fits.problem import Problem, first_divergence
from relufit.fits.result import Fit, History
from relufit.fitting.options import settle
from relufit.network.data import SAMPLES, check_columns, draw_plan, sample, split
from relufit.network.memory import demand_memory
from relufit.network.optim import Optimizer, State, map_arrays, stack_states
from relufit.network.params import Sizes, init_params
from relufit.network.scaling import Scaling
from relufit.reading.columns import NUMBER, Columns
from relufit.solvers.progress import progress_bar
from relufit.solvers.slices import Slice, train_epochs
from relufit.solvers.spline import HIDDEN
from relufit.solvers.training import CHOOSE, Wanted, choose_backend, choose_optimizer, default_box, training_bytes
from relufit.spline.moments.breaks import demand_no_pole
from relufit.targets import Target, resolve


def fit_many(
    targets_or_x: Any,
    y: Any = None,
    *,
    seeds: int | Sequence[int] = 0,
    learning_rates: float | Sequence[float] | None = None,
    hidden: int | None = None,
    solver: str = CHOOSE,
    backend: Wanted | None = None,
    optimizer: Optimizer | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    dtype: str | None = None,
    n: int | None = None,
    domain: tuple[float, float] | None = None,
    test_fraction: float | None = None,
    scheme: str | None = None,
    progress: bool | None = None,
) -> list[Fit]:
    """Fit M networks of one output each, all at once; returns their Fits in order.

    The networks may differ in target, in the seed of their initial weights and in learning rate. Targets are a list of
    targets as `fit` takes them, or data x, (N,) or (N, D), with y (N, M), one column per network. Each of targets,
    `seeds` and `learning_rates` has M elements, or one that holds for all networks.

    All other options are shared. They are those of `fit`, with the same defaults. `solver` is "sgd", "momentum" or
    "adam"; "auto" is Adam, or the solver of an `optimizer`. `seed` draws the samples' noise, the split and the order of
    minibatches. Functions are sampled at the same x, so they need the same domain.

    A network that diverges ends with metrics.status "diverged" and the last good state; the others continue.
    metrics.seconds is the time of all networks together. `history.test_mse` is only computed at the end. Ctrl-C ends
    the training and returns the states reached.

    Raises RelufitError for bad input, BackendUnavailable if the backend cannot run here.
    """
    starts, rates = _listed(seeds), _listed(learning_rates)
    rules = [choose_optimizer(solver, optimizer, rate) for rate in rates or [None]]
    rule, solver = rules[0]
    options = settle(
        solver,
        {
            "hidden": hidden, "backend": backend, "epochs": epochs, "batch_size": batch_size, "seed": seed,
            "dtype": dtype, "n": n, "domain": domain, "test_fraction": test_fraction, "scheme": scheme,
        },
        of_data=y is not None,
    )  # fmt: skip
    x, outputs, targets, columns = _data(targets_or_x, y, options)
    count = _common_length({"targets": outputs, "seeds": starts, "learning_rates": rates})

    train, test = split(len(x), test_fraction=options["test_fraction"], seed=options["seed"])
    sizes = Sizes(len(train), x.shape[1], options.get("hidden", HIDDEN), 1)
    chosen, passed_over = _backend_for(sizes, rule, count, options)
    problems = [
        Problem(
            x, column, target, Scaling.of(x, column), train, test, solver, "numpy", columns=columns.of_output(m)
        ).on(chosen, passed_over)
        for m, (column, target) in enumerate(zip(outputs, targets, strict=True))
    ]
    for problem in problems:
        problem.scaling.demand_spread(x, problem.y)
    states = _initial_states(problems[0], sizes, rule, starts, options)
    networks = _Networks(_as_many(problems, count), stack_states(np.stack, _as_many(states, count)))
    factors = np.array([one.learning_rate for one, _ in rules]) / rule.learning_rate if len(rules) > 1 else None
    parts = _train(problems, chosen, networks.reached, rule, factors, options)
    with progress_bar(options["epochs"], sys.stderr.isatty() if progress is None else progress) as show:
        networks.follow(parts, chosen, show)
    return [networks.fit(m) for m in range(count)]


def _backend_for(sizes: Sizes, rule: Optimizer, count: int, options: dict[str, Any]) -> tuple[Backend, dict[str, str]]:
    """The first backend that can train `count` networks, and why those preferred cannot.

    Raises RelufitError if the networks do not fit into memory.
    """
    demand_memory(
        f"training {count} x {counted(sizes.hidden, 'hidden unit')}",
        training_bytes(sizes, np.dtype(options["dtype"]).itemsize, rule.moments, count),
        "take fewer units, or fewer networks at once",
    )
    plan = draw_plan(sizes.samples, batch=options["batch_size"], seed=options["seed"])
    return choose_backend(options["backend"], sizes, options["dtype"], rule, plan)


def _initial_states(
    problem: Problem, sizes: Sizes, rule: Optimizer, seeds: list[int], options: dict[str, Any]
) -> list[State]:
    """The initial state of training for each of the seeds."""
    box = default_box(problem.scaling.scale_x(problem.x))
    drawn = (
        init_params(sizes.hidden, sizes.inputs, seed=seed, scheme=options["scheme"], domain=box, dtype=options["dtype"])
        for seed in seeds
    )
    return [rule.init(params) for params in drawn]


def _train(
    problems: list[Problem],
    backend: Backend,
    start: State,
    rule: Optimizer,
    factors: np.ndarray | None,
    options: dict[str, Any],
) -> Iterator[Slice]:
    """Train all networks from `start`, whose arrays have a leading axis M; `factors` (M,) multiply the learning rate.

    The problems share x; there is one for each network, or one for all.
    """
    shared, dtype = problems[0], options["dtype"]
    x = shared.scaling.scale_x(shared.x)[shared.train_index]
    y = np.concatenate([problem.scaling.scale_y(problem.y)[problem.train_index] for problem in problems], axis=1)
    return train_epochs(
        backend,
        map_arrays(backend.to_device, start),
        backend.samples(x.astype(dtype), y.astype(dtype)),
        rule,
        options["epochs"],
        batch=options["batch_size"],
        seed=options["seed"],
        train=partial(backend.train_many, rates=factors),
    )


class _Networks:
    """Histories and last good states of the networks during training; states are on the host, with a leading axis."""

    def __init__(self, problems: list[Problem], state: State) -> None:
        self.problems, self.before, self.reached, self.status = problems, state, state, "finished"
        self.histories = [History() for _ in problems]
        self.diverged: dict[int, State] = {}  # the last good state

    def follow(self, parts: Iterable[Slice], backend: Backend, show: Callable[[int, float], None]) -> None:
        """Record each slice of training, until the last one or Ctrl-C."""
        try:
            for part in parts:
                self.record(part._replace(state=map_arrays(backend.to_host, part.state)))
                show(part.epochs.stop, float(np.median(np.nan_to_num(part.losses[:, -1], nan=np.inf))))
        except KeyboardInterrupt:
            self.status = "interrupted"

    def record(self, part: Slice) -> None:
        """Add a slice to the histories, and note which networks diverged in it."""
        for m, losses in enumerate(part.losses):
            if m in self.diverged:
                continue
            if first_divergence(losses) is not None:
                self.diverged[m] = _one(self.reached, m)
                continue
            unit = self.problems[m].scaling.loss_unit
            in_units = losses.astype(np.float64) * unit  # the squares of y may be beyond float32
            self.histories[m].record(in_units, part.epochs.stop, part.seconds, float("nan"))
        self.before, self.reached = self.reached, part.state

    def fit(self, m: int) -> Fit:
        """The Fit of network m."""
        problem, history = self.problems[m], self.histories[m]
        if m in self.diverged:
            fit = problem.fit(self.diverged[m], history, "diverged")
        else:
            fit = problem.fit(_one(self.reached, m), history, self.status)
            if problem.has_diverged(fit):
                fit = problem.fit(_one(self.before, m), history, "diverged")
        if history.test_mse:
            history.test_mse[-1] = fit.metrics.test_mse
        return fit


def _one(states: State, m: int) -> State:
    """A copy of the state of network m, so that the memory of the others can be freed."""
    return map_arrays(np.copy, map_arrays(itemgetter(m), states))


def _data(
    targets_or_x: Any, y: Any, options: dict[str, Any]
) -> tuple[np.ndarray, list[np.ndarray], list[Target | None], Columns]:
    """The shared x (N, D); for each target y (N, 1) and its function; and the columns of all of them."""
    if y is not None:
        x, table, columns = check_columns(targets_or_x, y)
        return x, [table[:, m : m + 1] for m in range(table.shape[1])], [None] * table.shape[1], columns
    given = list(targets_or_x) if isinstance(targets_or_x, (list, tuple)) else [targets_or_x]
    if not given:
        raise RelufitError("fit_many needs at least one target")
    if not all(isinstance(one, (str, Target)) or callable(one) for one in given):
        raise RelufitError("targets must be Targets, names, expressions or functions; data need both x and y")
    targets = [resolve(one, options.get("domain")) for one in given]
    for target in targets:
        if target.domain != targets[0].domain:
            raise RelufitError(
                f"targets share their samples of x, but {targets[0].name} is on {targets[0].domain} and {target.name} "
                f"on {target.domain}; give a domain for all"
            )
        demand_no_pole(target)
    drawn = [sample(target, options.get("n", SAMPLES), options["seed"]) for target in targets]
    return drawn[0][0], [column for _, column in drawn], list(targets), Columns(types=(NUMBER,))


def _listed(values: Any) -> list[Any]:
    return [values] if values is None or np.ndim(values) == 0 else list(values)


def _common_length(sequences: dict[str, list[Any]]) -> int:
    """The number of networks: the common length of all sequences of more than one element.

    Raises RelufitError if lengths differ, or if a sequence is empty.
    """
    lengths = {name: len(values) for name, values in sequences.items() if len(values) != 1}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        found = ", ".join(f"{count} {name}" for name, count in lengths.items())
        raise RelufitError(f"targets, seeds and learning_rates must be one per network, or one for all; got {found}")
    return next(iter(lengths.values()), 1)


def _as_many(values: list[Any], count: int) -> list[Any]:
    return values * count if len(values) == 1 else values
