"""The estimator: scikit-learn's checks and tools, weights, and how it chooses solver and units."""

import pickle
from typing import Any

import numpy as np
import pytest

from relufit import fit, sample, targets

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from relufit.sklearn import ReluRegressor


@parametrize_with_checks([ReluRegressor(hidden=4), ReluRegressor(hidden=8, epochs=50, alpha=0.01, random_state=None)])
def test_all_checks_of_scikit_learn_pass(estimator: Any, check: Any) -> None:
    """Every check passes; scikit-learn itself skips that of array_api input unless SCIPY_ARRAY_API is set."""
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([ReluRegressor()])
def test_all_checks_pass_at_the_usual_width(estimator: Any, check: Any) -> None:
    """Every check passes with all defaults too; the same code with 4 units passes them above."""
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
    model = ReluRegressor(hidden=None if solver == "spline" else 64).fit(x, y)
    assert model.fit_.metrics["solver"] == solver
    assert model.score(x, y) > 0.99
    assert model.predict(x).shape == y.shape
    assert model.loss_ == pytest.approx(np.mean((model.predict(x) - y) ** 2))
    assert model.params_.w1.shape[0] == model.n_features_in_ == inputs
    assert model.n_iter_ == 0 if solver == "spline" else 0 < model.n_iter_ <= 200
    assert (model.alpha_ is None) == (solver == "spline")


@pytest.mark.parametrize("solver", ["adam", "spline"])
def test_it_is_relufit_fit(solver: str) -> None:
    """The estimator with the same arguments is the network of relufit.fit."""
    x, y = data(1, 1)
    options: dict[str, Any] = {"hidden": 8, "solver": solver} | ({"epochs": 5} if solver == "adam" else {})
    model = ReluRegressor(**options, random_state=3).fit(x, y)
    order = slice(None) if solver == "adam" else np.argsort(x[:, 0])  # the others see samples in ascending order
    dtype = {"dtype": "float64"} if solver == "adam" else {}
    wanted = fit(x[order], y[order], **options, **dtype, seed=3, test_fraction=0.0, progress=False)
    np.testing.assert_array_equal(model.predict(x), wanted.predict(x)[:, 0])


def test_it_works_in_scikit_learns_tools() -> None:
    """The estimator works in a pipeline, a grid, cross-validation, a clone and a pickle."""
    x, y = data(2, 1)
    pipeline = make_pipeline(StandardScaler(), ReluRegressor(epochs=50, alpha=1e-4))
    search = GridSearchCV(pipeline, {"reluregressor__hidden": [2, 32]}, cv=3).fit(x, y)
    assert search.best_params_ == {"reluregressor__hidden": 32}
    assert cross_val_score(ReluRegressor(hidden=32, epochs=50), x, y, cv=3).min() > 0.98
    model = ReluRegressor(epochs=20, alpha=0.01).set_params(hidden=5).fit(x, y)
    assert clone(model).get_params() == model.get_params()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(x), model.predict(x))


@pytest.mark.parametrize("inputs", [1, 2])
def test_weights_are_repetitions(inputs: int) -> None:
    """Weights are repetitions to the last bit, in any order; a sample of weight 0 has no influence."""
    x, y = data(inputs, 1, 60)
    rng = np.random.default_rng(1)
    weight, order = rng.integers(0, 4, 60), rng.permutation(60)
    y = y + rng.normal(0, 0.1, 60)
    hidden = None if inputs == 1 else 32
    repeated = ReluRegressor(hidden).fit(np.repeat(x, weight, axis=0), np.repeat(y, weight))
    y[weight == 0] = 1e9
    weighted = ReluRegressor(hidden).fit(x[order], y[order], sample_weight=weight[order])
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
        {"hidden": "many"},
        {"hidden": "8"},
        {"hidden": "auto", "solver": "lbfgs"},
        {"hidden": 4, "tolerance": 0.1},
        {"alpha": -1},
        {"alpha": "small"},
        {"epochs": 0},
        {"tolerance": 0},
        {"tolerance": 0.1, "epochs": 5},
        {"solver": "spline", "epochs": 5},
        {"solver": "adam", "alpha": 0.1},
        {"solver": "lbfgs", "batch_size": 8},
        {"solver": "lbfgs", "learning_rate": 0.1},
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
    with pytest.raises(ValueError, match="solver='adam' does not use weight; leave it out"):
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
    model = ReluRegressor(hidden=8, epochs=20)
    wanted = model.fit(x, y).predict(x)
    for weight in (2, 0.5, np.float32(3)):
        np.testing.assert_array_equal(model.fit(x, y, weight).predict(x), wanted)
    for weight in (-1, 0, np.nan, "heavy"):
        with pytest.raises(ValueError, match="weight"):
            ReluRegressor().fit(x, y, weight)


