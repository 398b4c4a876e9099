"""The fields of a journal's lines, each of its type and in its range, whatever the file held; for bench/frames.py.

Tables, figures and pages can rely on what passes here: names that can be printed, texts in one line, numbers that a run
can have written, curves of one length. A case with a wrong field is refused as a whole; the first line, which every
case needs, loses the field alone.
"""

from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import partial
from math import isnan
from typing import Any, NamedTuple

from bench.cases import Case
from relufit.params import DTYPES

NAME_LENGTH, TEXT_LENGTH = 200, 500  # characters: a longer name is none, a longer text is cut
ENTRIES = 200  # of a table inside a line, at the most: backends, packages, variables, compared quantities
WHOLE_LIMIT, NUMBER_LIMIT = 2**53, 1e18  # above any size, rate or count
LEAST_SECONDS, SECONDS_LIMIT = 1e-15, 1e9
UNTIMED = ("agreement", "memory", "convergence")  # work whose rows have no rounds
NAN = float("nan")

Complain = Callable[[str], None]


def as_name(value: Any) -> str:
    """A text that can be printed as it stands, and is short."""
    if not isinstance(value, str) or not value.isprintable() or len(value) > NAME_LENGTH:
        raise ValueError(f"{value!r:.40} is no name")
    return value


def as_text(value: Any) -> str:
    """A text in one line, cut where it is long."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40} is no text")
    return in_one_line(value[:TEXT_LENGTH]) + ("..." if len(value) > TEXT_LENGTH else "")


def in_one_line(text: str) -> str:
    """The text with blanks for what cannot be printed: line ends, escapes that steer a terminal, lone surrogates."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def as_whole(value: Any, least: int = 1) -> int:
    """A count or a size."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < WHOLE_LIMIT:
        raise ValueError(f"{value!r:.40} is no whole number from {least} on")
    return value


def as_flag(value: Any) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r:.40} is neither true nor false")
    return value


def as_real(value: Any) -> float:
    """Any number; nan and inf, which JSON has not, are texts in a journal."""
    if isinstance(value, bool) or not (isinstance(value, (int, float)) or value in ("nan", "inf", "-inf")):
        raise ValueError(f"{value!r:.40} is no number")
    return float(value)


def as_number(value: Any, least: float = 0.0, limit: float = NUMBER_LIMIT) -> float:
    """A number in its range, or nan."""
    found = as_real(value)
    if not (isnan(found) or least <= found < limit):
        raise ValueError(f"{value!r:.40} is out of range")
    return found


def as_finite(value: Any, least: float = 0.0, limit: float = NUMBER_LIMIT) -> float:
    """A number in its range."""
    found = as_number(value, least, limit)
    if isnan(found):
        raise ValueError(f"{value!r:.40} is no number")
    return found


def as_error(value: Any) -> float:
    """An error or a loss: any number that is not negative, for training may diverge."""
    found = as_real(value)
    if found < 0:
        raise ValueError(f"{value!r:.40} is negative")
    return found


def as_gpus(value: Any) -> list[str]:
    """The names of a machine's GPUs, of which it may have none."""
    if not isinstance(value, list) or not all(isinstance(gpu, dict) for gpu in value[:ENTRIES]):
        raise ValueError(f"{value!r:.40} is no list of GPUs")
    return [as_text(gpu.get("name")) for gpu in value[:ENTRIES]]


as_rate = partial(as_number, least=LEAST_SECONDS)  # which is divided by
as_duration = partial(as_number, limit=SECONDS_LIMIT)


def as_list(value: Any, kind: Callable[[Any], Any]) -> list[Any]:
    """Values of a kind, at least one."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"{value!r:.40} is no list of values")
    return [kind(item) for item in value]


def as_table(value: Any, kind: Callable[[Any], Any]) -> dict[str, Any]:
    """Values of a kind by name."""
    if not isinstance(value, dict) or len(value) > ENTRIES:
        raise ValueError(f"{value!r:.40} is no table, or too long a one")
    return {as_name(key): kind(item) for key, item in value.items()}


def as_word(value: Any) -> str:
    """A text, or a count in words."""
    return as_text(value) if isinstance(value, str) else str(as_whole(value, 0))


class Kind(NamedTuple):
    """How a field is read, and what stands for it where it is absent or null."""

    read: Callable[[Any], Any]
    absent: Any


def _list_of(kind: Callable[[Any], Any]) -> Kind:
    return Kind(partial(as_list, kind=kind), None)


TEXT, FLAG, COUNT = Kind(as_text, None), Kind(as_flag, None), Kind(as_whole, None)
NUMBER, RATE, DURATION = Kind(as_number, NAN), Kind(as_rate, NAN), Kind(as_duration, NAN)
TEXTS = Kind(partial(as_table, kind=as_word), {})
Schema = dict[str, Any]  # of Kind, or of Schema for a table inside

CHECK: Schema = dict.fromkeys(("error", "bound", "share"), Kind(as_error, NAN))
GPU: Schema = {**dict.fromkeys(("watts", "sm_mhz", "memory_mhz", "celsius", "processes"), NUMBER), "throttled": TEXT}
CASE_FIELDS = [field.name for field in fields(Case)]
USUAL = {field.name: field.default for field in fields(Case) if field.default is not MISSING}  # what may be left out
REQUIRED: dict[str, Callable[[Any], Any]] = {
    "backend": as_name,
    "status": as_name,
    **{field.name: as_name if field.type is str else as_whole for field in fields(Case)},
    "epochs": partial(as_whole, least=0),
}
OPTIONAL: Schema = {
    **dict.fromkeys(("device", "algorithm", "order", "reason", "method"), TEXT),
    **dict.fromkeys(("minor_faults_per_call", "peak_bytes", "load_average", "kernels_per_step"), NUMBER),
    **dict.fromkeys(("build_seconds", "first_call_seconds"), DURATION),
    **dict.fromkeys(("iterations", "steps"), Kind(partial(as_number, least=1), NAN)),
    **dict.fromkeys(("train_seconds", "device_seconds"), _list_of(partial(as_finite, limit=SECONDS_LIMIT))),
    "seconds": _list_of(partial(as_finite, least=LEAST_SECONDS, limit=SECONDS_LIMIT)),
    "step": _list_of(as_finite),
    **dict.fromkeys(("loss", "test_mse"), _list_of(as_error)),
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
    "settings": {"profile": TEXT, "threads": COUNT, "environment": TEXTS},
    "threads_in_force": TEXTS,
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
    if case["status"] == "OK" and case["seconds"] is None and case["work"] not in UNTIMED:
        raise ValueError("a finished case needs rounds of positive seconds")
    lengths = {len(case[name]) for name in ("step", "train_seconds", "loss", "test_mse") if case[name] is not None}
    if len(lengths) > 1:
        raise ValueError("the curves of a training run differ in length")
    finished = case["work"] == "convergence" and case["status"] in ("OK", "DIVERGED")
    if (finished or case["test_mse"]) and not all(case[name] for name in ("step", "train_seconds", "test_mse")):
        raise ValueError("the curves of a training run are missing")
    if finished and not case["curve"]:
        raise ValueError("what a training run learned is missing")


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
