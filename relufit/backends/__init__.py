"""The table of backends, and whether each one works on this machine. A framework is imported with its backend.

A row names the class that implements the backend, the device that it is made for and what to install. A backend of an
accelerator runs on the first device, and with a number after its name on that one: "cupy:1". Other packages add rows
through the entry-point group `relufit.backends`, as `name = "package.module:Class"`; the class is called with the name
and the device, which is the last part of the name if that is one of DEVICES ("mine-cuda"), or else "cpu".
"""

import os
import re
import warnings
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

from relufit.backends import child
from relufit.backends.base import Backend, BackendUnavailable, Samples
from relufit.errors import RelufitError
from relufit.network.data import Plan
from relufit.network.optim import SGD, stack_states
from relufit.network.params import Params, Sizes, init_params

MARK = "relufit-probe"
# For each backend: compiling its first kernels takes seconds on a cold machine, and a plug-in may never answer.
PROBE_SECONDS = 60.0
# For the first answer of a device, whose first context takes seconds. One that is silent for longer has a driver that
# hangs: then no other backend waits for it again.
DEVICE_SECONDS = 20.0
DEVICES = ("cpu", "cuda", "mps", "xpu", "hpu", "gpu", "tpu")  # that a name may end with


class Row(NamedTuple):
    """The implementation, the device and the requirements of a backend."""

    implementation: str  # "module:Class"
    device: str
    library: str  # the module that must be importable
    install: str  # the argument of pip install that provides it

    @property
    def device_kind(self) -> str:
        """The device without its number: "cuda" of "cuda:1"."""
        return self.device.partition(":")[0]


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
    from importlib.metadata import entry_points  # here: its import is an eighth of relufit's

    rows = dict(TABLE)
    for point in entry_points(group="relufit.backends"):
        device, library = point.name.rpartition("-")[2], point.value.partition(".")[0].partition(":")[0]
        device = device if device in DEVICES else "cpu"
        install = library if point.dist is None else point.dist.name  # what holds it, which pip knows by its own name
        rows.setdefault(point.name, Row(point.value, device, library, install))
    return rows


def row(name: str) -> Row:
    """The row of a name, which may end with the number of a device; `torch-<device>` is known for every torch device.

    Raises RelufitError for an unknown name, for a suffix that is not an integer >= 0, and for one after a CPU backend.
    """
    base, colon, number = name.partition(":") if isinstance(name, str) else ("", "", "")
    found, device = table().get(base), base.removeprefix("torch-")
    if found is None and device != base and device.isalnum():
        found = TABLE["torch-cpu"]._replace(device=device)
    if found is None:
        raise RelufitError(f"unknown backend {name!r}; known: {', '.join(table())}")
    if not colon:
        return found
    if found.device == "cpu":
        kinds = "only backends of accelerators, such as cupy, torch-cuda and jax-cuda, take a device number"
        raise RelufitError(f"unknown backend {name!r}: {kinds}, and {base} runs on the CPU")
    if not re.fullmatch("0|[1-9][0-9]{0,3}", number):
        raise RelufitError(f"unknown backend {name!r}: a device number must be 0, 1, 2, ..., as in {base + ':1'!r}")
    return found._replace(device=f"{found.device}:{number}")


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
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # where warnings are errors, one of a library is no reason to refuse it
            backend = getattr(import_module(module), implementation)(name, found.device)
    except BackendUnavailable:
        raise
    except (ImportError, OSError) as error:  # installed, but its own libraries are missing or do not match
        raise BackendUnavailable(f"{found.library} does not import: {_first_line(error)}") from error
    except (Exception, SystemExit) as error:  # another package's backend, or a driver, may raise anything
        raise BackendUnavailable(f"{type(error).__name__}: {_first_line(error)}") from error
    if not isinstance(backend, Backend):
        raise BackendUnavailable(f"{found.implementation} is not a relufit.Backend")
    if ":" in name and backend.device != found.device:  # of another package, written for one device
        raise BackendUnavailable(f"{found.implementation} takes no device number; its device is {backend.device}")
    return backend


