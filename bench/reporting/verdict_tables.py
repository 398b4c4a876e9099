"""Verdicts in words: why one is not more, what has changed between two runs, and the sentence of a crossover."""

from collections.abc import Iterable
from functools import partial
from math import ceil
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis import comparison
from bench.analysis.comparison import Changes, Row
from bench.analysis.frames import Run
from bench.analysis.throughput import baseline_in_words
from bench.grid.sweep import Sweep
from bench.journal.schema import CASE_FIELDS
from bench.journal.status import Status
from bench.reporting.document import Document, Heading, Table, Words
from bench.reporting.notes import case_in_words
from bench.reporting.number_format import LOADED, digits, duration, ends, whole
from bench.reporting.tables import Column, Columns, TableSpec, flat, matrix
from bench.statistics.bisection import DECIDED, Crossing, Measured
from bench.statistics.intervals import Comparison
from bench.statistics.verdicts import DRIFT, LEAST_BLOCKS, MARGIN

VERDICTS_NOTE = Words("""FASTER and SLOWER: by a rank test over passes that alternate, at 5 % for each table (Holm's
correction), and by more than the machine can tell apart. SAME: seen to differ by less than 5 %, at the same level. All
else is UNSURE: *drift* where the difference is smaller than what the machine itself may change by (50 % within a single
pass; `--passes 12` resolves more), *wide* where the interval holds 1, *few* where there are too few rounds for an
interval, *weak* where their ranks are not evidence enough in a table of its length, *loaded* where something else was
running while one of the two was measured. The .csv has each reason. Behind each word: how many times faster the row is,
with its 95 % interval, which reaches over what other runs of the machine and the passes of this one have given.""")

MEASURE_AGAIN = (
    f"measure both again with --passes {comparison.USUAL_PASSES} (or more) on a quiet machine, or both commits at "
    "once: python -m bench.compare --commits OLD NEW"
)
MORE_QUIET = "measure again on a quieter machine, or with --threads 1, which others disturb less"


