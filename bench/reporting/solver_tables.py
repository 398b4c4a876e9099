"""The tables of solvers as they are read: in full, in short for a terminal, and one for a page."""

from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.frames import Run
from bench.analysis.solvers import EXACT, LIMITS, best_spline, tabulate
from bench.grid.case import SOLVERS
from bench.journal.status import Status, statuses
from bench.reporting.document import NO_CASES, Block, Heading, Table
from bench.reporting.number_format import duration, scientific, whole
from relufit.targets import ZOO


def lay_out(run: Run) -> list[Block]:
    """One table for each function and width: solvers down, errors to be reached across."""
    frame = tabulate(run)
    blocks: list[Block] = [NOTE]
    for (target, hidden), rows in frame.groupby(["target", "hidden"], sort=False):
        blocks += [Heading(3, f"{target}; H = {hidden}"), _asymptotic_in_words(rows), Table(_cells(rows))]
    return blocks if len(blocks) > 1 else [NO_CASES]


NOTE = (
    "Each cell: seconds of solving, and steps, when the mean squared error against the function over its domain was "
    "first seen below that of the column; blank where it never was. The error is that of float64 parameters, evaluated "
    "in float64. A step is an update from a minibatch of 32; of lbfgs a gradient of all 800 samples, in float64; the "
    "spline takes one call, and solves the function itself. All others know 800 samples of it, and end when their "
    "seconds are spent, lbfgs earlier where nothing is gained. Ratios are of the error at the end: over MSE*, which is "
    "what the least error of a spline tends to as pieces become many, an asymptotic value and no bound; and over the "
    "best spline found in this run."
)


def _asymptotic_in_words(rows: pd.DataFrame) -> str:
    best, asymptotic = best_spline(rows), float(rows.asymptotic_mse.max())
    told = (
        "No ratio to MSE*: f'' does not exist everywhere."
        if not asymptotic > 0
        else f"MSE* = {asymptotic:.3g}, the asymptotic value."
    )
    if np.isnan(best):
        return f"{told} No spline was looked for in this run."
    exact = " but for rounding it is exact, and no other is divided by it." if best < EXACT else ""
    return f"{told} The best spline found: {best:.3g}{';' + exact if exact else '.'}"


def _cells(rows: pd.DataFrame) -> pd.DataFrame:
    records = rows.to_dict("records")
    cells = rows[["solver", "backend"]].copy()
    for name in LIMITS:
        cells[f"to {name}"] = [_when(row[f"seconds_to_{name}"], row[f"steps_to_{name}"]) for row in records]
    cells["error at the end"] = rows.mse.map(scientific)
    cells["lowest seen"] = rows.lowest_mse.map(scientific)
    cells["max error"] = rows.max_error.map(scientific)
    cells["over MSE*"] = rows.over_asymptotic.map(_ratio)
    cells["over the best spline"] = rows.over_best_spline.map(_ratio)
    cells["after"] = [_when(row["train_seconds"], row["steps"]) for row in records]
    cells["status"] = rows.status
    cells["note"] = [_note(row) for row in records]
    return cells


def _when(seconds: float, steps: float) -> str:
    """Lay out seconds and steps as "0.45 s, 3 000"; empty where there are none."""
    return ", ".join([duration(seconds)] * (seconds == seconds) + [whole(steps)] * (steps == steps))


def _ratio(value: float) -> str:
    """Three digits, and a power of ten from a thousand on."""
    return "" if np.isnan(value) else f"{value:.3g}" if value < 1e3 else f"{value:.1e}"


def _note(row: dict[str, Any]) -> str:
    return "; ".join(filter(None, (row["reason"], row["unsound"])))


def in_short(run: Run) -> pd.DataFrame:
    """What a terminal has room for."""
    frame = tabulate(run)
    cells = frame[["target", "hidden", "solver", "backend", "status"]].rename(columns={"hidden": "H"})
    for name in ("1e-4", "1e-6"):
        cells[f"to {name}"] = frame[f"seconds_to_{name}"].map(duration)
    cells["error at the end"] = frame.mse.map(scientific)
    cells["over the best spline"] = frame.over_best_spline.map(_ratio)
    return cells


def lay_out_reached(run: Run) -> list[Block]:
    """What a page has room for: one table, solvers down, functions across, at the width with most rows."""
    frame = tabulate(run)
    frame = frame[frame.status.isin(statuses(has_numbers=True))]
    if frame.empty:
        return [NO_CASES]
    frame = frame[frame.hidden == frame.hidden.mode().max()].sort_values("mse", kind="stable")
    targets = [name for name in ZOO if (frame.target == name).any()]
    best = frame.drop_duplicates(["solver", "target"]).set_index(["solver", "target"])  # of several backends
    rows = [
        {
            "solver": solver,
            "longest": duration(frame.train_seconds[frame.solver == solver].max()),
            **{target: _reached(best, solver, target) for target in targets},
        }
        for solver in SOLVERS
        if (frame.solver == solver).any()
    ]
    asymptotic = frame.groupby("target").asymptotic_mse.max()
    last = {"solver": "MSE*", "longest": "", **{name: scientific(asymptotic[name]) for name in targets}}
    told = f"H = {frame.hidden.iloc[0]}. Mean squared error against the function, where each solver ended."
    return [told, Table(pd.DataFrame([*rows, last]))]


def _reached(best: pd.DataFrame, solver: str, target: str) -> str:
    """The error at the end, or why there is none."""
    if (solver, target) not in best.index:
        return ""
    row = best.loc[(solver, target)]
    return scientific(row.mse) if row.status == Status.OK else str(row.status)
