"""What a run is going to measure, in a compact form that stands in its journal, and what of that is not measured.

So a run that ended early is known as such by its journal alone, whatever ended it.
"""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

from bench.grid.case import Case
from bench.journal.schema import CASE_FIELDS
from bench.journal.status import PROCESS_ENDED, statuses

Key = tuple[Case, str, int]  # what one benchmark measures: a case, a backend's name, the number of the pass


def compact(keys: Iterable[Key]) -> list[dict[str, Any]]:
    """Groups of cases that the same backends measure in the same passes."""
    numbers: dict[tuple[Case, str], list[int]] = {}
    for case, name, number in keys:
        numbers.setdefault((case, name), []).append(number)
    names: dict[tuple[Case, tuple[int, ...]], list[str]] = {}
    for (case, name), found in numbers.items():
        names.setdefault((case, tuple(sorted(found))), []).append(name)
    groups: dict[tuple[tuple[str, ...], tuple[int, ...]], list[dict[str, Any]]] = {}
    for (case, passes), backends in names.items():
        groups.setdefault((tuple(sorted(backends)), passes), []).append(case.unusual)
    return [{"backends": backends, "passes": passes, "cases": cases} for (backends, passes), cases in groups.items()]


def expand(groups: Iterable[dict[str, Any]]) -> set[Key]:
    """The keys of such groups, as bench/journal/schema.py reads them."""
    every = (product(group["cases"], group["backends"], group["passes"]) for group in groups)
    return {(Case(**case), name, number) for keys in every for case, name, number in keys}


def key_of(line: dict[str, Any]) -> Key:
    """What a line of a journal is about."""
    return Case(**{name: line[name] for name in CASE_FIELDS}), line["backend"], line["pass"]


def unmeasured(header: dict[str, Any], lines: Sequence[dict[str, Any]]) -> set[Key]:
    """What was planned and has no line; a case that was skipped for a reason has one, so has a backend that cannot run.

    The case during which the run ended has a line too, but is not measured.
    """
    cannot_run = {name for name, state in header["backends"].items() if state["reason"]}
    planned = {key for key in expand(header["plan"]) if key[1] not in cannot_run}
    missing = planned - {key_of(line) for line in lines if line["status"] not in statuses(retried=True)}
    ended_in = {key_of(line) for line in lines[-1:] if line["reason"] == PROCESS_ENDED}
    return missing | (ended_in & planned) if missing else missing


def in_words(header: dict[str, Any]) -> str:
    """That cases of a run were not measured, as reader.read_lines counted them; empty where all were."""
    if not header["unmeasured"]:
        return ""
    return f"{header['unmeasured']} of {header['planned']} cases were not measured: the run ended"
