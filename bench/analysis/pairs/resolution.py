"""What an A/A run, which measures each backend against itself, says that its machine can tell apart."""

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.frames import Run
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
    widths = _widths(run.aa) if run.aa is not None else {}
    if run.aa is None or not widths:
        return 0.0, ""
    case = tuple(row[name] for name in CASE_FIELDS)
    return widths.get(case, max(widths.values())), f"that the A/A run {run.aa.name} resolves"


def resolutions(aa: Run) -> list[float]:
    """The widest interval of an A/A run at each of its cases, as a share; empty where it has too few passes."""
    return [*_widths(aa).values()]


@lru_cache
def _widths(aa: Run) -> dict[tuple[Any, ...], float]:
    """How far from 1 the farther end of the widest interval of each case is."""
    table = resolution_table(aa)
    widths = np.maximum(table.high, 1 / table.low) - 1
    by_case = widths.groupby([table[name] for name in CASE_FIELDS]) if len(table) else []
    return {case: float(own.max()) for case, own in by_case}


def has_pairs(run: Run) -> bool:
    """Whether any case of a run has passes enough to be compared in pairs."""
    return any(row["status"] == Status.OK and len(row["passes"]) >= LEAST_BLOCKS for row in rows_of(run).values())
