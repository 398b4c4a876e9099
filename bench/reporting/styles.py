"""How each backend is drawn, the same in every figure of a run: colour by family, mark and line by member; and words.

Sixteen backends are too many for as many colours; the first word of a name (torch, jax, numba, ...) is its family.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

COLOURS = mpl.colormaps["tab10"].colors  # type: ignore[attr-defined]
MARKERS = "osD^vPX"
LINES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (7, 3)))


class Style(NamedTuple):
    """Colour, marker and line of a backend."""

    colour: tuple[float, float, float]
    marker: str
    line: Any


def styles(names: Iterable[str]) -> dict[str, Style]:
    """A style for each backend; a member of a large family is also darker than the one before it."""
    families: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        families.setdefault(name.partition("-")[0], []).append(name)
    found = {}
    for place, members in enumerate(families.values()):
        colour = COLOURS[place % len(COLOURS)]
        for member, name in enumerate(members):
            shade = 1 - 0.4 * member / len(members)
            red, green, blue = (shade * part for part in colour)
            found[name] = Style((red, green, blue), MARKERS[member % len(MARKERS)], LINES[member % len(LINES)])
    return found


def plain(text: str) -> str:
    """A text out of a journal as it stands, and no formula between its dollars."""
    return text.replace("$", r"\$")


def legend(figure: Figure, panels: Any) -> None:
    """One legend for the figure, to the right, of what the first panels show."""
    handles = {
        label: handle for panel in panels for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside right upper", frameon=False, fontsize=9)
