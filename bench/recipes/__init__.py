"""What people write today, as rivals in the same tables.

A recipe is a Backend whose `train` runs its own code, with its own loader and its own order of samples, and whose
`supports` refuses what such code does not do. It is held to the same answers: one step on a given full batch.
"""

RECIPES: dict[str, tuple[str, str]] = {  # name -> ("module:Class", the library that must be importable)
    "textbook-numpy": ("bench.recipes.textbook:TextbookNumpy", "numpy"),
    "sklearn-recipe": ("bench.recipes.sklearn_mlp:SklearnRecipe", "sklearn"),
    "torch-recipe": ("bench.recipes.torch_loop:TorchRecipe", "torch"),
}
