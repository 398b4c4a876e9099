"""What `bench.gpu` would do on this machine: devices, backends, cases, memory, seconds, and what is missing."""

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from types import SimpleNamespace

from bench.grid import selection
from bench.grid.workloads import WORKLOADS, workload
from bench.hardware import machine, sanitizer
from bench.measure.session import MAX_CASE_SECONDS
from relufit import backends
from relufit.backends.numpy import NumpyBackend

LIBRARIES = ("cupy", "torch", "jax", "numba", "sklearn", "pandas", "pytest_benchmark")
TOOLS = {
    "nvidia-smi": "comes with the NVIDIA driver: names, clocks and power of devices",
    sanitizer.PROGRAM: "comes with the CUDA toolkit: memory and race checks of the kernels",
    "g++": "compiles the kernels for the host, and torch.compile",
}


class Whole(NumpyBackend):
    """A backend that works on whole batches; one that works in blocks, or fused, needs less memory."""

    block_elements = None


def describe(names: list[str], grid_seconds: float, free: int | None) -> Iterator[str]:
    """The lines of a dry run of these backends, whose grid has so many seconds and whose device `free` bytes."""
    yield from _devices()
    if free is not None:
        yield f"device: {free / 2**20:,.0f} MiB are free on the one that would be measured"
    reasons = {name: backends.probe(name) for name in names}
    yield from (f"backend {name}: {reason or 'ready'}" for name, reason in reasons.items())
    yield from (f"missing library: {name}" for name in LIBRARIES if find_spec(name) is None)
    yield from (f"missing tool: {name}, which {what}" for name, what in TOOLS.items() if shutil.which(name) is None)
    usable = [name for name, reason in reasons.items() if reason is None]
    kernels = ", ".join(sanitizer.checked(usable)) or "no backend that is ready"
    there = "" if shutil.which(sanitizer.PROGRAM) else ", which is not on the PATH,"
    yield f"{sanitizer.PROGRAM}{there} would run {', '.join(sanitizer.TOOLS)} over {kernels}"
    yield from _cases(usable, grid_seconds, free)


def _devices() -> Iterator[str]:
    found = machine.gpus()
    for gpu in found:
        yield f"device: {gpu['name']}, driver {gpu['driver']}, {gpu['memory']}"
    if not found:
        yield "device: none that nvidia-smi lists"


def _cases(usable: list[str], grid_seconds: float, free: int | None) -> Iterator[str]:
    """A line for each kind of work: cases, sizes, seconds, and the most memory that separate operations take for one.

    The seconds are those of the rounds at the most, not predicted by any measurement.
    """
    unset = dict.fromkeys(("batch", "hidden", "dtype", "target", "device"))
    option = SimpleNamespace(profile="gpu", backend="numpy", **unset)
    cases, whole = selection.select(option)[0], Whole()
    share = min(grid_seconds / max(1, len(cases) * len(usable)), MAX_CASE_SECONDS)
    beside = "" if free is None else f" of {free / 2**20:,.0f} MiB that are free"
    for work in WORKLOADS:
        own = [case for case in cases if case.work == work]
        if own:
            batches, verb = [case.batch for case in own], workload(work).verb
            need = max(whole.working_bytes(verb, case.sizes, case.stored) for case in own)
            span = f"N = {min(batches)} to {max(batches)}"
            seconds = f", about {share * len(own) * len(usable):.0f} s" if usable else ""
            yield f"{work}: {len(own)} cases, {span}, up to {need / 2**20:,.0f} MiB a call{beside}{seconds}"
    each = f", {share:.2g} s each" if usable else ""
    yield f"in all {len(cases)} cases of {len(usable)} backends that are ready, {grid_seconds:.0f} s{each}"
