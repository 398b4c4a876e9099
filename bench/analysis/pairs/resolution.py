"""What an A/A run, which measures each backend against itself, says that its machine can tell apart."""

from functools import lru_cache

import numpy as np
import pandas as pd

from bench.analysis.frames import Run, matching
from bench.analysis.verdicts import Found, Row, block_seconds, rows_of, table_of
from bench.journal.schema import CASE_FIELDS
from bench.journal.status import Status
from bench.statistics.intervals import compare_pairs
from bench.statistics.verdicts import LEAST_BLOCKS, MARGIN, Pair


@lru_cache
def resolution_table(aa: Run) -> pd.DataFrame:
    """Each backend's passes of an A/A run against themselves, even against odd."""
    found: list[Found] = []
    for row in rows_of(aa).values():
        if row["status"] == Status.OK and len(row["passes"]) >= 2 * LEAST_BLOCKS:
            blocks = block_seconds(row)
            even, odd = ([blocks[number] for number in sorted(blocks) if number % 2 == side] for side in (0, 1))
            pairs = min(len(even), len(odd))
            found.append((row, row, Pair(compare_pairs(even[:pairs], odd[:pairs], MARGIN))))
    return table_of(found)


def resolution(run: Run, row: Row) -> tuple[float, str]:
    """The least difference that is claimed of pairs of passes at a case, and what limits it; 0 without an A/A run.

    It is the far end of the widest interval that the A/A run gave of a backend against itself at that case; of all its
    cases where it did not measure that one.
    """
    if run.aa is None or (table := resolution_table(run.aa)).empty:
        return 0.0, ""
    here = matching(table, **{name: row[name] for name in CASE_FIELDS})
    return float(_widths(table if here.empty else here).max()), f"that the A/A run {run.aa.name} resolves"


def resolutions(aa: Run) -> list[float]:
    """The widest interval of an A/A run at each of its cases, as a share; empty where it has too few passes."""
    table = resolution_table(aa)
    by_case = _widths(table).groupby([table[name] for name in CASE_FIELDS], dropna=False)
    return [] if table.empty else by_case.max().tolist()


def _widths(table: pd.DataFrame) -> pd.Series:
    """How far from 1 the farther end of each interval is."""
    return pd.Series(np.maximum(table.high, 1 / table.low) - 1)


def has_pairs(run: Run) -> bool:
    """Whether any case of a run has passes enough to be compared in pairs."""
    return any(row["status"] == Status.OK and len(row["passes"]) >= LEAST_BLOCKS for row in rows_of(run).values())
