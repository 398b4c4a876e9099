"""Code as people usually write it to train or evaluate the network, compared with the backends in the same tables.

A recipe is a Backend whose `train` runs its own code, with its own loader and its own order of samples, and whose
`supports` refuses what such code does not do. Its result of one step on a given full batch must agree, as a backend's.
One that evaluates only names the verbs that it has not in `lacks`, each with the reason.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from relufit import Backend, Params, Plan, Sizes, State, backends
from relufit.network.optim import Optimizer
from relufit.network.params import Array

Trained = tuple[State, Array]  # what `train` returns: the state, and the loss of each epoch

RECIPES: dict[str, tuple[str, str]] = {  # name -> ("module:Class", the library that must be importable)
    "textbook-numpy": ("bench.recipes.textbook:TextbookNumpy", "numpy"),
    "sklearn-recipe": ("bench.recipes.sklearn_mlp:SklearnRecipe", "sklearn"),
    "torch-recipe": ("bench.recipes.torch_loop:TorchRecipe", "torch"),
    "np-interp": ("bench.recipes.interpolation:NumpyInterp", "numpy"),
    "scipy-spline": ("bench.recipes.interpolation:ScipySpline", "scipy"),
}
FORWARD_ONLY = frozenset({"np-interp", "scipy-spline"})
# Recipes that are faster for weights seen before although they remember no results: they keep the framework's model,
# which people build once, but which a harness with weights as values would make them build for each set of weights.
KEEP_MODELS = frozenset({"sklearn-recipe", "torch-recipe", *FORWARD_ONLY})


def known_names() -> list[str]:
    """Every backend and recipe, in the order of the tables."""
    return [*backends.table(), *RECIPES]


def order_of(backend: Backend) -> str:
    """The order of samples in training: "shared" with all backends, or a recipe's "own"."""
    return getattr(backend, "order", "shared")


def lack_of(backend: Backend, verb: str) -> str | None:
    """Why a recipe has no such verb; None where it has, and for every backend."""
    reasons: dict[str, str] = getattr(backend, "lacks", {})
    return reasons.get(verb)


class HostRecipe(Backend):
    """A recipe on host arrays that supports some optimizers only, and shuffles the samples itself."""

    device, order = "cpu", "own"
    optimizers: tuple[type[Optimizer], ...]
    refusal: str  # why other optimizers are not supported

    def supports(
        self, sizes: Sizes, dtype: str, optimizer: Optimizer | None = None, plan: Plan | None = None
    ) -> str | None:
        refused = optimizer is not None and not isinstance(optimizer, self.optimizers)
        return self.refusal if refused else super().supports(sizes, dtype, optimizer, plan)

    def to_device(self, array: Any) -> Array:
        return np.asarray(array)

    def to_host(self, array: Array) -> np.ndarray:
        return np.asarray(array)


class Kept:
    """The models of the last MOST sets of weights, since user code builds its model only once."""

    MOST = 32

    def __init__(self, build: Callable[[Params], Any]) -> None:
        self.build = build
        self.models: dict[int, tuple[Params, Any]] = {}  # by identity of the weights, which are kept with the model

    def __call__(self, params: Params) -> Any:
        """The model with these weights."""
        if id(params) not in self.models:
            if len(self.models) == self.MOST:
                self.models.pop(next(iter(self.models)))
            self.models[id(params)] = params, self.build(params)
        return self.models[id(params)][1]
