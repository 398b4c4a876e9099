"""Backends and recipes by name: which run here, and what each says of itself; others are a skip with the reason.

RELUFIT_REQUIRE=cupy,torch-cuda turns those skips into failures, so that a GPU run cannot pass by skipping.
"""

from functools import lru_cache
from importlib.util import find_spec
from pkgutil import resolve_name
from typing import Any

import pytest

from bench.hardware import machine
from bench.recipes import RECIPES
from relufit import Backend, RelufitError, backends
from relufit.precision import PRECISIONS


@lru_cache
def unavailable(name: str) -> str | None:
    """None if the backend or recipe runs here, or the reason why not."""
    if name not in RECIPES:
        return backends.probe(name)
    library = RECIPES[name][1]
    return None if find_spec(library) else f"{library} is not installed: pip install {library}"


def runs_on_cuda(name: str) -> bool:
    """Whether the backend runs here on a CUDA device; it is not loaded in this process."""
    return name not in RECIPES and backends.row(name).device_kind == "cuda" and unavailable(name) is None


@lru_cache
def load(name: str) -> Backend:
    """The backend or recipe of that name; raises as `relufit.backends.load` does."""
    if name not in RECIPES:
        return backends.load(name)
    backend: Backend = resolve_name(RECIPES[name][0])()
    return backend


def load_at(name: str, dtype: str) -> Backend:
    """The same, with products of reduced precision where `dtype` is one; raises as `Backend.at` does too."""
    return load(name).at(dtype) if dtype in PRECISIONS else load(name)


def has(name: str, dtype: str) -> bool:
    """Whether a backend has cases of this dtype: those of a reduced precision only if it runs here and has that."""
    return dtype not in PRECISIONS or (unavailable(name) is None and dtype in load(name).precisions)


def demand_precisions(names: list[str], dtypes: list[str]) -> None:
    """Raise RelufitError where none of these backends has a precision that was asked for."""
    for dtype in dtypes:
        if not any(has(name, dtype) for name in names):
            able = "add one that has, as torch-cpu and jax-cpu do in bfloat16 and float16"
            raise RelufitError(f"--dtype {dtype}: no products in {dtype} here by {', '.join(names)}; {able}")


def load_or_skip(name: str, dtype: str = "float32") -> Backend:
    """The backend, or a pytest skip with the reason; a failure where RELUFIT_REQUIRE names it."""
    reason = unavailable(name)
    if reason is None:
        return load_at(name, dtype)
    if name in backends.required():
        pytest.fail(f"RELUFIT_REQUIRE names {name}, which cannot run here: {reason}", pytrace=False)
    pytest.skip(f"{name}: {reason}")


def has_failed(name: str) -> bool:
    """Whether the device of a backend is in an error state, in which nothing more can run on it."""
    try:
        if load(name).device != "cpu":
            load(name).synchronize()
    except Exception:  # each library has errors of its own
        return True
    return False


def state(name: str) -> dict[str, Any]:
    """Why a backend cannot run here, or what it says of itself under the settings that it is measured with."""
    if (reason := unavailable(name)) is not None:
        return {"reason": reason, "facts": {}}
    try:
        with load(name).pinned():
            facts = {str(key): str(value) for key, value in load(name).facts().items()}
    except Exception as error:  # each library has errors of its own
        return {"reason": f"pinned() or facts() raised {type(error).__name__}: {error}", "facts": {}}
    if "numpy" in facts:  # numpy does not report the number of threads of its BLAS
        facts.setdefault("threads", str(machine.blas_threads("numpy")))
    return {"reason": None, "facts": facts}
