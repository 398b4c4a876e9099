"""What figures share: the style of each backend, lines and intervals in a panel, the legend and the title.

Sixteen backends are too many for as many colours: the first word of a name (torch, jax, numba, ...) is its family, and
has a colour; mark and line tell its members apart.
"""

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.analysis.frames import Run, focus, in_order
from bench.grid.cost import is_hinge
from bench.reporting.ticks import set_ticks

COLOURS = mpl.colormaps["tab10"].colors  # type: ignore[attr-defined]
MARKERS = "osD^vPX"
LINES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (7, 3)))
LETTERS_PER_INCH, LETTERS_BESIDE_LEGEND = 12, 8  # of a title
MOST_NAMED = 5  # lines of a panel whose names stand at their ends
FONT_SIZE, LINE_INCHES = 9, 0.16  # of a name, in points, and the least distance between two
APART = 0.02  # share of a panel's width up to which ends are on one vertical
RATE = "samples_per_second"  # the one quantity that is drawn and is no time
# What a line against the batch size is drawn from, beside its quantity.
DRAWN = ("backend", "batch", "median_us", "low_us", "high_us", "between_low_us", "between_high_us", "under_load")

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
    """Add the title, ticks that cover the data, and the names of the lines: at their right ends where they are few.

    Where lines of a panel are many, or end close to each other, one legend to the right has the names, in the order of
    the ends. What has no line, such as hollow marks, stands in a legend in any case.
    """
    panels = [*panels]
    for panel in panels:
        set_ticks(panel.xaxis, *panel.get_xlim())
        set_ticks(panel.yaxis, *panel.get_ylim())
    named = [sorted(_named(panel), key=lambda own: -own.end[1]) for panel in panels]
    is_direct = all(_have_room(panel, figure, own) for panel, own in zip(panels, named, strict=True))
    handles: dict[str, Any] = {}
    for panel, own in ((panel, own) for panel, found in zip(panels, named, strict=True) for own in found):
        if is_direct and own.is_line:
            style: dict[str, Any] = {"color": own.line.get_color(), "fontsize": FONT_SIZE, "va": "center"}
            panel.annotate(own.label, own.end, (6, 0), textcoords="offset points", **style)
        else:
            handles.setdefault(own.label, own.handle)
    if handles:
        where: Any = (panels[0], "best") if is_direct else (figure, "outside right upper")
        where[0].legend(handles.values(), handles, loc=where[1], frameon=False, fontsize=FONT_SIZE)
    letters = int((LETTERS_PER_INCH if is_direct else LETTERS_BESIDE_LEGEND) * figure.get_figwidth())
    lines = [textwrap.fill(line, letters) for line in title.splitlines()]
    figure.suptitle(plain("\n".join(lines)), fontsize=fontsize)
    return figure


class Named(NamedTuple):
    """Something in a panel that has a label."""

    label: str
    handle: Any  # what a legend shows
    line: Line2D

    @property
    def is_line(self) -> bool:
        """Whether it is more than marks."""
        return self.line.get_linestyle() != "None"

    @property
    def end(self) -> tuple[float, float]:
        """The right end, x and y; -inf of an empty line."""
        points = np.asarray(self.line.get_xydata(), dtype=float)
        return (float(points[-1, 0]), float(points[-1, 1])) if len(points) else (-np.inf, -np.inf)


def _named(panel: Axes) -> list[Named]:
    handles, labels = panel.get_legend_handles_labels()
    found: list[Any] = [*handles]  # lines, or lines with error bars, of which the line is the first part
    return [
        Named(label, handle, handle if isinstance(handle, Line2D) else handle[0])
        for handle, label in zip(found, labels, strict=True)
    ]


def _have_room(panel: Axes, figure: Figure, named: list[Named]) -> bool:
    """Whether there is room for the name of each line at its right end: they are few, on one vertical, and apart."""
    ends = [own.end for own in named if own.is_line]
    if not ends:
        return True
    shares = (panel.transScale + panel.transLimits).transform(ends)  # of the panel's width and height, (lines, 2)
    inches = np.sort(shares[:, 1]) * panel.get_position().height * figure.get_figheight()
    is_vertical = bool(np.ptp(shares[:, 0]) <= APART)
    return len(ends) <= MOST_NAMED and is_vertical and bool((np.diff(inches) >= LINE_INCHES).all())


def title_of(run: Run) -> str:
    """The machine, its threads, and the width and dtype of the figures."""
    hidden, dtype = focus(run)
    return f"{run.title}; H = {hidden}, {dtype}"


def draw_backends(axes: Axes, run: Run, frame: pd.DataFrame, y: str, all_rows: pd.DataFrame) -> None:
    """A line for each backend against the batch size, with its interval as a band, and the roofs.

    The band holds what other runs gave too. `all_rows` say whether a backend's samples are effective ones.
    """
    style, effective = styles_of(run), {*all_rows.backend[all_rows.algorithm.map(is_hinge)]}
    by_name = dict(iter(frame[[*DRAWN, y]].sort_values("batch").groupby("backend")))
    for name in in_order(run):
        if (rows := by_name.get(name)) is not None:
            label = plain(name) + (" (hinge)" if name in effective else "")
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
