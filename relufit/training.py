"""Fitting a function or a table of data: standardise, train in slices of whole epochs, fold the scaling back."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from relufit.backend import Backend, BackendUnavailable, Samples
from relufit.backends import load
from relufit.data import Plan, check_table, draw_plan, sample, split
from relufit.errors import RelufitError
from relufit.numpy_function import answer
from relufit.optim import OPTIMIZERS, Optimizer, State, map_arrays
from relufit.params import Params, Sizes, check_count, check_dtype, init_params
from relufit.progress import progress_bar
from relufit.scaling import Scaling
from relufit.slices import first_divergence, train_epochs
from relufit.targets import Target, resolve

GRID = 10_001  # points at which a fit is compared with its function


class Diverged(RelufitError):
    """The loss left the finite numbers, or grew without bound. `fit` holds the last state before that."""

    def __init__(self, message: str, fit: "Fit | None" = None) -> None:
        super().__init__(message)
        self.fit = fit


@dataclass
class History:
    """How a fit went, in the units of y: errors are mean squares over the samples."""

    loss: list[float] = field(default_factory=list)  # of each epoch: the mean over its batches, before their updates
    epoch: list[int] = field(default_factory=list)  # epochs done at each look
    seconds: list[float] = field(default_factory=list)  # of training, at each look
    test_mse: list[float] = field(default_factory=list)  # at each look; nan where no samples are held out

    def record(self, losses: np.ndarray, epoch: int, seconds: float, test_mse: float) -> None:
        """Add a slice: its losses, the epochs done, what it took, and the error seen after it."""
        self.loss += losses.tolist()
        self.epoch.append(epoch)
        self.seconds.append(seconds + (self.seconds[-1] if self.seconds else 0.0))
        self.test_mse.append(test_mse)


@dataclass(frozen=True)
class Fit:
    """A trained network. `params` are float64 numpy arrays that act on x as it was given."""

    params: Params
    history: History
    metrics: dict[str, Any]
    state: State  # to go on from: fit(..., state=this); in standardised coordinates, numpy arrays
    x: np.ndarray  # (N, D) the samples
    y: np.ndarray  # (N, O)
    target: Target | None = None

    def predict(self, x: Any) -> np.ndarray:
        """The network's output in float64: x (N,) or (N, D) -> (N, O), or (N,) for a vector and O = 1."""
        return answer(evaluate, self.params, x)

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw data, fit and residual with matplotlib (D = O = 1); saved where `path` is given. Returns the figure."""
        from relufit.plotting import plot_fit

        return plot_fit(self, path)

    def save(self, path: str | Path) -> None:
        """Write the parameters to a .safetensors file. Raises RelufitError where that cannot be done."""
        from relufit.export import save_params

        save_params(self.params, path)

    def to_torch(self, dtype: str = "float64") -> Any:
        """A torch.nn.Module of fc1, relu1, fc2 with a copy of the parameters in `dtype`, which can be trained further.

        Raises RelufitError without torch, for another dtype, and where float32 cannot hold the network.
        """
        from relufit.torch_module import build_module

        return build_module(self.params, self.x, dtype)

    def to_onnx(self, path: str | Path, dtype: str = "float64") -> None:
        """Write an .onnx file, input `x` (N, D), output `y` (N, O) in `dtype`, once it has given predict's answers.

        Raises RelufitError without onnx, for another dtype, where float32 cannot hold the network, and where the file
        cannot be written.
        """
        from relufit.onnx_file import save_onnx

        save_onnx(self.params, self.x, path, dtype)

    def to_numpy_function(self) -> Callable[[Any], np.ndarray]:
        """A function of x that answers as predict does, in float64, on a copy of the parameters; it pickles."""
        from relufit.numpy_function import build_function

        return build_function(self.params)


def fit(
    target_or_x: Any,
    y: Any = None,
    *,
    hidden: int = 512,
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
    progress: bool | None = None,
) -> Fit:
    """Fit a two-layer ReLU network to a function or to data.

    `target_or_x` is a Target, the name of one ("sin"), an expression in x ("sin(3*x) + x**2") or a vectorised
    callable, sampled at `n` points of `domain`; or the inputs x, (N,) or (N, D), with `y`, (N,) or (N, O).

    `solver` names the optimizer ("sgd", "momentum", "adam") at `learning_rate` (default 1e-3); or give an `optimizer`.
    x and y are standardised for training in `dtype` and the scaling is folded back into float64 parameters. `epochs`
    are run from `state` where one is given (the `.state` of an earlier fit of the same data; of other data it is a warm
    start), continuing its order of minibatches. `progress` shows a bar; None shows it where stderr is a terminal.

    `backend` is a name, a Backend, or several in order of preference, such as ("cupy-train", "cupy", "numpy"): the
    first that works on this machine and says that it supports the work.

    Ctrl-C ends training and returns the state reached, with metrics["status"] "interrupted".

    Returns a Fit. metrics: `mse` and `max_error` against the function over the domain (against all samples, for
    data), `train_mse` and `test_mse` on the samples, `seconds` of training, epochs, steps, hidden, solver, backend.

    Raises RelufitError for bad input, BackendUnavailable where the backend cannot run here, and Diverged, with the
    last good fit as `.fit`, where the loss leaves the finite numbers.
    """
    x, y, target = _data(target_or_x, y, n, domain, seed)
    optimizer, solver = choose_optimizer(solver, optimizer, learning_rate)
    hidden, dtype, epochs = check_count("hidden", hidden), check_dtype(dtype), check_count("epochs", epochs)
    batch_size = check_count("batch_size", batch_size)

    scaling = Scaling.of(x, y)
    train, test = split(len(x), test_fraction=test_fraction, seed=seed)
    sizes = Sizes(len(train), x.shape[1], hidden, y.shape[1])
    inputs, outputs = scaling.scale_x(x), scaling.scale_y(y)
    if state is None:
        box = default_box(inputs)
        state = optimizer.init(init_params(hidden, *sizes[1::2], seed=seed, scheme=scheme, domain=box, dtype=dtype))
    _check_state(state, sizes, dtype, optimizer)

    chosen = choose_backend(backend, sizes, dtype, optimizer, draw_plan(len(train), batch=batch_size, seed=seed))

    problem = Problem(x, y, target, scaling, train, test, solver, chosen.name)
    samples = chosen.samples(inputs[train].astype(dtype), outputs[train].astype(dtype))
    with progress_bar(epochs, sys.stderr.isatty() if progress is None else progress) as show:
        return _train(problem, chosen, state, samples, optimizer, epochs, batch_size, seed, show)


@dataclass(frozen=True)
class Problem:
    """What is fitted, and how well a state of training fits it."""

    x: np.ndarray  # (N, D)
    y: np.ndarray  # (N, O)
    target: Target | None  # what y was sampled from
    scaling: Scaling
    train_index: np.ndarray
    test_index: np.ndarray
    solver: str
    backend: str

    def fit(self, state: State, history: History, status: str) -> Fit:
        """The Fit that has reached `state`, standardised and on the host."""
        params = self.scaling.unscale(state.params)
        fit = Fit(params, history, {}, state, self.x, self.y, self.target)
        if self.target is None:
            x, y = self.x, self.y
        else:
            x = np.linspace(*self.target.domain, GRID)[:, None]
            y = self.target(x)
        with np.errstate(over="ignore", invalid="ignore"):
            error = fit.predict(x) - y
            mse = float(np.mean(error**2))
        fit.metrics.update(
            status=status,
            mse=mse,
            max_error=float(np.abs(error).max()),
            train_mse=self.mse(params, self.train_index),
            test_mse=self.mse(params, self.test_index),
            seconds=history.seconds[-1] if history.seconds else 0.0,
            epochs=len(history.loss),
            steps=state.step,
            hidden=params.b1.shape[0],
            solver=self.solver,
            backend=self.backend,
        )
        return fit

    def has_diverged(self, fit: Fit) -> bool:
        """Whether the last update went astray: losses are taken before each, so that only the final error shows it."""
        error = np.asarray([fit.metrics["train_mse"] / self.scaling.loss_unit])
        return bool(fit.history.loss) and first_divergence(error) is not None

    def mse(self, params: Params, index: np.ndarray) -> float:
        """The mean squared error over some of the samples; nan over none. `params` act on raw x."""
        if not len(index):
            return float("nan")
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.mean((evaluate(params, self.x[index]) - self.y[index]) ** 2))


def _train(
    problem: Problem,
    backend: Backend,
    state: State,
    samples: Samples,
    optimizer: Optimizer,
    epochs: int,
    batch_size: int,
    seed: int,
    show: Callable[[int, float], None],
) -> Fit:
    """Train from `state` and look at it after each slice, until the epochs, the loss or the user ends it."""

    def diverged(epoch: int, last: Fit) -> Diverged:
        rate, kind = optimizer.learning_rate, type(optimizer).__name__
        other = "" if problem.solver == "adam" else " or solver='adam'"
        return Diverged(
            f"training diverged in epoch {epoch} with {kind} at learning rate {rate:g}; try {rate / 10:g}{other}", last
        )

    history, reached, before, status = History(), state, state, "finished"
    start = map_arrays(backend.to_device, state)
    try:
        for part in train_epochs(backend, start, samples, optimizer, epochs, batch=batch_size, seed=seed):
            bad = first_divergence(part.losses)
            if bad is not None:
                raise diverged(part.epochs[bad] + 1, problem.fit(reached, history, "diverged"))
            before, reached = reached, map_arrays(backend.to_host, part.state)
            error = problem.mse(problem.scaling.unscale(reached.params), problem.test_index)
            history.record(part.losses * problem.scaling.loss_unit, part.epochs.stop, part.seconds, error)
            show(part.epochs.stop, history.loss[-1])
    except KeyboardInterrupt:
        status = "interrupted"
    fit = problem.fit(reached, history, status)
    if problem.has_diverged(fit):
        raise diverged(len(history.loss), problem.fit(before, history, "diverged"))
    return fit


def choose_backend(
    wanted: str | Backend | Sequence[str | Backend], sizes: Sizes, dtype: str, optimizer: Optimizer, plan: Plan
) -> Backend:
    """The first of those wanted that works here and supports the work.

    Raises RelufitError with every reason where none does; BackendUnavailable where the only one does not work here.
    """
    several = [wanted] if isinstance(wanted, (str, Backend)) else list(wanted)
    reasons = []
    for one in several:
        try:
            backend = one if isinstance(one, Backend) else load(one)
        except BackendUnavailable as error:
            if len(several) == 1:
                raise
            reasons.append(f"{one}: {error.reason}")
            continue
        reason = backend.supports(sizes, dtype, optimizer, plan)
        if reason is None:
            return backend
        reasons.append(reason if len(several) == 1 else f"{backend.name}: {reason}")
    if len(several) == 1:
        raise RelufitError(f"backend {backend.name} cannot do this: {reasons[0]}")
    raise RelufitError("none of these backends can do this: " + ("; ".join(reasons) or "none was named"))


def evaluate(params: Params, x: np.ndarray) -> np.ndarray:
    """The network in numpy: by segments where it has one input (a hundred times faster on a grid), else in blocks.

    A million samples need no more memory than a few times the answer.
    """
    return load("numpy-hinge" if params.w1.shape[0] == 1 else "numpy").forward(params, x)


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
    return *sample(target, n, seed), target


def default_box(inputs: np.ndarray) -> tuple[float, float]:
    """The interval that initial knots are drawn in: that of the standardised inputs, which may all be the same."""
    low, high = float(inputs.min()), float(inputs.max())
    return low, max(high, low + 1e-6)


def choose_optimizer(solver: str, optimizer: Optimizer | None, learning_rate: float | None) -> tuple[Optimizer, str]:
    """The optimizer and the name of its kind. Raises RelufitError for an unknown name, or a rate given twice."""
    if optimizer is not None:
        if learning_rate is not None:
            raise RelufitError("give the learning rate to the optimizer, not to fit")
        if not isinstance(optimizer, Optimizer):
            raise RelufitError(
                f"an optimizer is one of {', '.join(c.__name__ for c in OPTIMIZERS.values())}, not {optimizer!r}"
            )
        return optimizer, next(name for name, kind in OPTIMIZERS.items() if isinstance(optimizer, kind))
    if solver not in OPTIMIZERS:
        raise RelufitError(f"unknown solver {solver!r}; choose one of {', '.join(OPTIMIZERS)}")
    kind = OPTIMIZERS[solver]
    return (kind() if learning_rate is None else kind(learning_rate)), solver


def _check_state(state: State, sizes: Sizes, dtype: str, optimizer: Optimizer) -> None:
    if not isinstance(state, State):
        raise RelufitError(f"state must be the .state of an earlier fit, not {type(state).__name__}")
    shape = state.params.w1.shape[0], state.params.w1.shape[1], state.params.w2.shape[1]
    if shape != tuple(sizes[1:]):
        raise RelufitError(
            f"the state is of a network with (inputs, hidden, outputs) = {shape}, not {tuple(sizes[1:])}"
        )
    if state.params.w1.dtype != np.dtype(dtype):
        raise RelufitError(f"the state is {state.params.w1.dtype}; pass dtype={str(state.params.w1.dtype)!r} to go on")
    if len(state.moments) != len(optimizer.init(state.params).moments):
        raise RelufitError(f"the state is not one of {type(optimizer).__name__}: it has {len(state.moments)} moments")
