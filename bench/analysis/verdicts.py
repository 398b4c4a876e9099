"""The table of verdicts: two rows of one case side by side, and whether they can be told apart.

pairs/comparison.py compares two backends of a run, pairs/regressions.py two runs, pairs/commits.py two commits. Each
finds its pairs of rows; what a pair consists of and how a table of pairs is judged stand here.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import isnan
from statistics import median
from typing import Any

import pandas as pd

from bench.analysis import warnings
from bench.analysis.frames import Run, key_of, records
from bench.grid.workloads import named
from bench.journal.schema import CASE_FIELDS
from bench.journal.status import Status, statuses
from bench.statistics.intervals import Comparison, quantile
from bench.statistics.verdicts import Pair, Verdict, judge

COLUMNS = ("a", "b", *CASE_FIELDS, "a_us", "b_us", "times_faster", "low", "high", "blocks", "verdict", "kind",
           "a_load", "b_load", "least", "p_different", "detail", "failed", "vanished", "sped_up")  # fmt: skip
NOTHING = Comparison(*(float("nan"),) * 3, 1.0, 1.0, 0)  # of a row without a time

Row = dict[str, Any]
Key = tuple[Any, ...]  # a backend and a case
Rows = dict[Key, Row]
Found = tuple[Row, Row, Pair | None]  # the row of A, that of B, and the pair to judge


@lru_cache
def rows_of(run: Run, timed: bool = True) -> Rows:
    """The rows of a run that have a time or should have one, or those of other work, by backend and case.

    `load` is what was running besides.
    """
    cases = records(run.cases[run.cases.work.isin(named(timed=timed))])
    return {key_of(row): {**row, "load": warnings.under_load(run.header, row)} for row in cases}


def round_seconds(row: Row) -> list[float]:
    """The seconds of a step in each round."""
    return _step_seconds(row, row["seconds"])


def median_seconds(row: Row) -> float:
    """The median seconds of a step; nan for a row without a time."""
    return median(round_seconds(row)) if row["status"] == Status.OK and row["seconds"] else float("nan")


def pass_seconds(row: Row) -> dict[int, list[float]]:
    """The same by the number of the pass."""
    return {number: _step_seconds(row, block) for number, block in row["passes"].items()}


def _step_seconds(row: Row, seconds: list[float]) -> list[float]:
    steps = 1 if isnan(row["steps"]) else row["steps"]
    return [second / steps for second in seconds]


def block_seconds(row: Row, share: float = 0.5) -> dict[int, float]:
    """The median seconds of a step in each pass, or another quantile."""
    return {number: quantile(seconds, share) for number, seconds in pass_seconds(row).items()}


def paired(a: Row, b: Row, share: float = 0.5) -> tuple[list[float], list[float]]:
    """The seconds of both rows in the passes that both have."""
    blocks, others = block_seconds(a, share), block_seconds(b, share)
    shared = sorted(blocks.keys() & others.keys())
    return [blocks[number] for number in shared], [others[number] for number in shared]


def load_in_words(*sides: Row) -> str:
    """What else was running while the rows were measured, and whose time it concerns; empty where nothing was."""
    return warnings.SEPARATOR.join(f"{row['backend']}: {row['load']}" for row in sides if row["load"])


def table_of(found: Sequence[Found]) -> pd.DataFrame:
    """One row each, with the verdicts of the table as a whole."""
    verdicts = iter(judge([pair for *_, pair in found if pair is not None]))
    rows = [
        _untimed(a, b) if pair is None else _judged(a, b, pair, next(verdicts), pair.load or pair.because)
        for a, b, pair in found
    ]
    return pd.DataFrame(rows, columns=[*COLUMNS])


def _untimed(a: Row, b: Row) -> list[Any]:
    """A row without a verdict, which says which side has no time and why."""
    missing = [f"{row['backend']} is {row['status']}: {row['reason']}" for row in (a, b) if row["status"] != Status.OK]
    why = "; ".join(missing) or "no time of a baseline in both runs to divide by"
    return _judged(a, b, Pair(NOTHING, float("nan")), Verdict("UNSURE", "missing"), why)


def _judged(a: Row, b: Row, pair: Pair, verdict: Verdict, detail: str) -> list[Any]:
    """The values of COLUMNS."""
    lost = b["status"] == Status.OK and a["status"] != Status.OK
    failed = lost and a["status"] in statuses(failed=True)
    vanished = lost and not failed and a["backend"] == b["backend"]
    ratio, low, high, *_, blocks = pair.comparison
    case = [a[name] for name in CASE_FIELDS]
    times = [1e6 * median_seconds(a), 1e6 * median_seconds(b), ratio, low, high, blocks]
    claim = [verdict.word, verdict.kind, a["load"], b["load"], pair.least, verdict.p_different, detail]
    return [a["backend"], b["backend"], *case, *times, *claim, failed, vanished, 1.0]
