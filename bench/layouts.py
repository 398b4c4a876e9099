"""From long frames to Markdown: what goes across, what goes down, which words stand beside it."""

from typing import Any

import numpy as np
import pandas as pd

from bench import tables
from bench.cells import digits, duration, roofed_cell, scientific, seconds_cell, whole
from bench.cost import is_hinge
from bench.frames import Run


def markdown(frame: pd.DataFrame) -> str:
    """A frame as a Markdown table; cells that are absent are empty, and a | in a cell cannot break the table."""
    if frame.empty:
        return "No cases."
    text = (
        frame.astype(object).where(frame.notna(), "").map(lambda cell: str(cell).replace("|", "\\|").replace("\n", " "))
    )
    return str(text.to_markdown(index=False, disable_numparse=True))


def lay_out_throughput(run: Run) -> str:
    """One small table for each kind of work, width and dtype: backends down, batch sizes across."""
    frame = tables.throughput(run)
    parts = [THROUGHPUT_NOTE] if frame.get("share_of_roof", pd.Series(dtype=float)).notna().any() else []
    if frame.empty:
        return "No cases."
    titles = {
        "step": "Training step", "gradient": "Forward + backward", "forward": "Forward",
        "backward": "Backward alone (difference of the two above)", "latency": "Latency of one forward, host to host",
        "to_device": "Transfer to the device", "to_host": "Transfer to the host",
    }  # fmt: skip
    for work, title in titles.items():
        for (dtype, hidden, optimizer), rows in frame[frame.work == work].groupby(
            ["dtype", "hidden", "optimizer"], sort=True
        ):
            rows = rows.assign(cell=[roofed_cell(row) for row in rows.to_dict("records")])
            matrix = rows.pivot_table(index="backend", columns="batch", values="cell", aggfunc="first", sort=False)
            matrix = matrix[sorted(matrix.columns)].rename(columns=lambda n: f"N = {whole(n)}")
            matrix = matrix.reindex([name for name in tables.in_order(run) if name in matrix.index])
            matrix["note"] = [_notes(rows[rows.backend == name]) for name in matrix.index]
            rule = f", {optimizer}" if optimizer else ""
            parts.append(f"### {title}{rule}, us; H = {hidden}, {dtype}\n\n{markdown(matrix.reset_index())}")
    return "\n\n".join(parts)


THROUGHPUT_NOTE = """In square brackets: the share of the roof, which is the least time that the measured
ceilings allow for the algorithm's instructions, multiply-adds and compulsory bytes (`bench/cost.py`), over the measured
time. Columns of the .csv: `share_of_copy` is the bandwidth that going through (N, H) arrays implies over the copy rate,
above 1 where they stay in a cache; `samples_per_second` counts *effective* samples where the algorithm is hinge."""
COMPILED_SECONDS, COMPILED_TIMES = 0.1, 20  # a first call so long, and so many times the steady one, prepared something

LAUNCH_BOUND = 0.5  # of the wall time
LOSSY = 1e-5  # relative error of the gradient from which on it is said: float32 has lost a third of its digits


def _notes(rows: pd.DataFrame) -> str:
    """Of one backend in one table: why cells have no time, what its samples are, what it pays once."""
    reasons = rows[rows.status != "OK"].reason.dropna()
    parts = [str(reason) for reason in dict.fromkeys(reasons)]
    by_hinge = rows.algorithm.map(is_hinge)
    if by_hinge.any():
        dense = rows[~by_hinge & (rows.status == "OK")].batch
        parts.append("hinge: effective samples" + (f", dense up to {_power(int(dense.max()))}" if len(dense) else ""))
        built = rows[by_hinge & rows.build_seconds.notna()].sort_values("samples")[-1:]
        parts += [f"build {duration(row.build_seconds)} at {_power(row.samples)}" for row in built.itertuples()]
    lossy = rows[rows.gradient_error > LOSSY].sort_values("gradient_error")[-1:]
    parts += [f"gradient off by {row.gradient_error:.0e} at {_power(row.samples)}" for row in lossy.itertuples()]
    waiting = rows[rows.launch_bound_share > LAUNCH_BOUND].sort_values("launch_bound_share")[-1:]
    parts += [
        f"launch-bound: the device waits {100 * row.launch_bound_share:.0f} % of the time at {_power(row.samples)}"
        for row in waiting.itertuples()
    ]
    parts += [f"{count:g} kernels a step" for count in rows.kernels_per_step.dropna().unique()[:1]]
    parts += [f"throttled: {words}" for words in rows.gpu_throttled.dropna().unique() if words][:1]
    slow = rows[(rows.first_call_seconds > COMPILED_SECONDS)
                & (rows.first_call_seconds > COMPILED_TIMES * rows.median_us / 1e6)]  # fmt: skip
    parts += [f"first call {duration(slow.first_call_seconds.max())}"] if len(slow) else []
    return "; ".join(parts)


