"""L-BFGS with weight decay and early stopping, for data with noise: the squares of w1 and w2 are penalised.

Cross-validation chooses the penalty and the number of iterations, and all samples are fitted with them. Every training
starts at a ridge regression, which two units per output represent exactly, since relu(z) - relu(-z) = z. Where no
penalty improves on the ridge regression significantly, the fit is the ridge regression.
"""

import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from relufit.backends.base import Backend
from relufit.errors import check_count, check_positive, check_seed, counted
from relufit.fits.problem import Problem
from relufit.fits.result import Fit, History
from relufit.network.data import weigh
from relufit.network.memory import demand_memory
from relufit.network.optim import State
from relufit.network.params import Params, Sizes, check_dtype
from relufit.network.scaling import Scaling
from relufit.solvers import lbfgs
from relufit.solvers.lifting import lifted_sizes
from relufit.solvers.progress import silent
from relufit.solvers.ridge import carry, ridge_regressions
from relufit.solvers.training import Wanted, choose_backend, training_bytes

PENALTIES = tuple(
    10.0**-k for k in range(1, 6)
)  # tried in cross-validation: from a nearly linear fit to a hardly penalised one
FOLDS = 5
MANY = 2000  # samples above which only one fold is evaluated
PATIENCE = 20  # iterations without progress after which a training in cross-validation ends
PROGRESS = 1e-3  # relative decrease of the held-out error that counts as progress
SMALL = 0.3  # scale of initial weights relative to He's, small compared with the ridge regression
# Standard errors, over the folds, by which a network must improve on the ridge regression to replace it.
STANDARD_ERRORS = 1.0

Fold = tuple[np.ndarray, np.ndarray]  # indices of the samples fitted and of those held out
Models = tuple[np.ndarray, np.ndarray]  # coefficients (A, R, O) and intercepts (A, O) of ridge regressions


class _Choice(NamedTuple):
    """The chosen fit of all samples; with 0 iterations, the ridge regression itself."""

    ridge: int  # index of its penalty
    penalty: float
    iterations: int


def minimize_with_decay(
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None = None,
    *,
    hidden: int = 100,
    alpha: float | None = None,
    epochs: int = 200,
    backend: Wanted = "numpy",
    dtype: str = "float64",
    seed: int = 0,
) -> Fit:
    """Fit y (N, O) as a function of x (N, D), float64, with weights (N,), by a network of `hidden` units.

    `alpha` times the sum of squares of w1 and w2 is added to the mean squared error of standardised x and y, each
    column of y divided by its own deviation. None chooses it, and the number of iterations, by cross-validation over
    the rows, which must be distinct. There are at most `epochs` iterations; with a given `alpha` training ends earlier
    only where the loss stops falling. Gradients are computed on `backend` in `dtype`.

    Returns a Fit of all samples. metrics["alpha"] is the penalty used, inf for a ridge regression, and
    metrics["seconds"] includes cross-validation. The history is that of the last training: in the units of y for one
    output, and of y divided by its deviation for several.

    Source: Krogh and Hertz (1992), A simple weight decay can improve generalization. Raises RelufitError for bad input
    and for work that the backend or free memory does not allow; KeyboardInterrupt on Ctrl-C during cross-validation.
    """
    began = time.perf_counter()
    hidden, epochs = check_count("hidden", hidden), check_count("epochs", epochs)
    dtype, seed = check_dtype(dtype), check_seed(seed)
    if alpha is not None:
        alpha = check_positive("alpha", alpha, or_zero=True)
    if weight is not None:
        x, y, weight = weigh(x, y, weight)
    scaling, everything, none = Scaling.of(x, y, weight), np.arange(len(x)), np.arange(0)
    scaling.demand_spread(x, y)
    raw = Problem(x, y, None, scaling, everything, none, "lbfgs", "numpy", weight)
    sizes = Sizes(len(x), x.shape[1], hidden, y.shape[1])
    need = training_bytes(sizes, np.dtype(dtype).itemsize, lbfgs.MEMORY)
    demand_memory(f"training {counted(hidden, 'hidden unit')}", need, "take fewer units")
    supported = sizes if weight is None else lifted_sizes(sizes)
    chosen, passed_over = choose_backend(backend, supported, dtype, None, None)
    search = _Search(raw.on(chosen, passed_over), chosen, hidden, epochs, dtype, seed)
    return search.refit(search.choose(alpha)).with_metrics(seconds=time.perf_counter() - began)


