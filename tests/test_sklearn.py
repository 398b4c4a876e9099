"""The estimator: all that scikit-learn asks of one, its tools, and MLPRegressor beaten."""

import pickle
import time
import warnings
from typing import Any

import numpy as np
import pytest

from relufit import fit, sample, targets

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from relufit.sklearn import ReluRegressor


@parametrize_with_checks([ReluRegressor(), ReluRegressor(hidden=8, epochs=50, random_state=None)])
def test_all_checks_of_scikit_learn_pass(estimator: Any, check: Any) -> None:
    """Every check passes; scikit-learn itself skips that of array_api input unless SCIPY_ARRAY_API is set."""
    check(estimator)


def data(inputs: int, outputs: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Some smooth function; y is a vector for one output."""
    x = np.random.default_rng(0).uniform(-2, 2, (n, inputs))
    y = np.sin(x.sum(axis=1, keepdims=True) + np.arange(outputs))
    return x, y[:, 0] if outputs == 1 else y


@pytest.mark.parametrize(
    ("inputs", "outputs", "solver"), [(1, 1, "spline"), (1, 2, "lbfgs"), (3, 1, "lbfgs"), (3, 2, "lbfgs")]
)
def test_it_chooses_a_solver_and_fits(inputs: int, outputs: int, solver: str) -> None:
    """The estimator takes the spline where that can be, else L-BFGS; what is found is all there."""
    x, y = data(inputs, outputs)
    model = ReluRegressor().fit(x, y)
    assert model.fit_.metrics["solver"] == solver
    assert model.score(x, y) > 0.99
    assert model.predict(x).shape == y.shape
    assert model.loss_ == pytest.approx(np.mean((model.predict(x) - y) ** 2))
    assert model.params_.w1.shape[0] == model.n_features_in_ == inputs
    assert model.n_iter_ == (0 if solver == "spline" else 200)


@pytest.mark.parametrize("solver", ["adam", "lbfgs", "spline"])
def test_it_is_relufit_fit(solver: str) -> None:
    """The estimator with the same arguments is the network of relufit.fit."""
    x, y = data(1, 1)
    model = ReluRegressor(8, solver=solver, epochs=5, random_state=3).fit(x, y)
    order = slice(None) if solver == "adam" else np.argsort(x[:, 0])  # the others see samples in ascending order
    wanted = fit(
        x[order],
        y[order],
        hidden=8,
        solver=solver,
        seed=3,
        test_fraction=0.0,
        progress=False,
        **({} if solver == "spline" else {"epochs": 5, "dtype": "float64"}),
    )
    np.testing.assert_array_equal(model.predict(x), wanted.predict(x)[:, 0])


def test_it_works_in_scikit_learns_tools() -> None:
    """The estimator works in a pipeline, a grid, cross-validation, a clone and a pickle."""
    x, y = data(2, 1)
    pipeline = make_pipeline(StandardScaler(), ReluRegressor(epochs=100))
    search = GridSearchCV(pipeline, {"reluregressor__hidden": [2, 32]}, cv=3).fit(x, y)
    assert search.best_params_ == {"reluregressor__hidden": 32}
    assert cross_val_score(ReluRegressor(hidden=32, epochs=100), x, y, cv=3).min() > 0.98
    model = ReluRegressor(epochs=20).set_params(hidden=5).fit(x, y)
    assert clone(model).get_params() == model.get_params()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(x), model.predict(x))


@pytest.mark.parametrize("inputs", [1, 2])
def test_weights_are_repetitions(inputs: int) -> None:
    """Weights are repetitions to the last bit, in any order; a sample of weight 0 has no influence."""
    x, y = data(inputs, 1, 60)
    rng = np.random.default_rng(1)
    weight, order = rng.integers(0, 4, 60), rng.permutation(60)
    y = y + rng.normal(0, 0.1, 60)
    repeated = ReluRegressor().fit(np.repeat(x, weight, axis=0), np.repeat(y, weight))
    y[weight == 0] = 1e9
    weighted = ReluRegressor().fit(x[order], y[order], sample_weight=weight[order])
    np.testing.assert_array_equal(weighted.predict(x), repeated.predict(x))
    assert weighted.loss_ == pytest.approx(repeated.loss_, rel=1e-9)


@pytest.mark.parametrize("inputs", [1, 3])
@pytest.mark.parametrize("outputs", [1, 2])
def test_the_smallest_data(inputs: int, outputs: int) -> None:
    """One sample, one x, and one y for all are fitted by a constant."""
    x, y = data(inputs, outputs, 5)
    assert ReluRegressor().fit(x[:1], y[:1]).predict(x[:1]) == pytest.approx(y[:1])
    same = ReluRegressor().fit(np.repeat(x[:1], 5, axis=0), y)
    np.testing.assert_allclose(same.predict(x[:1])[0], y.mean(axis=0), atol=1e-6)
    level = ReluRegressor().fit(x, np.full_like(y, 7.5))
    np.testing.assert_allclose(level.predict(x), np.full_like(y, 7.5), rtol=1e-12)


@pytest.mark.parametrize(
    "parameters",
    [
        {"hidden": 0},
        {"hidden": 100},
        {"hidden": "many"},
        {"solver": "newton"},
        {"solver": None},
        {"solver": "adam", "learning_rate": -1},
        {"solver": "adam", "learning_rate": 1e30},
        {"solver": "lbfgs", "tolerance": 0.1},
        {"solver": "lbfgs", "backend": "nosuch"},
        {"solver": "lbfgs", "dtype": "int8"},
        {"random_state": -1},
    ],
)
def test_bad_parameters_are_a_value_error(parameters: dict[str, Any]) -> None:
    """A bad parameter is a ValueError in `fit`, as scikit-learn wants it, and one sentence."""
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        ReluRegressor(**parameters).fit(*data(1, 1, 20))


def test_weights_where_there_are_none() -> None:
    """Adam refuses weights and says who takes them; nothing is predicted before a fit."""
    with pytest.raises(ValueError, match="solver='adam' has no use for weight; leave it out"):
        ReluRegressor(solver="adam").fit(*data(1, 1), sample_weight=np.ones(200))
    with pytest.raises(NotFittedError):
        ReluRegressor().predict([[1.0]])


def test_solvers_are_named_with_auto() -> None:
    """An unknown solver is refused with the names of those that exist, auto among them."""
    with pytest.raises(ValueError, match="unknown solver 'zz'; choose one of auto, sgd, momentum, adam, lbfgs, spline"):
        ReluRegressor(solver="zz").fit(*data(1, 1))


@pytest.mark.parametrize("inputs", [1, 2])
def test_one_weight_may_be_that_of_all(inputs: int) -> None:
    """One weight for all changes nothing and is checked like others, as elsewhere in scikit-learn."""
    x, y = data(inputs, 1, 60)
    wanted = ReluRegressor(epochs=20).fit(x, y)
    for weight in (2, 0.5, np.float32(3)):
        np.testing.assert_array_equal(ReluRegressor(epochs=20).fit(x, y, weight).predict(x), wanted.predict(x))
    for weight in (-1, 0, np.nan, "heavy"):
        with pytest.raises(ValueError, match="weight"):
            ReluRegressor().fit(x, y, weight)


def test_units_are_chosen_by_the_data() -> None:
    """Without noise many units are chosen, with noise few, and for a tolerance as many as it takes."""
    x, y = sample(targets.SIN)
    assert ReluRegressor().fit(x, y.ravel()).fit_.metrics["hidden"] >= 128
    assert ReluRegressor().fit(*sample(targets.NOISY_SINE)).fit_.metrics["hidden"] <= 32
    assert ReluRegressor(tolerance=1e-3).fit(x, y).loss_ <= 1e-3


@pytest.mark.parametrize("name", ["sin", "noisy_sine", "sines"])
def test_it_beats_mlp_regressor(name: str) -> None:
    """The estimator beats MLPRegressor on samples held out, in less time than its Adam takes."""
    x, y = sample(targets.ZOO[name])
    x, x_test, y, y_test = train_test_split(x, y.ravel(), test_size=0.2, random_state=0)
    ours, seconds = _error(ReluRegressor(), x, y, x_test, y_test)
    slack = 1.05 if targets.ZOO[name].noise else 1.0  # nearly all that is left there is the noise of 200 samples
    assert ours < slack * _error(_mlp("lbfgs"), x, y, x_test, y_test)[0]
    error, longer = _error(_mlp("adam"), x, y, x_test, y_test)
    assert ours < error
    assert seconds < 2 * longer  # 0.7 times, alone on a core; a busy machine may take one longer than the other


def _mlp(solver: str) -> Any:
    network = MLPRegressor(hidden_layer_sizes=(512,), solver=solver, random_state=0)
    return TransformedTargetRegressor(make_pipeline(StandardScaler(), network), transformer=StandardScaler())


def _error(model: Any, x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> tuple[float, float]:
    """The mean squared error on other samples, and the processor time of the fit."""
    since = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y)
    return float(np.mean((model.predict(x_test) - y_test) ** 2)), time.process_time() - since
