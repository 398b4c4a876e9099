"""The picture of a fit."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from relufit import RelufitError, fit, targets
from relufit.fits.plotting import label_of


def test_the_plot_shows_data_function_network_knots_and_residual(tmp_path: Path) -> None:
    """The plot shows all five, and is written where asked, in the format of the name."""
    result = fit("sin", hidden=16, epochs=2, progress=False)
    figure = result.plot(tmp_path / "fit.png")
    above, below = figure.axes
    labels = above.get_legend_handles_labels()[1]
    assert [label.split(",")[0] for label in labels[:3]] == ["data", label_of(targets.SIN), "network"]
    assert "knots" in labels[3]
    residual = np.ravel(below.lines[0].get_ydata())
    order = np.argsort(result.x[:, 0])
    np.testing.assert_allclose(residual, (result.predict(result.x) - result.y)[order, 0])
    assert (tmp_path / "fit.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_a_sentence(tmp_path: Path) -> None:
    """Two inputs, an unknown format and a missing folder are one sentence each."""
    flat = fit(np.zeros((4, 2)), np.zeros(4), hidden=2, epochs=1, progress=False)
    with pytest.raises(RelufitError, match="one input"):
        flat.plot()
    line = fit("x", hidden=2, epochs=1, progress=False)
    for name in (tmp_path / "fit.nosuch", tmp_path / "no/such/fit.png", tmp_path / "fit", "tb", 5):
        with pytest.raises(RelufitError, match="cannot write"):
            line.plot(name)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("sin(3*x) + x**2", r"$x^{2} + \sin{\left(3 x \right)}$"),
        ("sin", r"$\sin{\left(x \right)}$"),
        ("max(x, 0) % 2", "max(x, 0) % 2"),
        ("+".join(f"sin({k}*x)" for k in range(1, 71)), "sin(1*x)+sin(2*x)+sin(3*x)+sin(4*x)+sin…"),
    ],
)
def test_labels_are_formulas_that_can_be_set(text: str, wanted: str) -> None:
    """A label is a formula that mathtext can set, else the name, of which 40 characters are shown."""
    label = label_of(targets.resolve(text))
    assert label == wanted
    from matplotlib.mathtext import MathTextParser

    MathTextParser("path").parse(label)
    assert label_of(targets.Target("a $5 function", np.sin)) == r"a \$5 function"


@pytest.mark.parametrize(
    "text",
    [
        "sin(x)",
        "sin(3*x)*exp(-x**2/10) + cos(5*x)/3 + abs(x - 1)/(1+x**2)",
        " + ".join(f"sin({k}*x)" for k in range(1, 71)),
        "+".join(["max(x, 0) % 2"] * 30),
    ],
)
def test_a_long_name_takes_no_place_from_the_panels(text: str) -> None:
    """Panels are as wide beside a long name as without, and no part of the legend is cut off."""
    figure = fit(text, hidden=8, solver="spline", n=50).plot()
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * figure.dpi
    above, below = (axes.get_window_extent() for axes in figure.axes)
    assert min(above.width, below.width) > 0.8 * width
    assert above.height > 0.4 * height
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= width
    assert 0 <= box.y0 < box.y1 <= below.y0


@pytest.mark.parametrize(("zone", "label"), [(None, "day"), ("Europe/Berlin", "day, UTC")])
def test_times_are_shown_as_dates(zone: str | None, label: str) -> None:
    """The axis of x shows dates and the axes have the columns' names; $ in a name is not a formula."""
    days = pd.date_range("2024-01-01", periods=60, tz=zone, name="day")
    figure = fit(days, pd.Series(np.arange(60.0) % 7, name="in $ and $_"), hidden=8, solver="spline").plot()
    figure.draw_without_rendering()
    above, below = figure.axes
    assert [text.get_text() for text in below.get_xticklabels()][:2] == ["Jan", "08"]
    assert below.get_xlabel() == label
    assert above.get_ylabel() == r"in \$ and \$_"
    low, high = below.get_xlim()  # days
    assert 19000 < low < high < 20000


def test_times_beyond_the_calendar_are_shown_as_seconds() -> None:
    """Times outside the years 1 to 9999, margins included, are shown as seconds."""
    for years in ([0, 2000], [5000, 9999], [1, 9999], [20_000, 30_000]):
        x = np.array([year - 1970 for year in years], "datetime64[Y]")
        figure = fit(x, [1.0, 2.0], hidden=1, solver="spline", test_fraction=0).plot()
        figure.draw_without_rendering()
        assert figure.axes[0].get_xlim()[1] > 1e9


def test_the_residual_is_that_of_what_was_fitted() -> None:
    """The residual is against the function, or against data and noisy samples; axes without names are x and y."""
    wanted = {"sin": "network - function", "noisy_sine": "network - data"}
    for target, label in wanted.items():
        below = fit(target, hidden=4, epochs=1, progress=False).plot().axes[1]
        assert (below.get_ylabel(), below.get_xlabel()) == (label, "x")
    above, below = fit([1, 2], [1, 2], hidden=1, solver="spline", test_fraction=0).plot().axes
    assert (above.get_ylabel(), below.get_ylabel()) == ("y", "network - data")


def test_many_knots_are_drawn_as_their_density() -> None:
    """Up to 60 knots have a mark each; of more the strip at the foot says how many lie where."""
    few, many = (fit("sin(x)", hidden=hidden).plot() for hidden in (32, 512))
    assert [line.get_marker() for line in few.axes[0].lines].count("|") == 1
    assert [line.get_marker() for line in many.axes[0].lines].count("|") == 0
    (strip,) = many.axes[0].patches
    assert strip.get_label() == "512 knots inside: how many lie where"
    assert strip.get_data().values.max() == pytest.approx(0.06)
