"""Which rows of a run, or of two, can be told apart: the tables of their verdicts, and the crossovers in them."""

from collections.abc import Collection, Sequence
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
from relufit.errors import RelufitError

COLUMNS = ("a", "b", *CASE_FIELDS, "a_us", "b_us", "times_faster", "low", "high", "blocks", "verdict", "kind",
           "a_load", "b_load", "least", "p_different", "detail", "failed", "vanished", "sped_up")  # fmt: skip
USUAL_PASSES = 12  # the number of passes that a run to be compared should have
CONTROLS = 8  # the number of cases from which on other backends say how much the machine itself has changed
NAMED_CONTROLS = 3  # the same of backends that --control names: the user says that they did not change
NO_CONTROL = (
    "by which a machine may change: there is no control, for fewer than {} cases of {} were timed in both runs; "
    "measure unchanged backends beside, or both commits at once: python -m bench.compare --commits OLD NEW"
)
FINDINGS = ("within", "slower", "failed", "vanished", "inconclusive")  # what a gate finds of a case
ABSENT = {"status": "absent", "reason": "the newer run does not have this case"}
UNDISTURBED = 0.25  # the quantile of the rounds of a pass at a commit: what disturbs a round lengthens it
UNCHANGED = 0.03  # the least difference of two commits that is claimed: see `two_commits`
NOTHING = Pair(Comparison(*(float("nan"),) * 3, 1.0, 1.0, 0), float("nan"))  # a row without a time

TABLE = ["work", "dtype", "hidden", "optimizer"]  # what differs from one table of verdicts to the next

Row = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]  # by backend and case
Only = list[tuple[str, list[Row], bool]]  # a backend, cases of it that one run has alone, whether these are all
Found = tuple[Row, Row, Pair | None]  # the row of A, that of B, and the pair to judge


class Control(NamedTuple):
    """What the cases of other backends say of the machine between two runs."""

    least: float  # smallest difference that is claimed, as a share
    because: str  # what makes it so large, in words
    sped_up: float = 1.0  # how many times faster the machine became at least


class Changes(NamedTuple):
    """What has changed from an older run to a newer one."""

    verdicts: pd.DataFrame
    away: bool  # of two machines: ratios to the baseline are compared, not times
    controls: dict[str, Control]  # of each backend that was compared
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


def two_runs(new: Run, old: Run, control: Sequence[str] = ()) -> Changes:
    """Each backend's cases of a run against those of an older one; what has a time in the older one alone is a row too.

    `control` names the backends whose cases say how much the machine has changed; without it, all others do. Raises
    RelufitError where a run has none of these.
    """
    rows, others = _rows(new), _rows(old)
    if unknown := set(control) - ({key[0] for key in rows} & {key[0] for key in others}):
        raise RelufitError(f"--control names {', '.join(sorted(unknown))}, which the two runs do not have in common")
    away = new.machine_slug != old.machine_slug
    bases = baselines(new, old) if away else None
    found: list[Found] = []
    for key in (key for key in rows if key in others):
        row, other = rows[key], others[key]
        a, b = _scaled(rows, key, bases), _scaled(others, key, bases)
        if a and b:
            found.append((row, other, Pair(compare_groups(a, b, MARGIN), load=_under_load(row, other))))
        elif not (_is_baseline(row, bases) and row["status"] == other["status"] == Status.OK):
            found.append((row, other, None))
    controls = _controls(found, control)
    for place, (row, other, pair) in enumerate(found):
        if pair is not None:
            least, because, _ = controls[row["backend"]]
            # The control's noise is in `least`, that of this case is added; few blocks have no interval, but nan.
            own_noise = np.fmax(1.0, np.sqrt(pair.comparison.high / pair.comparison.low))
            limit = max(((1 + least) * own_noise - 1, because), resolution(new, row), key=itemgetter(0))
            found[place] = (row, other, Pair(pair.comparison, *limit, pair.load))
    found += [(other | ABSENT, other, None) for key, other in others.items() if key not in rows]
    found += _failures_without_time(new, old)
    had_time = [row for row in found if row[1]["status"] == Status.OK or row[0]["status"] in statuses(failed=True)]
    frame = _judged(had_time)
    frame["sped_up"] = [controls[name].sped_up if name in controls else 1.0 for name in frame.a]
    return Changes(frame, away, controls, _only(rows, others), _only(others, rows))


