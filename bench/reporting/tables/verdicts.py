"""Verdicts in words: the table of them, why one is not more, and what limits all of them."""

from functools import partial

import numpy as np
import pandas as pd

from bench.analysis.frames import Run, records
from bench.analysis.pairs import comparison, resolution
from bench.analysis.throughput import baseline_in_words
from bench.analysis.verdicts import Row
from bench.grid.workloads import named
from bench.journal.schema import CASE_FIELDS
from bench.reporting.document import Document, Heading, Table, Words
from bench.reporting.number_format import LOADED, digits, duration, ends
from bench.reporting.provenance import case_in_words, loads_in_words
from bench.reporting.tables.spec import Column, Columns, TableSpec, flat, matrix
from bench.statistics.verdicts import DRIFT, LEAST_BLOCKS, MARGIN

VERDICTS_NOTE = Words("""FASTER and SLOWER: by a rank test over passes that alternate, at 5 % for each table (Holm's
correction), and by more than the machine can tell apart. SAME: seen to differ by less than 5 %, at the same level. All
else is UNSURE: *drift* where the difference is smaller than what the machine itself may change by (50 % within a single
pass; `--passes 12` resolves more), *wide* where the interval holds 1, *few* where there are too few rounds for an
interval, *weak* where their ranks are not evidence enough in a table of its length, *loaded* where something else was
running while one of the two was measured. The .csv has each reason. Behind each word: how many times faster the row is,
with its 95 % interval, which reaches over what other runs of the machine and the passes of this one have given.""")


def with_reasons(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table of verdicts with the column `reason`: why a verdict is not more."""
    return frame.assign(reason=[reason(row) for row in records(frame)])


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


def loads_of(frame: pd.DataFrame) -> list[str]:
    """A line on the times of verdicts with a mark: what was running."""
    rows = [(row, side) for row in records(frame) for side in "ab"]
    return loads_in_words({**row, "backend": row[side], "under_load": row[f"{side}_load"]} for row, side in rows)


READ = (
    Column(title="case", cell=case_in_words),
    *(Column(title=side.upper(), cell=partial(_time, side=side)) for side in "ab"),
    Column(title="A is times faster", cell=ratio),
    Column("verdict", "verdict"),
    Column(title="why not more", cell=reason),
)


def verdict_table(frame: pd.DataFrame) -> Table:
    """Verdicts as people read them: the case in words, times, ratio with its interval, verdict, reason."""
    same = (frame.a == frame.b).all()
    return flat(frame, [*([Column("a", "backend")] if same else []), *READ])


def resolution_in_words(run: Run) -> str:
    """What limits the claims of a run's comparisons: its A/A run, or that it has too few passes."""
    if not resolution.has_pairs(run):
        repeated = run.cases.work.isin(named(timed=True, repeated=True)).any()
        more = f"; for smaller ones measure with --passes {comparison.USUAL_PASSES}" if repeated else ""
        return f"With fewer than {LEAST_BLOCKS} passes only differences above {100 * DRIFT:g} % are reported{more}."
    if run.aa is None or not (found := resolution.resolutions(run.aa)):
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
        document += [Heading(3, title), verdict_table(resolution.resolution_table(run.aa))]
    return [*document, *loads_of(frame)]


def _cell(row: Row) -> str:
    """The word, of UNSURE the kind, the ratio and its interval; empty where a time is missing."""
    if row["kind"] == "missing":
        return ""
    kind = f" ({row['kind']})" if row["kind"] else ""
    return f"{row['verdict']}{kind} {ratio(row)}"


COMPARED = f"a b {' '.join(CASE_FIELDS)} a_us b_us times_faster low high blocks verdict kind reason failed"
VERDICTS = TableSpec(
    "verdicts",
    lambda run: with_reasons(comparison.against_baseline(run)),
    COMPARED,
    lay_out=lay_out_verdicts,
    split="work",
)
