"""The fields of a journal's lines, each of its kind (bench/journal/values.py), whatever the file held.

Tables, figures and pages can rely on what passes here: names that can be printed, texts in one line, numbers that a run
can have written, curves of one length. A case with a wrong field is refused as a whole; the first line, which every
case needs, loses the field alone.
"""

from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import partial
from math import isnan
from typing import Any, NamedTuple

from bench.grid import sweep
from bench.grid.case import Case
from bench.grid.workloads import workload
from bench.journal.status import Status, statuses
from bench.journal.values import (
    LEAST_SECONDS,
    NUMBER_LIMIT,
    SECONDS_LIMIT,
    as_duration,
    as_error,
    as_finite,
    as_flag,
    as_gpus,
    as_list,
    as_name,
    as_number,
    as_rate,
    as_real,
    as_table,
    as_text,
    as_whole,
    as_word,
)
from relufit.params import DTYPES

UNSYNCHRONIZED = 3.0  # read_back_seconds over the clock's seconds, above which a call was not waited for
NAN = float("nan")

Complain = Callable[[str], None]


class Kind(NamedTuple):
    """How a field is read, and what stands for it where it is absent or null."""

    read: Callable[[Any], Any]
    absent: Any


def _list_of(kind: Callable[[Any], Any], least: int = 0) -> Kind:
    return Kind(partial(as_list, kind=kind, least=least), None)


TEXT, FLAG, COUNT = Kind(as_text, None), Kind(as_flag, None), Kind(as_whole, None)
NUMBER, RATE, DURATION = Kind(as_number, NAN), Kind(as_rate, NAN), Kind(as_duration, NAN)
TEXTS = Kind(partial(as_table, kind=as_word), {})
Schema = dict[str, Any]  # of Kind, or of Schema for a table inside

CHECK: Schema = dict.fromkeys(("error", "bound", "share"), Kind(as_error, NAN))
GPU: Schema = {
    **dict.fromkeys(("watts", "sm_mhz", "memory_mhz", "celsius", "processes"), NUMBER),
    "throttled": Kind(as_text, ""),
}
CASE_FIELDS = [field.name for field in fields(Case)]
# What a line may leave out.
USUAL = {"pass": 0, **{field.name: field.default for field in fields(Case) if field.default is not MISSING}}
REQUIRED: dict[str, Callable[[Any], Any]] = {
    "backend": as_name,
    "status": as_name,
    **{field.name: as_name if field.type is str else as_whole for field in fields(Case)},
    "epochs": partial(as_whole, least=0),
    "pass": partial(as_whole, least=0),
}
OPTIONAL: Schema = {
    **dict.fromkeys(("device", "algorithm", "order", "reason", "method"), TEXT),
    **dict.fromkeys(("minor_faults_per_call", "peak_bytes", "load_average", "kernels_per_step"), NUMBER),
    **dict.fromkeys(("cores_used", "subnormals", "pairs"), NUMBER),
    # Differences of a host's counters, which some hosts correct.
    **dict.fromkeys(
        ("cores_of_others", "cores_stolen", "throttled_share"), Kind(partial(as_number, least=-NUMBER_LIMIT), NAN)
    ),
    **dict.fromkeys(("build_seconds", "first_call_seconds", "read_back_seconds", "watched_seconds"), DURATION),
    "budget_seconds": DURATION,
    "asymptotic_mse": NUMBER,
    **dict.fromkeys(("iterations", "steps"), Kind(partial(as_number, least=1), NAN)),
    "seconds": _list_of(partial(as_finite, least=LEAST_SECONDS, limit=SECONDS_LIMIT), 1),
    "device_seconds": _list_of(partial(as_finite, limit=SECONDS_LIMIT), 1),
    "train_seconds": _list_of(partial(as_finite, limit=SECONDS_LIMIT)),
    **dict.fromkeys(("step", "flips"), _list_of(as_finite)),
    **dict.fromkeys(("loss", "test_mse", "distance", "mse", "max_error"), _list_of(as_error)),
    "curve": _list_of(as_real),
}

ROOFS = (
    "copy_bytes_per_second",
    *(
        f"{kind}_per_second_{dtype}"
        for kind in ("multiply_adds", "forward_instructions", "gradient_instructions")
        for dtype in DTYPES
    ),
)


def as_question(value: Any) -> dict[str, Any]:
    """What a run of bench.crossover was asked."""
    found = sweep.read(value)
    if found is None:
        raise ValueError(f"{value!r:.40} is no question of a crossover")
    return {name: (as_name if isinstance(part, str) else as_whole)(part) for name, part in found.settings().items()}


DEVICE_ROOFS = ("launch_seconds", "graph_node_seconds", "cache_bytes", "processors")
BACKEND: Schema = {"reason": TEXT, "facts": TEXTS}
HEADER: Schema = {
    "machine": {
        "cpu": TEXT,
        "cores": COUNT,
        "system": TEXT,
        "python": TEXT,
        "packages": TEXTS,
        "gpus": Kind(as_gpus, []),
    },
    "code": {"commit": TEXT, "dirty": FLAG, "content_hash": TEXT},
    "settings": {
        "profile": TEXT,
        "threads": COUNT,
        "environment": TEXTS,
        "isolated": FLAG,
        "selection": Kind(partial(as_table, kind=as_text), None),
        "crossover": Kind(as_question, None),
    },
    "threads_in_force": TEXTS,
    "timer_seconds": RATE,
    "ceilings": {
        **{cores: dict.fromkeys(ROOFS, RATE) for cores in ("one_core", "all_cores")},
        **dict.fromkeys(("cores", "independent_loops_scaling", "cache_bytes"), RATE),
        "reason": TEXT,
    },
    "device_ceilings": dict.fromkeys((*ROOFS, *DEVICE_ROOFS), RATE),
}


