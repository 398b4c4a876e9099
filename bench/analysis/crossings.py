"""From the journal of a crossover to its table: at which sizes which backend is the faster.

The verdicts are those of bench/analysis/comparison.py, over blocks that alternated in time, corrected for all sizes.
"""

from functools import lru_cache

import numpy as np
import pandas as pd

from bench.analysis import comparison
from bench.analysis.frames import Run
from bench.grid.case import Case
from bench.journal.schema import CASE_FIELDS
from bench.journal.status import Status
from bench.statistics.bisection import Crossing, Measured, find_crossings


@lru_cache(maxsize=4)
def tabulate(run: Run) -> pd.DataFrame:
    """A row for each `size`, smallest first: A against B, as in every table of verdicts. Kept: not to be changed."""
    question = run.question
    assert question is not None
    frame = comparison.two_backends(run, question.a, question.b)
    frame = frame.assign(size=frame[question.over])
    asked = [Case(*row) == question.case(size) for *row, size in frame[[*CASE_FIELDS, "size"]].itertuples(index=False)]
    return frame[np.array(asked, dtype=bool)].sort_values("size", ignore_index=True)


def measured(run: Run) -> list[Measured]:
    """What is known at each size at which both were timed."""
    frame = tabulate(run)
    frame = frame[frame.times_faster.notna()]
    return [Measured(*row) for row in frame[["size", "times_faster", "verdict"]].itertuples(index=False)]


def find(run: Run) -> list[Crossing]:
    """Every crossover of the run; none where a backend disagrees with float64, at whatever size."""
    return [] if disagrees(run) else find_crossings(measured(run))


def disagrees(run: Run) -> bool:
    """Whether a backend does so with float64."""
    return bool((run.cases.status == Status.DISAGREES).any())
