"""Tables of training and of agreement: convergence, solvers, trajectories, and the errors against float64."""

from functools import partial

import numpy as np
import pandas as pd

from bench.analysis import learning
from bench.analysis.frames import Run, records
from bench.analysis.learning import EXACT, LIMITS, THRESHOLDS, best_spline
from bench.grid.case import SOLVERS
from bench.journal.status import Status, statuses
from bench.reporting.document import Document, Table, Words
from bench.reporting.number_format import duration, marked, scientific, seconds_cell, times, whole
from bench.reporting.provenance import loads_in_words
from bench.reporting.tables.spec import Column, Columns, Row, TableSpec, flat, matrix, shown
from relufit.targets import ZOO

TRAJECTORY_NOTE = Words(f"""One step: the backend's update from 32 states along a float64 run, the largest error as a
share of its computed bound; above 1 disagrees. Then it trains freely from the same start over the same minibatches.
After each epoch: the distance of all its weights from float64's, relative to the distance trained, and for how many
pairs of a sample and a unit the sign of z differs. A run has parted at a distance above {learning.PARTED:g}. An epoch
takes each sample once, so about as many terms are in the gradients of one run and not the other's; `until then` adds
them up.""")
AGREEMENT_NOTE = (
    "Output, loss, each gradient and the gradient as a whole are compared with float64. Each cell: the error of the "
    "quantity that is nearest to its computed bound, and in brackets its share of the bound and which one it is. The "
    ".csv has every quantity."
)
SOLVERS_NOTE = (
    "Each cell: seconds of solving, and steps, when the mean squared error against the function over its domain was "
    "first seen below that of the column; blank where it never was. The error is that of float64 parameters, evaluated "
    "in float64. A step is an update from a minibatch of 32; of lbfgs a gradient of all 800 samples, in float64; the "
    "spline takes one call, and solves the function itself. All others know 800 samples of it, and end when their "
    "seconds are spent, lbfgs earlier where nothing is gained. Ratios are of the error at the end: over MSE*, which is "
    "what the least error of a spline tends to as pieces become many, an asymptotic value and no bound; and over the "
    "best spline found in this run."
)


def _note(row: Row) -> str:
    """Why a row has no result; else whether it shuffled for itself, and how far its times are to be trusted."""
    own = "own order" if row["order"] == "own" else ""
    return row["reason"] or "; ".join(filter(None, (own, row.get("unsound", ""))))


TRAINED = "{target}, {optimizer}, {scheme} weights; H = {hidden}, {dtype}"


def _after(row: Row) -> str:
    return "" if np.isnan(row["train_seconds"]) else f"{row['train_seconds']:.3g} s, {row['steps']:.0f} steps"


CONVERGENCE = TableSpec(
    "convergence",
    learning.convergence,
    f"target scheme optimizer hidden dtype backend status {' '.join(f'seconds_to_{name}' for name in THRESHOLDS)} "
    "test_mse lowest_test_mse train_seconds steps order unsound reason",
    (
        *shown("backend"),
        *(Column(title=f"to {key}, s", cell=partial(seconds_cell, column=f"seconds_to_{key}")) for key in THRESHOLDS),
        Column("test_mse", "test error", partial(scientific, decimals=2)),
        Column("lowest_test_mse", "lowest seen", partial(scientific, decimals=2)),
        Column(title="after", cell=_after),
        *shown("status"),
        Column(title="note", cell=_note),
    ),
    keys="target scheme optimizer hidden dtype",
    heading=TRAINED,
    split="target",
)


def _first_seen(row: Row, column: str) -> str:
    """The step of a free run at which something was first seen; empty where there was no run."""
    if np.isnan(row["steps"]):
        return ""
    return f"not in {whole(row['steps'])} steps" if np.isnan(row[column]) else f"step {whole(row[column])}"


def _parted_flips(row: Row) -> str:
    return "" if np.isnan(row["parted_flips"]) else f"{row['parted_flips']:.0f} of {whole(row['pairs'])}"


TRAJECTORY = TableSpec(
    "trajectory",
    learning.trajectory,
    "target optimizer scheme dtype hidden backend status share first_flip_step first_flip_distance parted_step "
    "parted_flips flips_until_parted pairs steps distance order reason",
    (
        *shown("backend"),
        Column("share", "one step, of its bound", lambda share: "" if np.isnan(share) else f"{share:.2g}"),
        Column(title="signs first differ", cell=partial(_first_seen, column="first_flip_step")),
        Column("first_flip_distance", "at a distance of", scientific),
        Column(title="parted", cell=partial(_first_seen, column="parted_step")),
        Column(title="signs that differ then", cell=_parted_flips),
        Column("flips_until_parted", "until then", whole),
        Column("distance", "distance at the end", scientific),
        *shown("status"),
        Column(title="note", cell=_note),
    ),
    keys="target optimizer scheme hidden dtype",
    heading=TRAINED,
    note=TRAJECTORY_NOTE,
)


def _worst_error(row: Row) -> str:
    """The error that is the largest share of its bound, that share, and of which quantity it is."""
    if np.isnan(row["error"]):
        return str(row["status"])
    passed = "" if row["status"] == Status.OK else f"{row['status']} "
    return f"{passed}{row['error']:.1e} ({row['share']:.1g}, {row['quantity']})"


