"""A fit as a scikit-learn estimator, for pipelines, grids and cross-validation. Needs scikit-learn (relufit[sklearn]).

    from relufit.sklearn import ReluRegressor

    model = ReluRegressor().fit(X, y)
    model.predict(X), model.score(X, y), model.fit_.metrics["hidden"]

x and y are standardised inside, so no StandardScaler is needed. All samples are fitted: holding some out is left to
scikit-learn's splitters.
"""

from numbers import Number
from typing import Any, Self

import numpy as np

try:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError("scikit-learn is not installed: pip install relufit[sklearn]") from error

from relufit.data import check_weight
from relufit.errors import RelufitError
from relufit.fits import Fit
from relufit.fitting import fit
from relufit.options import SOLVERS, is_used

HIDDEN = 100  # units of L-BFGS: as many as MLPRegressor's
MERGING = ("spline", "lbfgs")  # solvers that know weights, and so can take samples of one x together


class ReluRegressor(RegressorMixin, BaseEstimator):
    """y = relu(x w1 + b1) w2 + b2 by least squares.

    `solver`, `hidden`, `epochs`, `learning_rate`, `batch_size`, `tolerance`, `backend` and `dtype` are those of
    relufit.fit, except that

    - `solver` "auto" is "spline" for one input and one output, "lbfgs" for all else;
    - `hidden` None is what the data support with spline, up to 512, is 100 with lbfgs and 512 with the others;
    - `dtype` is float64: L-BFGS gets further, and float32 data are fitted as well.

    `random_state`, for initial weights and minibatches, is a number, with which fits are the same; or, as
    everywhere in scikit-learn, None or a RandomState, with which they are not.

    scikit-learn's check_estimator passes whole with spline and lbfgs, and so with "auto". sgd, momentum and adam refuse
    a `sample_weight`, and so fail the six of its checks that give one.

    After `fit`:

    - `params_`: Params, float64 w1 (D, H), b1 (H,), w2 (H, O), b2 (O,), which act on X as it was given;
    - `fit_`: the relufit.Fit, with metrics, history, to_torch, to_onnx and so on. It holds the samples, in ascending
      order and those of one x as one, and so does a pickle;
    - `loss_`: the mean squared error over the samples, weighted;
    - `n_iter_`: epochs, or iterations of lbfgs; 0 for spline, which has none;
    - `n_features_in_`, and `feature_names_in_` where X has names.
    """

    def __init__(
        self,
        hidden: int | str | None = None,
        *,
        solver: str = "auto",
        epochs: int = 200,
        learning_rate: float | None = None,
        batch_size: int = 32,
        tolerance: float | None = None,
        backend: Any = "numpy",
        dtype: str = "float64",
        random_state: Any = 0,
    ) -> None:
        self.hidden = hidden
        self.solver = solver
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

        A weight of 2 is a sample given twice, one of 0 none: the fits are the same. Raises ValueError for data that
        scikit-learn or relufit does not take, for a bad parameter, and where training diverged.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        columns = np.asarray(y, dtype=np.float64).reshape(len(X), -1)  # (N, O)
        try:
            weight = None if sample_weight is None else check_weight(_of_each(sample_weight, len(X)), len(X))
            self.fit_ = self._fitted(X, columns, weight)
        except RelufitError as error:  # scikit-learn's searches and checks ask for a ValueError
            raise ValueError(str(error)) from error
        self.params_, self.n_iter_ = self.fit_.params, self.fit_.metrics["epochs"]
        errors = ((self.fit_.predict(X) - columns) ** 2).mean(axis=1)  # (N,)
        self.loss_ = float(np.average(errors, weights=weight))
        self._of_vector = np.ndim(y) == 1
        return self

    def _fitted(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> Fit:
        if self.solver not in ("auto", *SOLVERS):
            raise RelufitError(f"unknown solver {self.solver!r}; choose one of auto, {', '.join(SOLVERS)}")
        solver = ("spline" if x.shape[1] == y.shape[1] == 1 else "lbfgs") if self.solver == "auto" else self.solver
        if solver in MERGING:
            x, y, weight = _merged(x, y, weight)
        trained = {name: getattr(self, name) for name in ("backend", "epochs", "batch_size", "dtype")}
        return fit(
            x,
            y,
            hidden=HIDDEN if self.hidden is None and solver == "lbfgs" else self.hidden,
            solver=solver,
            learning_rate=self.learning_rate,
            **{name: value for name, value in trained.items() if is_used(name, solver)},
            seed=_seed(self.random_state),
            test_fraction=0.0,
            weight=weight,
            tolerance=self.tolerance,
            progress=False,
        )

    def predict(self, X: Any) -> np.ndarray:
        """The network's output for X (N, D), float64: (N, O), or (N,) where y was a vector.

        Raises NotFittedError before `fit`, and ValueError for an X that is not like the one fitted.
        """
        check_is_fitted(self)
        y = self.fit_.predict(validate_data(self, X, reset=False, dtype=np.float64))  # (N, O)
        return y[:, 0] if self._of_vector else y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _seed(random_state: Any) -> int:
    """A number is the seed of relufit itself; anything else is drawn from."""
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _of_each(sample_weight: Any, samples: int) -> Any:
    """A number is the weight of each sample."""
    return np.full(samples, sample_weight) if isinstance(sample_weight, Number) else sample_weight


def _merged(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Distinct x (n, D) in ascending order, mean y (n, O), and their weights (n,); None where all are the same.

    Squares about the means depend on no network, so nothing is lost; and a sample given twice and one of weight 2 are
    the same numbers, from which a search with rounding, in a landscape of many valleys, makes the same fit.
    """
    if weight is None:
        weight = np.ones(len(x))
    x, y, weight = x[weight > 0], y[weight > 0], weight[weight > 0]
    x, first, group = np.unique(x, axis=0, return_index=True, return_inverse=True)
    total = np.bincount(group, weight)
    mean = y[first]
    for column in range(y.shape[1]):
        # About the first y of a group: equal ones have exactly their own as the mean.
        away = weight * (y[:, column] - mean[group, column])
        mean[:, column] += np.bincount(group, away) / total
    return x, mean, None if (total == total[0]).all() else total
