"""Two backends of one run: in which cases they can be told apart, and where one overtakes the other."""

from dataclasses import asdict
from functools import lru_cache
from typing import Any

import pandas as pd

from bench.analysis import spread
from bench.analysis.frames import Run, in_order, matching
from bench.analysis.pairs.resolution import resolution
from bench.analysis.throughput import baselines
from bench.analysis.verdicts import Found, Row, load_in_words, paired, round_seconds, rows_of, table_of
from bench.grid.workloads import workload
from bench.journal.status import Status
from bench.statistics.bisection import Crossing, Measured, find_crossings
from bench.statistics.intervals import Comparison, compare_groups, compare_pairs
from bench.statistics.verdicts import DRIFT, LEAST_BLOCKS, MARGIN, Pair

USUAL_PASSES = 12  # the number of passes that a run to be compared should have
TABLE = ["work", "dtype", "hidden", "optimizer"]  # what differs from one table of verdicts to the next


def two_backends(run: Run, a: str, b: str) -> pd.DataFrame:
    """Backend A against backend B in each timed case of a run."""
    rows = rows_of(run)
    shared = [(row, rows.get((b, *case))) for (name, *case), row in rows.items() if name == a]
    return table_of([(row, other, compare_in_one_run(run, row, other)) for row, other in shared if other is not None])


@lru_cache
def against_baseline(run: Run) -> pd.DataFrame:
    """Every backend against the baseline of its device; each kind of work, width, dtype and optimizer is a table."""
    rows, places = rows_of(run), in_order(run)
    found: dict[tuple[Any, ...], list[Found]] = {}
    for (name, *case), row in sorted(rows.items(), key=lambda item: places.index(item[0][0])):
        base = baselines(run).get(row["device"], "")
        other = rows.get((base, *case))
        if other is not None and name != base and Status.OK in (row["status"], other["status"]):
            table = tuple(row[column] for column in TABLE)
            found.setdefault(table, []).append((row, other, compare_in_one_run(run, row, other)))
    return pd.concat([table_of(table) for table in found.values()]) if found else table_of([])


def compare_in_one_run(run: Run, a: Row, b: Row) -> Pair | None:
    """Compare the passes that both rows have; where they are too few, the rounds, with room for drift.

    None where one of the rows has no time.
    """
    if not a["status"] == b["status"] == Status.OK:
        return None
    load, (blocks, others) = load_in_words(a, b), paired(a, b)
    if len(blocks) >= LEAST_BLOCKS:
        found = compare_pairs(blocks, others, MARGIN)
        return Pair(_widened(found, spread.ratios(run, a, b)), *resolution(run, a), load)
    found = compare_groups(round_seconds(a), round_seconds(b), MARGIN)
    by_pass = [other / block for block, other in zip(blocks, others, strict=True)]
    found = _widened(found, [*by_pass, *spread.ratios(run, a, b)])
    more = f": --passes {USUAL_PASSES}" if workload(a["work"]).repeated else ""
    return Pair(found, DRIFT, f"by which a machine may drift within a pass{more}", load)


def _widened(found: Comparison, ratios: list[float]) -> Comparison:
    """The comparison with an interval that holds what each pass or other run has given; without one where it has none.

    What changes from run to run is often more than what changes within one.
    """
    return found._replace(low=min(found.low, *ratios), high=max(found.high, *ratios)) if ratios else found


@lru_cache
def crossover(run: Run) -> pd.DataFrame:
    """The table of a run of bench.crossover: A against B at each `size`, smallest first."""
    sweep = run.sweep
    assert sweep is not None
    frame = two_backends(run, sweep.a, sweep.b)
    fixed = {name: value for name, value in asdict(sweep.case(0)).items() if name != sweep.over}
    return matching(frame.assign(size=frame[sweep.over]), **fixed).sort_values("size", ignore_index=True)


def measured(run: Run) -> list[Measured]:
    """What a run of bench.crossover knows at each size at which both were timed."""
    frame = crossover(run).dropna(subset="times_faster")
    return [Measured(*row) for row in frame[["size", "times_faster", "verdict"]].itertuples(index=False)]


def crossings(run: Run) -> list[Crossing]:
    """Every crossover of the run; none where a backend disagrees with float64, at whatever size."""
    return [] if disagrees(run) else find_crossings(measured(run))


def disagrees(run: Run) -> bool:
    """Whether any backend disagrees with float64 in any case."""
    return bool((run.cases.status == Status.DISAGREES).any())
