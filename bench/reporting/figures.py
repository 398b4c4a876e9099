"""Every figure: throughput against batch, seconds against N, crossovers, training curves, trajectories, fits, solvers.

Figures are made without pyplot; bench/reporting/drawing.py writes them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis import learning
from bench.analysis import throughput as timed
from bench.analysis.frames import Run, focus, in_order, matching, records, sorted_by_backend
from bench.analysis.pairs import comparison
from bench.analysis.warnings import under_load
from bench.grid.case import SOLVERS
from bench.grid.workloads import WORKLOADS
from bench.journal.status import Status, statuses
from bench.reporting import panels
from bench.reporting.panels import Style, finish, grid_of, plain, styles_of, title_of
from bench.reporting.tables.crossovers import crossover_in_words
from relufit import targets

# One font, and titles at a fixed height: to look for fonts, and for ticks above a panel, takes a sixth of the drawing.
STYLE: dict[Any, Any] = {
    "axes.grid": True, "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False, "axes.titley": 1.0,
    "font.family": "DejaVu Sans",
}  # fmt: skip
LOWEST = "the lowest so far, and pale the present one"
LOG: dict[str, Any] = {"xscale": "log", "yscale": "log"}
SOLVERS_ACROSS = 3  # panels in a row
MOST_TRAJECTORIES = 12  # panels that a figure has room for; tables have all cases
MARKS = 6  # on a line of the length of a panel's diagonal, which others may hide
FLOOR = 1e-13  # lower errors, of splines that are exact, are drawn here: all others would have no room


def figures_of(run: Run, folder: Path, label: str) -> dict[Path, Figure]:
    """Every figure that the run has data for, by the .png file that it is to be, `label` in its name."""
    found = {}
    with mpl.rc_context(STYLE):
        for make, table in FIGURES.items():
            is_of_run = (make is crossover) == (run.sweep is not None) and run.shows(table)
            if is_of_run and (figure := make(run)) is not None:
                name = make.__name__
                # The figure `solvers` of a run of the kind `solvers` is named once.
                path = folder / f"{name}-{label.replace(f'-{run.kind}', '', 1) if run.kind == name else label}.png"
                found[path] = figure
    return found


def throughput(run: Run) -> Figure | None:
    """Samples per second against batch size; one panel for each kind of work that was timed."""
    frame = _focused(run, timed.throughput(run))
    frame = frame if frame.empty else frame[frame.optimizer != "sgd"]
    works = [kind for kind in WORKLOADS.values() if kind.cost and len(frame) and (frame.work == kind.name).any()]
    if not works:
        return None
    figure, grid = grid_of(1, len(works), 2 + 10 / 3 * len(works), 4.2, sharey=True)
    for panel, work in zip(grid[0], works, strict=True):
        panels.draw_backends(panel, run, frame[frame.work == work.name], "samples_per_second", frame)
        panel.set(**LOG, xlabel="batch size N", title=work.title.lower() + ", Adam" * (work.verb == "train"))
    grid[0, 0].set(ylabel="samples per second")
    return finish(figure, grid[0], title_of(run))


def scaling(run: Run) -> Figure | None:
    """Seconds of one full-batch gradient against N, at the width and dtype of the figures."""
    frame = _focused(run, timed.scaling(run))
    if frame.empty:
        return None
    figure, grid = grid_of(1, 1, 11, 5)
    panels.draw_backends(grid[0, 0], run, frame, "median_seconds", frame)
    grid[0, 0].set(**LOG, xlabel="samples N", ylabel="seconds of one gradient")
    return finish(figure, grid[0], f"{title_of(run)}; loss and gradients of all N samples", fontsize=9)


def crossover(run: Run) -> Figure | None:
    """Times of both backends against the size that varies, and below them their ratio; each with its interval."""
    sweep, frame = run.sweep, comparison.crossover(run).dropna(subset="times_faster")
    assert sweep is not None
    if frame.empty:
        return None
    figure, grid = grid_of(2, 1, 9, 6.5, sharex=True, height_ratios=(2, 1))
    above, below = grid[:, 0]
    times, style = timed.throughput(run), styles_of(run)
    for name in (sweep.a, sweep.b):
        own = times[(times.backend == name) & (times.work == sweep.work)].set_index(sweep.over).loc[frame["size"]]
        seconds = own[["median_us", "low_us", "high_us"]] / 1e6
        panels.draw_intervals(above, own.index, *seconds.to_numpy().T, label=plain(name), **style[name])
        loaded = seconds.median_us[own.under_load != ""]
        panels.draw_loaded(above, loaded.index, loaded, style[name])
    ratios = frame[["times_faster", "low", "high"]].to_numpy().T
    points = {"color": "black", "marker": "o", "markersize": 4}
    panels.draw_intervals(below, frame["size"], *ratios, **points)
    loaded = frame[(frame.a_load != "") | (frame.b_load != "")]
    panels.draw_loaded(below, loaded["size"], loaded.times_faster, points)
    below.axhline(1, color="black", linewidth=0.8, alpha=0.5)
    for crossing in comparison.crossings(run):
        for axes in (above, below):
            axes.axvspan(crossing.low, crossing.high, color="tab:grey", alpha=0.25, linewidth=0)
            axes.axvline(crossing.size, color="tab:grey", linewidth=0.8)
    above.set(**LOG, ylabel=plain(f"seconds of one {sweep.work}"))
    below.set(**LOG, xlabel=f"{sweep.over} size {sweep.symbol}", ylabel=plain(f"{sweep.a} is times faster"))
    return finish(figure, grid[:, 0], f"{run.title}\n{crossover_in_words(run)}", fontsize=9)


def convergence(run: Run) -> Figure | None:
    """Loss and test error against seconds of training, test error against steps, of each function by Adam."""
    cases = _learned(run)
    cases = cases[_is_usual(cases)]
    names = _targets(cases)
    if not names:
        return None
    figure, grid = grid_of(len(names), 3, 14, 4 * len(names), sharey="row")
    styled = styles_of(run)
    drawn = (("train_seconds", "loss"), ("train_seconds", "test_mse"), ("step", "test_mse"))
    for row, target in zip(grid, names, strict=True):
        for case in _by_backend(run, cases[cases.target == target].drop_duplicates("backend")):
            label = plain(case["backend"]) + (" (own order)" if case["order"] == "own" else "")
            for axes, (x, y) in zip(row, drawn, strict=True):
                if case[x] and case[y]:
                    panels.draw_lowest(axes, case[x], case[y], styled[case["backend"]], label, alpha=0.2)
        row[0].set(yscale="log", xscale="log", xlabel="seconds of training", ylabel=target, title="training loss")
        row[1].set(xscale="log", xlabel="seconds of training", title="test error against time")
        row[2].set(xlabel="steps of 32 samples", title="test error against steps")
    title = f"{title_of(run)}, Adam at 1e-3; mean squares: {LOWEST}"
    return finish(figure, grid.flat, title)


def trajectory(run: Run) -> Figure | None:
    """How far free runs are from float64's, against steps; a panel for each case."""
    hidden, _ = focus(run)
    cases = matching(run.cases, work="trajectory", status=Status.OK, hidden=hidden)
    cases = cases[cases.distance.map(bool)]  # not those of an own order
    if cases.empty:
        return None
    groups = [*cases.groupby(["target", "optimizer", "scheme", "dtype"], sort=True)][:MOST_TRAJECTORIES]
    figure, grid = grid_of(1, len(groups), 4 * len(groups) + 2.5, 4, sharey=True)
    styled = styles_of(run)
    for panel, (values, rows) in zip(grid[0], groups, strict=True):
        for place, case in enumerate(_by_backend(run, rows)):
            name, marks = case["backend"], (place / len(rows) / MARKS, 1 / MARKS)  # beside those of the other lines
            panel.plot(case["step"], case["distance"], **styled[name], markevery=marks, label=plain(name))
        panel.axhline(learning.PARTED, color="black", linewidth=0.8, alpha=0.5)
        panel.set(**LOG, xlabel="steps of 32 samples", title=plain(", ".join(values)))
    grid[0, 0].set(ylabel="distance from float64, relative\nto the distance trained")
    return finish(figure, grid[0], f"{run.title}; H = {hidden}, over the same minibatches")