def lay_out_scaling(run: Run) -> str:
    """Backends down, N across: seconds of one gradient; the time to build the samples beside, where it is hinge."""
    frame = tables.scaling(run)
    parts = ["One full-batch gradient; hinge: exact, at *effective* samples. Notes: why a backend goes no further."]
    for (dtype, hidden), rows in frame.groupby(["dtype", "hidden"], sort=True) if len(frame) else ():
        cells = [
            duration(row["median_seconds"]) if row["status"] == "OK" else row["status"]
            for row in rows.to_dict("records")
        ]
        matrix = rows.assign(cell=cells).pivot_table(
            index="backend", columns="batch", values="cell", aggfunc="first", sort=False
        )
        matrix = matrix[sorted(matrix.columns)].rename(columns=_power)
        matrix = matrix.reindex([name for name in tables.in_order(run) if name in matrix.index])
        matrix["note"] = [_notes(rows[rows.backend == name].assign(median_us=_us(rows))) for name in matrix.index]
        parts.append(f"### H = {hidden}, {dtype}\n\n{markdown(matrix.reset_index())}")
    return "\n\n".join(parts) if len(parts) > 1 else "No cases."


def lay_out_ensembles(run: Run) -> str:
    """Backends down, numbers of networks across: networks of 25 000 steps in a second."""
    frame = tables.ensembles(run)
    parts = [f"Networks of {tables.ENSEMBLE_STEPS} steps a second, trained at once on the same batches (`train_many`)."]
    keys = ["dtype", "hidden", "batch", "optimizer"]
    for (dtype, hidden, batch, rule), rows in frame.groupby(keys, sort=True) if len(frame) else ():
        shown = [digits(row.networks_per_second) if row.status == "OK" else row.status for row in rows.itertuples()]
        matrix = rows.assign(cell=shown).pivot_table(
            index="backend", columns="networks", values="cell", aggfunc="first", sort=False
        )
        matrix = matrix[sorted(matrix.columns)].rename(columns=lambda count: f"{count} at once")
        matrix = matrix.reindex([name for name in tables.in_order(run) if name in matrix.index])
        reasons = rows.dropna(subset="reason").groupby("backend").reason.first()
        matrix["note"] = [reasons.get(name, "") for name in matrix.index]
        parts.append(f"### {rule}, batch {batch}; H = {hidden}, {dtype}\n\n{markdown(matrix.reset_index())}")
    return "\n\n".join(parts) if len(parts) > 1 else "No cases."


def _us(rows: pd.DataFrame) -> pd.Series:
    return rows.median_seconds * 1e6


def _power(samples: int) -> str:
    """A power of ten, or a large one of two, as one: "N = 10^6"."""
    ten, two = len(str(samples)) - 1, samples.bit_length() - 1
    if samples == 10**ten:
        return f"N = 10^{ten}"
    return f"N = 2^{two}" if samples == 2**two and two >= 20 else f"N = {samples}"


def lay_out_headline(run: Run) -> str:
    """The headline table, and how level the baseline is with what people write."""
    frame = tables.headline(run).rename(columns=lambda title: title.replace("\n", ", "))
    if len(frame.columns) < 2:
        return "No cases."
    times, (hidden, dtype) = tables.throughput(run), tables.focus(run)
    algorithms = times.dropna(subset="algorithm").groupby("backend").algorithm.unique().map(" / ".join)
    frame.insert(1, "algorithm", [algorithms.get(name, "") for name in frame.backend])
    chosen = times[(times.hidden == hidden) & (times.dtype == dtype) & times.work.isin(("step", "gradient"))]
    frame["note"] = [_notes(chosen[chosen.backend == name]) for name in frame.backend]
    level = times[(times.backend == tables.BASELINE) & times.baseline_over_recipe.notna()]
    peers = ", ".join(
        f"{row.baseline_over_recipe:.2f} ({row.work}{row.optimizer and ' ' + row.optimizer}, N = {row.batch})"
        for row in level[level.work.isin(("step", "gradient"))].itertuples()
    )
    named = ", ".join(sorted(set(chosen.baseline.dropna())))
    note = f"x: times faster than {named} in the same run."
    note += f" {tables.BASELINE} over {tables.BASELINE_PEER}, what people write: {peers}." if peers else ""
    return f"{focus(run)}. {note}\n\n{markdown(frame)}"


def lay_out_convergence(run: Run) -> str:
    """One table for each target, scheme and optimizer."""
    frame = tables.convergence(run)
    parts = []
    keys = ["target", "scheme", "optimizer", "hidden", "dtype"]
    for (target, scheme, optimizer, hidden, dtype), rows in frame.groupby(keys, sort=True) if len(frame) else ():
        rows = tables.sorted_by_backend(run, rows)
        shown = rows[["backend"]].copy()
        for limit in tables.THRESHOLDS:
            column = f"seconds_to_{limit:g}"
            shown[f"to {limit:g}, s"] = [seconds_cell(row, column) for row in rows.to_dict("records")]
        for column, title in (("test_mse", "test error"), ("lowest_test_mse", "lowest seen")):
            shown[title] = rows[column].map(lambda value: f"{value:.2e}" if value == value else "")
        shown["after"] = [
            f"{s:.3g} s, {n:.0f} steps" if s == s else "" for s, n in zip(rows.train_seconds, rows.steps, strict=True)
        ]
        shown["status"] = rows.status
        shown["note"] = [_note(row) for row in rows.to_dict("records")]
        parts.append(f"### {target}, {optimizer}, {scheme} weights; H = {hidden}, {dtype}\n\n{markdown(shown)}")
    return "\n\n".join(parts) or "No cases."


