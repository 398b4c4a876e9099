"""The table of backends, and whether each one works on this machine. A framework is imported with its backend.

A row names the class that implements the backend, its device and what to install. Other packages add rows through the
entry-point group `relufit.backends`, as `name = "package.module:Class"`; the class is called with the name and the
device, which is the part of the name after the first "-", or "cpu".
"""

import os
import subprocess
import sys
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

from relufit.backend import Backend, BackendUnavailable
from relufit.errors import RelufitError
from relufit.params import init_params

MARK = "relufit-probe"
PROBE_SECONDS = 60  # a first CUDA context on a cold machine takes seconds; a broken driver may hang


class Row(NamedTuple):
    """The implementation, the device and the requirements of a backend."""

    implementation: str  # "module:Class"
    device: str
    library: str  # the module that must be importable
    install: str  # the argument of pip install that provides it


TABLE: dict[str, Row] = {
    "numpy": Row("relufit.backends.numpy:NumpyBackend", "cpu", "numpy", "numpy"),
    "numpy-hinge": Row("relufit.backends.numpy:NumpyHingeBackend", "cpu", "numpy", "numpy"),
    "numba": Row("relufit.backends.numba:NumbaBackend", "cpu", "numba", "relufit[numba]"),
    "numba-hinge": Row("relufit.backends.numba:NumbaHingeBackend", "cpu", "numba", "relufit[numba]"),
    "torch-cpu": Row("relufit.backends.torch:TorchBackend", "cpu", "torch", "relufit[torch]"),
    "torch-compile": Row("relufit.backends.torch.compiled:TorchCompileBackend", "cpu", "torch", "relufit[torch]"),
    "torch-manual": Row("relufit.backends.torch:TorchManualBackend", "cpu", "torch", "relufit[torch]"),
    "jax-cpu": Row("relufit.backends.jax:JaxBackend", "cpu", "jax", "relufit[jax]"),
    "cupy": Row("relufit.backends.cupy:CupyBackend", "cuda", "cupy", "relufit[cuda13] (or cuda12)"),
    "cupy-fused": Row("relufit.backends.cupy:CupyFusedBackend", "cuda", "cupy", "relufit[cuda13] (or cuda12)"),
    "cupy-graph": Row("relufit.backends.cupy:CupyGraphBackend", "cuda", "cupy", "relufit[cuda13] (or cuda12)"),
    "cupy-train": Row("relufit.backends.cupy:CupyTrainBackend", "cuda", "cupy", "relufit[cuda13] (or cuda12)"),
    "cupy-hinge": Row("relufit.backends.cupy:CupyHingeBackend", "cuda", "cupy", "relufit[cuda13] (or cuda12)"),
    "torch-cuda": Row("relufit.backends.torch:TorchBackend", "cuda", "torch", "relufit[torch]"),
    "torch-graph": Row("relufit.backends.torch.graphs:TorchGraphBackend", "cuda", "torch", "relufit[torch]"),
    "torch-reduce-overhead": Row(
        "relufit.backends.torch.graphs:TorchReduceOverheadBackend", "cuda", "torch", "relufit[torch]"
    ),
    "torch-compile-cuda": Row("relufit.backends.torch.compiled:TorchCompileBackend", "cuda", "torch", "relufit[torch]"),
    "torch-manual-cuda": Row("relufit.backends.torch:TorchManualBackend", "cuda", "torch", "relufit[torch]"),
    "jax-cuda": Row("relufit.backends.jax:JaxBackend", "cuda", "jax", "jax[cuda13] (or cuda12)"),
    "torch-mps": Row("relufit.backends.torch:TorchBackend", "mps", "torch", "relufit[torch]"),
}


@lru_cache(maxsize=1)
def table() -> dict[str, Row]:
    """The rows of all known names: relufit's first, then those of other packages."""
    rows = dict(TABLE)
    for point in entry_points(group="relufit.backends"):
        device, library = point.name.partition("-")[2] or "cpu", point.value.partition(".")[0].partition(":")[0]
        install = library if point.dist is None else point.dist.name  # the package that pip knows
        rows.setdefault(point.name, Row(point.value, device, library, install))
    return rows


def row(name: str) -> Row:
    """The row of a name; `torch-<device>` is known for every device of torch. Raises RelufitError for other names."""
    if not isinstance(name, str) or name not in table():
        device = name.removeprefix("torch-") if isinstance(name, str) else ""
        if isinstance(name, str) and name.startswith("torch-") and device.isalnum():
            return TABLE["torch-cpu"]._replace(device=device)
        raise RelufitError(f"unknown backend {name!r}; known: {', '.join(table())}")
    return table()[name]


