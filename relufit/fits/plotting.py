"""The picture of a fit: data, network and knots above, residual below. Needs matplotlib (relufit[plot]).

Axes are labelled with the names of the columns, where known, and times are shown as dates.
"""

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from relufit.errors import RelufitError, reason
from relufit.export import check_writable
from relufit.network.sorted.polyline import knots_of
from relufit.reading.columns import TIME, ZONED
from relufit.targets import Target

Fit = Any  # relufit.Fit, which draws itself by the functions of this file
LONGEST = 40  # characters of a target's name in the legend, which has two columns across the figure
CALENDAR = -62135596800.0, 253402300799.0  # seconds: matplotlib has dates of the years 1 to 9999
MOST_MARKS = 60  # knots that are marked one by one; more would merge into a bar
STRIP = 0.06  # height of the strip of more knots than that, as a fraction of the panel
WIDEST = 250  # points, the width of a formula in the legend: that of a name of LONGEST characters


def check_can_plot(path: str | Path, inputs: int = 1, outputs: int = 1) -> None:
    """Raise RelufitError if `plot_fit` would fail: for D or O above 1, without matplotlib, or for this path."""
    _check_sizes(inputs, outputs)
    supported = _figure_class()().canvas.get_supported_filetypes()
    if not isinstance(path, (str, PathLike)) or Path(path).suffix[1:].lower() not in supported:
        raise RelufitError(f"cannot write {path!r}: its name must end in one of {', '.join(sorted(supported))}")
    check_writable(path)


def plot_fit(fit: Fit, path: str | Path | None = None) -> Any:
    """Draw a fit with D = O = 1; save it where `path` is given. Returns the matplotlib Figure.

    Raises RelufitError for other D and O, without matplotlib, and where the file cannot be written.
    """
    _check_sizes(fit.x.shape[1], fit.y.shape[1])
    if path is not None:
        check_can_plot(path)
    figure = _figure_class()(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    as_shown = _as_times if _has_dates(fit) else np.asarray
    _draw_fit(fit, above, as_shown)
    _draw_residual(fit, below, as_shown)
    if _has_dates(fit):
        from matplotlib.dates import ConciseDateFormatter

        below.xaxis.set_major_formatter(ConciseDateFormatter(below.xaxis.get_major_locator()))
    # Below the panels: beside them, a long label would make them narrow.
    figure.legend(*above.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    if path is not None:
        _save(figure, path)
    return figure


def _draw_fit(fit: Fit, panel: Any, as_shown: Callable[[np.ndarray], np.ndarray]) -> None:
    """Draw data, function, network and knots; `as_shown` converts x, (n,) or (n, 1), for matplotlib."""
    low, high = fit.domain
    grid = np.linspace(low, high, 2001)
    if len(fit.x):
        panel.plot(as_shown(fit.x), fit.y, ".", color="0.6", markersize=3, label=f"data, N = {len(fit.x)}")
    if fit.target is not None:
        panel.plot(grid, fit.target(grid), color="black", linewidth=1, label=label_of(fit.target))
    panel.plot(as_shown(grid), fit.predict(grid), color="tab:red", label=f"network, H = {fit.params.b1.shape[0]}")
    _draw_knots(panel, knots_of(fit.params, low, high), low, high, as_shown)
    title = f"mean squared error {fit.metrics.mse:.3g}, max {fit.metrics.max_error:.3g}"
    panel.set(ylabel=_name_of(fit.columns.y, "y"), title=title)


def _draw_knots(
    panel: Any, knots: np.ndarray, low: float, high: float, as_shown: Callable[[np.ndarray], np.ndarray]
) -> None:
    """Mark each knot (K,) at the foot of the panel; of more than MOST_MARKS draw how many lie where."""
    at_the_foot = panel.get_xaxis_transform()  # x in data, y as a fraction of the panel
    label = f"{len(knots)} knots inside"
    if len(knots) <= MOST_MARKS:
        rug = np.full(len(knots), 0.02)
        panel.plot(as_shown(knots), rug, "|", color="tab:blue", transform=at_the_foot, label=label)
        return
    counts, edges = np.histogram(knots, MOST_MARKS, (low, high))
    heights = STRIP * counts / counts.max()
    panel.stairs(heights, as_shown(edges), fill=True, color="tab:blue", alpha=0.5, transform=at_the_foot,
                 label=f"{label}: how many lie where")  # fmt: skip


def _draw_residual(fit: Fit, panel: Any, as_shown: Callable[[np.ndarray], np.ndarray]) -> None:
    """Draw the residual: the network minus the data, or minus the function where it has no noise."""
    order = np.argsort(fit.x[:, 0])
    residual = fit.predict(fit.x)[order] - fit.y[order]
    panel.plot(as_shown(fit.x[order]), residual, color="tab:red", linewidth=0.8)
    panel.axhline(0, color="0.6", linewidth=0.5)
    sampled = "data" if fit.target is None or fit.target.noise else "function"
    zone = ", UTC" if ZONED in fit.columns.types else ""
    panel.set(xlabel=_name_of(fit.columns.x, "x") + zone, ylabel=f"network - {sampled}")


def _has_dates(fit: Fit) -> bool:
    """Whether x holds times that matplotlib can show as dates, with the margins of its panels."""
    low, high = fit.domain
    margin = (high - low) / 10
    inside = CALENDAR[0] < low - margin and high + margin < CALENDAR[1]
    return inside and not {TIME, ZONED}.isdisjoint(fit.columns.types)


def _as_times(x: np.ndarray) -> np.ndarray:
    """Seconds since 1970 as datetime64 to the microsecond, which matplotlib shows as dates."""
    return np.rint(x * 1e6).astype(np.int64).astype("datetime64[us]")


def _name_of(names: tuple[str, ...], otherwise: str) -> str:
    """The label of an axis: the name of the column, if it has one."""
    return _as_plain(names[0]) if names and names[0] else otherwise


def _as_plain(name: str) -> str:
    """A name as plain text: cut where it is long, and with $ escaped so that it is not read as a formula."""
    return (name if len(name) <= LONGEST else name[: LONGEST - 1] + "…").replace("$", r"\$")


def label_of(target: Target) -> str:
    """The target as a formula, if sympy is installed and matplotlib can render it; else its name.

    A formula wider than WIDEST is replaced by the name; a name of more than LONGEST characters is cut.
    """
    from matplotlib.mathtext import MathTextParser

    name = _as_plain(target.name)
    try:
        from relufit.symbolic import latex

        formula = f"${latex(target)}$"
        width = MathTextParser("path").parse(formula)[0]
    except (RelufitError, ImportError, ValueError):  # no sympy, no expression; no such command in mathtext
        return name
    return formula if width <= WIDEST else name


def _check_sizes(inputs: int, outputs: int) -> None:
    if inputs != 1 or outputs != 1:
        raise RelufitError(f"only one input and one output can be drawn, not {inputs} and {outputs}")


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure  # not pyplot: no global state, no window system
    except ImportError:
        raise RelufitError("matplotlib is not installed: pip install relufit[plot]") from None
    return Figure


def _save(figure: Any, path: str | Path) -> None:
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:  # no such folder, no permission; a format that matplotlib does not know
        raise RelufitError(f"cannot write the figure {path}: {reason(error)}") from None
