"""Several passes over the grid as one row for each case: their rounds together, and apart as blocks to compare."""

from collections.abc import Hashable, Iterable
from math import isnan
from typing import Any

from bench.journal.status import Status, statuses

Case = dict[str, Any]
AVERAGES = ("cores_used", "cores_of_others", "cores_stolen", "throttled_share")  # over the time of the rounds


def merge(cases: Iterable[Case], keys: list[str]) -> list[Case]:
    """One row for each value of the keys, in the order of their first lines, with `passes`: pass -> seconds of a call.

    Of two lines of one pass the later counts. A case that failed in any pass has failed; one that was left out of some,
    for want of time, is that of the others.
    """
    found: dict[tuple[Hashable, ...], dict[int, Case]] = {}
    for case in cases:
        found.setdefault(tuple(case[key] for key in keys), {})[case["pass"]] = case
    return [_merged(passes) for passes in found.values()]


def _merged(passes: dict[int, Case]) -> Case:
    failed = [case for case in passes.values() if case["status"] in statuses(failed=True)]
    if failed:
        return {**failed[0], "passes": {}}
    timed = {number: case for number, case in sorted(passes.items()) if case["status"] == Status.OK}
    if not timed:
        return {**next(iter(passes.values())), "passes": {}}
    first = next(iter(timed.values()))
    if first["seconds"] is None:
        return {**first, "passes": {}}
    seconds = {number: _in_calls_of(first, case) for number, case in timed.items()}
    together = [second for block in seconds.values() for second in block]
    return {**first, **_witnessed(list(timed.values())), "seconds": together, "passes": seconds}


def _in_calls_of(first: Case, case: Case) -> list[float]:
    """Seconds of a call of another pass, which may have put more steps into it than the first one did."""
    seconds: list[float] = case["seconds"] or []
    ratio = first["steps"] / case["steps"]
    return seconds if isnan(ratio) else [second * ratio for second in seconds]  # nan: this work has no steps


def _witnessed(timed: list[Case]) -> Case:
    """What went on beside all passes: averages over their time. One call that is read back quickly clears a backend."""
    watched = sum(case["watched_seconds"] for case in timed)
    found = {name: sum(case[name] * case["watched_seconds"] for case in timed) / watched for name in AVERAGES}
    return {**found, "watched_seconds": watched, "read_back_seconds": min(case["read_back_seconds"] for case in timed)}
