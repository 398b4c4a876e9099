"""Backends and recipes by name: which run here, and what each says of itself; others are a skip with the reason.

RELUFIT_REQUIRE=cupy,torch-cuda turns those skips into failures, so that a GPU run cannot pass by skipping.
"""

import gc
import os
import subprocess
import sys
import traceback
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec
from pkgutil import resolve_name
from typing import Any

import pytest

from bench.grid import selection
from bench.hardware import machine
from bench.recipes import RECIPES
from relufit import Backend, RelufitError, backends
from relufit.network.precision import PRECISIONS

CONTEXT_SECONDS = 60.0  # after which a process that measures the seconds of a context is given up
CONTEXT = """
import sys, time
import numpy as np
from relufit.backends import create
start = time.perf_counter()
backend = create(sys.argv[1])
array = backend.to_device(np.ones((1, 1), np.float32))
array = array + array
backend.synchronize()
print("context", time.perf_counter() - start)
"""


@lru_cache
def unavailable(name: str) -> str | None:
    """None if the backend or recipe runs here, or the reason why not."""
    if name not in RECIPES:
        return backends.probe(name)
    library = RECIPES[name][1]
    return None if find_spec(library) else f"{library} is not installed: pip install {library}"


def runs_on_cuda(name: str) -> bool:
    """Whether the backend runs here on a CUDA device; it is not loaded in this process."""
    return selection.is_on_cuda(name) and unavailable(name) is None


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
    if {name, name.partition(":")[0]} & backends.required():
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


def free_memory(loaded: Iterable[Backend], name: str, error: BaseException) -> None:
    """After `error` under a backend, give what all backends of its device keep to the device.

    The frames of the error hold the arrays of the case, so their variables are dropped first. A device that no longer
    works cannot free anything: `has_failed` shows it.
    """
    cause: BaseException | None = error
    while cause is not None:
        traceback.clear_frames(cause.__traceback__)
        cause = cause.__cause__ or cause.__context__
    gc.collect()
    every = list(loaded)
    device = next((backend.device for backend in every if backend.name == name), "cpu")
    for backend in every:
        if backend.device == device:
            with suppress(Exception):  # each library has errors of its own
                backend.memory()


def contexts(names: Iterable[str]) -> dict[str, dict[str, float]]:
    """`context_seconds` of each backend that runs here on a CUDA device: from importing it to its first kernel.

    It is measured in a new process, once for each library and device: its backends share the context.
    """
    found: dict[tuple[str, int], dict[str, float]] = {}
    of_names = {}
    for name in filter(runs_on_cuda, names):
        key = backends.row(name).library, selection.device_index([name])
        if key not in found:
            found[key] = _context(name)
        of_names[name] = found[key]
    return of_names


def _context(name: str) -> dict[str, float]:
    # The process imports from where this one does.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    command = [sys.executable, "-c", CONTEXT, name]
    with suppress(subprocess.SubprocessError, ValueError):
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=CONTEXT_SECONDS, check=True
        )
        word, seconds = done.stdout.splitlines()[-1].split()  # libraries print banners
        return {"context_seconds": float(seconds)} if word == "context" else {}
    return {}


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
