"""The history of a machine in words and tables: its runs, what changed in each, and times over the runs."""

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import Any

import pandas as pd

from bench.analysis.frames import Run, records
from bench.analysis.pairs.history import History
from bench.reporting.changes import commit_of, environment_changes
from bench.reporting.document import Items, Table
from bench.reporting.number_format import digits, duration, ends, marked, whole
from bench.reporting.provenance import case_in_words
from bench.reporting.tables.spec import Column, flat
from bench.reporting.tables.verdicts import reason

MOST_RUNS = 5  # columns of times that a terminal has room for, the newest ones
DATE = re.compile(r"^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-\w+$")  # the name of a run
UNCHANGED = "nothing that the journals record"
NO_CHANGES = "No case became faster or slower by more than can be told apart."

Row = dict[str, Any]


def title_of(history: History) -> str:
    """The machine and setting, and how many runs of them there are."""
    run, count = history.runs[-1], len(history.runs)
    return f"{run.machine}, {run.setting}: {count} run{'s' if count > 1 else ''}"


def runs_in_words(history: History) -> Items:
    """A line for each run, oldest first, with what changed from the one before it."""
    timed = history.times.groupby("run").size()
    changed = ["", *(f"; changed: {environment_in_words(new, old)}" for old, new in pairwise(history.runs))]
    return Items(
        [
            f"{run.name}: {run.profile}, {commit_of(run)}, {whole(timed.get(run.name, 0))} times{more}"
            for run, more in zip(history.runs, changed, strict=True)
        ]
    )


def environment_in_words(new: Run, old: Run) -> str:
    """What changed in the environment from one run to another, as far as the journals record it."""
    return "; ".join(environment_changes(new, old)) or UNCHANGED


def narrowed(history: History, chosen: Mapping[str, Collection[str]]) -> History:
    """The history of some cases: `chosen` has values of `backend`, `work` and `batch` as texts; no values are all."""
    times, changes = history.times, history.changes
    for column, values in chosen.items():
        if values:
            times, changes = (frame[frame[column].astype(str).isin(values)] for frame in (times, changes))
    return history._replace(times=times, changes=changes)


def changes_by_run(history: History) -> Iterator[tuple[str, Table]]:
    """For each pair of runs with changes: which they are and what changed beside them, and a row for each case."""
    by_name = {run.name: run for run in history.runs}
    for (name, before), rows in history.changes.groupby(["run", "before"], sort=True) if len(history.changes) else ():
        environment = environment_in_words(by_name[name], by_name[before])
        yield f"{name} against {before}; changed in the environment: {environment}", flat(rows, CHANGES)


def change_in_words(row: Row) -> str:
    """One change: "SLOWER, 2.1 times (1.9 to 2.3)", or why there is no time any more."""
    if row["verdict"] not in ("FASTER", "SLOWER"):
        return f"{'failed' if row['failed'] else 'vanished'}: {reason(row)}"
    times, low, high = (row[name] for name in ("times_faster", "low", "high"))
    if row["verdict"] == "SLOWER":
        times, low, high = 1 / times, 1 / high, 1 / low
    return f"{row['verdict']}, {digits(times, (high - low) / 2)} times {ends(low, high)}".rstrip()


CHANGES = (
    Column("backend", "backend"),
    Column(title="case", cell=case_in_words),
    Column("b_us", "before", lambda microseconds: duration(microseconds / 1e6)),
    Column("a_us", "now", lambda microseconds: duration(microseconds / 1e6)),
    Column(title="change", cell=change_in_words),
)


def times_by_run(history: History) -> Table:
    """The time of each case in the newest runs, and the least difference that the A/A run resolves."""
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for row in records(history.times):
        line = lines.setdefault((row["backend"], case_in_words(row)), {})
        half = (row["high_us"] - row["low_us"]) / 2e6
        line[row["run"]] = duration(row["median_us"] / 1e6, half) + marked(row)
        line["A/A noise"] = "" if pd.isna(row["least"]) else f"{digits(100 * row['least'])} %"
    columns = [run.name for run in history.runs if any(run.name in line for line in lines.values())][-MOST_RUNS:]
    found = [
        {"backend": backend, "case": case, **{name: line.get(name, "") for name in (*columns, "A/A noise")}}
        for (backend, case), line in lines.items()
    ]
    dates = {name: DATE.sub(r"\1-\2-\3 \4:\5:\6", name) for name in columns}  # in two lines, where one is too long
    return Table(pd.DataFrame(found).rename(columns=dates))
