"""From tidy frames to figures: throughput against batch, seconds against N, training curves, trajectories, the fits.

Figures are made without pyplot, and without dates or random identifiers: the same journal gives the same bytes.
"""

import textwrap
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from bench.analysis import crossings, derived
from bench.analysis.frames import Run
from bench.grid.cost import is_hinge
from bench.grid.workloads import WORKLOADS
from bench.journal.status import Status
from bench.reporting import solver_curves
from bench.reporting.crossover import phrase
from bench.reporting.styles import Style, legend, plain, styles
from relufit import targets

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "relufit",
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
FITS_ACROSS = 6  # panels in a row
MOST_FITS, MOST_KINDS = 36, 12  # backends, and kinds of runs, that a figure has panels for; tables have them all


def draw_all(run: Run, folder: Path, label: str) -> list[Path]:
    """Draw every figure that the run has data for, `label` in its name; returns the .png files, each beside an .svg."""
    figures = {
        "throughput": throughput,
        "scaling": scaling,
        "convergence": convergence,
        "trajectory": trajectory,
        "fits": fits,
        "solvers": solver_curves.draw,
    }
    if run.question is not None:
        figures = {"crossover": crossover}
    written = []
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in another script: boxes will do
        for name, draw in figures.items():
            figure = draw(run)
            if figure is not None:
                # Of a run of the kind `solvers` the name says so once.
                path = folder / f"{name}-{label.replace(f'-{run.kind}', '', 1) if run.kind == name else label}.png"
                figure.savefig(path, dpi=110, metadata={"Software": None})
                figure.set_layout_engine("none")  # keep it as laid out: to do it again takes longer than to draw
                figure.savefig(path.with_suffix(".svg"), metadata={"Date": None, "Creator": None})
                written.append(path)
    return written


def throughput(run: Run) -> Figure | None:
    """Samples per second against batch size; one panel for each kind of work that was timed."""
    frame, (hidden, dtype) = derived.throughput(run), derived.focus(run)
    if frame.empty:
        return None
    frame = frame[
        (frame.hidden == hidden) & (frame.dtype == dtype) & (frame.status == Status.OK) & (frame.optimizer != "sgd")
    ]
    works = [kind for kind in WORKLOADS.values() if kind.cost and (frame.work == kind.name).any()]
    if not works:
        return None
    figure = Figure(figsize=(2 + 10 / 3 * len(works), 4.2), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(works), sharey=True))
    style = _styles(run)
    for panel, work in zip(panels, works, strict=True):
        for name in derived.in_order(run):
            own = frame[frame.backend == name]
            rows = own[own.work == work.name].sort_values("batch")
            if len(rows):
                panel.plot(rows.batch, rows.samples_per_second, label=_label(name, own), **_marked(style[name]))
        title = work.title.lower() + ", Adam" * (work.verb == "train")
        panel.set(xscale="log", yscale="log", xlabel="batch size N", title=title)
    panels[0].set(ylabel="samples per second")
    legend(figure, panels)
    figure.suptitle(_title(run), fontsize=10)
    return figure


def scaling(run: Run) -> Figure | None:
    """Seconds of one full-batch gradient against N, at the width and dtype of the figures."""
    frame, (hidden, dtype) = derived.scaling(run), derived.focus(run)
    frame = frame[(frame.hidden == hidden) & (frame.dtype == dtype) & (frame.status == Status.OK)]
    if frame.empty:
        return None
    figure = Figure(figsize=(11, 5), layout="constrained")
    axes, style = figure.subplots(), _styles(run)
    for name in derived.in_order(run):
        rows = frame[frame.backend == name].sort_values("batch")
        if len(rows):
            axes.plot(rows.batch, rows.median_seconds, label=_label(name, rows), **_marked(style[name]))
    axes.set(xscale="log", yscale="log", xlabel="samples N", ylabel="seconds of one gradient")
    legend(figure, [axes])
    figure.suptitle(f"{_title(run)}; loss and gradients of all N samples", fontsize=9)
    return figure


