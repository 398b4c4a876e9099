"""How far the times of one case lie apart between the runs of a machine, and between the passes of a run.

The interval of one run says nothing of what changes from run to run, which is often more: the wider of the two decides
what is claimed.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from bench.analysis import warnings
from bench.analysis.frames import Run
from bench.grid.workloads import named
from bench.journal.schema import CASE_FIELDS
from bench.journal.status import Status
from bench.statistics.intervals import reach

Row = dict[str, Any]
NAN = float("nan")


class Spread(NamedTuple):
    """The least and the largest median, in seconds of a step, and how many of what; no text where they agree."""

    low: float = NAN
    high: float = NAN
    between: str = ""


def spread(run: Run, row: Row) -> Spread:
    """The medians of this run and of the others (`Run.others`), or else those of its passes, and whether they disagree.

    They do where two of their intervals do not meet. Other runs' times that were measured under load do not count.
    """
    others = [found for other in run.others if (found := _times(other).get(_key(row))) is not None]
    measured = [_step_seconds(row), *others] if others else _passes(row)
    if row["status"] != Status.OK or len(measured) < 2:
        return Spread()
    medians, lows, highs = zip(*(reach(seconds) for seconds in measured), strict=True)
    disagree = max(lows) > min(highs)
    words = f"{len(measured)} {'runs' if others else 'passes'}"
    return Spread(min(medians), max(medians), words if disagree else "")


def ratios(run: Run, a: Row, b: Row) -> list[float]:
    """How many times faster A was in each other run; a run that lacks one of the two cases takes its time from here."""
    found = []
    for times in map(_times, run.others):
        there = [times.get(_key(row)) for row in (a, b)]
        if any(seconds is not None for seconds in there):
            of_a, of_b = (np.median(_step_seconds(row) if seconds is None else seconds)
                          for row, seconds in zip((a, b), there, strict=True))  # fmt: skip
            found.append(float(of_b / of_a))
    return found


@lru_cache
def _times(run: Run) -> dict[tuple[Any, ...], list[float]]:
    """The seconds of a step of each timed case of a run that was not measured under load."""
    cases: Iterable[Row] = run.cases[run.cases.work.isin(named(timed=True))].to_dict("records")
    timed = [row for row in cases if row["status"] == Status.OK and not warnings.under_load(run.header, row)]
    return {_key(row): _step_seconds(row) for row in timed}


def _key(row: Row) -> tuple[Any, ...]:
    return (row["backend"], *(row[name] for name in CASE_FIELDS))


def _passes(row: Row) -> list[list[float]]:
    """The seconds of a step in each pass."""
    return [_steps(row, seconds) for seconds in (row["passes"] or {0: row["seconds"]}).values() if seconds]


def _step_seconds(row: Row) -> list[float]:
    return _steps(row, row["seconds"])


def _steps(row: Row, seconds: list[float]) -> list[float]:
    steps = 1 if np.isnan(row["steps"]) else row["steps"]
    return [second / steps for second in seconds]
