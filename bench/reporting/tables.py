"""From long frames to the tables that people read: what goes across, what goes down, which words stand beside it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis import comparison, crossings, derived
from bench.analysis.frames import Run
from bench.grid.workloads import named, workload
from bench.journal.status import Status
from bench.reporting import solver_tables, summary
from bench.reporting.crossover import phrase
from bench.reporting.document import NO_CASES, Block, Heading, Table, Words
from bench.reporting.notes import power, remarks
from bench.reporting.number_format import digits, duration, roofed_cell, scientific, seconds_cell, whole

THROUGHPUT_NOTE = Words("""In square brackets: the share of the roof, which is the least time that the measured
ceilings allow for the algorithm's instructions, multiply-adds and compulsory bytes (`bench/grid/cost.py`), over the
measured time. Columns of the .csv: `share_of_copy` is the bandwidth that going through (N, H) arrays implies
over the copy rate, above 1 where they stay in a cache; `samples_per_second` counts *effective* samples where the
algorithm is hinge.""")
SCALING_NOTE = Words(
    "One full-batch gradient; hinge: exact, at *effective* samples. Notes: why a backend goes no further."
)
ENSEMBLES_NOTE = Words(
    f"Networks of {derived.ENSEMBLE_STEPS} steps a second, trained at once on the same batches (`train_many`)."
)
TRAJECTORY_NOTE = Words(f"""One step: the backend's update from 32 states along a float64 run, the largest error as a
share of its computed bound; above 1 disagrees. Then it trains freely from the same start over the same minibatches.
After each epoch: the distance of all its weights from float64's, over the way that float64 has gone, and for how many
pairs of a sample and a unit the sign of z is another. A run has parted at a distance above {derived.PARTED:g}. An epoch
takes each sample once, so about as many terms are in the gradients of one run and not the other's; `until then` adds
them up.""")
VERDICTS_NOTE = Words("""FASTER and SLOWER: by a rank test over passes that alternate, at 5 % for each table (Holm's
correction), and by more than the machine can tell apart. SAME: seen to differ by less than 5 %, at the same level. All
else is UNSURE: *drift* where the difference is smaller than what the machine itself may change by (50 % within a single
pass; `--passes 12` tells more), *wide* where the interval holds 1, *few* where there are too few rounds for an
interval, *weak* where their ranks are not evidence enough in a table of its length, *unsound* where a time is not of
what it claims to be. The .csv has each reason. Behind each word: how many times faster the row is, with its 95 %
interval.""")


def lay_out_throughput(run: Run) -> list[Block]:
    """One small table for each kind of work, width and dtype: backends down, batch sizes across."""
    frame = derived.throughput(run)
    blocks: list[Block] = [THROUGHPUT_NOTE] if frame.get("share_of_roof", pd.Series(dtype=float)).notna().any() else []
    if frame.empty:
        return [NO_CASES]
    for kind in map(workload, named(table="throughput")):
        for (dtype, hidden, optimizer), rows in frame[frame.work == kind.name].groupby(
            ["dtype", "hidden", "optimizer"], sort=True
        ):
            rows = rows.assign(cell=[roofed_cell(row) for row in rows.to_dict("records")])
            matrix = rows.pivot_table(index="backend", columns="batch", values="cell", aggfunc="first", sort=False)
            matrix = matrix[sorted(matrix.columns)].rename(columns=lambda n: f"N = {whole(n)}")
            matrix = matrix.reindex([name for name in derived.in_order(run) if name in matrix.index])
            matrix["note"] = [remarks(rows[rows.backend == name]) for name in matrix.index]
            rule = f", {optimizer}" if optimizer else ""
            blocks += [
                Heading(3, f"{kind.title}{rule}, {kind.unit}; H = {hidden}, {dtype}"),
                Table(matrix.reset_index()),
            ]
    return blocks


def lay_out_scaling(run: Run) -> list[Block]:
    """Backends down, N across: seconds of one gradient; the time to build the samples beside, where it is hinge."""
    frame = derived.scaling(run)
    blocks: list[Block] = [SCALING_NOTE]
    for (dtype, hidden), rows in frame.groupby(["dtype", "hidden"], sort=True) if len(frame) else ():
        cells = [
            duration(row["median_seconds"]) if row["status"] == Status.OK else row["status"]
            for row in rows.to_dict("records")
        ]
        matrix = rows.assign(cell=cells).pivot_table(
            index="backend", columns="batch", values="cell", aggfunc="first", sort=False
        )
        matrix = matrix[sorted(matrix.columns)].rename(columns=power)
        matrix = matrix.reindex([name for name in derived.in_order(run) if name in matrix.index])
        matrix["note"] = [remarks(rows[rows.backend == name].assign(median_us=_us(rows))) for name in matrix.index]
        blocks += [Heading(3, f"H = {hidden}, {dtype}"), Table(matrix.reset_index())]
    return blocks if len(blocks) > 1 else [NO_CASES]


def lay_out_ensembles(run: Run) -> list[Block]:
    """Backends down, numbers of networks across: networks of 25 000 steps in a second."""
    frame = derived.ensembles(run)
    blocks: list[Block] = [ENSEMBLES_NOTE]
    keys = ["dtype", "hidden", "batch", "optimizer"]
    for (dtype, hidden, batch, rule), rows in frame.groupby(keys, sort=True) if len(frame) else ():
        shown = [
            digits(row.networks_per_second) if row.status == Status.OK else row.status for row in rows.itertuples()
        ]
        matrix = rows.assign(cell=shown).pivot_table(
            index="backend", columns="networks", values="cell", aggfunc="first", sort=False
        )
        matrix = matrix[sorted(matrix.columns)].rename(columns=lambda count: f"{count} at once")
        matrix = matrix.reindex([name for name in derived.in_order(run) if name in matrix.index])
        reasons = rows[rows.reason != ""].groupby("backend").reason.first()
        matrix["note"] = [reasons.get(name, "") for name in matrix.index]
        blocks += [Heading(3, f"{rule}, batch {batch}; H = {hidden}, {dtype}"), Table(matrix.reset_index())]
    return blocks if len(blocks) > 1 else [NO_CASES]


def _us(rows: pd.DataFrame) -> pd.Series:
    return rows.median_seconds * 1e6


def lay_out_headline(run: Run) -> list[Block]:
    """The headline table, and how level the baseline is with what people write."""
    frame = summary.headline(run).rename(columns=lambda title: title.replace("\n", ", "))
    if len(frame.columns) < 2:
        return [NO_CASES]
    times, (hidden, dtype) = derived.throughput(run), derived.focus(run)
    algorithms = times[times.algorithm != ""].groupby("backend").algorithm.unique().map(" / ".join)
    frame.insert(1, "algorithm", [algorithms.get(name, "") for name in frame.backend])
    chosen = times[(times.hidden == hidden) & (times.dtype == dtype) & times.work.isin(("step", "gradient"))]
    frame["note"] = [remarks(chosen[chosen.backend == name]) for name in frame.backend]
    level = times[(times.backend == derived.BASELINE) & times.baseline_over_recipe.notna()]
    peers = ", ".join(
        f"{row.baseline_over_recipe:.2f} ({row.work}{row.optimizer and ' ' + row.optimizer}, N = {row.batch})"
        for row in level[level.work.isin(("step", "gradient"))].itertuples()
    )
    named = ", ".join(sorted(set(chosen.baseline.dropna())))
    note = f"x: times faster than {named} in the same run."
    note += f" {derived.BASELINE} over {derived.BASELINE_PEER}, what people write: {peers}." if peers else ""
    return [f"{focus_in_words(run)}. {note}", Table(frame)]


def lay_out_convergence(run: Run) -> list[Block]:
    """One table for each target, scheme and optimizer."""
    frame = derived.convergence(run)
    blocks: list[Block] = []
    keys = ["target", "scheme", "optimizer", "hidden", "dtype"]
    for (target, scheme, optimizer, hidden, dtype), rows in frame.groupby(keys, sort=True) if len(frame) else ():
        rows = derived.sorted_by_backend(run, rows)
        shown = rows[["backend"]].copy()
        for limit in derived.THRESHOLDS:
            column = f"seconds_to_{limit:g}"
            shown[f"to {limit:g}, s"] = [seconds_cell(row, column) for row in rows.to_dict("records")]
        for column, title in (("test_mse", "test error"), ("lowest_test_mse", "lowest seen")):
            shown[title] = rows[column].map(lambda value: f"{value:.2e}" if value == value else "")
        shown["after"] = [
            f"{s:.3g} s, {n:.0f} steps" if s == s else "" for s, n in zip(rows.train_seconds, rows.steps, strict=True)
        ]
        shown["status"] = rows.status
        shown["note"] = [_note(row) for row in rows.to_dict("records")]
        blocks += [Heading(3, f"{target}, {optimizer}, {scheme} weights; H = {hidden}, {dtype}"), Table(shown)]
    return blocks or [NO_CASES]


def _note(row: dict[str, Any]) -> str:
    """Why a row has no result; else whether it shuffled for itself, and what is the matter with it."""
    if row["reason"]:
        return str(row["reason"])
    return "; ".join(part for part in ("own order" if row["order"] == "own" else "", row.get("unsound", "")) if part)


def lay_out_agreement(run: Run) -> list[Block]:
    """Backends down, quantities across: the error as a share of what rounding explains; above 1 disagrees."""
    frame = derived.agreement(run)
    blocks: list[Block] = [
        "Each cell: the largest error of the quantity, and in brackets its share of the computed bound."
    ]
    keys = ["dtype", "batch", "inputs", "hidden", "outputs"]
    for values, rows in frame.groupby(keys, sort=True) if len(frame) else ():
        rows = derived.sorted_by_backend(run, rows)
        cell = [f"{e:.1e} ({s:.1g})" if e == e else "" for e, s in zip(rows.error, rows["share"], strict=True)]
        table = rows.assign(cell=cell, quantity=rows.quantity.fillna("")).pivot_table(
            index=["backend", "status"], columns="quantity", values="cell", aggfunc="first", sort=False
        )
        table = table[[name for name in table.columns if name]].fillna("")
        dtype, n, d, h, o = values
        blocks += [Heading(3, f"{dtype}, N = {n}, D = {d}, H = {h}, O = {o}"), Table(table.reset_index())]
    return blocks


def lay_out_trajectory(run: Run) -> list[Block]:
    """One table for each trained case: the single steps, then how long the free run stayed with float64's."""
    frame, blocks = derived.trajectory(run), list[Block]([TRAJECTORY_NOTE])
    keys = ["target", "optimizer", "scheme", "hidden", "dtype"]
    for (target, optimizer, scheme, hidden, dtype), rows in frame.groupby(keys, sort=True) if len(frame) else ():
        rows = derived.sorted_by_backend(run, rows)
        shown = rows[["backend"]].copy()
        shown["one step, of its bound"] = rows["share"].map(lambda share: f"{share:.2g}" if share == share else "")
        shown["signs first differ"] = [_when(row.first_flip_step, row.steps) for row in rows.itertuples()]
        shown["at a distance of"] = rows.first_flip_distance.map(scientific)
        shown["parted"] = [_when(row.parted_step, row.steps) for row in rows.itertuples()]
        shown["signs that differ then"] = [
            "" if row.parted_flips != row.parted_flips else f"{row.parted_flips:.0f} of {whole(row.pairs)}"
            for row in rows.itertuples()
        ]
        shown["until then"] = rows.flips_until_parted.map(lambda count: whole(count) if count == count else "")
        shown["distance at the end"] = rows.distance.map(scientific)
        shown["status"] = rows.status
        shown["note"] = [_note(row) for row in rows.to_dict("records")]
        blocks += [Heading(3, f"{target}, {optimizer}, {scheme} weights; H = {hidden}, {dtype}"), Table(shown)]
    return blocks if len(blocks) > 1 else [NO_CASES]