def with_reasons(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table of verdicts with the column `reason`: why a verdict is not more."""
    return frame.assign(reason=[reason(row) for row in frame.to_dict("records")])


def reason(row: Row) -> str:
    """Why the verdict of a row is not more; empty for FASTER and SLOWER."""
    match row["kind"]:
        case "few":
            return f"{row['blocks']} blocks of {LEAST_BLOCKS} that an interval needs"
        case "drift":
            difference = max(row["times_faster"], 1 / row["times_faster"]) - 1
            return f"{digits(100 * difference)} % is within the {digits(100 * row['least'])} % {row['detail']}"
        case "wide":
            return f"between {row['low']:.3g} and {row['high']:.3g} times"
        case "weak":
            return f"ranks of {row['blocks']} blocks, in a table of this length: p = {row['p_different']:.2g}"
        case "":
            return f"within {100 * MARGIN:g} %" if row["verdict"] == "SAME" else ""
    return str(row["detail"])


def ratio(row: Row) -> str:
    """How many times faster A is, with the interval: "3.5x (3.4 to 3.6)"; empty where nothing is known."""
    if np.isnan(row["times_faster"]):
        return ""
    text = f"{digits(row['times_faster'], (row['high'] - row['low']) / 2)}x"
    return " ".join(filter(None, (text, ends(row["low"], row["high"]))))


def _time(row: Row, side: str) -> str:
    """The time of A or of B, with a mark if it was measured under load."""
    return duration(row[f"{side}_us"] / 1e6) + (LOADED if row[f"{side}_load"] else "")


def loads_in_words(frame: pd.DataFrame) -> list[str]:
    """A line on the times with a mark: what was running; none where there is no mark."""
    marked = frame[(frame.a_load != "") | (frame.b_load != "")].to_dict("records") if len(frame) else []
    sides = [(row, side) for row in marked for side in "ab" if row[f"{side}_load"]]
    parts = dict.fromkeys(f"{row[side]}, {case_in_words(row)}: {row[f'{side}_load']}" for row, side in sides)
    return [f"{LOADED} Measured under load: {'; '.join(parts)}."] if parts else []


READ = (
    Column(title="case", cell=case_in_words),
    *(Column(title=side.upper(), cell=partial(_time, side=side)) for side in "ab"),
    Column(title="A is times faster", cell=ratio),
    Column("verdict", "verdict"),
    Column(title="why not more", cell=reason),
)


def table(frame: pd.DataFrame) -> Table:
    """Verdicts as people read them: the case in words, times, ratio with its interval, verdict, reason."""
    same = (frame.a == frame.b).all()
    return flat(frame, [*([Column("a", "backend")] if same else []), *READ])


def resolution_in_words(run: Run) -> str:
    """What limits the claims of a run's comparisons: its A/A run, or that it has too few passes."""
    if not comparison.has_pairs(run):
        return (
            f"With fewer than {LEAST_BLOCKS} passes only differences above {100 * DRIFT:g} % are reported; for smaller "
            f"ones measure with --passes {comparison.USUAL_PASSES}."
        )
    if run.aa is None or not (found := comparison.resolutions(run.aa)):
        return "No A/A run of this machine says what it can tell apart; measure one: python -m bench.compare --aa"
    span = " to ".join(dict.fromkeys(digits(100 * share) for share in (min(found), max(found))))
    case = ", by its case," if len(found) > 1 else ""
    return f"A/A run {run.aa.name}: a difference below {span} %{case} is not told apart by paired passes."


def lay_out_verdicts(run: Run, frame: pd.DataFrame, columns: Columns) -> Document:
    """Every backend against the baseline of its device: one word and the ratio for each case."""
    frame = frame.assign(backend=frame.a)
    document: Document = [VERDICTS_NOTE, resolution_in_words(run), *filter(None, [baseline_in_words(run)])]
    for (work, dtype, hidden, rule), rows in frame.groupby(comparison.TABLE, sort=True):
        base = " and ".join(sorted(set(rows.b)))
        title = f"{work}{rule and ', ' + rule}, against {base}; H = {hidden}, {dtype}"
        document += [Heading(3, title), matrix(run, rows, _cell)]
    if run.aa is not None:
        title = f"Each against itself, A/A run {run.aa.name}"
        document += [Heading(3, title), table(comparison.resolution_table(run.aa))]
    return [*document, *loads_in_words(frame)]


def _cell(row: Row) -> str:
    """The word, of UNSURE the kind, the ratio and its interval; empty where a time is missing."""
    if row["kind"] == "missing":
        return ""
    kind = f" ({row['kind']})" if row["kind"] else ""
    return f"{row['verdict']}{kind} {ratio(row)}"


def changes_in_words(new: Run, old: Run, changes: Changes) -> list[str]:
    """What two runs differ in beside their times, and what is to be said of all cases; a sentence each."""
    notes = ["two machines: ratios to the baseline of each run are compared, not times"] if changes.away else []
    facts, before = _facts(new), _facts(old)
    for name in {**facts, **before}:
        now, was = facts.get(name, "none"), before.get(name, "none")
        notes += [f"{name}: {now}, was {was}"] if now != was else []
    limits = [(digits(100 * control.least), control.because) for control in changes.controls.values()]
    for (least, because), names in _grouped(zip(limits, changes.controls, strict=True)).items():
        whose = "" if len(names) == len(limits) else f"{', '.join(names)}: "
        notes.append(f"{whose}no difference below {least} % is claimed, {because}")
    if not changes.controls:
        notes.append("the two runs share no case: name two runs with the same options")
    for word, only in (("new", changes.new), ("gone", changes.gone)):
        for name, cases, is_all in only:
            which = f"all {len(cases)} cases" if is_all else "; ".join(map(case_in_words, cases))
            notes.append(f"{word}: {name}, {which}")
    return notes


def control_in_words(new: Run, old: Run, control: Comparison) -> list[str]:
    """What the recipes, whose code does not change between two commits, say of the machine; a sentence each."""
    notes = ["bench and its recipes are those of this checkout on both sides; only relufit differs"]
    threads, before = (run.header["threads_in_force"] for run in (new, old))
    if threads != before:
        notes.append(f"threads in force: {threads}, were {before}")
    if np.isnan(control.ratio):
        return [*notes, "no recipe could be timed on both sides: there is no control"]
    times = digits(control.ratio, (control.high - control.low) / 2)
    return [*notes, f"control: unchanged recipes are {times}x {ends(control.low, control.high)} as fast with NEW; "
                    "each ratio is divided by that"]  # fmt: skip


def _facts(run: Run) -> dict[str, Any]:
    machine = run.header["machine"]
    return {
        "machine": run.machine,
        "setting": run.setting,
        "Python": machine["python"],
        "sources": run.header["code"]["content_hash"],
        **machine["packages"],
    }


def _grouped(pairs: Iterable[tuple[Any, str]]) -> dict[Any, list[str]]:
    """The names that have a key in common, by key."""
    found: dict[Any, list[str]] = {}
    for key, name in pairs:
        found.setdefault(key, []).append(name)
    return found


def count_findings(frame: pd.DataFrame, limit: float) -> str:
    """What a gate finds of how many cases: "12 within 5 %, 1 slower, 0 failed, 2 vanished, 3 inconclusive"."""
    counts = comparison.findings(frame, limit).value_counts()
    words = {"within": f"within {digits(100 * limit)} %"}
    return ", ".join(f"{counts.get(word, 0)} {words.get(word, word)}" for word in comparison.FINDINGS)


def worse(frame: pd.DataFrame, limit: float) -> list[str]:
    """What `--fail-on slower:LIMIT` fails on, a sentence each: cases that became slower, that fail now, or vanished."""
    said = []
    for row, word in zip(frame.to_dict("records"), comparison.findings(frame, limit), strict=True):
        if word == "slower":
            said.append(f"{_whose(row)}: SLOWER by {digits(100 * (1 / row['times_faster'] - 1))} %")
        elif word == "failed":
            said.append(f"{_whose(row)}: {reason(row)}")
        elif word == "vanished":
            said.append(f"{_whose(row)}: vanished; {reason(row)}")
    return said


def undecided(found: pd.Series, advice: str) -> str:
    """What a gate cannot decide, and what to do so that it can."""
    count = int((found == "inconclusive").sum())
    what = f"{count} of {len(found)} cases are inconclusive" if count else "no case has a time on both sides"
    return f"{what}: {advice}"


def _whose(row: Row) -> str:
    return f"{row['a']}, {case_in_words(row)}"


def lay_out_crossover(run: Run, rows: pd.DataFrame, columns: Columns) -> Document:
    """The sentence, what the machine can tell apart, and the sizes one below the other."""
    loads = loads_in_words(comparison.crossover(run))
    return [crossover_in_words(run), resolution_in_words(run), crossover_table(run), *loads]


def crossover_table(run: Run) -> Table:
    """A line for each size: the times of both, how many times faster A is, and the verdict on it."""
    sweep = run.sweep
    assert sweep is not None
    titles = {"A": sweep.a, "B": sweep.b, "A is times faster": f"{sweep.a} is times faster"}
    own = [column._replace(title=titles.get(column.title, column.title)) for column in READ[1:]]
    return flat(comparison.crossover(run), [Column("size", sweep.symbol, whole), *own])


def crossover_in_words(run: Run) -> str:
    """Where which backend overtakes the other, or that none does, and what was not measured."""
    sweep, row = run.sweep, comparison.measured(run)
    assert sweep is not None
    if comparison.disagrees(run):
        claim = "No crossover is claimed"
    elif not row:
        claim = "Nothing was compared"
    else:
        found = comparison.crossings(run)
        claim = _overtaking(sweep, row, found) if found else _one_side(sweep, row)
    return " ".join(f"{text}." for text in (claim, *_missing(run, sweep)))


def _missing(run: Run, sweep: Sweep) -> list[str]:
    """A sentence for each size that a backend failed at, or that was not measured, and why."""
    found = []
    for size, cases in run.cases[run.cases.status != Status.OK].groupby(sweep.over):
        first = cases.iloc[0]
        verb = "was not measured" if first.status == Status.SKIPPED else first.status
        whose = f"{first.backend}: " if len(cases) == 1 or cases.reason.nunique() > 1 else ""
        found.append(f"{sweep.symbol} = {whole(size)} {verb}: {whose}{first.reason}")
    return found


def _overtaking(sweep: Sweep, row: list[Measured], found: list[Crossing]) -> str:
    """The first crossover, how far apart the backends are on either side of it, and the others."""
    first, *others = found
    slow, fast = _names(sweep, first.word == "FASTER")
    end = others[0].low if others else row[-1].size
    below = _times(point for point in row if point.size <= first.low)
    above = _times(point for point in row if first.high <= point.size <= end)
    text = (
        f"{fast} overtakes {slow} at {sweep.symbol} = {whole(ceil(first.size))} (between {whole(first.low)} and "
        f"{whole(first.high)}): {sweep.words()}; below, {slow} is up to {digits(max(below))} times faster, "
        f"above, {fast} up to {digits(max(above))} times"
    )
    for other in others:
        slow, fast = _names(sweep, other.word == "FASTER")
        text += f"; then {fast} overtakes {slow} between {whole(other.low)} and {whole(other.high)}"
    return text


def _names(sweep: Sweep, a_first: bool) -> tuple[str, str]:
    return (sweep.a, sweep.b) if a_first else (sweep.b, sweep.a)


def _times(points: Iterable[Measured]) -> list[float]:
    """How many times faster the faster one is, at the sizes where one clearly is."""
    return [max(point.ratio, 1 / point.ratio) for point in points if point.word in DECIDED]


def _one_side(sweep: Sweep, row: list[Measured]) -> str:
    """No crossover was seen: who is the faster where one clearly is."""
    n, times = sweep.symbol, _times(row)
    span = f"from {n} = {whole(row[0].size)} to {whole(row[-1].size)}" if len(row) > 1 else f"{n} = {row[0].size}"
    if not times:
        return f"Neither {sweep.a} nor {sweep.b} is clearly faster at any size measured, {span}: {sweep.words()}"
    fast, slow = _names(sweep, any(point.word == "FASTER" for point in row))
    where, rest = "every size", ""
    if len(times) < len(row):
        where, rest = f"{len(times)} of {len(row)} sizes", ", and at the others no difference is clear"
    far = " to ".join(dict.fromkeys([digits(min(times)), digits(max(times))]))
    return f"{fast} is faster than {slow} at {where} measured, {span}: {sweep.words()}; {far} times{rest}"


COMPARED = f"a b {' '.join(CASE_FIELDS)} a_us b_us times_faster low high blocks verdict kind reason failed"
VERDICTS = TableSpec(
    "verdicts", lambda run: with_reasons(comparison.against_baseline(run)), COMPARED, lay_out=lay_out_verdicts
)
CROSSOVER = TableSpec(
    "crossover",
    lambda run: with_reasons(comparison.crossover(run)),
    f"{COMPARED} size",
    lay_out=lay_out_crossover,
    applies=lambda run: run.sweep is not None,
)