def read_case(value: Any) -> dict[str, Any]:
    """Every field of a line of a case. Raises ValueError that says what is wrong with it."""
    if not isinstance(value, dict) or value.get("kind") != "case":
        raise ValueError("not a line of this journal")
    value = {**USUAL, **value}
    case: dict[str, Any] = {name: _field(name, read, value.get(name)) for name, read in REQUIRED.items()}
    case |= _by_schema(OPTIONAL, value, "", _refuse)
    checks = as_table(value.get("agreement") or {}, lambda check: _by_schema(CHECK, check, "agreement.", _refuse))
    state = _by_schema(GPU, value.get("gpu"), "gpu.", _refuse)
    case |= {"agreement": checks, **{f"gpu_{name}": found for name, found in state.items()}}
    _check_together(case)
    return case


def _check_together(case: dict[str, Any]) -> None:
    """Raise ValueError where the fields do not fit each other."""
    done = case["status"] in statuses(has_numbers=True)
    if case["status"] == Status.OK and case["seconds"] is None and workload(case["work"]).timed:
        raise ValueError("a finished case needs rounds of positive seconds")
    _check_curves(case, ("step", "train_seconds", "test_mse"), done and case["work"] == "convergence")
    _check_curves(case, ("step", "train_seconds", "max_error", "mse"), done and case["work"] == "solving")
    if case["loss"] is not None:
        _check_curves(case, ("loss", "train_seconds"), False)
    if done and case["work"] == "convergence" and not case["curve"]:
        raise ValueError("what a training run learned is missing")
    if done and case["work"] == "trajectory":
        _check_free_run(case)


def _check_curves(case: dict[str, Any], names: tuple[str, ...], needed: bool) -> None:
    """Those that are there have one length; the last brings the others with it."""
    found = [case[name] for name in names if case[name] is not None]
    if len({len(curve) for curve in found}) > 1:
        raise ValueError("the curves of a training run differ in length")
    if (needed or case[names[-1]]) and not (len(found) == len(names) and found[0]):
        raise ValueError("the curves of a training run are missing")


def _check_free_run(case: dict[str, Any]) -> None:
    """Of what a free run was seen to do epoch by epoch there is all or, of an order of its own, nothing."""
    series = [case[name] for name in ("step", "distance", "flips")]
    if case["order"] == "own" and series == [None] * 3:
        return
    if (
        None in series
        or len({len(values) for values in series}) != 1
        or (case["status"] == Status.OK and not series[0])
    ):
        raise ValueError("the distances of a free run are missing or differ in length")
    if any(map(isnan, case["distance"])) or not all(count <= case["pairs"] for count in case["flips"]):
        raise ValueError("a distance of nan, or more signs that differ than there are")


def read_header(value: dict[str, Any], complain: Complain = lambda text: None) -> dict[str, Any]:
    """Every part of a run's first line that is read later; one that is wrong is complained of, and absent."""
    header = _by_schema(HEADER, value, "", complain)
    states = value.get("backends")
    try:
        found = as_table({} if states is None else states, lambda state: state)
    except ValueError as problem:
        complain(f"backends: {problem}")
        found = {}
    header["backends"] = {
        name: _by_schema(BACKEND, state, f"backends.{name}.", complain) for name, state in found.items()
    }
    return header


def read_backend(value: dict[str, Any], complain: Complain = lambda text: None) -> dict[str, dict[str, Any]]:
    """The state of a backend that came to a run later, by its name. Raises ValueError where it has none."""
    return {_field("backend", as_name, value.get("backend")): _by_schema(BACKEND, value, "", complain)}


def _by_schema(schema: Schema, value: Any, where: str, complain: Complain) -> dict[str, Any]:
    """The fields of a table; one that is wrong is complained of, and absent."""
    if value is not None and not isinstance(value, dict):
        complain(f"{where.rstrip('.')} is no table")
    found, fields_found = value if isinstance(value, dict) else {}, {}
    for name, kind in schema.items():
        if isinstance(kind, dict):
            fields_found[name] = _by_schema(kind, found.get(name), f"{where}{name}.", complain)
            continue
        fields_found[name] = kind.absent
        if found.get(name) is not None:
            try:
                fields_found[name] = _field(f"{where}{name}", kind.read, found[name])
            except ValueError as problem:
                complain(str(problem))
    return fields_found


def _field(name: str, read: Callable[[Any], Any], value: Any) -> Any:
    """The field as its kind. Raises ValueError that names it."""
    try:
        return read(value)
    except (ValueError, OverflowError) as problem:
        raise ValueError(f"{name}: {problem}") from None


def _refuse(problem: str) -> None:
    raise ValueError(problem)
