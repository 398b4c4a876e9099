"""The network as any course on backpropagation writes it: a class in numpy with forward, backward and step."""

import numpy as np

from bench.recipes import HostRecipe, Trained
from relufit import SGD, Params, Plan, Samples, State
from relufit.network.checks import check_input, check_shapes, check_training
from relufit.network.optim import Optimizer
from relufit.network.params import Array


class TwoLayerNet:
    """A course's two-layer network: attributes for weights, intermediate values kept between the passes."""

    def __init__(self, w1: Array, b1: Array, w2: Array, b2: Array) -> None:
        self.w1, self.b1, self.w2, self.b2 = w1, b1, w2, b2

    def forward(self, x: Array) -> Array:
        """Predict, and store the intermediate values for backward."""
        self.x = x
        self.z1 = x @ self.w1 + self.b1
        self.a1 = np.maximum(0, self.z1)
        self.y_pred = self.a1 @ self.w2 + self.b2
        return self.y_pred

    def backward(self, y: Array) -> tuple[Array, Array, Array, Array]:
        """The chain rule, one line a layer, for the mean squared error."""
        dy = 2 * (self.y_pred - y) / y.size
        dw2 = self.a1.T @ dy
        db2 = dy.sum(axis=0)
        da1 = dy @ self.w2.T
        dz1 = da1 * (self.z1 > 0)
        dw1 = self.x.T @ dz1
        db1 = dz1.sum(axis=0)
        return dw1, db1, dw2, db2

    def step(self, grads: tuple[Array, Array, Array, Array], learning_rate: float) -> None:
        """Gradient descent, in place."""
        dw1, db1, dw2, db2 = grads
        self.w1 -= learning_rate * dw1
        self.b1 -= learning_rate * db1
        self.w2 -= learning_rate * dw2
        self.b2 -= learning_rate * db2


class TextbookNumpy(HostRecipe):
    """TwoLayerNet as a Backend; it trains by plain gradient descent only."""

    name, algorithm = "textbook-numpy", "textbook"
    optimizers, refusal = (SGD,), "the textbook class has plain gradient descent only"

    def forward(self, params: Params, x: Array) -> Array:
        check_input(params, x)
        return TwoLayerNet(*params).forward(x)

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        check_shapes(params, samples)
        net = TwoLayerNet(*params)
        y_pred = net.forward(samples.x)
        return np.mean((y_pred - samples.y) ** 2), Params(*net.backward(samples.y))

    def train(self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range) -> Trained:
        check_training(state, samples, optimizer, plan, epochs)
        net = TwoLayerNet(*(p.copy() for p in state.params))
        x, y, rng = samples.x, samples.y, np.random.default_rng(state.step)
        losses, steps = [], 0
        for _ in epochs:
            total = 0.0
            indices = rng.permutation(len(x))
            for start in range(0, len(x), plan.batch):
                batch = indices[start : start + plan.batch]
                y_pred = net.forward(x[batch])
                total += np.mean((y_pred - y[batch]) ** 2) * len(batch)
                net.step(net.backward(y[batch]), optimizer.learning_rate)
                steps += 1
            losses.append(total / len(x))
        return State(Params(net.w1, net.b1, net.w2, net.b2), (), state.step + steps), np.asarray(losses)

    def facts(self) -> dict[str, str]:
        return {"numpy": np.__version__}
