"""What people write today, as rivals in the same tables.

A recipe is a Backend whose `train` runs its own code, with its own loader and its own order of samples, and whose
`supports` refuses what such code does not do. It is held to the same answers: one step on a given full batch.
"""

from collections.abc import Callable
from typing import Any

from relufit import backends
from relufit.params import Params

RECIPES: dict[str, tuple[str, str]] = {  # name -> ("module:Class", the library that must be importable)
    "textbook-numpy": ("bench.recipes.textbook:TextbookNumpy", "numpy"),
    "sklearn-recipe": ("bench.recipes.sklearn_mlp:SklearnRecipe", "sklearn"),
    "torch-recipe": ("bench.recipes.torch_loop:TorchRecipe", "torch"),
}


def known_names() -> list[str]:
    """Every backend and recipe, in the order of the tables."""
    return [*backends.table(), *RECIPES]


class Kept:
    """The models built from the sets of weights seen last, as whoever writes such code keeps theirs."""

    MOST = 32

    def __init__(self, build: Callable[[Params], Any]) -> None:
        self.build = build
        self.models: dict[int, tuple[Params, Any]] = {}  # by identity; the weights are held so that it stays theirs

    def __call__(self, params: Params) -> Any:
        """The model with these weights."""
        if id(params) not in self.models:
            if len(self.models) == self.MOST:
                self.models.pop(next(iter(self.models)))
            self.models[id(params)] = params, self.build(params)
        return self.models[id(params)][1]
