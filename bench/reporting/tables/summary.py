"""The main tables: the columns that answer most questions, and the times that ratios are quoted from."""

from collections.abc import Callable
from functools import lru_cache, partial
from math import inf, log
from statistics import fmean
from typing import NamedTuple

import pandas as pd

from bench.analysis import learning, throughput
from bench.analysis.fastest import fastest
from bench.analysis.frames import Run, absence, focus, in_order, matching, records
from bench.grid.case import RULES
from bench.grid.workloads import WORKLOADS, Shown
from bench.reporting import number_format as fmt
from bench.reporting.document import Document, Table
from bench.reporting.provenance import legend, note
from bench.reporting.tables.spec import Columns, Row, TableSpec

MICROSECONDS = {"us": 1, "ms": 1e3, "s": 1e6}
IN_MILLISECONDS = 20_000  # samples from which on a column that a run was asked for is in ms
MOST_SIZES = 4  # columns of a kind of work in a run that has none of the usual sizes
HEADLINE = (("step", 32, "sgd"), ("step", 32, "adam"), *(("gradient", n, "") for n in (800, 65536, 2**20, 10**7)))

Case = dict[str, object]  # fields that the rows of a column have, beside the width and dtype that the run is about
Cell = Callable[[Row], str]


class MainColumn(NamedTuple):
    """A column of a main table."""

    title: str
    rows: pd.DataFrame
    case: Case
    cell: Cell
    best: list[str]  # the backends that are marked as the fastest


@lru_cache
def summary(run: Run) -> pd.DataFrame:
    """The main table: a row for each backend that ran, and the columns that answer most questions."""
    return _summary(run, fmt.time_cell)


def short_summary(run: Run) -> pd.DataFrame:
    """The main table with times alone, for a terminal."""
    return _summary(run, fmt.short_time_cell)


def _summary(run: Run, form: Callable[..., str]) -> pd.DataFrame:
    columns = [
        _timed(run, work, column.batch, column.optimizer, f"N={column.batch}\n{column.unit}",
               partial(form, unit=MICROSECONDS[column.unit]))
        for work, column in main_columns(run)
    ]  # fmt: skip
    return _main_rows(run, [*columns, _learned(run)])


def _learned(run: Run) -> MainColumn:
    """Seconds of Adam until the error of sin is 1e-2."""
    hidden, dtype = focus(run)
    case: Case = {"target": "sin", "scheme": "spread", "optimizer": "adam"}
    rows, name = learning.convergence(run), "seconds_to_0.01"
    seconds = matching(rows, **case, hidden=hidden, dtype=dtype)
    best = [] if seconds.empty else [*seconds.backend[seconds[name] == seconds[name].min()]]
    return MainColumn("Adam, sin\nto 1e-2\ns", rows, case, partial(fmt.seconds_cell, column=name), best)


def main_columns(run: Run) -> list[tuple[str, Shown]]:
    """The kinds of work and sizes of the main table: the usual ones, or those that the run was asked for."""
    rows, (hidden, dtype) = throughput.throughput(run), focus(run)
    rows = matching(rows, hidden=hidden, dtype=dtype)
    asked = run.header["settings"]["selection"].get("batch", "")
    columns = []
    for kind in (kind for kind in WORKLOADS.values() if kind.columns and len(rows)):
        own = rows[rows.work == kind.name]
        usual = [column for column in kind.columns if (own.batch == column.batch).any()]
        if usual and not asked:
            columns += [(kind.name, column) for column in usual]
            continue
        sizes = sorted(set(own.batch))
        sizes = sizes if asked else sizes[:MOST_SIZES]
        for rule in dict.fromkeys(column.optimizer for column in kind.columns):
            columns += [(kind.name, Shown(size, "ms" if size >= IN_MILLISECONDS else "us", rule)) for size in sizes]
    return columns


@lru_cache
def headline(run: Run) -> pd.DataFrame:
    """The times that ratios are quoted from, each with how many times faster than the baseline of its device it is."""
    cell = partial(fmt.ratio_cell, column="times_faster_than_baseline")
    return _main_rows(run, [_timed(run, work, n, rule, f"N={fmt.power(n)}", cell) for work, n, rule in HEADLINE])


def _timed(run: Run, work: str, batch: int, rule: str, size: str, cell: Cell) -> MainColumn:
    title = f"{type(RULES[rule]).__name__} {work}" if rule else work
    case: Case = {"work": work, "batch": batch, "optimizer": rule}
    hidden, dtype = focus(run)
    found = records(matching(fastest(run), **case, hidden=hidden, dtype=dtype))
    best = [name for row in found for name in (row["fastest"], *row["tied"].split(", "))]
    return MainColumn(f"{title}\n{size}", throughput.throughput(run), case, cell, best)


