"""The ticks of logarithmic axes.

There are no minor ticks, and no label is a formula: with both, as matplotlib has them, a figure takes twice the time.
"""

from math import inf, log10

from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

# Largest over least value of an axis, up to which its ticks are at 1, 2 and 5 of each power of ten, or at equal
# distances: such an axis has few powers of ten or none.
SHORT_SPAN, SHORTEST_SPAN = 300, 5
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def set_ticks(axis: Axis, low: float, high: float) -> None:
    """Give a logarithmic axis ticks that label its data, which reach from `low` to `high`; others stay as they are."""
    if axis.get_scale() != "log":
        return
    axis.set_minor_locator(NullLocator())
    if 0 < low < high < SHORT_SPAN * low:
        axis.set_major_locator(MaxNLocator(4) if high < SHORTEST_SPAN * low else LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:.3g}")
    else:
        axis.set_major_formatter(power_of_ten)


def power_of_ten(value: float, place: float | None = None) -> str:
    """The power of ten nearest to a value: "10⁻³". `place` is for matplotlib, which gives that of the tick.

    Empty of 0 and inf, where matplotlib has ticks beyond the axis that float64 cannot hold.
    """
    return f"10{str(round(log10(value))).translate(SUPERSCRIPTS)}" if 0 < value < inf else ""