def test_options_choose_a_solver() -> None:
    """Solver "auto" chooses one that uses the options given; the error about an unused option names solvers that do."""
    x, y = data(1, 1, 30)
    for options, solver in (
        ({}, "spline"),
        ({"hidden": 3}, "spline"),
        ({"tolerance": 0.1}, "spline"),
        ({"epochs": 3}, "lbfgs"),
        ({"alpha": 0.1, "epochs": 3}, "lbfgs"),
        ({"backend": "numpy", "epochs": 3}, "lbfgs"),
        ({"dtype": "float32", "epochs": 3}, "lbfgs"),
        ({"learning_rate": 0.01, "epochs": 1}, "adam"),
        ({"batch_size": 8, "epochs": 1}, "adam"),
    ):
        assert ReluRegressor(**options).fit(x, y).fit_.metrics["solver"] == solver  # type: ignore[arg-type]
    wanted = "solver='spline' does not use epochs; leave it out, or use solver='"
    with pytest.raises(ValueError, match=f"^{wanted}"):
        ReluRegressor(solver="spline", epochs=5).fit(x, y)


def test_backends_passed_over_are_in_the_metrics() -> None:
    """Both ways of training take the first backend that can, and say why not the others."""
    x, y = data(2, 1, 30)
    for options in ({"epochs": 2}, {"epochs": 1, "batch_size": 8}):
        model = ReluRegressor(hidden=4, backend=["numpy-hinge", "auto"], **options)  # type: ignore[arg-type]
        metrics = model.fit(x, y).fit_.metrics
        assert metrics["backend"] in ("numba", "numpy")
        assert "needs one input" in metrics["passed_over"]["numpy-hinge"]


def test_units_are_chosen_by_the_data() -> None:
    """Without noise many units are chosen, with noise few, and for a tolerance as many as it takes."""
    x, y = sample(targets.SIN)
    assert ReluRegressor().fit(x, y.ravel()).fit_.metrics["hidden"] >= 128
    assert ReluRegressor().fit(*sample(targets.NOISY_SINE)).fit_.metrics["hidden"] <= 32
    assert ReluRegressor(tolerance=1e-3).fit(x, y).loss_ <= 1e-3


