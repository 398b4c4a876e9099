"""The figure of the solvers: how the error of each falls with the seconds of solving, one panel for each function."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis import derived, solvers
from bench.analysis.frames import Run
from bench.grid.case import SOLVERS
from bench.journal.status import Status, statuses
from bench.reporting.styles import Style, legend, plain, styles
from relufit import targets

ACROSS = 3  # panels in a row
FLOOR = 1e-13  # lower errors, of splines that are exact, are drawn here: all others would have no room


def draw(run: Run) -> Figure | None:
    """Mean squared error against seconds at the width of the figures: the lowest so far, and pale the present one."""
    cases = run.cases[(run.cases.work == "solving") & run.cases.status.isin(statuses(has_numbers=True))]
    cases = cases[cases.optimizer.isin(SOLVERS)]
    hidden = cases.hidden.mode().max() if not (cases.hidden == 512).any() else 512
    cases = cases[cases.hidden == hidden]
    names = [name for name in targets.ZOO if (cases.target == name).any()]
    if not names:
        return None
    across, down = min(len(names), ACROSS), -(-len(names) // ACROSS)
    figure = Figure(figsize=(4 * across + 2, 3.3 * down + 0.6), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        _panel(axes, run, cases[cases.target == name], name)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    legend(figure, panels)
    figure.suptitle(
        plain(f"{run.machine}, {run.threads}; H = {hidden}; error against the function, the lowest so far, and pale "
              "the present one"), fontsize=10,
    )  # fmt: skip
    return figure


def _panel(axes: Axes, run: Run, cases: Any, target: str) -> None:
    styled = styles(SOLVERS)
    several = cases.backend.nunique() > 1
    for solver in SOLVERS:
        own = derived.sorted_by_backend(run, cases[cases.optimizer == solver])
        for case in own.to_dict("records"):
            label = plain(f"{solver}, {case['backend']}" if several and solver != "spline" else solver)
            _curve(axes, case, label, styled[solver])
    frame = solvers.tabulate(run)
    best = solvers.best_spline(frame[(frame.target == target) & frame.hidden.isin(cases.hidden)])
    if best == best:
        axes.axhline(max(best, FLOOR), color="black", linewidth=0.8, linestyle="--", label="best spline found")
    if best < FLOOR:
        axes.annotate(f"{best:.0e}", (0.02, FLOOR), xycoords=("axes fraction", "data"), va="bottom", fontsize=8)
    axes.set(xscale="log", yscale="log", title=plain(target), xlabel="seconds of solving", ylabel="mean squared error")


def _curve(axes: Axes, case: dict[str, Any], label: str, style: Style) -> None:
    seconds, mse = np.asarray(case["train_seconds"]), np.maximum(case["mse"], FLOOR)
    timed = seconds > 0  # what it began with has no place on this axis
    if not timed.any():
        return
    if timed.sum() == 1:
        axes.plot(seconds[timed], mse[timed], color=style.colour, marker=style.marker, linestyle="", label=label)
        return
    axes.plot(seconds[timed], mse[timed], color=style.colour, alpha=0.25, linewidth=1)
    axes.plot(seconds[timed], np.fmin.accumulate(mse)[timed], color=style.colour, linestyle=style.line, label=label)
    if case["status"] == Status.DIVERGED:
        axes.plot(seconds[-1:], mse[-1:], color=style.colour, marker="x", linestyle="")
