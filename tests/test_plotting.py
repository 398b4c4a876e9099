"""The picture of a fit."""

from pathlib import Path

import numpy as np
import pytest

from relufit import RelufitError, fit, targets
from relufit.plotting import label_of


def test_the_plot_shows_data_function_network_knots_and_residual(tmp_path: Path) -> None:
    """And is written where asked, in the format of the name."""
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
    """Two inputs; an unknown format; a folder that is not there."""
    flat = fit(np.zeros((4, 2)), np.zeros(4), hidden=2, epochs=1, progress=False)
    with pytest.raises(RelufitError, match="one input"):
        flat.plot()
    line = fit("x", hidden=2, epochs=1, progress=False)
    for name in ("fit.nosuch", "no/such/fit.png"):
        with pytest.raises(RelufitError, match="cannot write"):
            line.plot(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("sin(3*x) + x**2", r"$x^{2} + \sin{\left(3 x \right)}$"),
        ("sin", r"$\sin{\left(x \right)}$"),
        ("max(x, 0) % 2", None),
    ],
)
def test_labels_are_formulas_that_can_be_set(text: str, wanted: str | None) -> None:
    """What mathtext cannot set, or has no expression, has its name."""
    label = label_of(targets.resolve(text))
    assert label == wanted if wanted else label
    from matplotlib.mathtext import MathTextParser

    MathTextParser("path").parse(label)
    assert label_of(targets.Target("a $5 function", np.sin)) == r"a \$5 function"