def _when(step: float, steps: float) -> str:
    """The step of a free run at which something was first seen; empty where there was no run."""
    if np.isnan(steps):
        return ""
    return f"not in {whole(steps)} steps" if np.isnan(step) else f"step {whole(step)}"


def lay_out_memory(run: Run) -> list[Block]:
    """Peak memory in MiB; resident memory tells less than one apart from what the heap had kept."""
    frame = derived.sorted_by_backend(run, derived.memory(run)).sort_values(["dtype", "hidden", "batch"], kind="stable")
    shown = frame.drop(columns="peak_bytes").assign(
        peak=["" if b != b else f"{b / 2**20:.1f} MiB" if b >= 2**20 else "< 1 MiB" for b in frame.peak_bytes]
    )
    return [Table(shown[["dtype", "hidden", "batch", "backend", "peak", "status", "method", "reason"]])]


def lay_out_summary(run: Run) -> list[Block]:
    """The main table, and a sentence on the backends that are not in it."""
    frame = summary.summary(run).rename(columns=lambda title: title.replace("\n", ", "))
    return [focus_in_words(run) + ".", Table(frame), *filter(None, [summary.not_here(run)])]


def lay_out_verdicts(run: Run) -> list[Block]:
    """Every backend against the baseline of its device: one word and the ratio for each case, the reasons beside."""
    frame = comparison.against_baseline(run)
    if frame.empty:
        return [NO_CASES]
    blocks: list[Block] = [VERDICTS_NOTE, comparison.resolution_in_words(run)]
    for (work, dtype, hidden, optimizer), rows in frame.groupby([*comparison.TABLE], sort=True):
        cells = [_verdict(row) for row in rows.itertuples()]
        matrix = rows.assign(cell=cells, backend=rows.a).pivot_table(
            index="backend", columns="batch", values="cell", aggfunc="first", sort=False
        )
        matrix = matrix[sorted(matrix.columns)].rename(columns=power)
        matrix = matrix.reindex([name for name in derived.in_order(run) if name in matrix.index])
        rule, base = f", {optimizer}" if optimizer else "", " and ".join(sorted(set(rows.b)))
        blocks += [Heading(3, f"{work}{rule}, against {base}; H = {hidden}, {dtype}"), Table(matrix.reset_index())]
    if run.aa is not None:
        table = comparison.in_cells(comparison.resolution_table(run.aa))
        blocks += [Heading(3, f"Each against itself, A/A run {run.aa.name}"), Table(table)]
    return blocks


