"""Which rows of a run, or of two, are told apart, and the tables of their verdicts."""

from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis import warnings
from bench.analysis.derived import BASELINES, in_order
from bench.analysis.frames import Run
from bench.grid.workloads import named
from bench.journal.schema import CASE_FIELDS
from bench.journal.status import Status, statuses
from bench.reporting.number_format import digits, duration
from bench.statistics.intervals import Comparison, compare_groups, compare_pairs
from bench.statistics.verdicts import DRIFT, LEAST_BLOCKS, MARGIN, Pair, judge

COLUMNS = (
    "a",
    "b",
    *CASE_FIELDS,
    "a_us",
    "b_us",
    "times_faster",
    "low",
    "high",
    "blocks",
    "verdict",
    "kind",
    "reason",
    "failed",
)
USUAL_PASSES = 12  # that are advised
CONTROLS = 8  # cases of a table from which on it says how much the machine has changed
NOTHING = Comparison(*(float("nan"),) * 3, 1.0, 1.0, 0)

TABLE = ("work", "dtype", "hidden", "optimizer")  # what differs from one table of verdicts to the next

Row = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]  # by backend and case
Found = tuple[str, str, Row, Row, Pair | None]  # A, B, their rows, and what is to be judged of them


def two_backends(run: Run, a: str, b: str) -> pd.DataFrame:
    """Backend A against backend B in each timed case of a run."""
    rows = _rows(run)
    shared = [key for key in rows if key[0] == a and (b, *key[1:]) in rows]
    return _judged(
        [(a, b, rows[key], rows[b, *key[1:]], _in_one_run(run, rows[key], rows[b, *key[1:]])) for key in shared]
    )


@lru_cache(maxsize=4)
def against_baseline(run: Run) -> pd.DataFrame:
    """Every backend against the baseline of its device; each kind of work, width, dtype and optimizer is a table."""
    rows = _rows(run)
    found: dict[tuple[Any, ...], list[Found]] = {}
    for name in in_order(run):
        for key in (key for key in rows if key[0] == name):
            base = BASELINES.get(rows[key]["device"], "")
            other = rows.get((base, *key[1:]))
            if other is not None and name != base and Status.OK in (rows[key]["status"], other["status"]):
                table = tuple(rows[key][column] for column in TABLE)
                pair = _in_one_run(run, rows[key], other)
                found.setdefault(table, []).append((name, base, rows[key], other, pair))
    return pd.concat([_judged(table) for table in found.values()]) if found else _judged([])


def two_runs(new: Run, old: Run) -> tuple[pd.DataFrame, list[str]]:
    """Each backend's cases of a run against those of an older one, and what is to be said of all of them."""
    rows, others = _rows(new), _rows(old)
    away = new.path.parent.name != old.path.parent.name
    found = []
    for key in (key for key in rows if key in others):
        compared = _between_runs(_scaled(rows, key, away), _scaled(others, key, away))
        if compared is not None or rows[key]["status"] in statuses(failed=True):
            sound = _unsound(new, rows[key]) or _unsound(old, others[key])
            found.append((key[0], key[0], rows[key], others[key], compared and Pair(compared, unsound=sound)))
    least, because = _control([pair.comparison.ratio for *_, pair in found if pair is not None])
    judged = []
    for a, b, row, other, pair in found:
        limit = max((least, because), resolution(new, row), key=itemgetter(0))
        judged.append((a, b, row, other, pair and Pair(pair.comparison, *limit, pair.unsound)))
    notes = ["two machines: ratios to the baseline of each run are compared, not times"] if away else []
    notes += [*_differences(new, old), f"no difference below {digits(100 * least)} % is claimed, {because}"]
    notes += _listed("new", rows, others) + _listed("gone", others, rows)
    return _judged(judged), notes


def worse(frame: pd.DataFrame, limit: float) -> list[str]:
    """What `--fail-on slower:LIMIT` fails on, a sentence each: verdicts of so much, and what had a time and failed."""
    slower = frame[(frame.verdict == "SLOWER") & (1 / frame.times_faster - 1 >= limit)]
    return [
        f"{_case(row)}: SLOWER by {digits(100 * (1 / row['times_faster'] - 1))} %" for row in slower.to_dict("records")
    ] + [f"{_case(row)}: {row['reason']}" for row in frame[frame.failed].to_dict("records")]


@lru_cache(maxsize=4)
def resolution_table(aa: Run) -> pd.DataFrame:
    """Each backend's passes of an A/A run against themselves, even against odd. Kept: not to be changed."""
    found = []
    for (name, *_), row in _rows(aa).items():
        if row["status"] == Status.OK and len(row["passes"]) >= 2 * LEAST_BLOCKS:
            blocks = _blocks(row)
            even, odd = ([blocks[number] for number in sorted(blocks) if number % 2 == side] for side in (0, 1))
            pairs = min(len(even), len(odd))
            found.append((name, name, row, row, Pair(compare_pairs(even[:pairs], odd[:pairs], MARGIN))))
    return _judged(found)


