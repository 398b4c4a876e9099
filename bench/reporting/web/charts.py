"""The charts of the page as Vega-Lite, without data: rows.js gives the rows, each with its colour, mark and dash.

Colours are data, since they follow the light and dark scheme of the reader; so no chart has a legend of its own, and
drawing.js makes one that fits on a telephone.
"""

from functools import lru_cache
from typing import Any

import altair as alt

DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [10, 4], [2, 5], [5, 2, 1, 2, 1, 2]]
MARKS = ["circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "triangle-right"]
HEIGHT = 340
LOG = alt.Scale(type="log", nice=False, padding=8)  # pixels between the data and the frame
DASH = alt.StrokeDash("dash:O", scale=alt.Scale(domain=[*range(len(DASHES))], range=DASHES), legend=None)
COLOUR = alt.Color("colour:N", scale=None)  # the rows hold colours
PREFIXED = "format(datum.value, '.3~s')"  # labels such as 10k
SECONDS = f"{PREFIXED} + 's'"
Layers = alt.LayerChart | alt.FacetChart  # what alt.layer returns
POWER = "format(datum.value, '.0e')"


@lru_cache
def charts() -> dict[str, dict[str, Any]]:
    """The specification of each chart, by the id of the element that shows it."""
    drawn = {
        "time": _against_size("median", "low", "high", "time of a call or a step", SECONDS),
        "rate": _against_size("rate", "rate_low", "rate_high", "samples per second", PREFIXED),
        "convergence": _convergence(),
        "fits": _lines("y", "y", reference="function"),
        "differences": _lines("difference", "network - function", reference="limits"),
        "devices": _against_size("median", "low", "high", "time of a call or a step", SECONDS),
        "history": _history(),
    }
    return {name: _specification(chart) for name, chart in drawn.items()}


def _specification(chart: Layers) -> dict[str, Any]:
    """The chart as wide as its container; its colours and fonts are those of the page."""
    found = chart.properties(width="container", height=HEIGHT, autosize=alt.AutoSizeParams(type="fit-x")).to_dict()
    return {name: value for name, value in found.items() if name not in ("$schema", "config")}


def _rows(name: str) -> alt.Chart:
    return alt.Chart(alt.NamedData(name=name))


def _styled(x: alt.X, y: alt.Y, points: bool = True, **line: Any) -> list[alt.Chart]:
    """A line for each series, and its marks, which show what they stand for when pointed at."""
    mark = alt.Shape("mark:N", scale=alt.Scale(domain=[*range(len(MARKS))], range=MARKS), legend=None)
    series = _rows("rows").encode(x=x, y=y, color=COLOUR, detail="series:N")
    tooltip = [alt.Tooltip("series:N", title="series"), alt.Tooltip("text:N", title="value")]
    lines = series.mark_line(strokeWidth=1.7, **line).encode(strokeDash=DASH)
    return [lines, series.mark_point(filled=True, size=45).encode(shape=mark, tooltip=tooltip)][: 1 + points]


def _size() -> alt.X:
    return alt.X("batch:Q", scale=LOG, title="samples N", axis=alt.Axis(format="~s", tickCount=6, labelOverlap=True))


def _logarithmic(field: str, title: str, label: str) -> alt.Y:
    """An axis labelled at 1, 2 and 5 times powers of ten; without this Vega labels whatever there is room for.

    Where the data span less than a decade there may be none of these, and every tick has its label.
    """
    shown = f"domain('y')[1] < 10 * domain('y')[0] || test(/^[125]/, format(datum.value, '.0e')) ? {label} : ''"
    return alt.Y(f"{field}:Q", scale=LOG, title=title, axis=alt.Axis(labelExpr=shown, tickCount=6, labelOverlap=True))


def _against_size(middle: str, low: str, high: str, title: str, label: str) -> Layers:
    """Lines with their intervals as bands, the roofs, and crossovers as stripes."""
    x, y = _size(), _logarithmic(middle, title, label)
    band = _rows("rows").mark_area(opacity=0.18).encode(
        x=x, y=_logarithmic(low, title, label), y2=f"{high}:Q", color=COLOUR, detail="series:N"
    )  # fmt: skip
    stripes = _rows("crossings").mark_rect(opacity=0.25, color="gray").encode(x=alt.X("low:Q"), x2="high:Q")
    middles = _rows("crossings").mark_rule(color="gray", size=2).encode(
        x=alt.X("size:Q"), tooltip=[alt.Tooltip("words:N", title="crossover")]
    )  # fmt: skip
    roofs = _rows("roofs").mark_line(strokeWidth=1.5).encode(
        x=x, y=y, detail="series:N", color=COLOUR, strokeDash=DASH
    )  # fmt: skip
    return alt.layer(stripes, middles, band, roofs, *_styled(x, y))


def _convergence() -> Layers:
    """The lowest error so far against seconds, and the error of the best spline."""
    x = alt.X("seconds:Q", scale=LOG, title="seconds of training", axis=alt.Axis(format="~g", labelOverlap=True))
    y = _logarithmic("error", "mean squared error, lowest so far", POWER)
    best = _rows("best").mark_rule(strokeDash=[2, 3], size=1.5).encode(
        y=alt.Y("mse:Q"), color=COLOUR, tooltip=[alt.Tooltip("text:N", title="best spline")]
    )  # fmt: skip
    return alt.layer(best, *_styled(x, y, interpolate="step-after"))


def _lines(field: str, title: str, reference: str) -> Layers:
    """Networks as lines over x, and a reference: the function, or the size of the least possible error."""
    linear = alt.Scale(zero=False, nice=False)
    x, y = alt.X("x:Q", scale=linear, title="x"), alt.Y(f"{field}:Q", scale=alt.Scale(zero=False), title=title)
    pale = _rows(reference).mark_line(strokeWidth=4, opacity=0.35).encode(
        x=x, y=y, detail="series:N", color=COLOUR
    )  # fmt: skip
    return alt.layer(pale, *_styled(x, y, points=False))


def _history() -> Layers:
    """Times of one case over the runs of a machine, oldest first; the band is what its A/A run cannot tell apart."""
    label = "replace(datum.label, regexp('^(....)(..)(..)T(..)(..).*'), '$1-$2-$3 $4:$5')"
    axis = alt.Axis(labelExpr=label, labelAngle=-40, labelOverlap=True)
    x = alt.X("run:O", title="run, by its date", axis=axis)
    y = _logarithmic("median", "time", SECONDS)
    bars = _rows("rows").mark_rule().encode(
        x=x, y=_logarithmic("low", "time", SECONDS), y2="high:Q", color=COLOUR, detail="series:N"
    )  # fmt: skip
    noise = _rows("rows").mark_area(opacity=0.12).encode(
        x=x, y=_logarithmic("noise_low", "time", SECONDS), y2="noise_high:Q", color=COLOUR, detail="series:N"
    )  # fmt: skip
    return alt.layer(noise, bars, *_styled(x, y))