def fits(run: Run) -> Figure | None:
    """What each backend learned of each function, and below it how far that is from the function."""
    cases = _learned(run)
    names = _targets(cases)
    if not names:
        return None
    figure, grid = grid_of(2, len(names), 6 * len(names) + 2, 6, sharex="col", height_ratios=(2, 1))
    styled = styles_of(run)
    for (above, below), name in zip(grid.T, names, strict=True):
        target, own = targets.ZOO[name], cases[cases.target == name]
        above.set(title=plain(name), ylabel="y")
        below.set(xlabel="x", ylabel="network - function")
        for case in map(_best_of, _each_backend(run, own)):
            x, curve = np.linspace(*target.domain, len(case["curve"])), np.asarray(case["curve"], dtype=float)
            is_usual = (case["optimizer"], case["scheme"]) == ("adam", "spread")
            how = "" if is_usual else plain(f" ({case['optimizer']}, {case['scheme']} weights)")
            style, label = styled[case["backend"]], plain(case["backend"]) + how
            panels.draw_line(above, x, curve, style, label=label)
            panels.draw_line(below, x, curve - target(x), style)
        above.plot(x, target(x), color="black", linewidth=3, alpha=0.3, label="function")
        below.axhline(0, color="black", linewidth=0.8, alpha=0.5)
    return finish(figure, grid.flat, f"{title_of(run)}, 800 samples, Adam from spread weights")