class _Search:
    """The problem in fewer coordinates, and the trainings that are compared.

    x is standardised, centred and rotated onto the directions in which the samples differ. Penalised weights are zero
    in all other directions (representer theorem: Schoelkopf, Herbrich and Smola, 2001), so the fit is the same.
    Constant columns have no influence, and with more inputs than samples there is much less to compute.
    """

    def __init__(self, raw: Problem, backend: Backend, hidden: int, iterations: int, dtype: str, seed: int) -> None:
        self.raw, self.backend, self.iterations, self.dtype = raw, backend, iterations, dtype
        x, outputs = raw.scaling.scale_x(raw.x), raw.y.shape[1]
        self.centre = np.average(x, axis=0, weights=raw.weight)  # (D,), not exactly 0, because scaling rounds its shift
        x = x - self.centre
        _, lengths, directions = np.linalg.svd(x, full_matrices=False)
        apart = int(np.sum(lengths > max(x.shape) * np.finfo(np.float64).eps * lengths[0]))
        self.rotation = directions[: max(1, apart)].T  # (D, R)
        columns = [Scaling.of(raw.x, column[:, None], raw.weight).y_scale for column in raw.y.T]
        self.units = np.array(columns) if outputs > 1 else np.ones(1)  # (O,)
        x, y, inputs = x @ self.rotation, raw.y / self.units, self.rotation.shape[1]
        of_y = Scaling.of(x, y, raw.weight)
        scaling = Scaling(np.zeros(inputs), np.ones(inputs), of_y.y_shift, of_y.y_scale)
        self.problem = replace(raw, x=x, y=y, scaling=scaling)
        self.weight = np.ones(len(x)) if raw.weight is None else raw.weight
        rng = np.random.default_rng(seed)
        self.folds = _draw_folds(rng, len(x))
        w1 = rng.normal(0, SMALL * np.sqrt(2 / inputs), (inputs, hidden))
        b1 = -np.sum(w1 * x[rng.integers(len(x), size=hidden)].T, axis=0)  # each unit has its kink at a sample
        w2 = rng.normal(0, SMALL * np.sqrt(2 / hidden), (hidden, outputs))
        self.drawn = Params(w1, b1, w2, np.zeros(outputs))

    def choose(self, penalty: float | None) -> _Choice:
        """Choose the ridge regression to start at and, unless the penalty is given, the penalty and the iterations."""
        models = [self._regressions(kept) for kept, _ in self.folds]
        errors = np.zeros((1, 1))  # (folds, penalties); without folds, the first and strongest penalty is chosen
        if self.folds:
            errors = np.stack([self._errors_of(*both) for both in zip(models, self.folds, strict=True)])
        ridge = int(np.argmin(errors.sum(axis=0)))
        if penalty is not None:
            return _Choice(ridge, penalty, self.iterations)
        choice, best = _Choice(ridge, 0.0, 0), errors[:, ridge]
        starts = [carry(model[0][ridge], model[1][ridge], self.drawn) for model in models]
        for tried in PENALTIES if self.folds else ():
            curves = _align([self._curve(*both, tried) for both in zip(starts, self.folds, strict=True)])
            iterations = int(np.argmin(curves.sum(axis=0)))
            if iterations and curves[:, iterations].sum() < best.sum():
                choice, best = _Choice(ridge, tried, iterations), curves[:, iterations]
        gain = errors[:, ridge] - best  # (folds,)
        uncertain = STANDARD_ERRORS * np.sqrt(len(gain)) * np.std(gain, ddof=1) if len(gain) > 1 else 0.0
        return choice if gain.sum() > uncertain else _Choice(ridge, 0.0, 0)

    def refit(self, choice: _Choice) -> Fit:
        """Fit all samples, and return the Fit in the coordinates of the raw samples."""
        coefficients, intercepts = self._regressions(self.raw.train_index)
        line = coefficients[choice.ridge], intercepts[choice.ridge]
        if choice.iterations:
            start = self._in_dtype(carry(*line, self.drawn))
            fit = lbfgs.minimize(self.problem, self.backend, start, choice.iterations, silent, penalty=choice.penalty)
        else:
            silenced = self.drawn._replace(w2=np.zeros_like(self.drawn.w2))
            fit = self.problem.fit(State(self._in_dtype(carry(*line, silenced)), (), 0), History(), "finished")
        w1, b1, w2, b2 = fit.state.params
        factor = self.units * self.problem.scaling.y_scale / self.raw.scaling.y_scale  # (O,)
        w1 = self.rotation @ w1  # (D, H)
        params = self._in_dtype(Params(w1, b1 - self.centre @ w1, w2 * factor, b2 * factor))
        found = self.raw.fit(State(params, (), fit.state.step), fit.history, str(fit.metrics.status))
        return found.with_metrics(alpha=choice.penalty if choice.iterations else float("inf"))

    def _regressions(self, index: np.ndarray) -> Models:
        x, y = self.problem.x[index], self.problem.scaling.scale_y(self.problem.y[index])
        return ridge_regressions(x, y, self.weight[index], len(self.drawn.b1) // 2)

    def _errors_of(self, models: Models, fold: Fold) -> np.ndarray:
        """The sums of squares of ridge regressions over the samples held out, in the units of the problem."""
        coefficients, intercepts = models
        x, y = self.problem.x[fold[1]], self.problem.scaling.scale_y(self.problem.y[fold[1]])
        squares = ((x @ coefficients + intercepts[:, None] - y) ** 2).mean(axis=2)  # (A, n)
        return np.asarray(squares @ self.weight[fold[1]] * self.problem.scaling.loss_unit)

    def _curve(self, start: Params, fold: Fold, penalty: float) -> list[float]:
        """The sum of squares over the samples held out after each iteration; first inf, for no iterations."""
        kept, held_out = fold
        mass, errors, progress = float(self.weight[held_out].sum()), [np.inf], [0]

        def watch(params: Params, gradients: int, seconds: float) -> None:
            error = mass * self.problem.mse(self.problem.scaling.unscale(params), held_out)
            if error < (1 - PROGRESS) * errors[progress[0]]:
                progress[0] = len(errors)
            errors.append(error)
            if len(errors) - progress[0] > PATIENCE:
                raise StopIteration

        problem = replace(self.problem, train_index=kept)
        fit = lbfgs.minimize(
            problem, self.backend, self._in_dtype(start), self.iterations, silent, watch, penalty=penalty
        )
        if fit.metrics.status == "interrupted":  # cross-validation has no fit to return
            raise KeyboardInterrupt
        return errors

    def _in_dtype(self, params: Params) -> Params:
        return Params(*(array.astype(self.dtype) for array in params))


def _draw_folds(rng: np.random.Generator, samples: int) -> list[Fold]:
    """Folds of cross-validation: FOLDS of them, only the first for more than MANY samples, and none for one sample."""
    order = rng.permutation(samples)
    parts = np.array_split(order, min(FOLDS, samples)) if samples > 1 else []
    folds = [(np.setdiff1d(order, part), np.sort(part)) for part in parts]
    return folds[:1] if samples > MANY else folds


def _align(curves: list[list[float]]) -> np.ndarray:
    """Stack curves of different lengths as (folds, length); shorter ones repeat their last value."""
    length = max(map(len, curves))
    return np.stack([np.pad(curve, (0, length - len(curve)), mode="edge") for curve in curves])
