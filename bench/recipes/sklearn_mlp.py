"""scikit-learn's MLPRegressor, trained by `partial_fit`: one line instead of a loop.

Its gradients are those of half the squared error, summed over the outputs: 2/O times them are ours. In gradient descent
the factor goes into the learning rate, and training is the same.
"""

from typing import Any

import numpy as np
import sklearn
from sklearn.neural_network import MLPRegressor
from sklearn.neural_network._stochastic_optimizers import SGDOptimizer
from sklearn.utils import check_random_state

from bench.recipes import HostRecipe, Kept
from relufit.backend import Samples
from relufit.checks import check_input, check_shapes, check_training
from relufit.data import Plan
from relufit.optim import SGD, Momentum, Optimizer, State
from relufit.params import Array, Params


class SklearnRecipe(HostRecipe):
    """MLPRegressor behind the verbs, with its own validation, shuffling and updates."""

    name, algorithm = "sklearn-recipe", "recipe"
    optimizers = SGD, Momentum
    refusal = "scikit-learn's Adam adds eps before it corrects the bias: its steps are others"

    def __init__(self) -> None:
        self._model = Kept(_regressor)

    def forward(self, params: Params, x: Array) -> Array:
        check_input(params, x)
        return self._model(params).predict(x).reshape(len(x), -1)  # a single output comes as (N,)

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        check_shapes(params, samples)
        model, unit = self._model(params), 2 / samples.y.shape[1]
        activations, empty = [samples.x, None, None], [None, None]
        loss, (dw1, dw2), (db1, db2) = model._backprop(
            samples.x, samples.y, None, activations, empty.copy(), empty.copy(), empty.copy()
        )
        return 2 * loss, Params(unit * dw1, unit * db1, unit * dw2, unit * db2)

    def train(
        self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range
    ) -> tuple[State, Array]:
        check_training(state, samples, optimizer, plan, epochs)
        x, y = samples.x, samples.y
        model = _regressor(
            state.params,
            learning_rate_init=optimizer.learning_rate * 2 / y.shape[1],
            momentum=getattr(optimizer, "momentum", 0.0),
            batch_size=min(plan.batch, len(x)),
            shuffle=plan.order is not None,
            random_state=check_random_state(state.step),  # a number would give every epoch the same order
        )
        _set_velocity(model, state, optimizer)
        y = y.ravel() if y.shape[1] == 1 else y  # scikit-learn warns of columns
        losses = np.array([_train_epoch(model, x, y) for _ in epochs], x.dtype)
        return _state(model, optimizer, state.step + len(epochs) * plan.steps_per_epoch(len(x))), losses

    def facts(self) -> dict[str, str]:
        return {"scikit-learn": sklearn.__version__, "numpy": np.__version__}


def _regressor(params: Params, **settings: Any) -> MLPRegressor:
    """A plain gradient descent on the bare loss from these weights: what fit builds before its first epoch."""
    (inputs, hidden), outputs = params.w1.shape, params.w2.shape[1]
    model = MLPRegressor(hidden_layer_sizes=(hidden,), solver="sgd", alpha=0.0, nesterovs_momentum=False, **settings)
    model._random_state = check_random_state(0)
    model._initialize(np.empty((1, outputs)), [inputs, hidden, outputs], params.w1.dtype)
    model.n_features_in_ = inputs
    model.coefs_, model.intercepts_ = [params.w1.copy(), params.w2.copy()], [params.b1.copy(), params.b2.copy()]
    return model


def _set_velocity(model: MLPRegressor, state: State, optimizer: Optimizer) -> None:
    """Continue from the velocity of `state`; scikit-learn's includes the learning rate, and its sign."""
    model._optimizer = SGDOptimizer(
        model.coefs_ + model.intercepts_, model.learning_rate_init, momentum=model.momentum, nesterov=False
    )
    for velocity in state.moments:
        w1, b1, w2, b2 = (-optimizer.learning_rate * v for v in velocity)
        model._optimizer.velocities = [w1, w2, b1, b2]


def _train_epoch(model: MLPRegressor, x: Array, y: Array) -> float:
    """One epoch; its loss as the mean squared error."""
    try:
        model.partial_fit(x, y)
    except ValueError:
        # Weights of nan or inf are an error to scikit-learn; here the loss shows them.
        if all(np.isfinite(w).all() for w in model.coefs_ + model.intercepts_):
            raise
        return float("nan")
    return 2 * model.loss_


def _state(model: MLPRegressor, optimizer: Optimizer, step: int) -> State:
    (w1, w2), (b1, b2) = model.coefs_, model.intercepts_
    moments: tuple[Params, ...] = ()
    if isinstance(optimizer, Momentum):
        dw1, dw2, db1, db2 = (v / -optimizer.learning_rate for v in model._optimizer.velocities)
        moments = (Params(dw1, db1, dw2, db2),)
    return State(Params(w1, b1, w2, b2), moments, step)
