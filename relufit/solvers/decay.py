"""L-BFGS with weight decay, for data with noise: a penalty on the squares of w1 and w2, and training that ends early.

The penalty and the number of iterations are those with the least error in cross-validation, and all samples are fitted
with them. Every training starts at a ridge regression, which two units an output carry exactly, since
relu(z) - relu(-z) = z; where no penalty improves on the ridge regression for certain, it is the fit.
"""

import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from relufit.backend import Backend
from relufit.data import weigh
from relufit.fits import Fit, History, Problem
from relufit.memory import demand_memory
from relufit.optim import State
from relufit.params import Params, Sizes, check_count, check_dtype, check_positive, check_seed
from relufit.progress import silent
from relufit.scaling import Scaling
from relufit.solvers import lbfgs
from relufit.solvers.lifting import lifted_sizes
from relufit.solvers.ridge import carry, ridge_regressions
from relufit.solvers.training import Wanted, choose_backend, training_bytes

PENALTIES = tuple(10.0**-k for k in range(1, 6))  # that are tried, from a nearly linear fit to an almost free one
FOLDS = 5
MANY = 2000  # samples from which one fold is enough to compare penalties
PATIENCE = 20  # iterations without progress that end a training of cross-validation
PROGRESS = 1e-3  # relative decrease of the held-out error that counts as progress
SMALL = 0.3  # times He's deviation: units start small beside the ridge regression, and grow where they are needed
# By how many standard errors, over the folds, a network has to improve on the ridge regression to replace it.
STANDARD_ERRORS = 1.0

Fold = tuple[np.ndarray, np.ndarray]  # indices of the samples fitted and of those held out
Models = tuple[np.ndarray, np.ndarray]  # coefficients (A, R, O) and intercepts (A, O) of ridge regressions


class _Choice(NamedTuple):
    """What is fitted to all samples; the ridge regression itself where there are no iterations."""

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
    """Fit x (N, D) to y (N, O), float64 with weights (N,), by a network of `hidden` units on a backend, in `dtype`.

    `alpha` times the sum of squares of w1 and w2 is added to the mean squared error of standardised x and y, each
    column of y by its own deviation. None chooses it, and the number of iterations, by cross-validation over the rows,
    which are to be distinct. There are at most `epochs` iterations; with a given `alpha` nothing ends them earlier but
    that the loss falls no further.

    Returns a Fit of all samples. Its metrics have `alpha`, inf for a ridge regression, and seconds include
    cross-validation; its history, of the last training, is in the units of y for one output, and of y divided by its
    deviation for several.

    Krogh and Hertz (1992), A simple weight decay can improve generalization. Raises RelufitError for bad input and for
    work that the backend or free memory does not allow, KeyboardInterrupt during cross-validation.
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
    demand_memory(f"training {hidden} hidden units", need, "take fewer units")
    chosen = choose_backend(backend, sizes if weight is None else lifted_sizes(sizes), dtype, None, None)
    search = _Search(raw.on(chosen), chosen, hidden, epochs, dtype, seed)
    fit = search.refit(search.choose(alpha))
    fit.metrics["seconds"] = time.perf_counter() - began
    return fit


class _Search:
    """The problem in coordinates in which it is small, and the trainings that are compared.

    x is standardised, centred and rotated onto the directions in which the samples differ. Penalised weights vanish in
    all others (the representer theorem: Schoelkopf, Herbrich and Smola, 2001), so nothing is lost, constant columns
    have no influence, and with more inputs than samples there is much less to compute.
    """

    def __init__(self, raw: Problem, backend: Backend, hidden: int, iterations: int, dtype: str, seed: int) -> None:
        self.raw, self.backend, self.iterations, self.dtype = raw, backend, iterations, dtype
        x, outputs = raw.scaling.scale_x(raw.x), raw.y.shape[1]
        self.centre = np.average(x, axis=0, weights=raw.weight)  # (D,), near 0: scaling rounds its shift
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
        b1 = -np.sum(w1 * x[rng.integers(len(x), size=hidden)].T, axis=0)  # the unit bends at a sample
        w2 = rng.normal(0, SMALL * np.sqrt(2 / hidden), (hidden, outputs))
        self.drawn = Params(w1, b1, w2, np.zeros(outputs))

    def choose(self, penalty: float | None) -> _Choice:
        """The ridge regression to start at, and the best penalty and iterations unless the penalty is given."""
        models = [self._regressions(kept) for kept, _ in self.folds]
        # (folds, penalties); the strongest penalty where nothing is held out
        errors = np.zeros((1, 1))
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
        """The Fit of all samples, in the coordinates of the raw ones."""
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
        found = self.raw.fit(State(params, (), fit.state.step), fit.history, fit.metrics["status"])
        found.metrics["alpha"] = choice.penalty if choice.iterations else float("inf")
        return found

    def _regressions(self, index: np.ndarray) -> Models:
        x, y = self.problem.x[index], self.problem.scaling.scale_y(self.problem.y[index])
        return ridge_regressions(x, y, self.weight[index], len(self.drawn.b1) // 2)

    def _errors_of(self, models: Models, fold: Fold) -> np.ndarray:
        """The sums of squares that ridge regressions leave of the samples held out, in the units of the problem."""
        coefficients, intercepts = models
        x, y = self.problem.x[fold[1]], self.problem.scaling.scale_y(self.problem.y[fold[1]])
        squares = ((x @ coefficients + intercepts[:, None] - y) ** 2).mean(axis=2)  # (A, n)
        return np.asarray(squares @ self.weight[fold[1]] * self.problem.scaling.loss_unit)

    def _curve(self, start: Params, fold: Fold, penalty: float) -> list[float]:
        """The sum of squares of the samples held out, before the first iteration and after each."""
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
        if fit.metrics["status"] == "interrupted":  # before there is anything to return
            raise KeyboardInterrupt
        return errors

    def _in_dtype(self, params: Params) -> Params:
        return Params(*(array.astype(self.dtype) for array in params))


def _draw_folds(rng: np.random.Generator, samples: int) -> list[Fold]:
    """Folds of cross-validation; the first alone of many samples, and none of one."""
    order = rng.permutation(samples)
    parts = np.array_split(order, min(FOLDS, samples)) if samples > 1 else []
    folds = [(np.setdiff1d(order, part), np.sort(part)) for part in parts]
    return folds[:1] if samples > MANY else folds


def _align(curves: list[list[float]]) -> np.ndarray:
    """Curves (folds, length), of which each stays where it ended."""
    length = max(map(len, curves))
    return np.stack([np.pad(curve, (0, length - len(curve)), mode="edge") for curve in curves])
