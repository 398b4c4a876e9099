"""Python imports this at its start where PYTHONPATH names its folder: it puts a Scene's CUDA into torch.

torch is real, and its CUDA device is a stand-in that is put there as soon as torch is imported.
"""

import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


class Finder(MetaPathFinder, Loader):
    """Finds torch as Python does, and changes it after it is loaded."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Only torch."""
        found = PathFinder.find_spec(name, path) if name == "torch" else None
        if found is not None and found.loader is not None:
            self.loader, found.loader = found.loader, self
        return found

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As Python does."""
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Load torch, then replace torch.cuda's functions."""
        self.loader.exec_module(module)
        sys.meta_path.remove(self)
        import fake_torch_cuda

        fake_torch_cuda.install(module)


if "RELUFIT_FAKE_CUDA" in os.environ:
    sys.meta_path.insert(0, Finder())