def resolution(run: Run, row: Row) -> tuple[float, str]:
    """The least difference that is claimed of pairs of passes at a case, and the A/A run that says so; 0 without one.

    It is the far end of the widest interval that the A/A run gave of a backend against itself at that case; of all its
    cases where it did not measure that one.
    """
    if run.aa is None or (table := resolution_table(run.aa)).empty:
        return 0.0, ""
    here = np.logical_and.reduce([table[name] == row[name] for name in CASE_FIELDS])
    return float(_widths(table[here] if here.any() else table).max()), f"that the A/A run {run.aa.name} resolves"


def _widths(table: pd.DataFrame) -> pd.Series:
    """How far from 1 the farther end of each interval is."""
    return pd.Series(np.maximum(table.high, 1 / table.low) - 1)


def resolution_in_words(run: Run) -> str:
    """What limits the claims of a run's comparisons, as a sentence: the A/A run, or that its passes are too few."""
    if not any(row["status"] == Status.OK and len(row["passes"]) >= LEAST_BLOCKS for row in _rows(run).values()):
        return (
            f"Of fewer than {LEAST_BLOCKS} passes only differences above {100 * DRIFT:g} % are called: "
            f"--passes {USUAL_PASSES} tells more."
        )
    if run.aa is None or (table := resolution_table(run.aa)).empty:
        return "No A/A run of this machine says what it can tell apart: python -m bench.compare --aa"
    widest = _widths(table).groupby([table[name] for name in CASE_FIELDS], dropna=False).max()
    span = " to ".join(dict.fromkeys(digits(100 * share) for share in (widest.min(), widest.max())))
    case = ", by its case," if len(widest) > 1 else ""
    return f"A/A run {run.aa.name}: a difference below {span} %{case} is not told apart by paired passes."


def in_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """For people: the case in words, times, ratio with its interval, verdict, reason."""
    rows = frame.to_dict("records")
    same = all(row["a"] == row["b"] for row in rows)
    return pd.DataFrame(
        {
            **({"backend": [row["a"] for row in rows]} if same else {}),
            "case": [_size(row) for row in rows],
            "A": [duration(row["a_us"] / 1e6) for row in rows],
            "B": [duration(row["b_us"] / 1e6) for row in rows],
            "A is times faster": [ratio_in_words(row) for row in frame.itertuples()],
            "verdict": [row["verdict"] for row in rows],
            "why not more": [row["reason"] for row in rows],
        }
    )


def _rows(run: Run) -> Rows:
    """The rows of a run that have a time or should have one, by backend and case."""
    timed = run.cases[run.cases.work.isin(named(timed=True))].to_dict("records")
    return {(row["backend"], *(row[name] for name in CASE_FIELDS)): row for row in timed}


def _blocks(row: Row) -> dict[int, float]:
    """The median seconds of a step in each pass."""
    return {number: float(np.median(block)) / row["steps"] for number, block in row["passes"].items()}


def _rounds(row: Row) -> list[float]:
    return [second / row["steps"] for second in row["seconds"]]


def _in_one_run(run: Run, a: Row, b: Row) -> Pair | None:
    """Passes that both have are pairs; where they are too few, the rounds say it, beyond what a machine may drift."""
    if not a["status"] == b["status"] == Status.OK:
        return None
    unsound, blocks, others = _unsound(run, a) or _unsound(run, b), _blocks(a), _blocks(b)
    shared = sorted(blocks.keys() & others.keys())
    if len(shared) >= LEAST_BLOCKS:
        found = compare_pairs([blocks[n] for n in shared], [others[n] for n in shared], MARGIN)
        return Pair(found, *resolution(run, a), unsound)
    found = compare_groups(_rounds(a), _rounds(b), MARGIN)
    return Pair(found, DRIFT, f"by which a machine may drift within a pass: --passes {USUAL_PASSES}", unsound)


def _between_runs(a: list[float], b: list[float]) -> Comparison | None:
    return compare_groups(a, b, MARGIN) if a and b else None


def _scaled(rows: Rows, key: tuple[Any, ...], by_baseline: bool) -> list[float]:
    """The blocks of a row, or its rounds where they are few; in units of its baseline's median where that is asked."""
    row = rows[key]
    if row["status"] != Status.OK:
        return []
    seconds = list(_blocks(row).values()) if len(row["passes"]) >= LEAST_BLOCKS else _rounds(row)
    if not by_baseline:
        return seconds
    base = rows.get((BASELINES.get(row["device"], ""), *key[1:]))
    if base is None or base["status"] != Status.OK or base is row:
        return []
    return [second / float(np.median(_rounds(base))) for second in seconds]


