"""scikit-learn's MLPRegressor, trained by `partial_fit`: one line instead of a loop.

Its loss is half the squared error, summed over the outputs, so relufit's gradients are 2/O times its gradients. The
learning rate includes this factor, so that training is the same.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import sklearn
from sklearn.neural_network import MLPRegressor
from sklearn.neural_network._stochastic_optimizers import SGDOptimizer
from sklearn.utils import check_random_state

from bench.recipes import HostRecipe, Kept, Trained
from relufit import SGD, Momentum, Params, Plan, Samples, State
from relufit.network.checks import check_input, check_shapes, check_training
from relufit.network.optim import Optimizer
from relufit.network.params import Array


class SklearnRecipe(HostRecipe):
    """MLPRegressor behind the verbs, with its own validation, shuffling and updates."""

    name, algorithm = "sklearn-recipe", "recipe"
    optimizers = SGD, Momentum
    refusal = "scikit-learn's Adam adds eps before it corrects the bias: its steps are others"

    def __init__(self) -> None:
        self._model = Kept(_regressor)

    def forward(self, params: Params, x: Array) -> Array:
        _, _, outputs = check_input(params, x)
        if len(x) == 0:
            return np.empty((0, outputs), x.dtype)  # scikit-learn refuses it
        return self._model(params).predict(x).reshape(len(x), -1)  # a single output comes as (N,)

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        check_shapes(params, samples)
        x, y, model = samples.x, samples.y, self._model(params)
        loss, weights, biases = model._backprop(x, y, None, [x, None, None], [None] * 2, [None] * 2, [None] * 2)
        return 2 * loss, _params(2 / y.shape[1] * grad for grad in (*weights, *biases))

    def train(self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range) -> Trained:
        check_training(state, samples, optimizer, plan, epochs)
        x, y, rate = samples.x, samples.y, optimizer.learning_rate
        model = _regressor(
            state.params,
            learning_rate_init=rate * 2 / y.shape[1],
            momentum=getattr(optimizer, "momentum", 0.0),
            batch_size=min(plan.batch, len(x)),
            shuffle=plan.order is not None,
            random_state=check_random_state(state.step),  # a number would give every epoch the same order
        )
        weights = model.coefs_ + model.intercepts_
        model._optimizer = SGDOptimizer(weights, model.learning_rate_init, momentum=model.momentum, nesterov=False)
        for velocity in state.moments:  # scikit-learn's includes the learning rate, and its sign
            model._optimizer.velocities = [-rate * v for v in (velocity.w1, velocity.w2, velocity.b1, velocity.b2)]
        y = y.ravel() if y.shape[1] == 1 else y  # scikit-learn warns of columns
        losses = np.array([_train_epoch(model, x, y) for _ in epochs], x.dtype)
        moments = (_params(v / -rate for v in model._optimizer.velocities),) if state.moments else ()
        step = state.step + len(epochs) * plan.steps_per_epoch(len(x))
        return State(_params(model.coefs_ + model.intercepts_), moments, step), losses

    def facts(self) -> dict[str, str]:
        return {"scikit-learn": sklearn.__version__, "numpy": np.__version__}


def _regressor(params: Params, **settings: Any) -> MLPRegressor:
    """An MLPRegressor with these weights and without penalty, as `fit` builds it before its first epoch."""
    (inputs, hidden), outputs = params.w1.shape, params.w2.shape[1]
    model = MLPRegressor(hidden_layer_sizes=(hidden,), solver="sgd", alpha=0.0, nesterovs_momentum=False, **settings)
    model._random_state = check_random_state(0)
    model._initialize(np.empty((1, outputs)), [inputs, hidden, outputs], params.w1.dtype)
    model.n_features_in_ = inputs
    model.coefs_, model.intercepts_ = [params.w1.copy(), params.w2.copy()], [params.b1.copy(), params.b2.copy()]
    return model


def _train_epoch(model: MLPRegressor, x: Array, y: Array) -> float:
    """Train one epoch; return its loss as the mean squared error."""
    try:
        model.partial_fit(x, y)
    except ValueError:
        # scikit-learn raises for weights that are nan or inf; return nan instead, which shows divergence.
        if all(np.isfinite(w).all() for w in model.coefs_ + model.intercepts_):
            raise
        return float("nan")
    return 2 * model.loss_


def _params(arrays: Iterable[Array]) -> Params:
    """Params from the arrays of scikit-learn, whose weights come before its biases."""
    w1, w2, b1, b2 = arrays
    return Params(w1, b1, w2, b2)