@lru_cache
def probe(name: str) -> str | None:
    """None if the backend computes a gradient here, or the reason why not.

    "It imports" is not "it works": an accelerator is tried with a real allocation and a real kernel. It and the
    backends of other packages are tried in another process, because they may hang or crash instead of raising.
    """
    found = row(name)
    if find_spec(found.library) is None:
        return f"{found.library} is not installed: pip install {found.install}"
    if found.device == "cpu" and _is_own(name):
        return try_out(name)
    # What imports the same library is tried in the same process: the import takes longer than all the rest.
    _, colon, number = name.partition(":")
    others = {n: r for n, r in table().items() if r.device != "cpu" or not (_is_own(n) or colon)}
    beside = tuple(n + colon + number for n, r in others.items() if r.library == found.library)
    return _try_out_in_children(beside if name in beside else (name,))[name]


def _is_own(name: str) -> bool:
    """Whether a backend is relufit's, on whichever device: others may not act on what is known of a device."""
    return name.partition(":")[0] in TABLE


def try_out(name: str) -> str | None:
    """None if the backend computes a tiny gradient that can be read back, or the reason why not.

    One of another package must also say what it is, and may not end or hang its process in any verb.
    """
    x = np.ones((2, 1), np.float32)
    try:
        backend = create(name)
        params = Params(*map(backend.to_device, init_params(4)))
        samples = backend.samples(x, x)
        loss, _ = backend.loss_and_grads(params, samples)
        value = float(backend.to_host(loss))
        if not _is_own(name):
            with backend.pinned():
                dict(backend.facts())
            _call_all(backend, params, samples)
    except BackendUnavailable as error:
        return error.reason
    except (Exception, SystemExit) as error:  # whatever a broken device raises is the answer
        return f"{type(error).__name__}: {_first_line(error)}"
    return None if np.isfinite(value) else f"the loss of a test gradient was {value}"


def _call_all(backend: Backend, params: Params, samples: Samples) -> None:
    """Call every other verb once; one that raises costs only the work that needs it, which reports the reason."""
    state, plan = SGD(0.1).init(params), Plan(None, 2, 1)
    states = stack_states(backend.stack, [state])
    verbs = (
        lambda: backend.supports(Sizes(2, 1, 4, 1), "float32", SGD(0.1), plan),
        lambda: backend.forward(params, samples.x),
        lambda: backend.train(state, samples, SGD(0.1), plan, range(1)),
        lambda: backend.train_many(states, samples, SGD(0.1), plan, range(1)),
        backend.synchronize,
        backend.memory,
        backend.device_clock,
    )
    for verb in verbs:
        with suppress(Exception):
            verb()


@lru_cache
def _try_out_in_children(names: tuple[str, ...]) -> dict[str, str | None]:
    """Try the backends one after the other in a child process; after a crash, try the rest in a new one."""
    answers: dict[str, str | None] = {}
    while left := [name for name in names if name not in answers]:
        given_up = {name: _given_up()[row(name).device] for name in left if row(name).device in _given_up()}
        answers |= {name: why for name, why in given_up.items() if _is_own(name)} or _answers_of_child(left)
    return answers


@lru_cache(maxsize=1)
def _given_up() -> dict[str, str]:
    """The devices that did not answer, each with the reason, so that none is waited for again."""
    return {}


def _answers_of_child(names: list[str]) -> dict[str, str | None]:
    """The answers of a child that tries these backends, up to the first that ends it or that does not answer."""
    script = (
        "from importlib import import_module\nfrom relufit.backends import row, try_out\n"
        f"try: import_module(row({names[0]!r}).library)\nexcept BaseException: pass\n"  # try_out finds the reason
        f"print({MARK!r}, flush=True)\n"
        f"for name in {names!r}: print({MARK!r}, name, try_out(name) or '', sep='\\t', flush=True)"
    )
    answers: dict[str, str | None] = {}
    is_own = _is_own(names[0])
    seconds = PROBE_SECONDS  # the import of a library from a cold disk is no silence of a device

    def read(line: str) -> float:
        nonlocal seconds
        if line.startswith(MARK):  # libraries print banners
            _, *answer = line.rstrip("\n").split("\t", 2)
            if answer:
                answers[answer[0]] = answer[1] or None
            seconds = PROBE_SECONDS if answers or not is_own else DEVICE_SECONDS
        return seconds

    try:
        end, is_late = child.run(script, read, PROBE_SECONDS), False
    except child.Silent:
        end, is_late = f"did not answer within {seconds:g} s", True
    if (silent := next((name for name in names if name not in answers), None)) is not None:
        found = row(silent)
        reason = f"the {'plug-in' if found.device == 'cpu' else 'device'} {end}"
        if is_late and is_own and not answers:
            _given_up()[found.device] = f"{reason} when {silent} was tried"
        answers[silent] = reason
    return answers


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
