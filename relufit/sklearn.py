"""A fit as a scikit-learn estimator, for pipelines, grids and cross-validation. Needs scikit-learn (relufit[sklearn]).

    from relufit.sklearn import ReluRegressor

    model = ReluRegressor().fit(X, y)
    model.predict(X), model.score(X, y), model.fit_.metrics.hidden

x and y are standardised inside, so no StandardScaler is needed. All samples are fitted, after the number of units or
the weight decay has been chosen.
"""

import warnings
from numbers import Number
from typing import Any, Self

import numpy as np

try:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError("scikit-learn is not installed: pip install relufit[sklearn]") from error

from relufit.errors import RelufitError, check_choice, check_positive, counted
from relufit.fits.result import Fit
from relufit.fitting.fit import fit
from relufit.fitting.options import SOLVERS, is_used, settle
from relufit.network.data import check_weight, weigh
from relufit.network.scaling import Scaling
from relufit.solvers.decay import minimize_with_decay
from relufit.solvers.spline import distinct
from relufit.spline.moments.cells import merge_sorted
from relufit.spline.selection import MOST_UNITS

OPTIONS = ("backend", "batch_size", "dtype", "epochs", "learning_rate", "tolerance")  # of relufit.fit too


class ReluRegressor(RegressorMixin, BaseEstimator):
    """y = relu(x w1 + b1) w2 + b2 by least squares.

    `hidden`, `solver`, `epochs`, `learning_rate`, `batch_size`, `tolerance`, `backend` and `dtype` are the options of
    relufit.fit. None means that an option is not given. They differ from relufit.fit in this:

    - `solver` "auto" depends on the other options. It is "adam" where `learning_rate` or `batch_size` is given; else
      "spline" for one input and one output, unless `alpha`, `backend`, `dtype` or `epochs` is given; else "lbfgs".
      An option that the solver does not use raises ValueError;
    - `hidden` None is a number chosen from the data, up to 512, with spline; 100 with lbfgs; 512 with the others.
      Spline fits at most one unit less than there are distinct x, and warns if `hidden` is larger;
    - a `tolerance` that cannot be reached raises a ConvergenceWarning, and the closest spline is fitted;
    - `epochs` is 200 by default, `batch_size` 32, `backend` "numpy" and `dtype` "float64", in which L-BFGS converges
      further.

    With lbfgs, `alpha` times the sum of squares of w1 and w2 is added to the mean squared error of standardised x and y
    (each column of y divided by its own deviation). With `alpha` None, 5-fold cross-validation chooses it among 0.1,
    0.01, ... 1e-5, and the number of iterations up to `epochs`; then all samples are fitted. (For more than 2000
    distinct rows only the first fold is evaluated.) Training starts at a ridge regression, which is also the result
    unless the best `alpha` improves on it by more than one standard error over the folds. A given `alpha`, 0 included,
    is used for `epochs` iterations, and nothing is held out.

    R^2 in cross-validation, all with default options, mean of 3 seeds (3 folds for friedman1, else 5, shuffled; ridge
    regression and MLPRegressor after a StandardScaler; seconds per fit on one core of a busy machine):

        data                               ReluRegressor   Ridge   MLPRegressor   seconds
        load_diabetes                              0.465   0.482         -1.036       0.3
        make_friedman1, 600 rows, noise 1          0.921   0.723          0.626       0.7
        make_friedman2, 500 rows, noise 50         0.981   0.843         -1.150       0.4
        make_friedman3, 500 rows, noise 0.1        0.846   0.492          0.427       0.5
        make_regression, 300 rows, noise 30        0.944   0.944          0.474       0.3

    `random_state` is the seed of initial weights, minibatches and folds. With a number, fits are reproducible; with
    None or a RandomState they differ from call to call, as in scikit-learn.

    All of scikit-learn's check_estimator passes with "auto" and with lbfgs. spline refuses the several inputs of most
    checks; sgd, momentum and adam refuse `sample_weight`, and fail the six checks that give it.

    After `fit`:

    - `params_`: Params, float64 w1 (D, H), b1 (H,), w2 (H, O), b2 (O,), which act on raw X;
    - `fit_`: the relufit.Fit, with metrics, history, to_torch, to_onnx and so on. It holds the samples, in ascending
      order and merged if their x are equal, and so does a pickle;
    - `loss_`: the mean squared error over the samples, weighted;
    - `alpha_`: with lbfgs the `alpha` used, inf if the fit is a ridge regression; None with other solvers;
    - `n_iter_`: epochs, or iterations of lbfgs; 0 for spline and for a ridge regression;
    - `n_features_in_`, and `feature_names_in_` if X has names.
    """

    def __init__(
        self,
        hidden: int | str | None = None,
        *,
        solver: str = "auto",
        alpha: float | None = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        tolerance: float | None = None,
        backend: Any = None,
        dtype: str | None = None,
        random_state: Any = 0,
    ) -> None:
        self.hidden = hidden
        self.solver = solver
        self.alpha = alpha
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.tolerance = tolerance
        self.backend = backend
        self.dtype = dtype
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit X (N, D) to y, (N,) or (N, O), real numbers; `sample_weight`, (N,) or one number for all, with
        solver spline or lbfgs.

        A sample of weight 2 is the same as two samples, and one of weight 0 is left out. Raises ValueError for data
        that scikit-learn or relufit does not take, for a bad parameter, and if training diverged.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        columns = np.asarray(y, dtype=np.float64).reshape(len(X), -1)  # (N, O)
        try:
            weight = None if sample_weight is None else check_weight(_of_each(sample_weight, len(X)), len(X))
            self.fit_ = self._fitted(X, columns, weight)
        except RelufitError as error:  # scikit-learn's searches and checks ask for a ValueError
            raise ValueError(str(error)) from error
        self.params_, self.n_iter_ = self.fit_.params, self.fit_.metrics.epochs
        self.alpha_ = self.fit_.metrics.alpha
        errors = ((self.fit_.predict(X) - columns) ** 2).mean(axis=1)  # (N,)
        self.loss_ = float(np.average(errors, weights=weight))
        self._of_vector = np.ndim(y) == 1
        return self

    def _fitted(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> Fit:
        given: dict[str, Any] = {name: getattr(self, name) for name in OPTIONS if getattr(self, name) is not None}
        solver = _choose_solver(self.solver, self.alpha, given, x.shape[1] == y.shape[1] == 1)
        settle(solver, {"hidden": self.hidden, "weight": weight, **given}, of_data=True)
        seed = _seed(self.random_state)
        if solver == "spline":
            return _fit_spline(x, y, weight, self.hidden, self.tolerance, seed)
        units: dict[str, Any] = {} if self.hidden is None else {"hidden": self.hidden}
        if solver == "lbfgs":
            x, y, weight = _merged(x, y, weight)
            return minimize_with_decay(x, y, weight, alpha=self.alpha, seed=seed, **units, **given)
        options = {"dtype": "float64", **given, **units}
        return fit(x, y, solver=solver, seed=seed, test_fraction=0.0, progress=False, **options)

    def predict(self, X: Any) -> np.ndarray:
        """The network's output for X (N, D), float64: (N, O), or (N,) where y was a vector.

        Raises NotFittedError before `fit`, and ValueError for an X with other columns than the one fitted.
        """
        check_is_fitted(self)
        y = self.fit_.predict(validate_data(self, X, reset=False, dtype=np.float64))  # (N, O)
        return y[:, 0] if self._of_vector else y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _choose_solver(solver: str, alpha: float | None, given: dict[str, Any], is_univariate: bool) -> str:
    """The solver; "auto" is resolved from the options given and the data.

    Raises RelufitError for an unknown solver, and for an `alpha` with a solver other than lbfgs.
    """
    check_choice("solver", solver, ("auto", *SOLVERS))
    if solver == "auto":
        if "learning_rate" in given or "batch_size" in given:
            solver = "adam"
        elif is_univariate and alpha is None and all(is_used(name, "spline") for name in given):
            solver = "spline"
        else:
            solver = "lbfgs"
    if alpha is not None and solver != "lbfgs":
        raise RelufitError(f"solver={solver!r} does not use alpha; leave it out, or use solver='lbfgs'")
    return solver


def _fit_spline(
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None,
    hidden: int | str | None,
    tolerance: float | None,
    seed: int,
) -> Fit:
    """Fit by spline; warn where relufit.fit raises for too large a `hidden` or too small a `tolerance`.

    A fold of cross-validation has fewer distinct x than all data, and an error would end a search for parameters.
    """
    means_x, means_y, mass = _merged(x, y, weight)
    options: dict[str, Any] = {
        "solver": "spline", "weight": mass, "seed": seed, "test_fraction": 0.0, "progress": False,
    }  # fmt: skip
    most = _most_units(means_x, means_y, mass) if isinstance(hidden, (int, np.integer)) or tolerance is not None else 0
    if hidden is None and tolerance is not None:
        wanted = check_positive("a tolerance, a mean squared error,", tolerance)
        left = wanted - _squares_about_means(x, y, weight, means_x, means_y)
        try:
            if left <= 0:
                raise RelufitError(
                    f"no mean squared error of {wanted:.3g} is reached: samples of equal x leave {wanted - left:.3g}"
                )
            return fit(means_x, means_y, tolerance=left, **options)
        except RelufitError as error:
            warnings.warn(f"{error}; the closest spline is fitted", ConvergenceWarning, stacklevel=4)
        hidden, tolerance = min(most, MOST_UNITS), None
    elif isinstance(hidden, (int, np.integer)) and hidden > most:
        warnings.warn(
            f"hidden={hidden} is too many: the distinct x of the data support {counted(most, 'unit')}, which "
            f"{'is' if most == 1 else 'are'} fitted; give fewer, or None to choose the number from the data",
            UserWarning,
            stacklevel=4,
        )
        hidden = most
    return fit(means_x, means_y, hidden=hidden, tolerance=tolerance, **options)


def _most_units(x: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> int:
    """The largest number of units of a spline on x (n, 1): the number of x that stay distinct when scaled, less 1."""
    if weight is not None:
        x, y, weight = weigh(x, y, weight)
    return max(1, len(distinct(merge_sorted(x, y, weight), Scaling.of(x, y, weight)).x) - 1)


def _squares_about_means(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray | None, means_x: np.ndarray, means_y: np.ndarray
) -> float:
    """The mean square of y (N, 1) about the mean of the samples of each x, the least error of any function of x."""
    weight = np.ones(len(x)) if weight is None else weight
    x, y, weight = x[weight > 0], y[weight > 0], weight[weight > 0]
    means = means_y[np.searchsorted(means_x[:, 0], x[:, 0])]
    return float(np.average((y - means)[:, 0] ** 2, weights=weight))


def _seed(random_state: Any) -> int:
    """The seed for relufit: a number is the seed itself; from a RandomState, or for None, one is drawn."""
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _of_each(sample_weight: Any, samples: int) -> Any:
    """Weights of the samples: a single number becomes the weight of each."""
    return np.full(samples, sample_weight) if isinstance(sample_weight, Number) else sample_weight


def _merged(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Distinct x (n, D) in ascending order, mean y (n, O), and their weights (n,); None if all weights are equal.

    The squares about the means do not depend on the network, so the fit is the same. Repeated samples and weighted ones
    become the same numbers, so that they give the same fit to the last bit.
    """
    if weight is None:
        weight = np.ones(len(x))
    x, y, weight = x[weight > 0], y[weight > 0], weight[weight > 0]
    x, first, group = np.unique(x, axis=0, return_index=True, return_inverse=True)
    total = np.bincount(group, weight)
    mean = y[first]
    for column in range(y.shape[1]):
        # Relative to the first y of a group, so that the mean of equal y is exact.
        away = weight * (y[:, column] - mean[group, column])
        mean[:, column] += np.bincount(group, away) / total
    return x, mean, None if (total == total[0]).all() else total
