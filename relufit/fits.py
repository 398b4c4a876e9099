"""The result of a fit: the network, the history of its training, and its errors against the function or the data."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from relufit.backend import Backend, Samples
from relufit.backends import load
from relufit.columns import Columns
from relufit.errors import counted
from relufit.export.numpy_function import answer
from relufit.optim import State
from relufit.params import Params
from relufit.scaling import Scaling
from relufit.spline.breaks import singularities
from relufit.spline.functions import PLACES, SHARES
from relufit.spline.units import knots_of
from relufit.targets import Target
from relufit.values import one_line

EVERY = slice(None)  # all samples
CELLS = 1000  # initial number of cells of the integral of an error against a function, besides cuts at the knots
HALVINGS = 30  # largest number of halvings of a cell
MOST_CELLS = 2**16  # largest number of cells that are halved at once
SETTLED = 1e-6  # relative change of the mean square below which the integral counts as converged
BISECTIONS = 52  # steps of the bisection for a jump between two places where a function is not smooth
ROUNDING = 1e-14  # relative change of the function's values that counts as rounding
DIVERGED_LOSS = 1e8  # of standardised data, for which a constant has the loss 1


@dataclass(eq=False)
class History:
    """Losses and errors during training: mean squares over the samples, in the units of y."""

    loss: list[float] = field(default_factory=list)  # of each epoch: the mean over its batches, before their updates
    epoch: list[int] = field(default_factory=list)  # epochs done at the end of each slice of training
    seconds: list[float] = field(default_factory=list)  # seconds of training up to the end of each slice
    test_mse: list[float] = field(default_factory=list)  # at the end of each slice; nan if no samples are held out

    def __repr__(self) -> str:
        if len(self.loss) == 1:  # a solver without epochs
            return f"History(loss {self.loss[0]:.2g})"
        losses = f", loss {self.loss[0]:.2g} to {self.loss[-1]:.2g}" if self.loss else ""
        return f"History({counted(len(self.loss), 'epoch')}{losses})"

    def record(self, losses: np.ndarray, epoch: int, seconds: float, test_mse: float) -> None:
        """Add a slice of training: its losses, the epochs done, its seconds, and the test error after it."""
        self.loss += losses.tolist()
        self.epoch.append(epoch)
        self.seconds.append(seconds + (self.seconds[-1] if self.seconds else 0.0))
        self.test_mse.append(test_mse)


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted network. `params` are float64 numpy arrays that act on raw x. Fits compare by identity."""

    params: Params
    history: History
    metrics: dict[str, Any]
    state: State  # continues the training as fit(..., state=this); numpy arrays, in standardised coordinates
    x: np.ndarray  # (N, D) the samples
    y: np.ndarray  # (N, O)
    target: Target | None = None  # the function fitted; None for data
    # Names of x and y, and types of x: the network takes times as seconds since 1970 UTC.
    columns: Columns = Columns()  # noqa: RUF009  # a frozen value

    def __repr__(self) -> str:
        name = counted(len(self.x), "sample") if self.target is None else " ".join(self.target.name.split())
        units, metrics = counted(len(self.params.b1), "hidden unit"), self.metrics
        errors = ", ".join(f"{error} {metrics[error]:.2g}" for error in ("mse", "max_error") if error in metrics)
        return f"Fit({name:.60}: {units}, {metrics.get('solver')}, {errors})"

    def predict(self, x: Any) -> np.ndarray:
        """The network's output in float64: x (N,) or (N, D) -> (N, O), or (N,) for a vector and O = 1.

        If x was fitted as times, it takes times, as `relufit.fit` does, or numbers, as seconds since 1970 UTC. Raises
        RelufitError for an x of another shape or type, and for times if numbers were fitted.
        """
        return answer(evaluate, self.params, x, self.columns.types)

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw data, fit and residual with matplotlib (D = O = 1), and save them to `path`. Returns the figure.

        Raises RelufitError for other D and O, without matplotlib, and if the file cannot be written.
        """
        from relufit.plotting import plot_fit

        return plot_fit(self, path)

    def save(self, path: str | Path) -> None:
        """Write parameters and columns to a .safetensors file. Raises RelufitError if that fails."""
        from relufit.export import save_params

        save_params(self.params, path, self.columns)

    def to_torch(self, dtype: str = "float64") -> Any:
        """A torch.nn.Module of fc1, relu1, fc2 with a copy of the parameters in `dtype`, which can be trained further.

        Raises RelufitError without torch, for another dtype, and if float32 cannot hold the network.
        """
        from relufit.export.torch_module import build_module

        return build_module(self.params, self.x, dtype)

    def to_onnx(self, path: str | Path, dtype: str = "float64") -> None:
        """Write an .onnx file, input `x` (N, D), output `y` (N, O) in `dtype`, whose output equals that of predict.

        Raises RelufitError without onnx, for another dtype, if float32 cannot hold the network, and if the file cannot
        be written.
        """
        from relufit.export.onnx_file import save_onnx

        save_onnx(self.params, self.x, path, dtype)

    def to_numpy_function(self) -> Callable[[Any], np.ndarray]:
        """A function of x that gives predict's output, in float64, from a copy of the parameters; it can be pickled."""
        from relufit.export.numpy_function import build_function

        return build_function(self.params, self.columns.types)


