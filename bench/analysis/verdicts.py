"""The table of verdicts: two rows of one case side by side, and whether they can be told apart.

comparison.py compares two backends of a run, regressions.py two runs, commits.py two commits. Each finds its pairs of
rows; what a pair consists of and how a table of pairs is judged stand here.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis import warnings
from bench.analysis.frames import Run
from bench.grid.workloads import named
from bench.journal.schema import CASE_FIELDS
from bench.journal.status import Status, statuses
from bench.statistics.intervals import Comparison
from bench.statistics.verdicts import Pair, Verdict, judge

COLUMNS = ("a", "b", *CASE_FIELDS, "a_us", "b_us", "times_faster", "low", "high", "blocks", "verdict", "kind",
           "a_load", "b_load", "least", "p_different", "detail", "failed", "vanished", "sped_up")  # fmt: skip
NOTHING = Pair(Comparison(*(float("nan"),) * 3, 1.0, 1.0, 0), float("nan"))  # a row without a time

Row = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]  # by backend and case
Found = tuple[Row, Row, Pair | None]  # the row of A, that of B, and the pair to judge


def rows_of(run: Run, timed: bool = True) -> Rows:
    """The rows of a run that have a time or should have one, or those of other work, by backend and case.

    `load` is what was running besides.
    """
    cases = run.cases[run.cases.work.isin(named(timed=timed))].to_dict("records")
    rows = [{**row, "load": warnings.details(warnings.under_load(run.header, row))} for row in cases]
    return {(row["backend"], *(row[name] for name in CASE_FIELDS)): row for row in rows}


def block_seconds(row: Row, share: float = 0.5) -> dict[int, float]:
    """The median seconds of a step in each pass, or another quantile."""
    return {number: float(np.quantile(block, share)) / row["steps"] for number, block in row["passes"].items()}


def round_seconds(row: Row) -> list[float]:
    """The seconds of a step in each round."""
    return [second / row["steps"] for second in row["seconds"]]


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
    rows = []
    for row, other, pair in found:
        if pair is None:
            untimed = [side for side in (row, other) if side["status"] != Status.OK]
            reasons = [f"{side['backend']} is {side['status']}: {side['reason']}" for side in untimed]
            reasons = reasons or ["no time of a baseline in both runs to divide by"]
            pair, verdict = NOTHING._replace(because="; ".join(reasons)), Verdict("UNSURE", "missing")
        else:
            verdict = next(verdicts)
        ratio, low, high, *_, blocks = pair.comparison
        detail = pair.load or pair.because
        lost = other["status"] == Status.OK and row["status"] != Status.OK
        failed = lost and row["status"] in statuses(failed=True)
        vanished = lost and not failed and row["backend"] == other["backend"]
        case = [row[name] for name in CASE_FIELDS]
        times = [_microseconds(row), _microseconds(other), ratio, low, high, blocks]
        judged = [
            verdict.word,
            verdict.kind,
            row["load"],
            other["load"],
            pair.least,
            verdict.p_different,
            detail,
            failed,
            vanished,
            1.0,
        ]
        rows.append([row["backend"], other["backend"], *case, *times, *judged])
    return pd.DataFrame(rows, columns=[*COLUMNS])


def _microseconds(row: Row) -> float:
    return float(np.median(round_seconds(row))) * 1e6 if row["status"] == Status.OK and row["seconds"] else float("nan")
