"""The fields of a journal's lines: one declaration each, with its type, and how a value of each type is read.

Tables, figures and pages can rely on what passes here: names that can be printed, texts in one line, numbers that a run
can have written, curves of one length. A value that is absent or null is nan for a measured number, 0 for a count,
False for a flag, and an empty text, list or table: nobody has to look for None. A case with a wrong field is refused as
a whole; the first line, which every case needs, loses the field alone. Fields that nobody declares are ignored.

What a file holds is whatever somebody wrote into it, so no type accepts another: no text for a number, no number for a
flag, no list for a table. What is wrong is a sentence (ValueError).
"""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import MISSING, fields
from functools import partial
from math import inf, isnan, nan, prod
from typing import Any, NamedTuple, Union

from bench.grid import sweep
from bench.grid.case import Case
from relufit.network.params import DTYPES
from relufit.network.precision import PRECISIONS

UNSYNCHRONIZED = 3.0  # read_back_seconds over the clock's seconds, above which a call was not waited for
NAME_LENGTH, TEXT_LENGTH = 200, 500  # characters: a longer name is refused, a longer text is cut
MOST_PLANNED = 1_000_000  # cases in a group of a plan
ENTRIES = 200  # the most of a table inside a line: backends, packages, variables, compared quantities
WHOLE_LIMIT, NUMBER_LIMIT = 2**53, 1e18  # above any size, rate or count
LEAST_SECONDS, SECONDS_LIMIT = 1e-15, 1e9

Fields = Mapping[str, Union["Field", "Fields"]]  # the declaration of a table, by name; a table may hold another


class Field(NamedTuple):
    """How a value is read, and what stands for one that is absent or null."""

    read: Callable[[Any], Any]
    absent: Any


def demand(condition: bool, value: Any, wrong: str) -> None:
    """Raise ValueError that says what is wrong with the value, unless the condition holds."""
    if not condition:
        raise ValueError(f"{value!r:.40} is {wrong}")


def as_name(value: Any) -> str:
    """A short text that can be printed as it stands."""
    short = isinstance(value, str) and len(value) <= NAME_LENGTH
    demand(short and value.isprintable(), value, f"not a printable name of up to {NAME_LENGTH} characters")
    return str(value)


def as_text(value: Any) -> str:
    """A text in one line, cut where it is long."""
    demand(isinstance(value, str), value, "not a text")
    return in_one_line(value[:TEXT_LENGTH]) + ("..." if len(value) > TEXT_LENGTH else "")


def in_one_line(text: str) -> str:
    """The text with blanks for what cannot be printed: line ends, escapes that steer a terminal, lone surrogates."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def as_whole(value: Any, least: int = 1) -> int:
    """A count or a size."""
    demand(type(value) is int and least <= value < WHOLE_LIMIT, value, f"not an integer >= {least}")
    return int(value)


def as_flag(value: Any) -> bool:
    """True or false."""
    demand(isinstance(value, bool), value, "not true or false")
    return bool(value)


def as_number(value: Any, least: float = 0.0, limit: float = NUMBER_LIMIT, or_nan: bool = True) -> float:
    """A number from `least` to below `limit`, or nan where that is allowed; nan and inf are texts in a journal."""
    demand(type(value) in (int, float) or value in ("nan", "inf", "-inf"), value, "not a number")
    found = float(value)
    demand(or_nan or not isnan(found), value, "not a number")
    demand(isnan(found) or least <= found < limit or found == limit == inf, value, "out of range")
    return found


def as_gpus(value: Any) -> list[str]:
    """The names of a machine's GPUs."""
    tables = isinstance(value, list) and all(isinstance(gpu, dict) for gpu in value[:ENTRIES])
    demand(tables, value, "not a list of GPUs")
    return [as_text(gpu.get("name")) for gpu in value[:ENTRIES]]


def as_list(value: Any, kind: Callable[[Any], Any], least: int = 0) -> list[Any]:
    """At least `least` values, each read by `kind`."""
    demand(isinstance(value, list) and len(value) >= least, value, f"not a list of at least {least} values")
    return [kind(item) for item in value]


def as_table(value: Any, kind: Callable[[Any], Any] = lambda item: item) -> dict[str, Any]:
    """Values by name, each read by `kind`; without it each as it stands."""
    demand(isinstance(value, dict) and len(value) <= ENTRIES, value, f"not a table of at most {ENTRIES} entries")
    return {as_name(key): kind(item) for key, item in value.items()}