@dataclass(frozen=True, eq=False)
class Problem:
    """Samples to fit, their split and scaling; evaluates states of training."""

    x: np.ndarray  # (N, D)
    y: np.ndarray  # (N, O)
    target: Target | None  # the function that y was sampled from; None for data
    scaling: Scaling
    train_index: np.ndarray
    test_index: np.ndarray
    solver: str
    backend: str
    weight: np.ndarray | None = None  # (N,), at least 0
    columns: Columns = Columns()  # noqa: RUF009  # a frozen value
    passed_over: dict[str, str] = field(default_factory=dict)  # preferred backends, and why each was not taken

    def __repr__(self) -> str:
        return one_line(self)

    def on(self, backend: Backend, passed_over: dict[str, str]) -> "Problem":
        """The same problem, solved on this backend, because those passed over cannot."""
        return replace(self, backend=backend.name, passed_over=passed_over)

    def on_all_samples(self) -> "Problem":
        """The same problem with no sample held out."""
        return replace(self, train_index=np.arange(len(self.x)), test_index=self.test_index[:0])

    def samples(self, backend: Backend, dtype: Any) -> Samples:
        """The training samples, standardised, on a backend's device."""
        x, y = self.x[self.train_index], self.y[self.train_index]
        return backend.samples(self.scaling.scale_x(x).astype(dtype), self.scaling.scale_y(y).astype(dtype))

    def fit(self, state: State, history: History, status: str) -> Fit:
        """The Fit of a `state`, which is standardised and on the host."""
        params = self.scaling.unscale(state.params)
        fit = Fit(params, history, {}, state, self.x, self.y, self.target, self.columns)
        errors = self._errors(params, EVERY)
        if self.target is None:
            mse, largest = self._mean_square(errors, EVERY), float(np.abs(errors).max())
        else:
            mse, largest = errors_against(self.target, params)
        fit.metrics.update(
            status=status,
            mse=mse,
            max_error=largest,
            train_mse=self._mean_square(errors[self.train_index], self.train_index),
            test_mse=self._mean_square(errors[self.test_index], self.test_index),
            seconds=history.seconds[-1] if history.seconds else 0.0,
            epochs=len(history.loss),
            steps=state.step,
            hidden=params.b1.shape[0],
            solver=self.solver,
            backend=self.backend,
            passed_over=dict(self.passed_over),
        )
        return fit

    def has_diverged(self, fit: Fit) -> bool:
        """Whether the last update diverged: losses precede each update, so only the final error shows it."""
        error = np.asarray([fit.metrics["train_mse"] / self.scaling.loss_unit])
        return bool(fit.history.loss) and first_divergence(error) is not None

    def mse(self, params: Params, index: np.ndarray) -> float:
        """The mean squared error over the samples at `index`; nan if `index` is empty. `params` act on raw x."""
        return self._mean_square(self._errors(params, index), index)

    def _errors(self, params: Params, index: np.ndarray | slice) -> np.ndarray:
        """Output minus y for the samples at `index`, (n, O)."""
        with np.errstate(over="ignore", invalid="ignore"):  # the network may have diverged
            return evaluate(params, self.x[index]) - self.y[index]

    def _mean_square(self, errors: np.ndarray, index: np.ndarray | slice) -> float:
        """The mean square of errors (n, O) of the samples at `index`, with their weights; nan if `index` is empty."""
        if not len(errors):
            return float("nan")
        with np.errstate(over="ignore", invalid="ignore"):
            squares = (errors**2).mean(axis=1)
            return float(np.average(squares, weights=None if self.weight is None else self.weight[index]))


