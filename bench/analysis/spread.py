"""How far the times of one case lie apart between the runs of a machine, and between the passes of a run.

The interval of one run says nothing of what changes from run to run, which is often more: the wider of the two decides
what is claimed.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bench.analysis.frames import Run, key_of
from bench.analysis.verdicts import Key, Row, pass_seconds, round_seconds, rows_of
from bench.journal.status import Status
from bench.statistics.intervals import reach

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
    others = [found for other in run.others if (found := _reaches(other).get(key_of(row))) is not None]
    count, what = (1 + len(others), "runs") if others else (len(row["passes"]), "passes")
    if row["status"] != Status.OK or count < 2:
        return Spread()
    measured = [reach(round_seconds(row)), *others] if others else [*map(reach, pass_seconds(row).values())]
    medians, lows, highs = zip(*measured, strict=True)
    return Spread(min(medians), max(medians), f"{count} {what}" if max(lows) > min(highs) else "")


def ratios(run: Run, a: Row, b: Row) -> list[float]:
    """How many times faster A was in each other run; a run that lacks one of the two cases takes its time from here."""
    found = []
    for times in map(_reaches, run.others):
        there = [times.get(key_of(row)) for row in (a, b)]
        if any(there):
            of_a, of_b = (np.median(round_seconds(row)) if interval is None else interval[0]
                          for row, interval in zip((a, b), there, strict=True))  # fmt: skip
            found.append(float(of_b / of_a))
    return found


@lru_cache
def _reaches(run: Run) -> dict[Key, tuple[float, float, float]]:
    """Median and interval of the seconds of a step of each timed case of a run that was not measured under load."""
    rows = rows_of(run).items()
    return {key: reach(round_seconds(row)) for key, row in rows if row["status"] == Status.OK and not row["load"]}