def as_word(value: Any) -> str:
    """A text, or a count as a text."""
    return as_text(value) if isinstance(value, str) else str(as_whole(value, 0))


def refuse(problem: str) -> None:
    """Raise ValueError: the complaint where one wrong field is a reason to refuse a line."""
    raise ValueError(problem)


def as_fields(value: Any, table: Fields, complain: Callable[[str], None] = refuse, where: str = "") -> dict[str, Any]:
    """Every declared field; one that is wrong is complained of, by its name after `where`, and absent."""
    if value is not None and not isinstance(value, dict):
        complain(f"{where.rstrip('.')}: not a table")
    given, found = value if isinstance(value, dict) else {}, dict[str, Any]()
    for name, field in table.items():
        if not isinstance(field, Field):
            found[name] = as_fields(given.get(name), field, complain, f"{where}{name}.")
            continue
        if (value := given.get(name)) is not None:
            try:
                found[name] = as_named(f"{where}{name}", field.read, value)
                continue
            except ValueError as problem:
                complain(str(problem))
        found[name] = copy(field.absent)
    return found


def as_named(name: str, read: Callable[[Any], Any], value: Any) -> Any:
    """The value as `read` has it. Raises ValueError that begins with its name."""
    try:
        return read(value)
    except (ValueError, OverflowError) as problem:
        raise ValueError(f"{name}: {problem}") from None


def _number(**limits: Any) -> Field:
    return Field(partial(as_number, **limits), nan)


def _list(length: int = 0, **limits: Any) -> Field:
    return Field(partial(as_list, kind=partial(as_number, **limits), least=length), [])


def _table(kind: Callable[[Any], Any] = lambda item: item) -> Field:
    return Field(partial(as_table, kind=kind), {})


def _crossover(value: Any) -> dict[str, Any]:
    """What a run of bench.crossover was asked."""
    if (found := sweep.read(value)) is None:
        raise ValueError(f"{value!r:.40} is not a crossover of two backends over a size")
    read: dict[type, Callable[[Any], Any]] = {str: as_name, int: as_whole}
    return {name: read[type(part)](part) for name, part in found.settings().items()}


def as_group(value: Any) -> dict[str, list[Any]]:
    """Cases that were planned for the same backends and passes (bench/journal/plan.py)."""
    demand(isinstance(value, dict), value, "not a table")
    found = {
        "backends": as_list(value.get("backends"), as_name),
        "passes": as_list(value.get("passes"), partial(as_whole, least=0)),
        "cases": as_list(value.get("cases"), as_case),
    }
    demand(prod(map(len, found.values())) <= MOST_PLANNED, value, "a plan of too many cases")
    return found


def as_case(value: Any) -> dict[str, Any]:
    """The fields of a case, of which usual ones may be left out."""
    demand(isinstance(value, dict), value, "not a table")
    return {name: as_named(name, REQUIRED[name], {**USUAL, **value}.get(name)) for name in CASE_FIELDS}


TEXT, TEXTS = Field(as_text, ""), _table(as_word)
GPUS = Field(as_gpus, [])
FLAG = Field(as_flag, False)
COUNT = Field(as_whole, 0)
NUMBER = _number()
DIFFERENCE = _number(least=-NUMBER_LIMIT)  # of a host's counters, which some hosts correct
RATE = _number(least=LEAST_SECONDS)  # which is divided by
DURATION = _number(limit=SECONDS_LIMIT)
ERROR = _number(limit=inf)  # or a loss: training may diverge

