"""Tables of what was timed: every size, the ratios of the headline, the summary, scaling, ensembles; and of memory."""

from collections.abc import Callable
from functools import lru_cache, partial

import pandas as pd

from bench.analysis import learning, throughput
from bench.analysis.frames import Run, absence, focus, in_order, matching, records, sorted_by_backend
from bench.grid.case import RULES
from bench.grid.workloads import WORKLOADS, Shown, named, workload
from bench.journal.status import Status
from bench.reporting import number_format as fmt
from bench.reporting.document import Document, Heading, Table, Words
from bench.reporting.provenance import legend, note
from bench.reporting.tables import Column, Columns, Row, TableSpec, flat, matrix, shown

THROUGHPUT_NOTE = Words("""In square brackets: the share of the roof, which is the least time that the measured
ceilings allow for the algorithm's instructions, multiply-adds and compulsory bytes (`bench/grid/cost.py`), over the
measured time. Columns of the .csv: `share_of_copy` is the bandwidth that going through (N, H) arrays implies
over the copy rate, above 1 where they stay in a cache; `samples_per_second` counts *effective* samples where the
algorithm is hinge.""")
REDUCED_NOTE = Words("""Products with operands rounded to bfloat16, float16 or tf32 (`relufit/precision.py`). Weights,
moments, data, losses, gradients and the update are float32; the errors are those of rounded products, so these rows
stand in no table of float32. The roof is the multiply-adds of the algorithm at the fastest rate of such products that
a library of the run was measured at, or the copy of its float32 arrays. An error above 1 of its bound disagrees: the
bound is twice what these roundings do when they are carried out in float64.""")
SCALING_NOTE = Words(
    "One full-batch gradient; hinge: exact, at *effective* samples. Notes: why a backend goes no further."
)
ENSEMBLES_NOTE = Words(
    f"Networks of {throughput.ENSEMBLE_STEPS} steps a second, trained at once on the same batches (`train_many`)."
)


MICROSECONDS = {"us": 1, "ms": 1e3, "s": 1e6}
IN_MILLISECONDS = 20_000  # samples from which on a column that a run was asked for is in ms
MOST_SIZES = 4  # columns of a kind of work in a run that has none of the usual sizes
HEADLINE = (("step", 32, "sgd"), ("step", 32, "adam"), *(("gradient", n, "") for n in (800, 65536, 2**20, 10**7)))

Case = dict[str, object]  # fields that the rows of a column have, beside the width and dtype that the run is about
MainColumn = tuple[str, pd.DataFrame, Case, Callable[[Row], str]]  # its title, where its rows are, which, and a cell


@lru_cache
def summary(run: Run) -> pd.DataFrame:
    """The main table: a row for each backend that ran, and the columns that answer most questions."""
    columns = [
        _timed(run, work, column.batch, column.optimizer, f"N={column.batch}\n{column.unit}", _time_in(column.unit))
        for work, column in main_columns(run)
    ]
    learned: Case = {"target": "sin", "scheme": "spread", "optimizer": "adam"}
    cell = partial(fmt.seconds_cell, column="seconds_to_0.01")
    return _main_rows(run, [*columns, ("Adam, sin\nto 1e-2\ns", learning.convergence(run), learned, cell)])


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


def _time_in(unit: str) -> Callable[[Row], str]:
    return partial(fmt.time_cell, unit=MICROSECONDS[unit])


@lru_cache
def headline(run: Run) -> pd.DataFrame:
    """The times that ratios are quoted from, each with how many times faster than the baseline of its device it is."""
    cell = partial(fmt.ratio_cell, column="times_faster_than_baseline")
    return _main_rows(run, [_timed(run, work, n, rule, f"N={fmt.power(n)}", cell) for work, n, rule in HEADLINE])


def _timed(run: Run, work: str, batch: int, rule: str, size: str, cell: Callable[[Row], str]) -> MainColumn:
    title = f"{type(RULES[rule]).__name__} {work}" if rule else work
    case: Case = {"work": work, "batch": batch, "optimizer": rule}
    return f"{title}\n{size}", throughput.throughput(run), case, cell


def _main_rows(run: Run, columns: list[MainColumn]) -> pd.DataFrame:
    """A row for each backend that ran, at `focus(run)`; without the columns that no backend has."""
    hidden, dtype = focus(run)
    table = pd.DataFrame({"backend": [name for name in in_order(run) if absence(run, name) is None]})
    for title, rows, case, cell in columns:
        found = matching(rows, **case, hidden=hidden, dtype=dtype)
        cells = {row["backend"]: cell(row) for row in reversed(records(found))}
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
    found: dict[str | None, list[str]] = {}
    for name in in_order(run):
        found.setdefault(absence(run, name), []).append(name)
    parts = [f"{', '.join(names)} ({reason})" for reason, names in found.items() if reason is not None]
    return [f"Not measured here: {'; '.join(parts)}."] if parts else []


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


def lay_out_throughput(run: Run, rows: pd.DataFrame, columns: Columns) -> Document:
    """One small table for each kind of work, width and dtype: backends down, batch sizes across."""
    document: Document = [THROUGHPUT_NOTE] if rows.share_of_roof.notna().any() else []
    for kind in map(workload, named(table="throughput")):
        own = rows[rows.work == kind.name]
        for (dtype, hidden, rule), group in own.groupby(["dtype", "hidden", "optimizer"]):
            heading = f"{kind.title}{rule and ', ' + rule}, {kind.unit}; H = {hidden}, {dtype}"
            table = matrix(run, group, fmt.roofed_cell, heading=lambda n: f"N = {fmt.whole(n)}", note=note)
            document += [Heading(3, heading), table]
    return [*document, *legend(rows)]


