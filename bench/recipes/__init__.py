"""What people write today, as rivals in the same tables.

A recipe is a Backend whose `train` runs its own code, with its own loader and its own order of samples, and whose
`supports` refuses what such code does not do. It is held to the same answers: one step on a given full batch.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from relufit import Backend, Params, Plan, Sizes, State, backends
from relufit.optim import Optimizer
from relufit.params import Array

Trained = tuple[State, Array]  # what `train` returns: the state, and the loss of each epoch

RECIPES: dict[str, tuple[str, str]] = {  # name -> ("module:Class", the library that must be importable)
    "textbook-numpy": ("bench.recipes.textbook:TextbookNumpy", "numpy"),
    "sklearn-recipe": ("bench.recipes.sklearn_mlp:SklearnRecipe", "sklearn"),
    "torch-recipe": ("bench.recipes.torch_loop:TorchRecipe", "torch"),
}
# Recipes that are no slower for weights seen before because they remember results, but because they keep what people
# build once, and the harness, whose weights are values, would have them build for each set: the framework's model.
KEEP_MODELS = frozenset({"sklearn-recipe", "torch-recipe"})


def known_names() -> list[str]:
    """Every backend and recipe, in the order of the tables."""
    return [*backends.table(), *RECIPES]


def order_of(backend: Backend) -> str:
    """Whose order of samples a training takes: "shared" with all backends, or a recipe's "own"."""
    return getattr(backend, "order", "shared")


class HostRecipe(Backend):
    """A recipe on arrays of the host, which trains with some optimizers only; it shuffles for itself."""

    device, order = "cpu", "own"
    optimizers: tuple[type[Optimizer], ...]
    refusal: str  # why others are refused

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
    """The models built from the latest sets of weights, which code of this kind builds once and keeps."""

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