CHECK = dict.fromkeys(("error", "bound", "share"), ERROR)  # one quantity against float64
# What a GPU did during the rounds; in a case's row each name follows `gpu_`.
GPU = {**dict.fromkeys(("watts", "sm_mhz", "memory_mhz", "celsius", "processes"), NUMBER), "throttled": TEXT}
# What a case's line may hold beside the fields of grid.case.Case, its backend, pass and status.
MEASURED: dict[str, Field] = {
    "agreement": _table(),  # each quantity a CHECK
    **dict.fromkeys(("device", "algorithm", "order", "reason", "method"), TEXT),
    **dict.fromkeys(("minor_faults_per_call", "peak_bytes", "load_average", "kernels_per_step", "cores_used"), NUMBER),
    "cores_idle": NUMBER,
    **dict.fromkeys(("subnormals", "pairs", "asymptotic_mse", "loss_scale"), NUMBER),
    **dict.fromkeys(("cores_of_others", "cores_stolen", "throttled_share"), DIFFERENCE),
    **dict.fromkeys(("build_seconds", "first_call_seconds", "read_back_seconds"), DURATION),
    **dict.fromkeys(("watched_seconds", "budget_seconds"), DURATION),
    **dict.fromkeys(("iterations", "steps"), _number(least=1)),
    "fresh_seconds": _list(limit=SECONDS_LIMIT, or_nan=False),  # of calls on inputs never used before, one a round
    "seconds": _list(1, least=LEAST_SECONDS, limit=SECONDS_LIMIT, or_nan=False),
    "device_seconds": _list(1, limit=SECONDS_LIMIT, or_nan=False),
    "train_seconds": _list(limit=SECONDS_LIMIT, or_nan=False),
    **dict.fromkeys(("step", "flips"), _list(or_nan=False)),
    **dict.fromkeys(("loss", "test_mse", "distance", "mse", "max_error"), _list(limit=inf)),
    "curve": _list(least=-inf, limit=inf),
}

MIXES = ("multiply_adds", "forward_instructions", "gradient_instructions")
ROOFS = ("copy_bytes_per_second", *(f"{mix}_per_second_{dtype}" for mix in MIXES for dtype in DTYPES))
PRODUCTS = tuple(f"products_per_second_{name}" for name in PRECISIONS)  # of runs with such cases, in lines of their own
DEVICE_COSTS = ("launch_seconds", "graph_node_seconds", "cache_bytes", "processors")
PLAN = {"plan": Field(partial(as_list, kind=as_group), [])}  # what was to be measured; also in a line of its own
# The first line of a run.
HEADER: Fields = {
    "machine": {
        **dict.fromkeys(("cpu", "vendor", "system", "python"), TEXT),
        **dict.fromkeys(("family", "model", "stepping"), Field(partial(as_whole, least=0), 0)),
        **dict.fromkeys(("cores", "logical_cores", "usable_cores"), COUNT),
        "quota_cores": Field(as_number, 0.0),
        "instructions": Field(partial(as_list, kind=as_name), []),
        "caches": _table(as_whole),
        "gpus": GPUS,
        "gpu": {"index": Field(partial(as_whole, least=0), 0), "uuid": TEXT, "name": TEXT},  # that is measured
        "packages": TEXTS,
        "multiply_adds_per_second": Field(as_number, 0.0),  # of a core, where nothing else identifies a machine
    },
    "code": {"commit": TEXT, "dirty": FLAG, "content_hash": TEXT},
    "settings": {
        "profile": TEXT,
        "threads": COUNT,
        "environment": TEXTS,
        "isolated": FLAG,
        "selection": _table(as_text),
        "crossover": Field(_crossover, {}),
    },
    "backends": _table(),  # each of them a BACKEND
    **PLAN,
    "threads_in_force": TEXTS,
    "kernels_in_force": TEXTS,
    "resumed": Field(partial(as_list, kind=as_text), []),  # in what --resume-anyway has found the run to differ
    "warnings": Field(partial(as_list, kind=as_text), []),  # on the machine as a whole
    "timer_seconds": RATE,
    "ceiling_seconds": DURATION,  # that measuring them took
    "ceilings": {
        **dict.fromkeys(("one_core", "all_cores"), dict.fromkeys((*ROOFS, *PRODUCTS), RATE)),
        **dict.fromkeys(("cores", "independent_loops_scaling", "cache_bytes"), RATE),
        "reason": TEXT,
    },
    "device_ceilings": dict.fromkeys((*ROOFS, *PRODUCTS, *DEVICE_COSTS), RATE),
}
# Why it cannot run, empty where it can; what it says of itself; from its import to the first kernel, on a GPU.
BACKEND = {"reason": TEXT, "facts": TEXTS, "context_seconds": DURATION}

CASE_FIELDS = [field.name for field in fields(Case)]
# What a line may leave out.
USUAL = {"pass": 0, **{field.name: field.default for field in fields(Case) if field.default is not MISSING}}
REQUIRED: dict[str, Callable[[Any], Any]] = {
    "backend": as_name,
    "status": as_name,
    **{field.name: as_name if field.type is str else as_whole for field in fields(Case)},
    **dict.fromkeys(("epochs", "pass"), partial(as_whole, least=0)),
}
