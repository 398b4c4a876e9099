"""A line of a journal, read and checked: every declared field, whatever the file held (bench/journal/schema.py)."""

from collections.abc import Callable
from functools import lru_cache
from math import isnan
from typing import Any, get_type_hints, is_typeddict

from bench.grid.workloads import workload
from bench.journal.schema import REQUIRED, USUAL, BackendState, Check, Gpu, Header, Measured, Read
from bench.journal.status import Status, statuses
from bench.journal.values import as_name, as_table

Complain = Callable[[str], None]


def read_case(value: Any) -> dict[str, Any]:
    """Every field of a line of a case. Raises ValueError that says what is wrong with it."""
    if not isinstance(value, dict) or value.get("kind") != "case":
        raise ValueError("not a line of this journal")
    value = {**USUAL, **value}
    case: dict[str, Any] = {name: _field(name, read, value.get(name)) for name, read in REQUIRED.items()}
    checks = as_table(value.get("agreement") or {}, lambda check: _table(Check, check, "agreement.", _refuse))
    case |= {"agreement": checks, **_measured(value)}
    _check_together(case)
    return case


def empty_row() -> dict[str, Any]:
    """The fields of a row that nobody has measured."""
    return {**_measured({}), "agreement": {}, "pass": 0, "passes": {}}


def _measured(value: dict[str, Any]) -> dict[str, Any]:
    state = _table(Gpu, value.get("gpu"), "gpu.", _refuse)
    return {**_table(Measured, value, "", _refuse), **{f"gpu_{name}": found for name, found in state.items()}}


def _check_together(case: dict[str, Any]) -> None:
    """Raise ValueError where the fields do not fit each other."""
    done = case["status"] in statuses(has_numbers=True)
    if case["status"] == Status.OK and not case["seconds"] and workload(case["work"]).timed:
        raise ValueError("a finished case needs rounds of positive seconds")
    _check_curves(case, ("step", "train_seconds", "test_mse"), done and case["work"] == "convergence")
    _check_curves(case, ("step", "train_seconds", "max_error", "mse"), done and case["work"] == "solving")
    if case["loss"]:
        _check_curves(case, ("loss", "train_seconds"), False)
    if done and case["work"] == "convergence" and not case["curve"]:
        raise ValueError("what a training run learned is missing")
    if done and case["work"] == "trajectory":
        _check_free_run(case)


def _check_curves(case: dict[str, Any], names: tuple[str, ...], needed: bool) -> None:
    """Those that are there have one length; the last brings the others with it."""
    found = [case[name] for name in names if case[name]]
    if len({len(curve) for curve in found}) > 1:
        raise ValueError("the curves of a training run differ in length")
    if (needed or case[names[-1]]) and len(found) < len(names):
        raise ValueError("the curves of a training run are missing")


def _check_free_run(case: dict[str, Any]) -> None:
    """Of what a free run was seen to do epoch by epoch there is all or, of an order of its own, nothing."""
    lengths = {len(case[name]) for name in ("step", "distance", "flips")}
    if case["order"] == "own" and lengths == {0}:
        return
    if len(lengths) > 1 or (case["status"] == Status.OK and lengths == {0}):
        raise ValueError("the distances of a free run are missing or differ in length")
    if any(map(isnan, case["distance"])) or not all(count <= case["pairs"] for count in case["flips"]):
        raise ValueError("a distance of nan, or more signs that differ than there are")


def read_header(value: dict[str, Any], complain: Complain = lambda text: None) -> dict[str, Any]:
    """Every part of a run's first line that is read later; one that is wrong is complained of, and absent."""
    header = _table(Header, value, "", complain)
    states = value.get("backends")
    try:
        found = as_table({} if states is None else states, lambda state: state)
    except ValueError as problem:
        complain(f"backends: {problem}")
        found = {}
    header["backends"] = {
        name: _table(BackendState, state, f"backends.{name}.", complain) for name, state in found.items()
    }
    return header


def read_backend(value: dict[str, Any], complain: Complain = lambda text: None) -> dict[str, dict[str, Any]]:
    """The state of a backend that came to a run later, by its name. Raises ValueError where it has none."""
    return {_field("backend", as_name, value.get("backend")): _table(BackendState, value, "", complain)}


@lru_cache
def declared(table: type) -> dict[str, Any]:
    """The fields of a table: how each is read, or the table that it is."""
    hints = get_type_hints(table, include_extras=True)
    return {name: hint if is_typeddict(hint) else hint.__metadata__[0] for name, hint in hints.items()}


def _table(table: type, value: Any, where: str, complain: Complain) -> dict[str, Any]:
    """The fields of a table; one that is wrong is complained of, and absent."""
    if value is not None and not isinstance(value, dict):
        complain(f"{where.rstrip('.')}: not a table")
    given, found = value if isinstance(value, dict) else {}, dict[str, Any]()
    for name, kind in declared(table).items():
        if not isinstance(kind, Read):
            found[name] = _table(kind, given.get(name), f"{where}{name}.", complain)
            continue
        found[name] = type(kind.absent)() if isinstance(kind.absent, (list, dict)) else kind.absent
        if given.get(name) is not None:
            try:
                found[name] = _field(f"{where}{name}", kind.read, given[name])
            except ValueError as problem:
                complain(str(problem))
    return found


def _field(name: str, read: Callable[[Any], Any], value: Any) -> Any:
    """The field as its kind. Raises ValueError that names it."""
    try:
        return read(value)
    except (ValueError, OverflowError) as problem:
        raise ValueError(f"{name}: {problem}") from None


def _refuse(problem: str) -> None:
    raise ValueError(problem)