def load(name: str) -> Backend:
    """The backend of that name, tested by a real computation on its device.

    Raises BackendUnavailable with the reason if it cannot run on this machine, RelufitError for an unknown name.
    """
    row(name)
    reason = probe(name)
    if reason is not None:
        raise BackendUnavailable(reason)
    return create(name)


def status() -> dict[str, str | None]:
    """For every known name None if the backend works on this machine, else the reason why not."""
    return {name: probe(name) for name in table()}


def required() -> frozenset[str]:
    """Names in the environment variable RELUFIT_REQUIRE: tests and benchmarks fail if one of these cannot run."""
    return frozenset(name.strip() for name in os.environ.get("RELUFIT_REQUIRE", "").split(",") if name.strip())


@lru_cache
def create(name: str) -> Backend:
    """Import and construct a backend. Raises BackendUnavailable if its library is missing or fails."""
    found = row(name)
    if find_spec(found.library) is None:
        raise BackendUnavailable(f"{found.library} is not installed: pip install {found.install}")
    module, _, implementation = found.implementation.partition(":")
    try:
        backend = getattr(import_module(module), implementation)(name, found.device)
    except BackendUnavailable:
        raise
    except (ImportError, OSError) as error:  # installed, but its own libraries are missing or do not match
        raise BackendUnavailable(f"{found.library} does not import: {_first_line(error)}") from error
    except Exception as error:  # another package's backend, or a driver, may raise anything
        raise BackendUnavailable(f"{type(error).__name__}: {_first_line(error)}") from error
    if not isinstance(backend, Backend):
        raise BackendUnavailable(f"{found.implementation} is not a relufit.Backend")
    return backend


@lru_cache
def probe(name: str) -> str | None:
    """None if the backend computes a gradient here, or the reason why not.

    An accelerator is tested with a real allocation and a real kernel, not only by an import, and in a separate process,
    because a broken driver may hang or crash instead of raising.
    """
    found = row(name)
    if find_spec(found.library) is None:
        return f"{found.library} is not installed: pip install {found.install}"
    if found.device == "cpu":
        return try_out(name)
    # Backends of one library are tested in one process, because the import takes longer than the tests.
    beside = tuple(n for n, r in table().items() if r.library == found.library and r.device != "cpu")
    return _try_out_in_children(beside if name in beside else (name,))[name]


def try_out(name: str) -> str | None:
    """None if the backend computes a tiny gradient that can be read back, or the reason why not."""
    x = np.ones((2, 1), np.float32)
    try:
        backend = create(name)
        params = init_params(4)
        on_device = type(params)(*map(backend.to_device, params))
        loss, _ = backend.loss_and_grads(on_device, backend.samples(x, x))
        value = float(backend.to_host(loss))
    except BackendUnavailable as error:
        return error.reason
    except Exception as error:  # a broken device may raise anything
        return f"{type(error).__name__}: {_first_line(error)}"
    return None if np.isfinite(value) else f"the loss of a test gradient was {value}"


@lru_cache
def _try_out_in_children(names: tuple[str, ...]) -> dict[str, str | None]:
    """Try the backends one after the other in a child process; after a crash, try the rest in a new one."""
    answers: dict[str, str | None] = {}
    while left := [name for name in names if name not in answers]:
        script = (
            "from relufit.backends import try_out\n"
            f"for name in {left!r}: print({MARK!r}, name, try_out(name) or '', sep='\\t', flush=True)"
        )
        try:
            child = subprocess.run(
                [sys.executable, "-c", script], capture_output=True, timeout=PROBE_SECONDS * len(left), check=False
            )
            output, end = child.stdout, f"crashed its process (exit {child.returncode}): {_last_line(child.stderr)}"
        except subprocess.TimeoutExpired as error:
            output, end = error.stdout or b"", f"did not answer within {PROBE_SECONDS * len(left)} s"
        for line in output.decode(errors="replace").splitlines():
            if line.startswith(MARK + "\t"):  # libraries print banners
                _, name, reason = line.split("\t", 2)
                answers[name] = reason or None
        if (silent := next((name for name in left if name not in answers), None)) is not None:
            answers[silent] = f"the device {end}"
    return answers


def _last_line(output: bytes) -> str:
    return (output.decode(errors="replace").strip().splitlines() or [""])[-1][:200]


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