def lay_out_against(frame: pd.DataFrame, notes: list[str]) -> list[Block]:
    """A run against an older one: what is to be said of all cases, then a line for each."""
    return [*notes, Table(comparison.in_cells(frame)) if len(frame) else NO_CASES]


def lay_out_crossover(run: Run) -> list[Block]:
    """The sentence, what the machine can tell apart, and the sizes one below the other."""
    return [phrase(run), comparison.resolution_in_words(run), Table(cells_of_crossover(run))]


def cells_of_crossover(run: Run) -> pd.DataFrame:
    """A line for each size: the times of both, how many times faster the first is, and the verdict on it."""
    question, frame = run.question, crossings.tabulate(run)
    assert question is not None
    cells = comparison.in_cells(frame).rename(columns={"A": question.a, "B": question.b})
    cells = cells.rename(columns={"A is times faster": f"{question.a} is times faster", "case": question.symbol})
    return cells.assign(**{question.symbol: frame["size"].map(whole)})


def _verdict(row: Any) -> str:
    """One cell: the word, of UNSURE the kind, the ratio and its interval."""
    if row.kind == "missing":
        return ""
    return f"{row.verdict}{f' ({row.kind})' if row.kind else ''} {comparison.ratio_in_words(row)}"


LAYOUTS: dict[str, Callable[[Run], list[Block]]] = {
    "throughput": lay_out_throughput,
    "headline": lay_out_headline,
    "scaling": lay_out_scaling,
    "ensembles": lay_out_ensembles,
    "convergence": lay_out_convergence,
    "agreement": lay_out_agreement,
    "trajectory": lay_out_trajectory,
    "memory": lay_out_memory,
    "backends": lambda run: [Table(derived.backends(run))],
    "verdicts": lay_out_verdicts,
    "crossover": lay_out_crossover,
    "solvers": solver_tables.lay_out,
    "reached": solver_tables.lay_out_reached,
    "summary": lay_out_summary,
}


def focus_in_words(run: Run) -> str:
    """The width and dtype of the main table, in words."""
    hidden, dtype = derived.focus(run)
    return f"H = {hidden}, {dtype}"
