"""Which rows of a run, or of two, can be told apart: the tables of their verdicts, and the crossovers in them."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench.analysis import spread, warnings
from bench.analysis.frames import Run, in_order, matching
from bench.analysis.throughput import baselines
from bench.grid.workloads import named
from bench.journal.schema import CASE_FIELDS
from bench.journal.status import Status, statuses
from bench.statistics.bisection import Crossing, Measured, find_crossings
from bench.statistics.intervals import Comparison, compare_groups, compare_pairs
from bench.statistics.verdicts import DRIFT, LEAST_BLOCKS, MARGIN, Pair, Verdict, judge

COLUMNS = ("a", "b", *CASE_FIELDS, "a_us", "b_us", "times_faster", "low", "high", "blocks", "verdict", "kind",
           "a_load", "b_load", "least", "p_different", "detail", "failed")  # fmt: skip
USUAL_PASSES = 12  # the number of passes that a run to be compared should have
CONTROLS = 8  # the number of cases from which on a table says how much the machine itself has changed
NOTHING = Pair(Comparison(*(float("nan"),) * 3, 1.0, 1.0, 0), float("nan"))  # a row without a time

TABLE = ["work", "dtype", "hidden", "optimizer"]  # what differs from one table of verdicts to the next

Row = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]  # by backend and case
Only = list[tuple[str, list[Row], bool]]  # a backend, cases of it that one run has alone, whether these are all
Found = tuple[Row, Row, Pair | None]  # the row of A, that of B, and the pair to judge


class Changes(NamedTuple):
    """What has changed from an older run to a newer one."""

    verdicts: pd.DataFrame
    away: bool  # of two machines: ratios to the baseline are compared, not times
    least: float  # smallest difference that is claimed, as a share
    because: str  # what makes it so large, in words
    new: Only  # cases that the older run does not have
    gone: Only  # cases that the newer run does not have


def two_backends(run: Run, a: str, b: str) -> pd.DataFrame:
    """Backend A against backend B in each timed case of a run."""
    rows = _rows(run)
    shared = [(row, rows.get((b, *case))) for (name, *case), row in rows.items() if name == a]
    return _judged([(row, other, _in_one_run(run, row, other)) for row, other in shared if other is not None])


@lru_cache
def against_baseline(run: Run) -> pd.DataFrame:
    """Every backend against the baseline of its device; each kind of work, width, dtype and optimizer is a table."""
    rows, places = _rows(run), in_order(run)
    found: dict[tuple[Any, ...], list[Found]] = {}
    for (name, *case), row in sorted(rows.items(), key=lambda item: places.index(item[0][0])):
        base = baselines(run).get(row["device"], "")
        other = rows.get((base, *case))
        if other is not None and name != base and Status.OK in (row["status"], other["status"]):
            table = tuple(row[column] for column in TABLE)
            found.setdefault(table, []).append((row, other, _in_one_run(run, row, other)))
    return pd.concat([_judged(table) for table in found.values()]) if found else _judged([])


def two_runs(new: Run, old: Run) -> Changes:
    """Each backend's cases of a run against those of an older one."""
    rows, others = _rows(new), _rows(old)
    away = new.path.parent.name != old.path.parent.name
    bases = baselines(new, old) if away else None
    found: list[Found] = []
    for key in (key for key in rows if key in others):
        a, b = _scaled(rows, key, bases), _scaled(others, key, bases)
        load = _under_load(rows[key], others[key])
        pair = Pair(compare_groups(a, b, MARGIN), load=load) if a and b else None
        if pair is not None or rows[key]["status"] in statuses(failed=True):
            found.append((rows[key], others[key], pair))
    least, because = _control([pair.comparison.ratio for *_, pair in found if pair is not None])
    for place, (row, other, pair) in enumerate(found):
        if pair is not None:
            limit = max((least, because), resolution(new, row), key=itemgetter(0))
            found[place] = (row, other, Pair(pair.comparison, *limit, pair.load))
    return Changes(_judged(found), away, least, because, _only(rows, others), _only(others, rows))


def became_slower(frame: pd.DataFrame, limit: float) -> pd.DataFrame:
    """The rows of SLOWER by this share at least."""
    return frame[(frame.verdict == "SLOWER") & (1 / frame.times_faster - 1 >= limit)]


@lru_cache
def resolution_table(aa: Run) -> pd.DataFrame:
    """Each backend's passes of an A/A run against themselves, even against odd."""
    found: list[Found] = []
    for row in _rows(aa).values():
        if row["status"] == Status.OK and len(row["passes"]) >= 2 * LEAST_BLOCKS:
            blocks = _blocks(row)
            even, odd = ([blocks[number] for number in sorted(blocks) if number % 2 == side] for side in (0, 1))
            pairs = min(len(even), len(odd))
            found.append((row, row, Pair(compare_pairs(even[:pairs], odd[:pairs], MARGIN))))
    return _judged(found)


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
    return any(row["status"] == Status.OK and len(row["passes"]) >= LEAST_BLOCKS for row in _rows(run).values())


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