def _errors(run: Run, rows: pd.DataFrame, columns: Columns) -> Document:
    """Backends down, batch sizes across: the quantity that is nearest to its bound; above 1 disagrees."""
    worst = rows.sort_values("share", ascending=False, kind="stable", na_position="last")
    note = lambda rows: "; ".join(dict.fromkeys(row["reason"] for row in rows if row["reason"]))  # noqa: E731
    return [matrix(run, worst, _worst_error, note=note)]  # of several rows of a case it shows the first


AGREEMENT = TableSpec(
    "agreement",
    learning.agreement,
    "dtype batch inputs hidden outputs backend status quantity error bound share reason",
    lay_out=_errors,
    keys="dtype inputs hidden outputs",
    heading="{dtype}, D = {inputs}, H = {hidden}, O = {outputs}",
    note=AGREEMENT_NOTE,
)


def _asymptotic_in_words(rows: pd.DataFrame) -> str:
    best, asymptotic = best_spline(rows), float(rows.asymptotic_mse.max())
    text = "No ratio to MSE*: f'' does not exist everywhere."
    if asymptotic > 0:
        text = f"MSE* = {asymptotic:.3g}, the asymptotic value."
    if np.isnan(best):
        return f"{text} No spline was looked for in this run."
    exact = "; but for rounding it is exact, and no other is divided by it." if best < EXACT else "."
    return f"{text} The best spline found: {best:.3g}{exact}"


def _seconds_and_steps(title: str, seconds: str, steps: str) -> Column:
    """Seconds and steps as "0.45 s, 3 000"; empty if the limit was not reached."""
    return Column(title=title, cell=lambda row: ", ".join(filter(None, (_seconds(row, seconds), whole(row[steps])))))


def _seconds(row: Row, name: str) -> str:
    """Seconds, with a mark if they were measured under load; empty for nan."""
    text = duration(row[name])
    return text and text + marked(row)


SOLVERS_TABLE = TableSpec(
    "solvers",
    learning.solvers,
    "target hidden solver backend algorithm dtype status "
    f"{' '.join(f'{what}_to_{name}' for what in ('seconds', 'steps') for name in LIMITS)} mse lowest_mse max_error "
    "asymptotic_mse over_asymptotic over_best_spline train_seconds steps budget_seconds unsound reason",
    (
        *shown("solver backend"),
        *(_seconds_and_steps(f"to {name}", f"seconds_to_{name}", f"steps_to_{name}") for name in LIMITS),
        Column("mse", "error at the end", scientific),
        Column("lowest_mse", "lowest seen", scientific),
        Column("max_error", "max error", scientific),
        Column("over_asymptotic", "over MSE*", times),
        Column("over_best_spline", "over the best spline", times),
        _seconds_and_steps("after", "train_seconds", "steps"),
        *shown("status"),
        Column(title="note", cell=lambda row: "; ".join(filter(None, (row["reason"], row["unsound"])))),
    ),
    lay_out=lambda run, rows, columns: [_asymptotic_in_words(rows), flat(rows, columns)],
    keys="target hidden",
    heading="{target}; H = {hidden}",
    note=SOLVERS_NOTE,
    applies=lambda run: run.sweep is None and learning.has_solvers(run),
    sort=False,
    split="hidden",
)
SHORT_SOLVERS = (  # columns that a terminal has room for
    *shown("target"),
    Column("hidden", "H"),
    *shown("solver backend status"),
    *(Column(title=f"to {name}", cell=partial(_seconds, name=f"seconds_to_{name}")) for name in ("1e-4", "1e-6")),
    Column("mse", "error at the end", scientific),
    Column("over_best_spline", "over the best spline", times),
)


def lay_out_reached(run: Run) -> Document:
    """The one table that a README has room for: solvers down, functions across, at the width with most rows."""
    frame = learning.solvers(run)
    frame = frame if frame.empty else frame[frame.status.isin(statuses(has_numbers=True))]
    if frame.empty:
        return []
    frame = frame[frame.hidden == frame.hidden.mode().max()].sort_values("mse", kind="stable")
    frame["cell"] = frame.mse.map(scientific).where(frame.status == Status.OK, frame.status)
    best = frame.drop_duplicates(["solver", "target"])  # of several backends
    table = best.pivot(index="solver", columns="target", values="cell")
    table = table.reindex(index=SOLVERS, columns=[*ZOO]).dropna(how="all").dropna(how="all", axis="columns")
    longest = frame.sort_values("train_seconds", na_position="first").drop_duplicates("solver", keep="last")
    cells = {row["solver"]: _seconds(row, "train_seconds") for row in records(longest)}
    table.insert(0, "longest", table.index.map(cells))
    table.loc["MSE*"] = frame.groupby("target").asymptotic_mse.max().map(scientific)
    text = f"H = {frame.hidden.iloc[0]}. Mean squared error against the function, where each solver ended."
    return [text, Table(table.fillna("").reset_index()), *loads_in_words(records(longest))]