def _ensemble_cell(row: Row) -> str:
    relative = (row["high_us"] - row["low_us"]) / 2 / row["median_us"]
    rate = row["networks_per_second"]
    return fmt.digits(rate, relative * rate) + fmt.marked(row) if row["status"] == Status.OK else str(row["status"])


def _first_reason(rows: list[Row]) -> str:
    return next((row["reason"] for row in rows if row["reason"]), "")


def lay_out_reduced(run: Run, rows: pd.DataFrame, columns: Columns) -> Document:
    """A row for each case and backend, and what was running while marked times were measured."""
    rows = sorted_by_backend(run, rows).sort_values(["work", "optimizer", "dtype", "hidden", "batch"], kind="stable")
    return [flat(rows, columns), *legend(rows)]


def memory(run: Run) -> pd.DataFrame:
    """Peak bytes of one gradient beyond its inputs."""
    return run.cases[run.cases.work == "memory"]


def lay_out_memory(run: Run, rows: pd.DataFrame, columns: Columns) -> Document:
    """A row for each case; below 1 MiB resident memory says nothing, for the heap may have kept as much before."""
    rows = sorted_by_backend(run, rows).sort_values(["dtype", "hidden", "batch"], kind="stable")
    return [flat(rows, columns)]


def backends(run: Run) -> pd.DataFrame:
    """Every backend and recipe: whether it ran, or why not, and what it is."""
    known = run.header["backends"]
    states = [absence(run, name) or "ran" for name in known]
    facts = [", ".join(f"{key} {value}" for key, value in state["facts"].items()) for state in known.values()]
    return pd.DataFrame({"backend": [*known], "state": states, "facts": facts})


THROUGHPUT = TableSpec(
    "throughput",
    throughput.throughput,
    "work batch hidden dtype optimizer backend device algorithm samples status median_us low_us high_us between "
    "between_low_us between_high_us device_us launch_bound_share kernels_per_step gpu_watts gpu_sm_mhz gpu_throttled "
    "samples_per_second share_of_roof share_of_copy error_share_of_bound gradient_error rounds calls_per_round "
    "minor_faults_per_call build_seconds first_call_seconds order unsound under_load reason baseline "
    "baseline_over_recipe times_faster_than_baseline",
    lay_out=lay_out_throughput,
)
SHORT = (  # what the terminal shows of reduced precision
    *shown("backend dtype"),
    Column(title="work", cell=lambda row: f"{row['optimizer']} {row['work']}".strip()),
    Column("batch", "N", fmt.whole),
    *shown("hidden"),
    Column(title="time", cell=fmt.duration_cell),
    Column("times_faster_than_float32", "times faster than its float32", fmt.times),
    Column("share_of_roof", "share of roof", lambda share: "" if pd.isna(share) else f"{100 * share:.2g}%"),
    Column("error_share_of_bound", "error, of its bound", fmt.times),
)
REDUCED = TableSpec(
    "reduced",
    throughput.reduced,
    "work batch hidden dtype optimizer backend device algorithm stored accumulated loss_scale status median_us low_us "
    "high_us float32_us times_faster_than_float32 share_of_roof error_share_of_bound gradient_error rounds "
    "calls_per_round first_call_seconds unsound under_load reason",
    (
        *SHORT,
        Column("stored", "operands and hidden values in"),
        Column("accumulated", "sums in"),
        Column("loss_scale", "loss scale", fmt.whole),
        Column("gradient_error", "gradient off by", fmt.scientific),
        Column(title="note", cell=lambda row: note([row])),
    ),
    lay_out_reduced,
    note=REDUCED_NOTE,
)
SCALING = TableSpec(
    "scaling",
    throughput.scaling,
    "dtype hidden batch samples backend algorithm status median_seconds low_seconds high_seconds "
    "samples_per_second share_of_roof share_of_copy build_seconds first_call_seconds gradient_error "
    "launch_bound_share kernels_per_step gpu_throttled rounds unsound under_load reason",
    lay_out=lambda run, rows, columns: [matrix(run, rows, fmt.duration_cell, note=note), *legend(rows)],
    keys="dtype hidden",
    heading="H = {hidden}, {dtype}",
    note=SCALING_NOTE,
)
ENSEMBLES = TableSpec(
    "ensembles",
    throughput.ensembles,
    "dtype hidden batch optimizer networks backend algorithm status median_us low_us high_us device_us "
    "networks_per_second launch_bound_share first_call_seconds unsound under_load reason",
    lay_out=lambda run, rows, columns: [
        matrix(run, rows, _ensemble_cell, "networks", lambda count: f"{count} at once", _first_reason),
        *legend(rows),
    ],
    keys="dtype hidden batch optimizer",
    heading="{optimizer}, batch {batch}; H = {hidden}, {dtype}",
    note=ENSEMBLES_NOTE,
)
HEADLINE_TABLE = TableSpec("headline", headline, lay_out=lay_out_headline)
SUMMARY_TABLE = TableSpec("summary", summary, lay_out=lay_out_summary)
MEMORY = TableSpec(
    "memory",
    memory,
    "dtype hidden batch backend status peak_bytes method reason",
    (*shown("dtype hidden batch backend"), Column("peak_bytes", "peak", fmt.mebibytes), *shown("status method reason")),
    lay_out_memory,
)
BACKENDS = TableSpec(
    "backends",
    backends,
    columns=shown("backend state facts"),
    lay_out=lambda run, rows, columns: [flat(rows, columns)],
    applies=lambda run: run.sweep is None,
)