def _rows(run: Run) -> Rows:
    """The rows of a run that have a time or should have one, by backend and case; `load`: what was running besides."""
    timed = run.cases[run.cases.work.isin(named(timed=True))].to_dict("records")
    rows = [{**row, "load": warnings.details(warnings.under_load(run.header, row))} for row in timed]
    return {(row["backend"], *(row[name] for name in CASE_FIELDS)): row for row in rows}


def _only(rows: Rows, others: Rows) -> Only:
    """The timed cases that the other run does not have."""
    known, only = {key[0] for key in others}, dict[str, list[Row]]()
    for key, row in rows.items():
        if key not in others and row["status"] == Status.OK:
            only.setdefault(key[0], []).append(row)
    return [(name, cases, name not in known) for name, cases in only.items()]


def _blocks(row: Row) -> dict[int, float]:
    """The median seconds of a step in each pass."""
    return {number: float(np.median(block)) / row["steps"] for number, block in row["passes"].items()}


def _rounds(row: Row) -> list[float]:
    return [second / row["steps"] for second in row["seconds"]]


def _in_one_run(run: Run, a: Row, b: Row) -> Pair | None:
    """Compare the passes that both rows have; where they are too few, the rounds, with room for drift."""
    if not a["status"] == b["status"] == Status.OK:
        return None
    load, blocks, others = _under_load(a, b), _blocks(a), _blocks(b)
    shared = sorted(blocks.keys() & others.keys())
    if len(shared) >= LEAST_BLOCKS:
        found = compare_pairs([blocks[n] for n in shared], [others[n] for n in shared], MARGIN)
        return Pair(_widened(found, spread.ratios(run, a, b)), *resolution(run, a), load)
    found = compare_groups(_rounds(a), _rounds(b), MARGIN)
    by_pass = [others[number] / blocks[number] for number in shared]
    found = _widened(found, [*by_pass, *spread.ratios(run, a, b)])
    return Pair(found, DRIFT, f"by which a machine may drift within a pass: --passes {USUAL_PASSES}", load)


def _widened(found: Comparison, ratios: list[float]) -> Comparison:
    """The comparison with an interval that holds what each pass or other run has given; without one where it has none.

    What changes from run to run is often more than what changes within one.
    """
    return found._replace(low=min(found.low, *ratios), high=max(found.high, *ratios)) if ratios else found


def _scaled(rows: Rows, key: tuple[Any, ...], bases: dict[str, str] | None) -> list[float]:
    """The blocks of a row, or its rounds where blocks are few; over the median of its baseline, if `bases` say one."""
    row = rows[key]
    if row["status"] != Status.OK:
        return []
    seconds = list(_blocks(row).values()) if len(row["passes"]) >= LEAST_BLOCKS else _rounds(row)
    if bases is None:
        return seconds
    base = rows.get((bases.get(row["device"], ""), *key[1:]))
    if base is None or base["status"] != Status.OK or base is row:
        return []
    return [second / float(np.median(_rounds(base))) for second in seconds]


def _control(ratios: list[float]) -> tuple[float, str]:
    """The least difference that is claimed between two runs: the other cases of the table are the control.

    It is the median change of all cases, plus three times their scatter about it. The scatter is computed from the
    median of the distances, which a few cases that did change do not move.
    """
    if len(ratios) < CONTROLS:
        return DRIFT, f"by which a machine may change: fewer than {CONTROLS} cases do not tell whether it did"
    logs = np.log(ratios)
    scatter = 1.4826 * float(np.median(np.abs(logs - np.median(logs))))
    least = float(np.exp(abs(np.median(logs)) + 3 * scatter) - 1)
    return least, f"by which most cases changed: the median one is {np.exp(np.median(logs)):.3g} times as fast"


def _under_load(*sides: Row) -> str:
    """What else was running while the rows were measured, and whose time it concerns; empty where nothing was."""
    return warnings.SEPARATOR.join(f"{row['backend']}: {row['load']}" for row in sides if row["load"])


def _judged(found: Sequence[Found]) -> pd.DataFrame:
    """One row each, with the verdicts of the table as a whole."""
    verdicts = iter(judge([pair for *_, pair in found if pair is not None]))
    rows = []
    for row, other, pair in found:
        if pair is None:
            untimed = [side for side in (row, other) if side["status"] != Status.OK]
            reasons = [f"{side['backend']} is {side['status']}: {side['reason']}" for side in untimed]
            pair, verdict = NOTHING._replace(because="; ".join(reasons)), Verdict("UNSURE", "missing")
        else:
            verdict = next(verdicts)
        ratio, low, high, *_, blocks = pair.comparison
        detail = pair.load or pair.because
        failed = row["status"] in statuses(failed=True) and other["status"] == Status.OK
        case = [row[name] for name in CASE_FIELDS]
        times = [_microseconds(row), _microseconds(other), ratio, low, high, blocks]
        judged = [verdict.word, verdict.kind, row["load"], other["load"], pair.least, verdict.p_different]
        rows.append([row["backend"], other["backend"], *case, *times, *judged, detail, failed])
    return pd.DataFrame(rows, columns=[*COLUMNS])


def _microseconds(row: Row) -> float:
    return float(np.median(_rounds(row))) * 1e6 if row["status"] == Status.OK else float("nan")