def crossover(run: Run) -> Figure | None:
    """Times of both backends against the size that varies, and below them their ratio; each with its interval."""
    question, frame = run.question, crossings.tabulate(run)
    frame = frame[frame.times_faster.notna()]
    assert question is not None
    if frame.empty:
        return None
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    times, style = derived.throughput(run), _styles(run)
    for name in (question.a, question.b):
        own = times[(times.backend == name) & (times.work == question.work)].set_index(question.over)
        own = own.loc[frame["size"], ["median_us", "low_us", "high_us"]] / 1e6
        _with_intervals(above, own.index, *own.to_numpy().T, label=plain(name), **_marked(style[name]))
    ratios = frame[["times_faster", "low", "high"]].to_numpy().T
    _with_intervals(below, frame["size"], *ratios, color="black", marker="o", markersize=4)
    below.axhline(1, color="black", linewidth=0.8, alpha=0.5)
    for crossing in crossings.find(run):
        for axes in (above, below):
            axes.axvspan(crossing.low, crossing.high, color="tab:grey", alpha=0.25, linewidth=0)
            axes.axvline(crossing.size, color="tab:grey", linewidth=0.8)
    above.set(xscale="log", yscale="log", ylabel=plain(f"seconds of one {question.work}"))
    below.set(xscale="log", yscale="log", xlabel=f"{question.over} size {question.symbol}")
    below.set_ylabel(plain(f"{question.a} is times faster"))
    below.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=4))
    below.yaxis.set_major_formatter("{x:g}")
    below.yaxis.set_minor_formatter("")
    above.legend(frameon=False, fontsize=9)
    figure.suptitle(plain(f"{run.machine}, {run.threads}\n{textwrap.fill(phrase(run), 110)}"), fontsize=9)
    return figure


def _with_intervals(axes: Axes, sizes: Any, middle: Any, low: Any, high: Any, **style: Any) -> None:
    """Draw a line with error bars; none where there are too few values for an interval."""
    down, up = (np.nan_to_num(np.asarray(reach, dtype=float)) for reach in (middle - low, high - middle))
    axes.errorbar(sizes, middle, yerr=[down, up], capsize=2, elinewidth=1, **style)


def _label(name: str, rows: Any) -> str:
    """The backend, and whether the samples of its rates are effective ones."""
    return plain(name) + (" (hinge)" if any(map(is_hinge, rows.algorithm)) else "")


def convergence(run: Run) -> Figure | None:
    """Loss and test error against seconds of training, test error against steps, of sin and x^2 by Adam."""
    cases = _finished(run)
    cases = cases[_is_usual(cases)]
    names = [name for name in targets.ZOO if (cases.target == name).any()]
    if not names:
        return None
    figure = Figure(figsize=(14, 4 * len(names)), layout="constrained")
    grid = figure.subplots(len(names), 3, sharey="row", squeeze=False)
    styled = _styles(run)
    for row, target in zip(grid, names, strict=True):
        shown = cases[cases.target == target].drop_duplicates("backend").set_index("backend", drop=False)
        for case in (shown.loc[name].to_dict() for name in derived.in_order(run) if name in shown.index):
            own = " (own order)" if case["order"] == "own" else ""
            style = {
                "color": styled[case["backend"]].colour,
                "label": plain(case["backend"]) + own,
                "linestyle": styled[case["backend"]].line,
            }
            for axes, x, y in zip(
                row, ("train_seconds", "train_seconds", "step"), ("loss", "test_mse", "test_mse"), strict=True
            ):
                if case[x] and case[y]:
                    axes.plot(case[x], case[y], **{**style, "label": None, "alpha": 0.2})
                    axes.plot(case[x], np.fmin.accumulate(case[y]), **style)
        row[0].set(yscale="log", xscale="log", xlabel="seconds of training", ylabel=target, title="training loss")
        row[1].set(xscale="log", xlabel="seconds of training", title="test error against time")
        row[2].set(xlabel="steps of 32 samples", title="test error against steps")
    legend(figure, grid[0])
    figure.suptitle(
        f"{_title(run)}, Adam at 1e-3; mean squares: the lowest so far, and pale the present one", fontsize=10
    )
    return figure


