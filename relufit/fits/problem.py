"""What solvers are given: samples to fit, their split and scaling; and the fit of what they found."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from relufit.backends.base import Backend, Samples
from relufit.backends.evaluation import evaluate
from relufit.fits.deviations import errors_and_variance
from relufit.fits.result import Fit, History
from relufit.network.metrics import Metrics, r_squared, variance
from relufit.network.optim import State
from relufit.network.params import Params
from relufit.network.scaling import Scaling
from relufit.network.values import one_line
from relufit.reading.columns import Columns
from relufit.targets import Target

EVERY = slice(None)  # all samples
DIVERGED_LOSS = 1e8  # of standardised data, for which a constant has the loss 1


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
        errors = self._errors(params, EVERY)
        if self.target is None:
            mse, largest = self._mean_square(errors, EVERY), float(np.abs(errors).max())
            spread = variance(self.y, self.weight)
        else:
            mse, largest, spread = errors_and_variance(self.target, params)
        metrics = Metrics(
            status=status,
            mse=mse,
            max_error=largest,
            r2=r_squared(mse, spread),
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
        return Fit(params, history, metrics, state, self.x, self.y, self.target, self.columns)

    def has_diverged(self, fit: Fit) -> bool:
        """Whether the last update diverged: losses precede each update, so only the final error shows it."""
        error = np.asarray([fit.metrics.train_mse / self.scaling.loss_unit])
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


def first_divergence(losses: np.ndarray) -> int | None:
    """The index of the first loss of standardised data that is not finite or above DIVERGED_LOSS; else None."""
    good = np.isfinite(losses) & (losses <= DIVERGED_LOSS)
    return None if good.all() else int(np.argmin(good))
