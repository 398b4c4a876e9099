"""What figures share: the style of each backend, lines and intervals in a panel, the legend and the title.

Sixteen backends are too many for as many colours: the first word of a name (torch, jax, numba, ...) is its family, and
has a colour; mark and line tell its members apart.
"""

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from bench.analysis.frames import Run, focus, in_order
from bench.grid.cost import is_hinge

COLOURS = mpl.colormaps["tab10"].colors  # type: ignore[attr-defined]
MARKERS = "osD^vPX"
LINES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (7, 3)))
LETTERS_PER_INCH = 8  # of a title, with room for the legend beside it
SHORT_SPAN = 300  # largest over least value of an axis, up to which it has labels between powers of ten
RATE = "samples_per_second"  # the one quantity that is drawn and is no time

Style = dict[str, Any]  # options of Axes.plot


def styles(names: Iterable[str]) -> dict[str, Style]:
    """A style for each name; a member of a large family is also darker than the one before it."""
    families: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        families.setdefault(name.partition("-")[0], []).append(name)
    found = {}
    for place, members in enumerate(families.values()):
        for member, name in enumerate(members):
            shade = 1 - 0.4 * member / len(members)
            colour = tuple(shade * part for part in COLOURS[place % len(COLOURS)])
            marker, line = MARKERS[member % len(MARKERS)], LINES[member % len(LINES)]
            found[name] = {"color": colour, "linestyle": line, "marker": marker, "markersize": 4, "linewidth": 1.3}
    return found


def styles_of(run: Run) -> dict[str, Style]:
    """The style of each backend, the same in every figure of a run."""
    return styles([*run.header["backends"], *run.cases.backend])


def plain(text: str) -> str:
    """A text out of a journal as it stands, and no formula between its dollars."""
    return text.replace("$", r"\$")


def grid_of(down: int, across: int, width: float, height: float, **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure of this size in inches, and its panels, (down, across)."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(down, across, squeeze=False, **options)


def finish(figure: Figure, panels: Iterable[Axes], title: str, fontsize: int = 10) -> Figure:
    """Add the title, ticks that cover the data, and one legend to the right: lines in the order of their right ends."""
    entries: dict[str, tuple[int, float, Any]] = {}  # by label: the panel, how far from the top its line ends, the line
    for place, panel in enumerate(panels):
        for axis, span in ((panel.xaxis, panel.get_xlim()), (panel.yaxis, panel.get_ylim())):
            _label_short_spans(axis, *span)
        for line, label in zip(*panel.get_legend_handles_labels(), strict=True):
            heights = np.asarray(line.get_ydata() if isinstance(line, Line2D) else [], dtype=float)
            entries.setdefault(label, (place, -float(heights[-1]) if heights.size else np.inf, line))
    ordered = sorted(entries, key=lambda label: entries[label][:2])
    lines = [entries[label][2] for label in ordered]
    figure.legend(lines, ordered, loc="outside right upper", frameon=False, fontsize=9)
    lines_of_title = textwrap.fill(title, int(LETTERS_PER_INCH * figure.get_figwidth()))
    figure.suptitle(plain(lines_of_title), fontsize=fontsize)
    return figure


def _label_short_spans(axis: Axis, low: float, high: float) -> None:
    """Label 1, 2 and 5 of each power of ten on a logarithmic axis that has few powers of ten."""
    if axis.get_scale() == "log" and 0 < low < high < SHORT_SPAN * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter("{x:.3g}")


def title_of(run: Run) -> str:
    """The machine, its threads, and the width and dtype of the figures."""
    hidden, dtype = focus(run)
    return f"{run.title}; H = {hidden}, {dtype}"


def draw_backends(axes: Axes, run: Run, frame: pd.DataFrame, y: str, all_rows: pd.DataFrame) -> None:
    """A line for each backend against the batch size, with its interval as a band, and the roofs.

    The band holds what other runs gave too. `all_rows` say whether a backend's samples are effective ones.
    """
    style = styles_of(run)
    for name in in_order(run):
        rows = frame[frame.backend == name].sort_values("batch")
        if len(rows):
            is_effective = any(map(is_hinge, all_rows[all_rows.backend == name].algorithm))
            label = plain(name) + (" (hinge)" if is_effective else "")
            axes.plot(rows.batch, rows[y], label=label, **style[name])
            ends = [np.fmin(rows.low_us, rows.between_low_us), np.fmax(rows.high_us, rows.between_high_us)]
            reach = (end.fillna(rows.median_us) / rows.median_us for end in ends)
            band = [rows[y] / share if y == RATE else rows[y] * share for share in reach]
            axes.fill_between(rows.batch, *band, color=style[name]["color"], alpha=0.2, linewidth=0)
            loaded = rows[rows.under_load != ""]
            draw_loaded(axes, loaded.batch, loaded[y], style[name])
    for title, line, rows in _by_roof(frame):
        roof = rows[y] / rows.share_of_roof if y == RATE else rows[y] * rows.share_of_roof
        best = roof.groupby(rows.batch).max() if y == RATE else roof.groupby(rows.batch).min()
        axes.plot(best.index, best, color="black", linewidth=1, linestyle=line, label=title)


def _by_roof(frame: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The rows under each roof, with its title and line: of dense work and hinge, on the CPU and on a GPU."""
    known = frame[frame.share_of_roof > 0]
    if known.empty:
        return
    groups = known.groupby([known.device.str.partition(":")[0], known.algorithm.map(is_hinge)])
    for (device, hinge), rows in groups:
        yield f"roof, {'hinge' if hinge else 'dense'}, {device}", ":" if hinge else "--", rows


def draw_loaded(axes: Axes, x: Any, y: Any, style: Style) -> None:
    """Hollow marks, over those of the times that were measured under load."""
    if len(x):
        hollow = {"linestyle": "", "markerfacecolor": "white", "zorder": 2.2}  # lines with error bars are at 2.1
        axes.plot(x, y, **{**style, **hollow}, label="hollow: under load")


def draw_line(axes: Axes, x: Any, y: Any, style: Style, **options: Any) -> None:
    """A line without marks."""
    axes.plot(x, y, **{**style, "marker": "", "linewidth": None, **options})


def draw_lowest(axes: Axes, x: Any, y: Any, style: Style, label: str, **pale: Any) -> None:
    """The lowest value so far, and pale the present one."""
    draw_line(axes, x, y, style, **pale)
    draw_line(axes, x, np.fmin.accumulate(y), style, label=label)


def draw_intervals(axes: Axes, x: Any, middle: Any, low: Any, high: Any, **style: Any) -> None:
    """A line with error bars; none where there are too few values for an interval."""
    down, up = (np.nan_to_num(np.asarray(reach, dtype=float)) for reach in (middle - low, high - middle))
    axes.errorbar(x, middle, yerr=[down, up], capsize=2, elinewidth=1, **style)
