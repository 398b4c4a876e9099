"""The fields of a journal's lines: one declaration each, with its type.

Tables, figures and pages can rely on what passes here: names that can be printed, texts in one line, numbers that a run
can have written, curves of one length. A value that is absent or null is nan for a measured number, 0 for a count,
False for a flag, and an empty text, list or table: nobody has to look for None. A case with a wrong field is refused as
a whole; the first line, which every case needs, loses the field alone. Fields that nobody declares are ignored.
"""

from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import partial
from math import inf, nan
from typing import Annotated, Any, NamedTuple, TypedDict

from bench.grid import sweep
from bench.grid.case import Case
from bench.journal import values

UNSYNCHRONIZED = 3.0  # read_back_seconds over the clock's seconds, above which a call was not waited for


class Read(NamedTuple):
    """How a value is read, and what stands for one that is absent or null."""

    read: Callable[[Any], Any]
    absent: Any


def _number(**limits: Any) -> Read:
    return Read(partial(values.as_number, **limits), nan)


def _list(length: int = 0, **limits: Any) -> Read:
    return Read(partial(values.as_list, kind=partial(values.as_number, **limits), least=length), [])


Text = Annotated[str, Read(values.as_text, "")]
Flag = Annotated[bool, Read(values.as_flag, False)]
Count = Annotated[int, Read(values.as_whole, 0)]
Number = Annotated[float, _number()]
Difference = Annotated[float, _number(least=-values.NUMBER_LIMIT)]  # of a host's counters, which some hosts correct
Multiple = Annotated[float, _number(least=1)]
Rate = Annotated[float, _number(least=values.LEAST_SECONDS)]  # which is divided by
Duration = Annotated[float, _number(limit=values.SECONDS_LIMIT)]
Error = Annotated[float, _number(limit=inf)]  # or a loss: training may diverge
Rounds = Annotated[list[float], _list(1, least=values.LEAST_SECONDS, limit=values.SECONDS_LIMIT, or_nan=False)]
DeviceRounds = Annotated[list[float], _list(1, limit=values.SECONDS_LIMIT, or_nan=False)]
Times = Annotated[list[float], _list(limit=values.SECONDS_LIMIT, or_nan=False)]
Counts = Annotated[list[float], _list(or_nan=False)]
Errors = Annotated[list[float], _list(limit=inf)]
Reals = Annotated[list[float], _list(least=-inf, limit=inf)]
Names = Annotated[list[str], Read(values.as_gpus, [])]
Texts = Annotated[dict[str, str], Read(partial(values.as_table, kind=values.as_word), {})]


class Check(TypedDict):
    """One quantity against float64."""

    error: Error
    bound: Error
    share: Error


class Gpu(TypedDict):
    """What a GPU did during the rounds; in a case's row each name follows `gpu_`."""

    watts: Number
    sm_mhz: Number
    memory_mhz: Number
    celsius: Number
    processes: Number
    throttled: Text


class Measured(TypedDict):
    """What a case's line may hold beside the fields of grid.case.Case, its backend, pass and status."""

    device: Text
    algorithm: Text
    order: Text
    reason: Text
    method: Text
    minor_faults_per_call: Number
    peak_bytes: Number
    load_average: Number
    kernels_per_step: Number
    cores_used: Number
    subnormals: Number
    pairs: Number
    asymptotic_mse: Number
    cores_of_others: Difference
    cores_stolen: Difference
    throttled_share: Difference
    build_seconds: Duration
    first_call_seconds: Duration
    read_back_seconds: Duration
    watched_seconds: Duration
    budget_seconds: Duration
    iterations: Multiple
    steps: Multiple
    seconds: Rounds
    device_seconds: DeviceRounds
    train_seconds: Times
    step: Counts
    flips: Counts
    loss: Errors
    test_mse: Errors
    distance: Errors
    mse: Errors
    max_error: Errors
    curve: Reals


def as_question(value: Any) -> dict[str, Any]:
    """What a run of bench.crossover was asked."""
    found = sweep.read(value)
    if found is None:
        raise ValueError(f"{value!r:.40} is not a crossover of two backends over a size")
    read: dict[type, Callable[[Any], Any]] = {str: values.as_name, int: values.as_whole}
    return {name: read[type(part)](part) for name, part in found.settings().items()}


class Machine(TypedDict):
    """The hardware and its software."""

    cpu: Text
    cores: Count
    system: Text
    python: Text
    packages: Texts
    gpus: Names


class Code(TypedDict):
    """The sources that were measured."""

    commit: Text
    dirty: Flag
    content_hash: Text


class Settings(TypedDict):
    """How the run was measured."""

    profile: Text
    threads: Count
    environment: Texts
    isolated: Flag
    selection: Annotated[dict[str, str], Read(partial(values.as_table, kind=values.as_text), {})]
    crossover: Annotated[dict[str, Any], Read(as_question, {})]


class Roofs(TypedDict):
    """The rates of some cores or a device."""

    copy_bytes_per_second: Rate
    multiply_adds_per_second_float32: Rate
    multiply_adds_per_second_float64: Rate
    forward_instructions_per_second_float32: Rate
    forward_instructions_per_second_float64: Rate
    gradient_instructions_per_second_float32: Rate
    gradient_instructions_per_second_float64: Rate


class DeviceRoofs(Roofs):
    """The rates of a CUDA device, and what it costs to ask for work."""

    launch_seconds: Rate
    graph_node_seconds: Rate
    cache_bytes: Rate
    processors: Rate


class Ceilings(TypedDict):
    """The rates of the processor."""

    one_core: Roofs
    all_cores: Roofs
    cores: Rate
    independent_loops_scaling: Rate
    cache_bytes: Rate
    reason: Text


class Header(TypedDict):
    """The first line of a run; its backends, by name, are a table of BackendState."""

    machine: Machine
    code: Code
    settings: Settings
    threads_in_force: Texts
    timer_seconds: Rate
    ceilings: Ceilings
    device_ceilings: DeviceRoofs


class BackendState(TypedDict):
    """Why a backend cannot run, empty where it can, and what it says of itself."""

    reason: Text
    facts: Texts


ROOFS = tuple(Roofs.__annotations__)
CASE_FIELDS = [field.name for field in fields(Case)]
# What a line may leave out.
USUAL = {"pass": 0, **{field.name: field.default for field in fields(Case) if field.default is not MISSING}}
REQUIRED: dict[str, Callable[[Any], Any]] = {
    "backend": values.as_name,
    "status": values.as_name,
    **{field.name: values.as_name if field.type is str else values.as_whole for field in fields(Case)},
    "epochs": partial(values.as_whole, least=0),
    "pass": partial(values.as_whole, least=0),
}