def _main_rows(run: Run, columns: list[MainColumn]) -> pd.DataFrame:
    """A row for each backend that ran, at `focus(run)`; without the columns that no backend has.

    Backends of one library follow each other, the fastest first, by the mean of the logarithms of their times over the
    fastest of each column; libraries follow in the order of their fastest. The fastest of a column are marked.
    """
    hidden, dtype = focus(run)
    table = pd.DataFrame({"backend": [name for name in in_order(run) if absence(run, name) is None]})
    behind: dict[str, list[float]] = {name: [] for name in table.backend}
    for title, rows, case, cell, best in columns:
        found = {row["backend"]: row for row in reversed(records(matching(rows, **case, hidden=hidden, dtype=dtype)))}
        if found.keys().isdisjoint(table.backend):
            continue
        cells = {name: cell(row) + (f" {fmt.FASTEST}" if name in best else "") for name, row in found.items()}
        table[title] = [cells.get(name, "") for name in table.backend]
        times = {name: row["median_us"] for name, row in found.items() if pd.notna(row.get("median_us"))}
        for name in times.keys() & behind.keys():
            behind[name].append(log(times[name] / min(times.values())))
    score = {name: fmean(logs) if logs else inf for name, logs in behind.items()}
    library = {name: name.partition("-")[0] for name in score}
    first = {own: min(score[name] for name in score if library[name] == own) for own in library.values()}
    order = sorted(score, key=lambda name: (first[library[name]], library[name], score[name]))
    return table.set_index("backend").loc[order].reset_index()


def in_one_line(frame: pd.DataFrame) -> pd.DataFrame:
    """The summary or the headline with each title in one line."""
    return frame.rename(columns=lambda title: title.replace("\n", ", "))


def focus_in_words(run: Run) -> str:
    """The width and dtype of the main table, in words."""
    hidden, dtype = focus(run)
    return f"H = {hidden}, {dtype}"


def not_here(run: Run) -> Document:
    """A line on the backends that could not run on this machine; none where all could."""
    names = [name for name in in_order(run) if absence(run, name) is not None]
    which = f"{len(names)} backends" if len(names) > 1 else "One backend"
    return [f"{which} cannot run here: {', '.join(names)}; tables/backends has each reason."] if names else []


def lay_out_summary(run: Run, rows: pd.DataFrame, columns: Columns = ()) -> Document:
    """The main table, and a sentence on the backends that are not in it."""
    return [focus_in_words(run) + ".", Table(in_one_line(rows)), *legend_of_summary(run), *not_here(run)]


def legend_of_summary(run: Run) -> Document:
    """What was running while marked times of the main table were measured, and what to do about its warnings."""
    hidden, dtype = focus(run)
    rows = matching(throughput.throughput(run), hidden=hidden, dtype=dtype)
    shown = {(work, column.batch, column.optimizer) for work, column in main_columns(run)}
    if rows.empty:
        return []
    return legend(rows[[case in shown for case in zip(rows.work, rows.batch, rows.optimizer, strict=True)]])


def lay_out_headline(run: Run, rows: pd.DataFrame, columns: Columns) -> Document:
    """The headline table, and how the baseline compares with what people write."""
    frame = in_one_line(rows)
    if len(frame.columns) < 2:
        return []
    timed, (hidden, dtype) = throughput.throughput(run), focus(run)
    algorithms = timed[timed.algorithm != ""].groupby("backend").algorithm.unique().map(" / ".join)
    frame.insert(1, "algorithm", [algorithms.get(name, "") for name in frame.backend])
    timed = timed[timed.work.isin(("step", "gradient"))]
    level = timed[(timed.backend == throughput.BASELINE) & timed.baseline_over_recipe.notna()]
    peers = ", ".join(
        f"{row.baseline_over_recipe:.2f} ({row.work}{row.optimizer and ' ' + row.optimizer}, N = {row.batch})"
        for row in level.itertuples()
    )
    chosen = matching(timed, hidden=hidden, dtype=dtype)
    found = records(chosen)
    frame["note"] = [note([row for row in found if row["backend"] == name]) for name in frame.backend]
    text = f"x: times faster than {', '.join(sorted(set(chosen.baseline.dropna())))} in the same run."
    text += f" {throughput.BASELINE} over {throughput.BASELINE_PEER}, what people write: {peers}." if peers else ""
    text = " ".join(filter(None, (text, throughput.baseline_in_words(run))))
    return [f"{focus_in_words(run)}. {text}", Table(frame), *legend(chosen)]


HEADLINE_TABLE = TableSpec("headline", headline, lay_out=lay_out_headline)
SUMMARY_TABLE = TableSpec("summary", summary, lay_out=lay_out_summary)