def _note(row: dict[str, Any]) -> str:
    """Why a row has no result; else whether it shuffled for itself."""
    return row["reason"] if isinstance(row["reason"], str) else "own order" if row["order"] == "own" else ""


def lay_out_agreement(run: Run) -> str:
    """Backends down, quantities across: the error as a share of what rounding explains; above 1 disagrees."""
    frame = tables.agreement(run)
    parts: list[str] = [
        "Each cell: the largest error of the quantity, and in brackets its share of the computed bound."
    ]
    keys = ["dtype", "batch", "inputs", "hidden", "outputs"]
    for values, rows in frame.groupby(keys, sort=True) if len(frame) else ():
        rows = tables.sorted_by_backend(run, rows)
        cell = [f"{e:.1e} ({s:.1g})" if e == e else "" for e, s in zip(rows.error, rows["share"], strict=True)]
        table = rows.assign(cell=cell, quantity=rows.quantity.fillna("")).pivot_table(
            index=["backend", "status"], columns="quantity", values="cell", aggfunc="first", sort=False
        )
        table = table[[name for name in table.columns if name]].fillna("")
        dtype, n, d, h, o = values
        parts.append(f"### {dtype}, N = {n}, D = {d}, H = {h}, O = {o}\n\n{markdown(table.reset_index())}")
    return "\n\n".join(parts)


def lay_out_trajectory(run: Run) -> str:
    """One table for each trained case: the single steps, then how long the free run stayed with float64's."""
    frame, parts = tables.trajectory(run), [TRAJECTORY_NOTE]
    keys = ["target", "optimizer", "scheme", "hidden", "dtype"]
    for (target, optimizer, scheme, hidden, dtype), rows in frame.groupby(keys, sort=True) if len(frame) else ():
        rows = tables.sorted_by_backend(run, rows)
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
        parts.append(f"### {target}, {optimizer}, {scheme} weights; H = {hidden}, {dtype}\n\n{markdown(shown)}")
    return "\n\n".join(parts) if len(parts) > 1 else "No cases."


TRAJECTORY_NOTE = f"""One step: the backend's update from 32 states along a float64 run, the largest error as a share of
its computed bound; above 1 disagrees. Then it trains freely from the same start over the same minibatches. After each
epoch: the distance of all its weights from float64's, over the way that float64 has gone, and for how many pairs of a
sample and a unit the sign of z is another. A run has parted at a distance above {tables.PARTED:g}. An epoch takes each
sample once, so about as many terms are in the gradients of one run and not the other's; `until then` adds them up."""


def _when(step: float, steps: float) -> str:
    """The step of a free run at which something was first seen; empty where there was no run."""
    if np.isnan(steps):
        return ""
    return f"not in {whole(steps)} steps" if np.isnan(step) else f"step {whole(step)}"


def lay_out_memory(run: Run) -> str:
    """Peak memory in MiB; resident memory tells less than one apart from what the heap had kept."""
    frame = tables.sorted_by_backend(run, tables.memory(run)).sort_values(["dtype", "hidden", "batch"], kind="stable")
    shown = frame.drop(columns="peak_bytes").assign(
        peak=["" if b != b else f"{b / 2**20:.1f} MiB" if b >= 2**20 else "< 1 MiB" for b in frame.peak_bytes]
    )
    return markdown(shown[["dtype", "hidden", "batch", "backend", "peak", "status", "method", "reason"]])


def lay_out_summary(run: Run) -> str:
    """The main table, and the reasons of the backends that are not in it."""
    frame = tables.summary(run).rename(columns=lambda title: title.replace("\n", ", "))
    absent = [f"| {name} | SKIPPED: {tables.absence(run, name)} |" for name in tables.absent(run)]
    reasons = "\n".join(["| not here | reason |", "|:--|:--|", *absent]) if absent else ""
    return "\n\n".join(part for part in (focus(run) + ".", markdown(frame), reasons) if part)


LAYOUTS = {
    "throughput": lay_out_throughput,
    "headline": lay_out_headline,
    "scaling": lay_out_scaling,
    "ensembles": lay_out_ensembles,
    "convergence": lay_out_convergence,
    "agreement": lay_out_agreement,
    "trajectory": lay_out_trajectory,
    "memory": lay_out_memory,
    "backends": lambda run: markdown(tables.backends(run)),
    "summary": lay_out_summary,
}


def focus(run: Run) -> str:
    """The width and dtype of the main table, in words."""
    hidden, dtype = tables.focus(run)
    return f"H = {hidden}, {dtype}"