def _each_backend(run: Run, cases: pd.DataFrame) -> list[pd.DataFrame]:
    return [rows for name in in_order(run) if len(rows := cases[cases.backend == name])]


def _best_of(cases: pd.DataFrame) -> dict[str, Any]:
    """The run of a backend by Adam from `spread` weights, or of one without it the one that ended best."""
    by_adam, last = cases[_is_usual(cases)], cases.test_mse.str[-1].astype(float)
    return records(by_adam if len(by_adam) else cases.loc[last.fillna(np.inf).nsmallest(1).index])[0]


def solvers(run: Run) -> Figure | None:
    """Mean squared error of each solver against seconds: the lowest so far, and pale the present one."""
    cases = run.cases[(run.cases.work == "solving") & run.cases.status.isin(statuses(has_numbers=True))]
    cases = cases[cases.optimizer.isin(SOLVERS)]
    hidden = 512 if (cases.hidden == 512).any() else cases.hidden.mode().max()
    cases = cases[cases.hidden == hidden]
    names = _targets(cases)
    if not names:
        return None
    across, down = min(len(names), SOLVERS_ACROSS), -(-len(names) // SOLVERS_ACROSS)
    figure, grid = grid_of(down, across, 4 * across + 2, 3.3 * down + 0.6)
    for axes, name in zip(grid.flat, names, strict=False):
        _solved(axes, run, cases[cases.target == name], name)
    for axes in grid.ravel()[len(names) :]:
        axes.set_axis_off()
    title = f"{run.title}; H = {hidden}; error against the function, {LOWEST}"
    return finish(figure, grid.flat, title)


def _solved(axes: Axes, run: Run, cases: pd.DataFrame, target: str) -> None:
    """Draw one panel: each solver of a function, and the line of the best spline."""
    styled = panels.styles(SOLVERS)
    several = cases.backend.nunique() > 1
    for solver in SOLVERS:
        for case in _by_backend(run, cases[cases.optimizer == solver]):
            label = plain(f"{solver}, {case['backend']}" if several and solver != "spline" else solver)
            _error_curve(axes, case, label, styled[solver])
            if under_load(run.header, case):
                panels.draw_loaded(
                    axes, case["train_seconds"][-1:], np.maximum(case["mse"], FLOOR)[-1:], styled[solver]
                )
    frame = learning.solvers(run)
    best = learning.best_spline(frame[(frame.target == target) & frame.hidden.isin(cases.hidden)])
    if not np.isnan(best):
        axes.axhline(max(best, FLOOR), color="black", linewidth=0.8, linestyle="--", label="best spline found")
    if best < FLOOR:
        axes.annotate(f"{best:.0e}", (0.02, FLOOR), xycoords=("axes fraction", "data"), va="bottom", fontsize=8)
    axes.set(**LOG, title=plain(target), xlabel="seconds of solving", ylabel="mean squared error")


def _error_curve(axes: Axes, case: dict[str, Any], label: str, style: Style) -> None:
    seconds, mse = np.asarray(case["train_seconds"]), np.maximum(case["mse"], FLOOR)
    timed = seconds > 0  # the error at the start has no place on a logarithmic axis
    if timed.sum() == 1:
        axes.plot(seconds[timed], mse[timed], color=style["color"], marker=style["marker"], linestyle="", label=label)
    elif timed.any():
        panels.draw_lowest(axes, seconds[timed], mse[timed], style, label, alpha=0.25, linewidth=1, linestyle="-")
        if case["status"] == Status.DIVERGED:
            axes.plot(seconds[-1:], mse[-1:], color=style["color"], marker="x", linestyle="")


def _focused(run: Run, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a result, at the width and dtype of the figures."""
    hidden, dtype = focus(run)
    return matching(frame, hidden=hidden, dtype=dtype, status=Status.OK)


def _by_backend(run: Run, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows one by one, in the order of the run's backends."""
    return records(sorted_by_backend(run, frame))


def _learned(run: Run) -> pd.DataFrame:
    """Training runs that ended well, at the width and dtype of the figures."""
    return _focused(run, run.cases[run.cases.work == "convergence"])


def _targets(cases: pd.DataFrame) -> list[str]:
    """The known functions among the cases, in their usual order."""
    return [name for name in targets.ZOO if (cases.target == name).any()]


def _is_usual(cases: pd.DataFrame) -> pd.Series:
    """Which of them are by Adam from `spread` weights: what every backend but the textbook class can do."""
    return (cases.scheme == "spread") & (cases.optimizer == "adam")


# Each figure and the table of grid/workloads.py whose runs it shows.
FIGURES: dict[Callable[[Run], Figure | None], str] = {
    throughput: "throughput",
    scaling: "scaling",
    convergence: "convergence",
    trajectory: "trajectory",
    fits: "convergence",
    solvers: "solvers",
    crossover: "throughput",
}
NAMES = [make.__name__ for make in FIGURES]