def findings(frame: pd.DataFrame, limit: float) -> pd.Series:
    """What a gate finds of each verdict, a word of FINDINGS; empty where B has no time and A does not fail.

    A case is within the limit where its whole interval is: neither as measured nor beside a machine that became faster
    may A have become slower by this share.
    """
    slower, at_most = 1 / frame.times_faster - 1, frame.sped_up / frame.low - 1
    is_evidence = (frame.blocks >= LEAST_BLOCKS) & frame.kind.isin(["", "drift", "wide", "weak"])
    conditions = {
        "failed": frame.failed,
        "vanished": frame.vanished,
        "": frame.b_us.isna(),
        "slower": (frame.verdict == "SLOWER") & (slower >= limit),
        "within": is_evidence & (at_most < limit),
    }
    found = np.select([condition.astype(bool) for condition in conditions.values()], [*conditions], "inconclusive")
    return pd.Series(found, frame.index, dtype=object)


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


def two_commits(new: Run, old: Run, names: Collection[str]) -> tuple[pd.DataFrame, Comparison]:
    """The cases of these backends at two commits that were timed in turns, and the control: every other backend.

    What has changed for the control, the same code on both sides, is taken out of each ratio, and nothing is claimed
    that is smaller than the far end of its interval, or than UNCHANGED.
    """
    rows, others = _rows(new), _rows(old)
    both = {key: (rows[key], others[key]) for key in rows if key in others}
    timed = [key for key, sides in both.items() if all(row["status"] == Status.OK for row in sides)]
    blocks = {key: _paired(*both[key], UNDISTURBED) for key in timed}
    control = _unchanged([pair for key, pair in blocks.items() if key[0] not in names])
    factor = 1.0 if np.isnan(control.ratio) else control.ratio
    found: list[Found] = []
    for key, (row, other) in both.items():
        if key[0] in names:
            pair = None
            if key in blocks:
                a, b = blocks[key]
                corrected = compare_pairs([factor * second for second in a], b, MARGIN)
                pair = Pair(corrected, *_resolved(control))
            found.append((row, other, pair))
    frame = _judged(found)
    frame["sped_up"] = max(1.0, 1 / factor)  # within a limit is what is so as measured, and as corrected
    return frame, control


def _unchanged(pairs: list[tuple[list[float], list[float]]]) -> Comparison:
    """How many times faster unchanged code is at the newer of two commits; nan where too few blocks say that."""
    a, b = ([second for pair in pairs for second in pair[side]] for side in (0, 1))
    return compare_pairs(a, b, MARGIN) if len(a) >= LEAST_BLOCKS else NOTHING.comparison


def _resolved(control: Comparison) -> tuple[float, str]:
    """The least difference that is claimed beside this control, and what limits it."""
    if np.isnan(control.ratio):
        return DRIFT, "by which a machine may change: no unchanged recipe could be timed beside it"
    least = max(control.high / control.ratio, control.ratio / control.low) - 1
    if least < UNCHANGED:
        return UNCHANGED, "by which two processes may differ that run the same code"
    return least, "by which unchanged recipes differ"


def _paired(a: Row, b: Row, share: float = 0.5) -> tuple[list[float], list[float]]:
    """The seconds of both rows in the passes that both have."""
    blocks, others = _blocks(a, share), _blocks(b, share)
    shared = sorted(blocks.keys() & others.keys())
    return [blocks[number] for number in shared], [others[number] for number in shared]


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


def _rows(run: Run, timed: bool = True) -> Rows:
    """The rows of a run that have a time or should have one, or those of other work, by backend and case.

    `load` is what was running besides.
    """
    cases = run.cases[run.cases.work.isin(named(timed=timed))].to_dict("records")
    rows = [{**row, "load": warnings.details(warnings.under_load(run.header, row))} for row in cases]
    return {(row["backend"], *(row[name] for name in CASE_FIELDS)): row for row in rows}


