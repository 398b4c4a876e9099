"""The cases and backends of a run, chosen by the options of the command line."""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from bench.grid.case import MINIBATCH, Case
from bench.grid.profiles import grid
from bench.grid.sweep import WORKS
from bench.grid.workloads import workload
from bench.recipes import RECIPES, known_names
from relufit import backends, targets
from relufit.errors import RelufitError
from relufit.network.params import DTYPES
from relufit.network.precision import PRECISIONS

USUAL: dict[str, Any] = {"batch": 800, "hidden": 512, "dtype": "float32", "target": "sin"}
USUAL_WORKS = ["gradient", "step"]  # of a comparison of two commits


def select(option: Any) -> tuple[list[Case], list[str]]:
    """The cases and backends that the options select. Raises RelufitError for unknown names and invalid numbers.

    Values given by an option replace the usual value in every case that has it; cases with another value are left out
    unless the option gives that value too.
    """
    cases, known_dtypes = grid(option.profile), [*DTYPES, *PRECISIONS]
    wanted: dict[str, list[Any]] = {
        "batch": _numbers("batch", option.batch),
        "hidden": _numbers("hidden", option.hidden),
        "dtype": _names("dtype", option.dtype, known_dtypes.__contains__, known_dtypes),
        "target": _names("target", option.target, targets.ZOO.__contains__, targets.ZOO),
    }
    for name, values in wanted.items():
        cases = [chosen for case in cases for chosen in _with_values(case, name, values)]
    # Solvers need a backend that is fast on a CPU. Do not probe it: that would load it before its threads are set.
    usual = ["numba" if find_spec("numba") else "numpy"] if option.profile == "solvers" else known_names()
    names = backend_names(option.backend) or usual
    if missing := sorted(backends.required() - set(names)):
        raise RelufitError(f"RELUFIT_REQUIRE names {', '.join(missing)}, which is not among the backends of this run")
    return list(dict.fromkeys(cases)), on_device(names, option.device)


def timed_cases(work: str | None, batch: str | None) -> list[Case]:
    """Cases of workloads at batch sizes, both lists of the command line; by default USUAL_WORKS at their usual sizes.

    Raises RelufitError for unknown workloads and invalid sizes.
    """
    works, sizes = _names("work", work, WORKS.__contains__, WORKS) or USUAL_WORKS, _numbers("batch", batch)
    usual = {"step": MINIBATCH}
    return [
        Case(name, size, optimizer="adam" if name == "step" else "")
        for name in works
        for size in sizes or [usual.get(name, USUAL["batch"])]
    ]


def backend_names(text: str | None) -> list[str]:
    """Parse a list of backends of the command line. Raises RelufitError for an unknown one."""
    return _names("backend", text, is_backend, known_names())


def on_device(names: Iterable[str], device: str | None) -> list[str]:
    """The names with that device in those of CUDA backends: "cupy:1" for "cuda:1"; on the first device they are bare.

    Without a device the names stay. Raises RelufitError for what is no CUDA device, and for a name with another one.
    """
    if device is None:
        return list(names)
    if (found := re.fullmatch(r"cuda(?::(\d{1,3}))?", device)) is None:
        raise RelufitError(f"--device must be cuda or cuda:N, as cuda:1 for the second GPU, not {device!r}")
    index = int(found[1] or 0)
    for name in names:
        if ":" in name and device_index([name]) != index:
            raise RelufitError(f"--device {device} and the backend {name} name two devices; leave one of them out")
    bare = [name.partition(":")[0] for name in names]
    return [f"{name}:{index}" if index and is_on_cuda(name) else name for name in bare]


def is_on_cuda(name: str) -> bool:
    """Whether a backend of that name, with or without the number of a device, is for a CUDA device."""
    bare = name.partition(":")[0]
    return bare not in RECIPES and backends.row(bare).device_kind == "cuda"


def device_index(names: Iterable[str]) -> int:
    """The number that CUDA gives to the device of these backends: that of the first that names one ("cupy:1"), or 0."""
    return next((int(end) for _, mark, end in (name.partition(":") for name in names) if mark), 0)


def _with_values(case: Case, name: str, values: list[Any]) -> list[Case]:
    """The cases that replace `case` if an option gives `values` of the field `name`: [case] without values."""
    kind = workload(case.work)
    if not values or (name == "target" and not kind.learns) or (name == "batch" and not kind.sized_by_batch):
        return [case]
    if getattr(case, name) == USUAL[name]:
        return [replace(case, **{name: value}) for value in values if value not in PRECISIONS or kind.reducible]
    return [case] if getattr(case, name) in values else []


def is_backend(name: str) -> bool:
    """Whether a backend of that name exists; torch has devices that are not in the table."""
    with suppress(RelufitError):
        return name in known_names() or bool(backends.row(name))
    return False


def _names(option: str, text: str | None, exists: Callable[[str], bool], known: Iterable[str]) -> list[str]:
    names = asked(text)
    for name in names:
        if not exists(name):
            raise RelufitError(f"--{option}: unknown {name!r}; choose from {', '.join(known)}")
    return names


def _numbers(option: str, text: str | None) -> list[int]:
    parts = asked(text)
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise RelufitError(f"--{option} takes whole numbers above 0, separated by commas, not {text!r}")
    return [int(part) for part in parts]


def asked(text: str | None) -> list[str]:
    """The parts of a list separated by commas, without duplicates."""
    return list(dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip()))