def test_linear_data_are_fitted_by_a_line() -> None:
    """Of linear data with noise the fit is a ridge regression, and linear far away too."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 4))
    model = ReluRegressor().fit(x, x @ [1.0, -2.0, 0.0, 0.5] + rng.normal(0, 0.3, 100))
    assert model.alpha_ == np.inf
    assert model.n_iter_ == 0
    far = 100 * rng.normal(size=(20, 4))
    np.testing.assert_allclose(model.predict(far), far @ [1.0, -2.0, 0.0, 0.5], atol=30)
    middle = model.predict((far + far[::-1]) / 2)
    np.testing.assert_allclose(middle, (model.predict(far) + model.predict(far[::-1])) / 2, atol=1e-9)


def test_outputs_of_any_unit_are_fitted() -> None:
    """Each output is fitted alike, whatever its unit, and one that is constant disturbs none."""
    x, y = data(2, 2, 100)
    y = np.column_stack([y[:, 0], 1e6 * y[:, 1] + 1e7, np.full(len(x), 7.5)])
    model = ReluRegressor(alpha=1e-4).fit(x, y)
    assert model.score(x, y) > 0.99
    np.testing.assert_array_equal(model.fit_.y, y[np.lexsort(x.T[::-1])])
    assert model.loss_ == pytest.approx(model.fit_.metrics["mse"])


def test_what_the_samples_do_not_vary_in_has_no_influence() -> None:
    """Constant columns, and directions in which no samples differ, do not change a prediction."""
    x, y = data(2, 1, 80)
    model = ReluRegressor(alpha=1e-3).fit(np.column_stack([x, np.full(80, 3.0)]), y)
    there, away = (model.predict(np.column_stack([x, np.full(80, value)])) for value in (3.0, 8.0))
    np.testing.assert_allclose(away, there, atol=1e-9)
    x = np.random.default_rng(0).normal(size=(20, 60))
    model = ReluRegressor(alpha=1e-3, epochs=20).fit(x, np.sin(2 * x[:, 0]))
    scale = np.exp2(np.round(np.log2(x.std(axis=0))))  # of the standardised x in which weights are penalised
    across = np.linalg.svd((x - x.mean(axis=0)) / scale)[2][-1]
    np.testing.assert_allclose(model.predict(x + 9 * across * scale), model.predict(x), atol=1e-9)


def test_a_penalty_may_be_given() -> None:
    """A given alpha is used for all epochs: the larger, the smaller the weights and the less close the fit."""
    x, y = data(3, 1)
    free, held = (ReluRegressor(alpha=alpha, epochs=50).fit(x, y) for alpha in (0, 0.1))
    assert (free.alpha_, held.alpha_, free.n_iter_) == (0, 0.1, 50)
    assert free.loss_ < held.loss_ / 10
    assert np.abs(held.params_.w1).sum() < np.abs(free.params_.w1).sum() / 2


SEARCHES = [
    lambda model, grid: GridSearchCV(model, grid, cv=3),
    lambda model, grid: RandomizedSearchCV(model, grid, n_iter=2, cv=3, random_state=0),
]


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("repeated", [False, True])
def test_more_units_than_a_fold_supports(search: Any, repeated: bool) -> None:
    """Where a fold has too few distinct x, fewer units are fitted, with a warning; no score is nan."""
    x, y = data(1, 1, 60)
    if repeated:
        x = np.round(4 * x) / 4
    model = make_pipeline(StandardScaler(), ReluRegressor())
    with pytest.warns(UserWarning, match="hidden=500 is too many: the distinct x of the data support [0-9]+ units"):
        found = search(model, {"reluregressor__hidden": [np.int64(4), 500]}).fit(x, y)
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
    with pytest.warns(UserWarning, match="support 1 unit, which is fitted"):
        same = ReluRegressor(5).fit(np.ones((6, 1)), np.arange(6.0))
    np.testing.assert_allclose(same.predict([[1.0], [7.0]]), 2.5)


def test_a_tolerance_is_of_the_samples() -> None:
    """A tolerance counts all samples, also those of equal x; one that cannot be reached raises a warning."""
    rng = np.random.default_rng(0)
    x = np.repeat(np.linspace(0, 3, 40), 5)
    y = np.sin(x) + rng.normal(0, 0.1, 200)
    model = ReluRegressor(tolerance=0.012).fit(x[:, None], y)
    assert model.loss_ <= 0.012
    assert model.fit_.metrics["hidden"] < 20
    with pytest.warns(ConvergenceWarning, match="samples of equal x leave 0.00[0-9]+; the closest spline is fitted"):
        assert ReluRegressor(tolerance=1e-4).fit(x[:, None], y).fit_.metrics["hidden"] == 39
    weight = np.tile([1.0, 0, 0, 0, 0], 40)  # of each x one sample counts, so that there is nothing they leave
    assert ReluRegressor(tolerance=1e-4).fit(x[:, None], y, weight).loss_ <= 1e-4
