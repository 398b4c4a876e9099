"""From raw journals to dictionaries, line by line and checked: the only reader of results/raw.

A line that cannot be used (truncated, foreign, of wrong types) is skipped with a complaint that names file and line,
and the rest of the file counts. Every row has every field of bench/journal/schema.py: what a line does not hold is nan
for a measured number, 0 for a count, and an empty text, list or table, never None.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Hashable, Iterable
from functools import partial
from math import isnan, nan
from pathlib import Path
from typing import Any

from bench.grid.workloads import workload
from bench.journal import plan, schema
from bench.journal.schema import CASE_FIELDS, PRODUCTS, ROOFS, as_fields, as_named, in_one_line
from bench.journal.status import Status, statuses
from relufit.errors import RelufitError
from relufit.network.precision import PRECISIONS

Complain = Callable[[str], None]
Row = dict[str, Any]
AVERAGES = ("cores_used", "cores_of_others", "cores_stolen", "throttled_share")  # over the time of the rounds
LATER = {name: schema.HEADER[name] for name in ("ceilings", "device_ceilings")}  # what a run measures again at its end
RESUMED = {"resumed": schema.HEADER["resumed"]}
# The curves of one length of each workload that has them: the last brings the others with it.
CURVES = {
    "convergence": ("step", "train_seconds", "test_mse"),
    "solving": ("step", "train_seconds", "max_error", "mse"),
}


def read_rows(path: Path, complain: Complain = lambda text: None) -> tuple[dict[str, Any], list[Row]]:
    """The header of a journal, and a row for each case and backend: all passes as one, backends that could not run too.

    Raises RelufitError where the file cannot be read at all.
    """
    header, lines = read_lines(path, complain)
    rows = _merge(lines)
    cases = dict.fromkeys(tuple(row[name] for name in CASE_FIELDS) for row in rows)
    absent = {name: state["reason"] for name, state in header["backends"].items() if state["reason"]}
    for name, reason in absent.items():
        own = {"backend": name, "status": Status.SKIPPED.value, "reason": reason}
        fields = [dict(zip(CASE_FIELDS, case, strict=True)) for case in cases]
        # Whether it has products in reduced precision is not known.
        rows += [{**empty_row(), **case, **own} for case in fields if case["dtype"] not in PRECISIONS]
    return header, rows


def read_lines(path: Path, complain: Complain = lambda text: None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The header of a journal, with every part that is read later, and its cases, a line for each pass.

    The header also counts the cases that were planned, and those of them that are not measured.
    """
    try:
        content = path.read_bytes()
        lines = (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()
    except (OSError, EOFError, zlib.error) as error:  # the file's, or of what was packed
        raise RelufitError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    header: dict[str, Any] = {}
    cases: list[dict[str, Any]] = []
    joined: dict[str, dict[str, Any]] = {}
    plans: list[dict[str, Any]] = []
    later: list[dict[str, Any]] = []
    resumed: list[str] = []
    for number, line in enumerate(lines, 1):
        leave_out = partial(_say, complain, f"{path}:{number}: left out")
        try:
            value = json.loads(line)
            kind = value.get("kind") if isinstance(value, dict) else None
            if kind == "backend":  # that came to the run later
                joined |= read_backend(value, leave_out)
            elif kind == "plan":  # of a process that continued the run
                plans += as_fields(value, schema.PLAN, leave_out)["plan"]
            elif kind == "resumed":  # under other conditions
                resumed += as_fields(value, RESUMED, leave_out)["resumed"]
            elif kind == "ceilings":  # measured again at the end, or of reduced precision
                later.append(as_fields(value, LATER, leave_out))
            elif kind != "run":
                cases.append(read_case(value))
            elif header:
                raise ValueError("another line that describes a run: the first one counts")
            else:
                header = read_header(value, leave_out)
        except (ValueError, RecursionError) as error:  # not JSON, not text, or not one of our lines
            _say(complain, f"{path}:{number}: skipped", str(error))
    if not header:
        complain(f"{path}: no line describes the run; its machine is taken from the folder's name")
        header = read_header({})
    header |= {"backends": {**joined, **header["backends"]}, "plan": header["plan"] + plans, "resumed": resumed}
    for found in later:
        header = _with_higher_ceilings(header, found)
    counts = {"planned": len(plan.expand(header["plan"])), "unmeasured": len(plan.unmeasured(header, cases))}
    return header | counts, cases


def read_first_line(path: Path) -> dict[str, Any]:
    """The header of a journal without its cases; an empty one where the first line does not describe a run."""
    opened: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            value = json.loads(file.readline())
    except (OSError, EOFError, zlib.error, ValueError, RecursionError):
        value = None
    return read_header(value if isinstance(value, dict) and value.get("kind") == "run" else {})


def _with_higher_ceilings(header: dict[str, Any], again: dict[str, Any]) -> dict[str, Any]:
    """The first line with the higher one of each rate: what a load held back at one time is lower than the ceiling."""
    ceilings, device = header["ceilings"], header["device_ceilings"]
    cores = {
        name: {rate: _higher(found, again["ceilings"][name][rate]) for rate, found in ceilings[name].items()}
        for name in ("one_core", "all_cores")
    }
    compute = "multiply_adds_per_second_float32"
    gain = cores["all_cores"][compute] / cores["one_core"][compute]  # nan where one of them was not measured
    on_device = {rate: _higher(device[rate], again["device_ceilings"][rate]) for rate in (*ROOFS, *PRODUCTS)}
    found = {**ceilings, **cores, "independent_loops_scaling": gain}
    return {**header, "ceilings": found, "device_ceilings": {**device, **on_device}}


def _higher(first: float, second: float) -> float:
    """The higher one of two rates, of which either may be nan."""
    return second if isnan(first) or second > first else first


def _say(complain: Complain, where: str, what: str) -> None:
    """Say what is wrong, in a line that steers no terminal, whatever the file held."""
    complain(f"{in_one_line(where)}: {in_one_line(what)[:120]}")


def _merge(cases: Iterable[Row]) -> list[Row]:
    """One row for each case and backend, in the order of their first lines, with `passes`: pass -> seconds of a call.

    Of two lines of one pass the later counts. A case that failed in any pass has failed; passes that were skipped for
    lack of time are left out.
    """
    found: dict[tuple[Hashable, ...], dict[int, Row]] = {}
    for case in cases:
        found.setdefault(tuple(case[key] for key in (*CASE_FIELDS, "backend")), {})[case["pass"]] = case
    return [_merged(passes) for passes in found.values()]


def _merged(passes: dict[int, Row]) -> Row:
    failed = [case for case in passes.values() if case["status"] in statuses(failed=True)]
    timed = {number: case for number, case in sorted(passes.items()) if case["status"] == Status.OK}
    first = [*failed, *timed.values(), *passes.values()][0]
    if failed or not timed or not first["seconds"]:
        return {**first, "passes": {}}
    seconds = {number: _in_calls_of(first, case) for number, case in timed.items()}
    together = [second for block in seconds.values() for second in block]
    return {**first, **_meanwhile(list(timed.values())), "seconds": together, "passes": seconds}


def _in_calls_of(first: Row, case: Row) -> list[float]:
    """Seconds of a call of another pass, which may have put more steps into it than the first one did."""
    ratio = first["steps"] / case["steps"]  # nan: this work has no steps
    return case["seconds"] if isnan(ratio) else [second * ratio for second in case["seconds"]]


def _meanwhile(timed: list[Row]) -> Row:
    """The interference during all passes: averages over their time.

    Of calls that were read back the fastest counts: one that did not wait for its result shows in all of them.
    """
    watched = sum(case["watched_seconds"] for case in timed) or nan
    found = {name: sum(case[name] * case["watched_seconds"] for case in timed) / watched for name in AVERAGES}
    return {**found, "watched_seconds": watched, "read_back_seconds": min(case["read_back_seconds"] for case in timed)}


def read_case(value: Any) -> dict[str, Any]:
    """Every field of a line of a case. Raises ValueError that says what is wrong with it."""
    if not isinstance(value, dict) or value.get("kind") != "case":
        raise ValueError("not a line of this journal")
    value = {**schema.USUAL, **value}
    case: dict[str, Any] = {name: as_named(name, read, value.get(name)) for name, read in schema.REQUIRED.items()}
    case |= _measured(value)
    _check_together(case)
    return case


def empty_row() -> dict[str, Any]:
    """The fields of a row that nobody has measured."""
    return {**_measured({}), "pass": 0, "passes": {}}


def _measured(value: dict[str, Any]) -> dict[str, Any]:
    found, state = as_fields(value, schema.MEASURED), as_fields(value.get("gpu"), schema.GPU, where="gpu.")
    for name, check in found["agreement"].items():
        found["agreement"][name] = as_fields(check, schema.CHECK, where=f"agreement.{name}.")
    return {**found, **{f"gpu_{name}": part for name, part in state.items()}}


def _check_together(case: dict[str, Any]) -> None:
    """Raise ValueError where the fields do not fit each other."""
    done = case["status"] in statuses(has_numbers=True)
    if case["status"] == Status.OK and not case["seconds"] and workload(case["work"]).timed:
        raise ValueError("a finished case needs rounds of positive seconds")
    for work, names in CURVES.items():
        _check_curves(case, names, bool(case[names[-1]]) or (done and case["work"] == work))
    _check_curves(case, ("loss", "train_seconds"), False)
    if done and case["work"] == "convergence" and not case["curve"]:
        raise ValueError("what a training run learned is missing")
    if done and case["work"] == "trajectory":
        _check_free_run(case)


def _check_curves(case: dict[str, Any], names: tuple[str, ...], needed: bool) -> None:
    """Raise ValueError where curves differ in length, or one that is needed is missing."""
    lengths = {len(case[name]) for name in names}
    if len(lengths - {0}) > 1 or (needed and 0 in lengths):
        raise ValueError("the curves of a training run are missing or differ in length")


def _check_free_run(case: dict[str, Any]) -> None:
    """Of what a free run was seen to do epoch by epoch there is all or, of an order of its own, nothing."""
    lengths = {len(case[name]) for name in ("step", "distance", "flips")}
    if len(lengths) > 1 or (lengths == {0} and case["status"] == Status.OK and case["order"] != "own"):
        raise ValueError("the distances of a free run are missing or differ in length")
    if any(map(isnan, case["distance"])) or not all(count <= case["pairs"] for count in case["flips"]):
        raise ValueError("a distance of nan, or more signs that differ than there are")


def read_header(value: dict[str, Any], complain: Complain = lambda text: None) -> dict[str, Any]:
    """Every part of a run's first line that is read later; one that is wrong is complained of, and absent."""
    header = as_fields(value, schema.HEADER, complain)
    for name, state in header["backends"].items():
        header["backends"][name] = as_fields(state, schema.BACKEND, complain, f"backends.{name}.")
    return header


def read_backend(value: dict[str, Any], complain: Complain = lambda text: None) -> dict[str, dict[str, Any]]:
    """The state of a backend that came to a run later, by its name. Raises ValueError where it has none."""
    return {as_named("backend", schema.as_name, value.get("backend")): as_fields(value, schema.BACKEND, complain)}
