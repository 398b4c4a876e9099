"""A machine with CUDA devices for the tests of this folder, played by the stand-ins of tests/fake_cuda."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from relufit import backends

FAKE = Path(__file__).parents[2] / "fake_cuda"
CACHES = (backends.table, backends.create, backends.probe, backends._try_out_in_children, backends._given_up)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """A function that makes this process, and its children, see a machine with the CUDA devices of a scene."""

    def forget() -> None:
        for name in ("cupy", "fake_arrays", "fake_scene", "relufit.backends.cupy"):
            sys.modules.pop(name, None)
        for cached in CACHES:
            cached.cache_clear()

    def begin(scene: str, visible: str | None = None) -> Any:
        forget()
        monkeypatch.setenv("RELUFIT_FAKE_CUDA", scene)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        monkeypatch.syspath_prepend(str(FAKE))
        return import_module("cupy").SCENE

    if "cupy" in sys.modules:
        pytest.skip("the real cupy is in use")
    yield begin
    forget()
