"""The times of each machine over its runs, and where they changed.

The runs of one machine and setting stand in the order of their dates. Each case of a run is compared with the newest
earlier run that timed it, by the rules for two runs (regressions.py), so that a narrow run between two full ones hides
no change.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from bench.analysis.frames import AA, Run, in_order, key_of, read, records
from bench.analysis.pairs import regressions
from bench.analysis.pairs.resolution import resolution
from bench.analysis.runs import newest_aa
from bench.analysis.verdicts import COLUMNS, Key, round_seconds, rows_of
from bench.grid.workloads import WORKLOADS
from bench.journal.reader import read_first_line
from bench.journal.schema import CASE_FIELDS, USUAL
from bench.journal.status import Status
from bench.statistics.intervals import reach

TIMES = ("run", "backend", *CASE_FIELDS, "median_us", "low_us", "high_us", "least", "under_load")
CHANGED = ("run", "before", "backend")  # the columns of `changes` beside those of a table of verdicts
MAIN = {(kind.name, column.batch, column.optimizer) for kind in WORKLOADS.values() for column in kind.columns}


class History(NamedTuple):
    """What the runs of one machine and setting have measured."""

    runs: tuple[Run, ...]  # oldest first
    times: pd.DataFrame  # a row for each timed case of each run; `least` is the share that its A/A run resolves, or nan
    changes: pd.DataFrame  # verdicts of FASTER and SLOWER, failures, and cases that vanished: a is `run`, b `before`


def histories(folders: Iterable[Path], load: Callable[[Path], Run] = read) -> list[History]:
    """The history of each machine and setting whose journals lie in these folders.

    Searches for crossovers are left out, and so are A/A runs, which say what can be told apart.
    """
    found: dict[tuple[str, str], list[Run]] = {}
    for path in sorted((path for folder in folders for path in folder.glob("*.jsonl*")), key=lambda path: path.name):
        settings = read_first_line(path)["settings"]
        if settings["profile"] != AA and not settings["crossover"] and rows_of(run := load(path)):
            found.setdefault((run.machine_slug, run.setting), []).append(run)
    return [history_of(found[place]) for place in sorted(found)]


def history_of(runs: Iterable[Run]) -> History:
    """The history of runs of one machine and setting, oldest first."""
    known = {run: newest_aa(run.path.parent, run.machine_slug) for run in runs}
    ordered = tuple(replace(run, aa=aa) for run, aa in known.items())
    times = [row for run in ordered for row in _times(run)]
    return History(ordered, pd.DataFrame(times, columns=[*TIMES]), _changes(ordered))


def is_main(row: dict[str, Any]) -> bool:
    """Whether a case is one of those of the main table, for a network of one input and one output."""
    usual = row["inputs"], row["outputs"], row["networks"]
    is_usual = usual == (USUAL["inputs"], USUAL["outputs"], USUAL["networks"])
    return is_usual and (row["work"], row["batch"], row["optimizer"]) in MAIN


def _times(run: Run) -> list[list[object]]:
    """The values of TIMES for each case with a time, in the order of the run's backends."""
    rows = [row for row in rows_of(run).values() if row["status"] == Status.OK]
    places = {name: place for place, name in enumerate(in_order(run))}
    found = []
    for row in sorted(rows, key=lambda row: places[row["backend"]]):
        interval = [1e6 * seconds for seconds in reach(round_seconds(row))]
        least = resolution(run, row)[0] or float("nan")
        found.append([run.name, *key_of(row), *interval, least, row["load"]])
    return found


def _changes(runs: tuple[Run, ...]) -> pd.DataFrame:
    """What changed in each run, against the newest earlier run that timed the case; a time that is lost, once."""
    timed_by: dict[Key, Run] = {}
    lost: set[Key] = set()
    found = []
    for run in runs:
        for before in dict.fromkeys(timed_by.values()):
            for row in records(regressions.two_runs(run, before).verdicts):
                key = key_of({**row, "backend": row["a"]})
                if timed_by.get(key) is not before or key in lost:
                    continue
                if is_lost := _is_lost(row, key, run, before):
                    lost.add(key)
                if is_lost or row["verdict"] in ("FASTER", "SLOWER"):
                    found.append({**row, "run": run.name, "before": before.name, "backend": row["a"]})
        timed = {key for key, row in rows_of(run).items() if row["status"] == Status.OK}
        timed_by |= dict.fromkeys(timed, run)
        lost -= timed
    return pd.DataFrame(found, columns=[*COLUMNS, *CHANGED])


def _is_lost(row: dict[str, Any], key: Key, run: Run, before: Run) -> bool:
    """Whether a case has no time any more; one that the run was not asked for is not lost."""
    if row["vanished"] and key not in rows_of(run):
        asked, asked_before = ((each.profile, each.header["settings"]["selection"]) for each in (run, before))
        return bool(asked == asked_before)
    return bool(row["failed"] or row["vanished"])
