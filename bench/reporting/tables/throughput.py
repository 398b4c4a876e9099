"""Tables of what was timed: every size, reduced precision, scaling, ensembles; of memory, and of the backends."""

import pandas as pd

from bench.analysis import throughput
from bench.analysis.frames import Run, absence, sorted_by_backend
from bench.grid.workloads import named, workload
from bench.journal.status import Status
from bench.reporting import number_format as fmt
from bench.reporting.document import Document, Heading, Words
from bench.reporting.provenance import legend, note
from bench.reporting.tables.spec import Column, Columns, Row, TableSpec, flat, is_ordinary, matrix, shown

THROUGHPUT_NOTE = Words("""In square brackets: the share of the roof, which is the least time that the measured
ceilings allow for the algorithm's instructions, multiply-adds and compulsory bytes (`bench/grid/cost.py`), over the
measured time. Columns of the .csv: `share_of_copy` is the bandwidth that going through (N, H) arrays implies
over the copy rate, above 1 where they stay in a cache; `samples_per_second` counts *effective* samples where the
algorithm is hinge.""")
REDUCED_NOTE = Words("""Products with operands rounded to bfloat16, float16 or tf32 (`network/precision.py`). Weights,
moments, data, losses, gradients and the update are float32; the errors are those of rounded products, so these rows
stand in no table of float32. The roof is the multiply-adds of the algorithm at the fastest rate of such products that
a library of the run was measured at, or the copy of its float32 arrays. An error above 1 of its bound disagrees: the
bound is twice what these roundings do when they are carried out in float64.""")
SCALING_NOTE = Words(
    "One full-batch gradient; hinge: exact, at *effective* samples. Notes: why a backend goes no further."
)
MEMORY_NOTE = Words(
    "Peak bytes of one gradient beyond its inputs; below 1 MiB resident memory says nothing, for the heap may have "
    "kept as much before."
)
ENSEMBLES_NOTE = Words(
    f"Networks of {throughput.ENSEMBLE_STEPS} steps a second, trained at once on the same batches (`train_many`)."
)


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


def _peak(row: Row) -> str:
    return fmt.mebibytes(row["peak_bytes"]) if row["status"] == Status.OK else str(row["status"])


def _memory_note(rows: list[Row]) -> str:
    """How the memory of a backend was measured, and why cells have none."""
    return "; ".join(dict.fromkeys(filter(None, [row[name] for row in rows for name in ("method", "reason")])))


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
    split="work",
)
SHORT_REDUCED = (  # what the terminal shows of reduced precision
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
        *SHORT_REDUCED,
        Column("stored", "operands and hidden values in"),
        Column("accumulated", "sums in"),
        Column("loss_scale", "loss scale", fmt.whole),
        Column("gradient_error", "gradient off by", fmt.scientific),
        Column(title="note", cell=lambda row: note([row])),
    ),
    lay_out_reduced,
    note=REDUCED_NOTE,
    applies=lambda run: is_ordinary(run) and not throughput.reduced(run).empty,
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
MEMORY = TableSpec(
    "memory",
    memory,
    "dtype hidden batch backend status peak_bytes method reason",
    lay_out=lambda run, rows, columns: [matrix(run, rows, _peak, note=_memory_note)],
    keys="dtype hidden",
    heading="H = {hidden}, {dtype}",
    note=MEMORY_NOTE,
)
BACKENDS = TableSpec(
    "backends",
    backends,
    columns=shown("backend state facts"),
    lay_out=lambda run, rows, columns: [flat(rows, columns)],
    applies=lambda run: run.sweep is None,
    absent=True,
)