def errors_against(target: Target, params: Params) -> tuple[float, float]:
    """Mean square and maximum of |network - function| over the target's domain, in float64.

    By Gauss points in cells between knots, where the network is a line, and between CELLS + 1 equidistant points; a
    cell is halved until that no longer changes its part of the mean square. The maximum includes both sides of jumps,
    which Gauss points do not reach.
    """
    low, high = target.domain

    def measure(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, float, float]:
        """The integral of squares over each cell, the largest error, and the largest value of the function."""
        x = np.concatenate([(left[:, None] + (right - left)[:, None] * PLACES).ravel(), left, right[-1:]])
        y = target(x)
        error = evaluate(params, x[:, None])[:, 0] - y
        squares = (error[: PLACES.size * len(left)] ** 2).reshape(-1, PLACES.size) @ SHARES
        return squares * (right - left), float(np.abs(error).max()), float(np.abs(y).max())

    ends = np.union1d(np.linspace(low, high, CELLS + 1), knots_of(params, low, high))
    left, right = ends[:-1], ends[1:]
    with np.errstate(over="ignore", invalid="ignore"):
        whole, largest, scale = measure(left, right)
        settled, cells = 0.0, len(left)
        for _ in range(HALVINGS):
            middle = (left + right) / 2
            left, right = np.stack([left, middle], axis=1).ravel(), np.stack([middle, right], axis=1).ravel()
            halves, worst, _ = measure(left, right)
            both, largest = halves.reshape(-1, 2).sum(axis=1), max(largest, worst)
            enough = SETTLED * (settled + both.sum()) / cells + (ROUNDING * scale) ** 2 * (right - left)[::2]
            open_ = np.abs(both - whole) > enough
            settled += float(both[~open_].sum())
            if not open_.any() or open_.sum() > MOST_CELLS:
                settled += float(both[open_].sum())
                break
            chosen = np.repeat(open_, 2)
            left, right, whole = left[chosen], right[chosen], halves[chosen]
        else:
            settled += float(whole.sum())
        sharp = _sharp_places(target)
        largest = float(np.abs(evaluate(params, sharp[:, None])[:, 0] - target(sharp)).max(initial=largest))
    return settled / (high - low), largest


def _sharp_places(target: Target) -> np.ndarray:
    """Kinks of a target, and the floats just before and just after each of its jumps: errors are largest there."""
    places = singularities(target, *target.domain)
    if not len(places):
        return places
    left, right = places[:-1], places[1:]
    for _ in range(BISECTIONS):
        middle = (left + right) / 2
        below, at, above = target(np.stack([left, middle, right]))
        in_left = np.abs(at - below) > np.abs(above - at)
        left, right = np.where(in_left, left, middle), np.where(in_left, middle, right)
    return np.concatenate([places, left, right])


def evaluate(params: Params, x: np.ndarray) -> np.ndarray:
    """The network's output by numpy: by segments for one input (a hundred times faster on a grid), else in blocks.

    Memory is bounded to a few times that of the output.
    """
    return load("numpy-hinge" if params.w1.shape[0] == 1 else "numpy").forward(params, x)


def first_divergence(losses: np.ndarray) -> int | None:
    """The index of the first loss of standardised data that is not finite or above DIVERGED_LOSS; else None."""
    good = np.isfinite(losses) & (losses <= DIVERGED_LOSS)
    return None if good.all() else int(np.argmin(good))
