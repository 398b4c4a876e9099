"""Evaluation of the network of one input as people do it who know that it is a spline: by a table of its knots.

The table, the knots within the samples and the network's values there, is made once for weights, as people do.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy
from scipy.interpolate import make_interp_spline

from bench.recipes import HostRecipe, Kept, Trained
from relufit import Params, Plan, RelufitError, Samples, Sizes, State
from relufit.backends.base import bytes_of_columns
from relufit.network.checks import check_input
from relufit.network.optim import Optimizer
from relufit.network.params import Array

Curve = Callable[[Array], Array]  # of x (N,): (N, O)


class Interpolation(HostRecipe):
    """A recipe that evaluates only; a subclass makes the function of a table."""

    algorithm, order = "interpolation", "shared"  # no samples are put in an order
    optimizers, refusal = (), "it evaluates a table of the network, and does not train"
    lacks = dict.fromkeys(("loss_and_grads", "train"), refusal)

    def __init__(self) -> None:
        self._table = Kept(_Table)

    def curve(self, x: Array, y: Array) -> Curve:
        """The function through the points x (K + 1,), y (K + 1, O)."""
        raise NotImplementedError

    def supports(
        self, sizes: Sizes, dtype: str, optimizer: Optimizer | None = None, plan: Plan | None = None
    ) -> str | None:
        if sizes.inputs != 1:
            return f"{self.name} takes one input, not {sizes.inputs}: a network of more is no spline"
        return super().supports(sizes, dtype, optimizer, plan)

    def working_bytes(self, verb: str, sizes: Sizes, dtype: str) -> int:
        return bytes_of_columns(sizes, "float64") + 8 * sizes.hidden**2  # the table is made by the dense form

    def forward(self, params: Params, x: Array) -> Array:
        _, _, outputs = check_input(params, x)
        if len(x) == 0:
            return np.empty((0, outputs), x.dtype)
        return self._table(params).curve(x[:, 0], self.curve)(x[:, 0]).astype(x.dtype, copy=False)

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        raise RelufitError(f"{self.name}: {self.refusal}")

    def train(self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range) -> Trained:
        raise RelufitError(f"{self.name}: {self.refusal}")


class _Table:
    """The knots of a network and its values there, with the function of them that was made last."""

    def __init__(self, params: Params) -> None:
        self.params, self.low, self.high = params, np.inf, -np.inf
        self.made: Any = None

    def curve(self, x: Array, make: Callable[[Array, Array], Curve]) -> Curve:
        """The function on an interval that holds x (N,); it is made again where x leaves that of the last one."""
        low, high = float(x.min()), float(x.max())
        if low < self.low or high > self.high:
            self.low, self.high = min(low, self.low), max(high, self.high)
            self.made = make(*self._points())
        return self.made

    def _points(self) -> tuple[Array, Array]:
        w1, b1, w2, b2 = (p.astype(np.float64) for p in self.params)
        with np.errstate(divide="ignore", invalid="ignore"):
            knots = -b1 / w1[0]
        inside = knots[(knots > self.low) & (knots < self.high)]
        ends = [self.low, max(self.high, float(np.nextafter(self.low, np.inf)))]
        x = np.unique(np.concatenate([ends, inside]))
        return x, np.maximum(x[:, None] * w1 + b1, 0.0) @ w2 + b2


class NumpyInterp(Interpolation):
    """np.interp, for each output."""

    name = "np-interp"

    def curve(self, x: Array, y: Array) -> Curve:
        return lambda t: np.stack([np.interp(t, x, column) for column in y.T], axis=1)

    def facts(self) -> dict[str, str]:
        return {"numpy": np.__version__}


class ScipySpline(Interpolation):
    """scipy's make_interp_spline of degree 1: a BSpline."""

    name = "scipy-spline"

    def curve(self, x: Array, y: Array) -> Curve:
        spline: Curve = make_interp_spline(x, y, k=1)
        return spline

    def facts(self) -> dict[str, str]:
        return {"scipy": scipy.__version__, "numpy": np.__version__}