def _control(ratios: list[float]) -> tuple[float, str]:
    """The least difference that is claimed between two runs: the others of the table are the control.

    What all cases changed by at the median, and three times what they scatter about it (by the median of the
    distances, which a few that did change do not move).
    """
    if len(ratios) < CONTROLS:
        return DRIFT, f"by which a machine may change: fewer than {CONTROLS} cases do not tell whether it did"
    logs = np.log(ratios)
    scatter = 1.4826 * float(np.median(np.abs(logs - np.median(logs))))
    least = float(np.exp(abs(np.median(logs)) + 3 * scatter) - 1)
    return least, f"by which most cases changed: the median one is {np.exp(np.median(logs)):.3g} times as fast"


def _unsound(run: Run, row: Row) -> str:
    """Why the time of a row says nothing."""
    return warnings.in_words(warnings.grave(run, row))


def _judged(found: Sequence[Found]) -> pd.DataFrame:
    """One row each, with the verdicts of the table as a whole."""
    verdicts = iter(judge([pair for *_, pair in found if pair is not None]))
    rows = []
    for a, b, row, other, pair in found:
        verdict = next(verdicts) if pair is not None else None
        missing = [f"{r['backend']} is {r['status']}: {r['reason']}" for r in (row, other) if r["status"] != Status.OK]
        comparison = NOTHING if pair is None else pair.comparison
        rows.append(
            {
                "a": a,
                "b": b,
                **{name: row[name] for name in CASE_FIELDS},
                "a_us": _microseconds(row),
                "b_us": _microseconds(other),
                "times_faster": comparison.ratio,
                "low": comparison.low,
                "high": comparison.high,
                "blocks": comparison.blocks,
                "verdict": "UNSURE" if verdict is None else verdict.word,
                "kind": "missing" if verdict is None else verdict.kind,
                "reason": "; ".join(missing) if verdict is None else verdict.reason,
                "failed": row["status"] in statuses(failed=True) and other["status"] == Status.OK,
            }
        )
    return pd.DataFrame(rows, columns=[*COLUMNS])


def _microseconds(row: Row) -> float:
    return float(np.median(_rounds(row))) * 1e6 if row["status"] == Status.OK else float("nan")


def _differences(new: Run, old: Run) -> list[str]:
    """In what the two runs differ beside their times, a sentence each."""
    said = [(run.header["machine"], run.header["code"], run) for run in (new, old)]
    facts = [
        {
            "machine": run.machine,
            "setting": run.setting,
            "Python": machine["python"],
            "sources": code["content_hash"],
            **machine["packages"],
        }
        for machine, code, run in said
    ]
    names = dict.fromkeys([*facts[0], *facts[1]])
    return [
        f"{name}: {facts[0].get(name, 'none')}, was {facts[1].get(name, 'none')}"
        for name in names
        if facts[0].get(name) != facts[1].get(name)
    ]


def _listed(word: str, rows: Rows, others: Rows) -> list[str]:
    """The timed cases of one run that the other does not have, a sentence for each backend."""
    known, only = {key[0] for key in others}, dict[str, list[str]]()
    for key, row in rows.items():
        if key not in others and row["status"] == Status.OK:
            only.setdefault(key[0], []).append(_size(row))
    return [
        f"{word}: {name}, " + ("; ".join(cases) if name in known else f"all {len(cases)} cases")
        for name, cases in only.items()
    ]


def _case(row: Row) -> str:
    return f"{row['a']}, {_size(row)}"


def _size(row: Row) -> str:
    """A case in words: only what differs from the usual one."""
    usual = {"hidden": 512, "dtype": "float32", "inputs": 1, "outputs": 1, "networks": 1}
    parts = [str(row["work"]), *([row["optimizer"]] if row["optimizer"] else []), f"N = {row['batch']}"]
    letters = {"hidden": "H = ", "inputs": "D = ", "outputs": "O = ", "networks": "networks "}
    return " ".join(parts) + "".join(
        f", {letters.get(name, '')}{row[name]}" for name, value in usual.items() if row[name] != value
    )


def ratio_in_words(row: Any) -> str:
    """How many times faster A is, and the interval of that: "3.5x (3.4 to 3.6)"; empty where nothing is known."""
    if row.times_faster != row.times_faster:
        return ""
    ends = "" if row.low != row.low else f" ({digits(row.low)} to {digits(row.high)})"
    return f"{digits(row.times_faster)}x{ends}"
