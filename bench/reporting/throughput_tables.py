"""Tables of what was timed: every size, the ratios of the headline, the summary, scaling, ensembles; and of memory."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.analysis import learning, throughput
from bench.analysis.frames import Run, absence, absent, focus, in_order, sorted_by_backend
from bench.grid.case import RULES
from bench.grid.workloads import WORKLOADS, named, workload
from bench.journal.status import Status
from bench.reporting import number_format
from bench.reporting.document import Document, Heading, Table, Words
from bench.reporting.notes import note
from bench.reporting.number_format import digits, duration, mebibytes, ratio_cell, roofed_cell, time_cell, whole
from bench.reporting.tables import Column, Columns, Row, TableSpec, flat, in_csv, matrix, shown

THROUGHPUT_NOTE = Words("""In square brackets: the share of the roof, which is the least time that the measured
ceilings allow for the algorithm's instructions, multiply-adds and compulsory bytes (`bench/grid/cost.py`), over the
measured time. Columns of the .csv: `share_of_copy` is the bandwidth that going through (N, H) arrays implies
over the copy rate, above 1 where they stay in a cache; `samples_per_second` counts *effective* samples where the
algorithm is hinge.""")
SCALING_NOTE = Words(
    "One full-batch gradient; hinge: exact, at *effective* samples. Notes: why a backend goes no further."
)
ENSEMBLES_NOTE = Words(
    f"Networks of {throughput.ENSEMBLE_STEPS} steps a second, trained at once on the same batches (`train_many`)."
)


class MainColumn(NamedTuple):
    """A column of the summary or the headline: one case, at the width and dtype that the run is about."""

    rows: Callable[[Run], pd.DataFrame]
    case: dict[str, object]  # fields that its rows have
    cell: Callable[[Row], str]


def _timed(work: str, batch: int, optimizer: str, cell: Callable[[Row], str]) -> MainColumn:
    return MainColumn(throughput.throughput, {"work": work, "batch": batch, "optimizer": optimizer}, cell)


def _against_baseline(row: Row) -> str:
    return ratio_cell(row, "times_faster_than_baseline")


MICROSECONDS = {"us": 1, "ms": 1e3, "s": 1e6}


def _summary_column(work: str, batch: int, unit: str, rule: str) -> tuple[str, MainColumn]:
    """A timed column of the summary, and its title."""
    title = f"{type(RULES[rule]).__name__} {work}" if rule else work
    cell = lambda row: time_cell(row, MICROSECONDS[unit])  # noqa: E731
    return f"{title}\nN={batch}\n{unit}", _timed(work, batch, rule, cell)


CONVERGENCE_COLUMN = {
    "Adam, sin\nto 1e-2\ns": MainColumn(
        learning.convergence,
        {"target": "sin", "scheme": "spread", "optimizer": "adam"},
        lambda row: number_format.seconds_cell(row, "seconds_to_0.01"),
    )
}
HEADLINE = {
    "SGD step\nN=32": _timed("step", 32, "sgd", _against_baseline),
    "Adam step\nN=32": _timed("step", 32, "adam", _against_baseline),
    "gradient\nN=800": _timed("gradient", 800, "", _against_baseline),
    "gradient\nN=65536": _timed("gradient", 65536, "", _against_baseline),
    "gradient\nN=2^20": _timed("gradient", 2**20, "", _against_baseline),
    "gradient\nN=10^7": _timed("gradient", 10**7, "", _against_baseline),
}


def summary(run: Run) -> pd.DataFrame:
    """The main table: a row for each backend that ran, and the columns that answer most questions."""
    columns = dict(_summary_column(kind.name, *shown) for kind in WORKLOADS.values() for shown in kind.columns)
    return _main_rows(run, {**columns, **CONVERGENCE_COLUMN})


def headline(run: Run) -> pd.DataFrame:
    """The times that ratios are quoted from, each with how many times faster than the baseline of its device it is."""
    return _main_rows(run, HEADLINE)


def _main_rows(run: Run, columns: dict[str, MainColumn]) -> pd.DataFrame:
    """A row for each backend that ran, at `focus(run)`; without the columns that no backend has."""
    hidden, dtype = focus(run)
    table = pd.DataFrame({"backend": [name for name in in_order(run) if absence(run, name) is None]})
    for title, (rows, case, cell) in columns.items():
        found = rows(run)
        if found.empty:
            continue
        fields = {**case, "hidden": hidden, "dtype": dtype}
        found = found[np.logical_and.reduce([found[name] == value for name, value in fields.items()])]
        cells = {row["backend"]: cell(row) for row in reversed(found.to_dict("records"))}
        if not cells.keys().isdisjoint(table.backend):
            table[title] = [cells.get(name, "") for name in table.backend]
    return table


def in_one_line(frame: pd.DataFrame) -> pd.DataFrame:
    """The summary or the headline with each title in one line."""
    return frame.rename(columns=lambda title: title.replace("\n", ", "))


def focus_in_words(run: Run) -> str:
    """The width and dtype of the main table, in words."""
    hidden, dtype = focus(run)
    return f"H = {hidden}, {dtype}"


def not_here(run: Run) -> Document:
    """A sentence on the backends that could not run on this machine, each reason once; none where all could."""
    found: dict[str, list[str]] = {}
    for name in absent(run):
        found.setdefault(str(absence(run, name)), []).append(name)
    parts = [f"{', '.join(names)} ({reason})" for reason, names in found.items()]
    return [f"Not measured here: {'; '.join(parts)}."] if parts else []


def lay_out_summary(run: Run, rows: pd.DataFrame, columns: Columns = ()) -> Document:
    """The main table, and a sentence on the backends that are not in it."""
    return [focus_in_words(run) + ".", Table(in_one_line(rows)), *not_here(run)]


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
    chosen = timed[(timed.hidden == hidden) & (timed.dtype == dtype)]
    frame["note"] = [note(chosen[chosen.backend == name]) for name in frame.backend]
    named = ", ".join(sorted(set(chosen.baseline.dropna())))
    text = f"x: times faster than {named} in the same run."
    text += f" {throughput.BASELINE} over {throughput.BASELINE_PEER}, what people write: {peers}." if peers else ""
    return [f"{focus_in_words(run)}. {text}", Table(frame)]


def lay_out_throughput(run: Run, rows: pd.DataFrame, columns: Columns) -> Document:
    """One small table for each kind of work, width and dtype: backends down, batch sizes across."""
    document: Document = [THROUGHPUT_NOTE] if rows.share_of_roof.notna().any() else []
    for kind in map(workload, named(table="throughput")):
        own = rows[rows.work == kind.name]
        for (dtype, hidden, rule), group in own.groupby(["dtype", "hidden", "optimizer"]):
            heading = f"{kind.title}{rule and ', ' + rule}, {kind.unit}; H = {hidden}, {dtype}"
            table = matrix(run, group, roofed_cell, heading=lambda n: f"N = {whole(n)}", note=note)
            document += [Heading(3, heading), table]
    return document


def _scaling_cell(row: Row) -> str:
    half = (row["high_seconds"] - row["low_seconds"]) / 2
    return duration(row["median_seconds"], half) if row["status"] == Status.OK else str(row["status"])


def _ensemble_cell(row: Row) -> str:
    relative = (row["high_us"] - row["low_us"]) / 2 / row["median_us"]
    rate = row["networks_per_second"]
    return digits(rate, relative * rate) if row["status"] == Status.OK else str(row["status"])


def _first_reason(rows: pd.DataFrame) -> str:
    return next(filter(None, rows.reason), "")


def memory(run: Run) -> pd.DataFrame:
    """Peak bytes of one gradient beyond its inputs."""
    return run.cases[run.cases.work == "memory"]


def lay_out_memory(run: Run, rows: pd.DataFrame, columns: Columns) -> Document:
    """A row for each case; below 1 MiB resident memory says nothing, for the heap may have kept as much before."""
    rows = sorted_by_backend(run, rows).sort_values(["dtype", "hidden", "batch"], kind="stable")
    return [flat(rows, columns)]


def backends(run: Run) -> pd.DataFrame:
    """Every backend and recipe: whether it ran, or why not, and what it is."""
    rows = [
        {
            "backend": name,
            "state": absence(run, name) or "ran",
            "facts": ", ".join(f"{key} {value}" for key, value in state["facts"].items()),
        }
        for name, state in run.header["backends"].items()
    ]
    return pd.DataFrame(rows)


THROUGHPUT = TableSpec(
    "throughput",
    throughput.throughput,
    in_csv(
        "work batch hidden dtype optimizer backend device algorithm samples status median_us low_us high_us device_us "
        "launch_bound_share kernels_per_step gpu_watts gpu_sm_mhz gpu_throttled samples_per_second share_of_roof "
        "share_of_copy error_share_of_bound gradient_error rounds calls_per_round minor_faults_per_call build_seconds "
        "first_call_seconds order unsound grave reason baseline baseline_over_recipe times_faster_than_baseline"
    ),
    lay_out_throughput,
)
SCALING = TableSpec(
    "scaling",
    throughput.scaling,
    in_csv(
        "dtype hidden batch samples backend algorithm status median_seconds low_seconds high_seconds "
        "samples_per_second share_of_roof share_of_copy build_seconds first_call_seconds gradient_error "
        "launch_bound_share kernels_per_step gpu_throttled rounds unsound reason"
    ),
    lambda run, rows, columns: [matrix(run, rows, _scaling_cell, note=note)],
    keys="dtype hidden",
    heading="H = {hidden}, {dtype}",
    note=SCALING_NOTE,
)
ENSEMBLES = TableSpec(
    "ensembles",
    throughput.ensembles,
    in_csv(
        "dtype hidden batch optimizer networks backend algorithm status median_us low_us high_us device_us "
        "networks_per_second launch_bound_share first_call_seconds unsound reason"
    ),
    lambda run, rows, columns: [
        matrix(run, rows, _ensemble_cell, "networks", lambda count: f"{count} at once", _first_reason)
    ],
    keys="dtype hidden batch optimizer",
    heading="{optimizer}, batch {batch}; H = {hidden}, {dtype}",
    note=ENSEMBLES_NOTE,
)
HEADLINE_TABLE = TableSpec("headline", headline, lay_out=lay_out_headline)
SUMMARY_TABLE = TableSpec("summary", summary, lay_out=lay_out_summary)
MEMORY_COLUMNS = (
    *shown("dtype hidden batch backend"),
    *in_csv("status"),
    Column("peak_bytes", "peak", mebibytes),
    *shown("status method reason"),
)
MEMORY = TableSpec("memory", memory, MEMORY_COLUMNS, lay_out_memory)
BACKENDS = TableSpec(
    "backends",
    backends,
    shown("backend state facts"),
    lambda run, rows, columns: [flat(rows, columns)],
    applies=lambda run: run.sweep is None,
)