def trajectory(run: Run) -> Figure | None:
    """How far free runs are from float64's, against steps; a panel for each case."""
    hidden, _ = derived.focus(run)
    cases = run.cases[(run.cases.work == "trajectory") & (run.cases.status == Status.OK) & (run.cases.hidden == hidden)]
    cases = cases[[bool(values) for values in cases.distance]]  # not those of an own order
    if cases.empty:
        return None
    kinds = [*cases.groupby(["target", "optimizer", "scheme", "dtype"], sort=True)][:MOST_KINDS]
    figure = Figure(figsize=(4 * len(kinds) + 2.5, 4), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(kinds), sharey=True))
    styled = _styles(run)
    for panel, (kind, rows) in zip(panels, kinds, strict=True):
        for case in derived.sorted_by_backend(run, rows).to_dict("records"):
            colour, _, line = styled[case["backend"]]
            panel.plot(case["step"], case["distance"], color=colour, linestyle=line, label=plain(case["backend"]))
        panel.axhline(derived.PARTED, color="black", linewidth=0.8, alpha=0.5)
        panel.set(xscale="log", yscale="log", xlabel="steps of 32 samples", title=plain(", ".join(kind)))
    panels[0].set(ylabel="distance from float64, of the way gone")
    legend(figure, panels)
    figure.suptitle(plain(f"{run.machine}, {run.threads}; H = {hidden}, over the same minibatches"), fontsize=10)
    return figure


def fits(run: Run) -> Figure | None:
    """What each backend learned of sin and x^2, beside the function."""
    cases = _finished(run)
    names = [name for name in targets.ZOO if (cases.target == name).any()]
    backends = [name for name in derived.in_order(run) if (cases.backend == name).any()][:MOST_FITS] if names else []
    if not backends:
        return None
    across = min(len(backends), FITS_ACROSS)
    down = -(-len(backends) // across)  # rows of panels for one target
    figure = Figure(figsize=(2.7 * across + 0.6, 2.8 * down * len(names) + 0.5), layout="constrained")
    grid = figure.subplots(down * len(names), across, squeeze=False)
    for place, target in enumerate(names):
        panels = grid[place * down : (place + 1) * down].ravel()
        for axes, name in zip(panels, backends, strict=False):
            axes.sharex(panels[0])
            axes.sharey(panels[0])
            _fit(axes, cases[(cases.target == target) & (cases.backend == name)], target, name)
        for axes in panels[::across]:
            axes.set_ylabel(target)
        for axes in panels[len(backends) :]:
            axes.set_axis_off()
    for axes in grid[-1]:
        axes.set_xlabel("x")
    legend(figure, grid.flat)
    figure.suptitle(f"{_title(run)}, 800 samples, Adam from spread weights; mean squared error", fontsize=10)
    return figure


def _fit(axes: Axes, cases: Any, target_name: str, backend: str) -> None:
    """Draw one panel: the run by Adam from `spread` weights, or for a backend without it the one that ended best."""
    if cases.empty:
        axes.set_title(f"{plain(backend)}: no finished run", fontsize=9)
        return
    by_adam = cases[_is_usual(cases)]
    chosen = (
        by_adam if len(by_adam) else cases.assign(last=[errors[-1] for errors in cases.test_mse]).nsmallest(1, "last")
    )
    case, target = chosen.to_dict("records")[0], targets.ZOO[target_name]
    curve = np.asarray(case["curve"], dtype=float)
    x = np.linspace(*target.domain, len(curve))
    axes.plot(x, target(x), color="black", linewidth=2.5, alpha=0.35, label="function")
    axes.plot(x, curve, color="tab:red", linewidth=1, label="network")
    error = float(np.mean((curve - target(x)) ** 2))
    lowest = f"lowest test error {np.nanmin(case['test_mse']):.1e}"
    how = "" if len(by_adam) else plain(f"\n{case['optimizer']}, {case['scheme']} weights")
    axes.set_title(f"{plain(backend)}: {error:.1e} at the end\n{lowest}{how}", fontsize=8)


def _finished(run: Run) -> Any:
    """Training runs that ended well, at the width and dtype of the figures: a frame."""
    cases = run.cases[(run.cases.work == "convergence") & (run.cases.status == Status.OK)]
    hidden, dtype = derived.focus(run)
    return cases[(cases.hidden == hidden) & (cases.dtype == dtype)]


def _is_usual(cases: Any) -> Any:
    """Which of them are by Adam from `spread` weights: what every backend but the textbook class can do."""
    return (cases.scheme == "spread") & (cases.optimizer == "adam")


def _title(run: Run) -> str:
    hidden, dtype = derived.focus(run)
    return plain(f"{run.machine}, {run.threads}; H = {hidden}, {dtype}")


def _styles(run: Run) -> dict[str, Style]:
    """The style of each backend, the same in every figure of a run."""
    return styles([*run.header["backends"], *run.cases.backend])


def _marked(style: Style) -> dict[str, Any]:
    """The words that Axes.plot knows a style by."""
    return {"color": style.colour, "marker": style.marker, "linestyle": style.line, "markersize": 4, "linewidth": 1.3}
