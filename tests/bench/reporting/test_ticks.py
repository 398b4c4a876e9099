"""Ticks of logarithmic axes: labels that can be read, wherever the data lie."""

import pytest
from matplotlib.figure import Figure

from bench.reporting.ticks import power_of_ten, set_ticks


@pytest.mark.parametrize(("low", "high"), [(1.1e-3, 1.4e-3), (0.3, 0.9), (2.0, 40.0), (1e-13, 10.0), (3.0, 4000.0)])
def test_ticks_label_the_data(low: float, high: float) -> None:
    """A logarithmic axis has two ticks at least within its data, each with a text of its own, and no minor ones."""
    axes = Figure().subplots()
    axes.plot([1, 2], [low, high])
    axes.set(yscale="log")
    set_ticks(axes.yaxis, *axes.get_ylim())
    at = [tick for tick in axes.yaxis.get_majorticklocs() if axes.get_ylim()[0] <= tick <= axes.get_ylim()[1]]
    texts = [axes.yaxis.get_major_formatter()(tick, None) for tick in at]
    assert len(at) >= 2
    assert len({*texts}) == len(texts)
    assert not len(axes.yaxis.get_minorticklocs())


def test_linear_axes_stay_as_they_are() -> None:
    """A linear axis keeps the ticks of matplotlib."""
    axes = Figure().subplots()
    locator = axes.yaxis.get_major_locator()
    set_ticks(axes.yaxis, 1.0, 2.0)
    assert axes.yaxis.get_major_locator() is locator


@pytest.mark.parametrize(
    ("value", "text"), [(1e-3, "10⁻³"), (1.0, "10⁰"), (1e12, "10¹²"), (0.0, ""), (float("inf"), "")]
)
def test_exponents_are_raised(value: float, text: str) -> None:
    """A power of ten is written with its exponent raised; 0 and inf have no text."""
    assert power_of_ten(value) == text
