"""Two commits whose cases were timed in turns, against the recipes, whose code is the same on both sides."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from bench.analysis.frames import Run
from bench.analysis.verdicts import NOTHING, Found, Key, paired, rows_of, table_of
from bench.journal.status import Status
from bench.statistics.intervals import Comparison, compare_pairs
from bench.statistics.verdicts import DRIFT, LEAST_BLOCKS, MARGIN, Pair

UNDISTURBED = 0.25  # the quantile of the rounds of a pass at a commit: what disturbs a round lengthens it
UNCHANGED = 0.05  # the least difference of two commits that is claimed: see `two_commits`


def two_commits(new: Run, old: Run, names: Collection[str]) -> tuple[pd.DataFrame, Comparison]:
    """The cases of these backends at two commits that were timed in turns, and the control: every other backend.

    What has changed for the control, the same code on both sides, is taken out of each ratio, and nothing is claimed
    that is smaller than the far end of its interval, or than UNCHANGED.
    """
    rows, others = rows_of(new), rows_of(old)
    both = {key: (rows[key], others[key]) for key in rows if key in others}
    timed = [key for key, sides in both.items() if all(row["status"] == Status.OK for row in sides)]
    blocks = {key: paired(*both[key], UNDISTURBED) for key in timed}
    control = _unchanged([pair for key, pair in blocks.items() if key[0] not in names])
    factor = 1.0 if np.isnan(control.ratio) else control.ratio
    found: dict[Key, Found] = {key: (*sides, None) for key, sides in both.items() if key[0] in names}
    for key in found.keys() & blocks.keys():
        a, b = blocks[key]
        corrected = compare_pairs([factor * second for second in a], b, MARGIN)
        found[key] = (*both[key], Pair(corrected, *_resolved(control)))
    frame = table_of([*found.values()])
    frame["sped_up"] = max(1.0, 1 / factor)  # within a limit is what is so as measured, and as corrected
    return frame, control


def _unchanged(pairs: list[tuple[list[float], list[float]]]) -> Comparison:
    """How many times faster unchanged code is at the newer of two commits; nan where too few blocks say that."""
    a, b = ([second for pair in pairs for second in pair[side]] for side in (0, 1))
    return compare_pairs(a, b, MARGIN) if len(a) >= LEAST_BLOCKS else NOTHING


def _resolved(control: Comparison) -> tuple[float, str]:
    """The least difference that is claimed beside this control, and what limits it."""
    if np.isnan(control.ratio):
        return DRIFT, "by which a machine may change: no unchanged recipe could be timed beside it"
    least = max(control.high / control.ratio, control.ratio / control.low) - 1
    if least < UNCHANGED:
        return UNCHANGED, "by which two processes may differ that run the same code"
    return least, "by which unchanged recipes differ"
