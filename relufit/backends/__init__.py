"""The table of backends, and whether each one works on this machine. Frameworks are imported only when asked for.

A row names the class that implements the backend, the device that it is made for and what to install. Other packages
add rows through the entry-point group `relufit.backends`, as `name = "package.module:Class"`; the class is called with
the name and the device, which is what follows the first "-" of the name, or "cpu".
"""

import os
import subprocess
import sys
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import NamedTuple

from relufit.backend import Backend, BackendUnavailable
from relufit.errors import RelufitError

PROBE_SECONDS = 60  # a first CUDA context on a cold machine takes seconds; a broken driver takes for ever


class Row(NamedTuple):
    """Where a backend is, what it runs on and what it needs."""

    implementation: str  # "module:Class"
    device: str
    library: str  # the module that must be importable
    install: str  # what to say to pip where it is not


TABLE: dict[str, Row] = {
    "numpy": Row("relufit.backends.numpy:NumpyBackend", "cpu", "numpy", "numpy"),
    "torch-cpu": Row("relufit.backends.torch:TorchBackend", "cpu", "torch", "relufit[torch]"),
    "torch-manual": Row("relufit.backends.torch:TorchManualBackend", "cpu", "torch", "relufit[torch]"),
    "cupy": Row("relufit.backends.cupy:CupyBackend", "cuda", "cupy", "relufit[cuda13] (or cuda12)"),
    "torch-cuda": Row("relufit.backends.torch:TorchBackend", "cuda", "torch", "relufit[torch]"),
    "torch-manual-cuda": Row("relufit.backends.torch:TorchManualBackend", "cuda", "torch", "relufit[torch]"),
    "torch-mps": Row("relufit.backends.torch:TorchBackend", "mps", "torch", "relufit[torch]"),
}


@lru_cache(maxsize=1)
def table() -> dict[str, Row]:
    """Every known name: ours first, then those of other packages."""
    rows = dict(TABLE)
    for point in entry_points(group="relufit.backends"):
        device = point.name.partition("-")[2] or "cpu"
        rows.setdefault(
            point.name, Row(point.value, device, point.value.partition(".")[0].partition(":")[0], point.name)
        )
    return rows


def row(name: str) -> Row:
    """The row of a name; `torch-<device>` is known for every device of torch. Raises RelufitError for other names."""
    if not isinstance(name, str) or name not in table():
        device = name.removeprefix("torch-") if isinstance(name, str) else ""
        if isinstance(name, str) and name.startswith("torch-") and device.replace(":", "").isalnum():
            return TABLE["torch-cpu"]._replace(device=device)
        raise RelufitError(f"unknown backend {name!r}; known: {', '.join(table())}")
    return table()[name]


def load(name: str) -> Backend:
    """The backend of that name, proven to work here by a real computation on its device.

    Raises BackendUnavailable with the reason where it cannot run on this machine, RelufitError for an unknown name.
    """
    row(name)
    reason = probe(name)
    if reason is not None:
        raise BackendUnavailable(reason)
    return create(name)


def status() -> dict[str, str | None]:
    """Every known name -> None where the backend works on this machine, or the reason why not."""
    return {name: probe(name) for name in table()}


def required() -> frozenset[str]:
    """Names in the environment variable RELUFIT_REQUIRE, whose absence tests and benchmarks report as a failure."""
    return frozenset(name.strip() for name in os.environ.get("RELUFIT_REQUIRE", "").split(",") if name.strip())


@lru_cache
def create(name: str) -> Backend:
    """Import and construct a backend. Raises BackendUnavailable where its library says that it cannot run."""
    found = row(name)
    if find_spec(found.library) is None:
        raise BackendUnavailable(f"{found.library} is not installed: pip install {found.install}")
    module, _, implementation = found.implementation.partition(":")
    try:
        backend = getattr(import_module(module), implementation)(name, found.device)
    except (ImportError, OSError) as error:  # installed, but its own libraries are missing or do not match
        raise BackendUnavailable(f"{found.library} does not import: {_first_line(error)}") from error
    assert isinstance(backend, Backend)
    return backend


@lru_cache
def probe(name: str) -> str | None:
    """None if the backend computes a gradient here, or the reason why not.

    "It imports" is not "it works": an accelerator is tried with a real allocation and a real kernel, in a process of
    its own, because a broken driver may hang or crash instead of raising.
    """
    try:
        backend = create(name)
    except BackendUnavailable as error:
        return error.reason
    return _probe_in_child(name) if backend.device != "cpu" else try_out(backend)


def try_out(backend: Backend) -> str | None:
    """None if a tiny gradient can be computed and read back, or the first line of what the library said."""
    import numpy as np

    from relufit.params import init_params

    x = np.ones((2, 1), np.float32)
    try:
        params = init_params(4)
        on_device = type(params)(*map(backend.to_device, params))
        loss, _ = backend.loss_and_grads(on_device, backend.samples(x, x))
        value = float(backend.to_host(loss))
    except Exception as error:  # whatever a broken device raises is the answer
        return f"{type(error).__name__}: {_first_line(error)}"
    return None if np.isfinite(value) else f"a first gradient gave the loss {value}"


def _probe_in_child(name: str) -> str | None:
    script = f"from relufit.backends import create, try_out; print(try_out(create({name!r})) or '')"
    try:
        child = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"the device did not answer within {PROBE_SECONDS} s"
    if child.returncode != 0:
        last = child.stderr.strip().splitlines()[-1:] or [""]
        return f"the device crashed its process (exit {child.returncode}): {last[0][:200]}"
    return child.stdout.strip() or None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