def _only(rows: Rows, others: Rows) -> Only:
    """The timed cases that the other run does not have."""
    known, only = {key[0] for key in others}, dict[str, list[Row]]()
    for key, row in rows.items():
        if key not in others and row["status"] == Status.OK:
            only.setdefault(key[0], []).append(row)
    return [(name, cases, name not in known) for name, cases in only.items()]


def _blocks(row: Row, share: float = 0.5) -> dict[int, float]:
    """The median seconds of a step in each pass, or another quantile."""
    return {number: float(np.quantile(block, share)) / row["steps"] for number, block in row["passes"].items()}


def _rounds(row: Row) -> list[float]:
    return [second / row["steps"] for second in row["seconds"]]


def _in_one_run(run: Run, a: Row, b: Row) -> Pair | None:
    """Compare the passes that both rows have; where they are too few, the rounds, with room for drift."""
    if not a["status"] == b["status"] == Status.OK:
        return None
    load, (blocks, others) = _under_load(a, b), _paired(a, b)
    if len(blocks) >= LEAST_BLOCKS:
        found = compare_pairs(blocks, others, MARGIN)
        return Pair(_widened(found, spread.ratios(run, a, b)), *resolution(run, a), load)
    found = compare_groups(_rounds(a), _rounds(b), MARGIN)
    by_pass = [other / block for block, other in zip(blocks, others, strict=True)]
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


def _is_baseline(row: Row, bases: dict[str, str] | None) -> bool:
    return bases is not None and bool(row["backend"] == bases.get(row["device"], ""))


def _failures_without_time(new: Run, old: Run) -> list[Found]:
    """Cases that are compared or trained, not timed, which ended well in the older run and fail in the newer."""
    rows, others = (_rows(run, timed=False) for run in (new, old))
    failed = statuses(failed=True, has_numbers=False)
    ended_well = [key for key in rows if key in others and others[key]["status"] == Status.OK]
    return [(rows[key], others[key], None) for key in ended_well if rows[key]["status"] in failed]


def _controls(found: Sequence[Found], named: Sequence[str]) -> dict[str, Control]:
    """The control of each backend: the cases of the backends that are named, or of all others."""
    changes: dict[str, list[float]] = {row["backend"]: [] for row, *_ in found}
    for row, _, pair in found:
        if pair is not None and not pair.load:
            changes[row["backend"]].append(pair.comparison.ratio)
    controls = {}
    for name in changes:
        chosen = named or [other for other in changes if other != name]
        controls[name] = _control({other: changes.get(other, []) for other in chosen}, bool(named))
    return controls


def _control(changes: dict[str, list[float]], named: bool) -> Control:
    """The least difference that is claimed beside these backends: what the machine changed by, plus its scatter.

    It is the median change of their cases, plus three times the scatter about it. The scatter is computed from the
    median of the distances, which a few cases that did change do not move.
    """
    ratios = [ratio for own in changes.values() for ratio in own]
    whose, needed = (" and ".join(changes), NAMED_CONTROLS) if named else ("the other backends", CONTROLS)
    if len(ratios) < needed:
        return Control(DRIFT, NO_CONTROL.format(needed, whose))
    logs = np.log(ratios)
    middle = float(np.median(logs))
    scatter = 3 * 1.4826 * float(np.median(np.abs(logs - middle)))
    because = f"by which most cases changed: the median one is {np.exp(middle):.3g} times as fast, of {whose}"
    # A single other backend may have become faster itself: that the machine did takes two, or the user's word.
    is_machine = named or sum(map(bool, changes.values())) > 1
    sped_up = np.exp(max(0.0, middle - scatter)) if is_machine else 1.0
    return Control(float(np.exp(abs(middle) + scatter) - 1), because, float(sped_up))


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
    return float(np.median(_rounds(row))) * 1e6 if row["status"] == Status.OK and row["seconds"] else float("nan")
