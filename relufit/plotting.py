"""The picture of a fit: data, network and knots above, residual below. Needs matplotlib (relufit[plot])."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relufit.errors import RelufitError, reason
from relufit.export import check_writable
from relufit.spline.units import knots_of
from relufit.targets import Target

if TYPE_CHECKING:
    from relufit.fits import Fit

LONGEST = 40  # characters of a target's name in the legend, whose two columns are as wide as the figure
WIDEST = 250  # points that its formula may take: as such a name


def check_can_plot(path: str | Path, inputs: int = 1, outputs: int = 1) -> None:
    """Raise RelufitError where `plot_fit` would fail: for D and O, or want of the library, a format or leave."""
    _check_sizes(inputs, outputs)
    supported = _figure_class()().canvas.get_supported_filetypes()
    if not isinstance(path, (str, PathLike)) or Path(path).suffix[1:].lower() not in supported:
        raise RelufitError(f"cannot write {path!r}: its name must end in one of {', '.join(sorted(supported))}")
    check_writable(path)


def plot_fit(fit: "Fit", path: str | Path | None = None) -> Any:
    """Draw a fit with D = O = 1; save it where `path` is given. Returns the matplotlib Figure.

    Raises RelufitError for other D and O, without matplotlib, and where the file cannot be written.
    """
    _check_sizes(fit.x.shape[1], fit.y.shape[1])
    if path is not None:
        check_can_plot(path)
    figure = _figure_class()(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    low, high = float(fit.x.min()), float(fit.x.max())
    grid = np.linspace(low, high, 2001)

    above.plot(fit.x, fit.y, ".", color="0.6", markersize=3, label=f"data, N = {len(fit.x)}")
    if fit.target is not None:
        above.plot(grid, fit.target(grid), color="black", linewidth=1, label=label_of(fit.target))
    above.plot(grid, fit.predict(grid), color="tab:red", label=f"network, H = {fit.params.b1.shape[0]}")
    knots = knots_of(fit.params, low, high)
    at_the_foot = above.get_xaxis_transform()  # x in data, y as a fraction of the panel
    rug = np.full(len(knots), 0.02)
    above.plot(knots, rug, "|", color="tab:blue", transform=at_the_foot, label=f"{len(knots)} knots inside")
    above.set(ylabel="y", title=f"mean squared error {fit.metrics['mse']:.3g}, max {fit.metrics['max_error']:.3g}")

    order = np.argsort(fit.x[:, 0])
    below.plot(fit.x[order], fit.predict(fit.x)[order] - fit.y[order], color="tab:red", linewidth=0.8)
    below.axhline(0, color="0.6", linewidth=0.5)
    below.set(xlabel="x", ylabel="network - data")
    # Below and not beside the panels, where a long label would take their place.
    figure.legend(*above.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    if path is not None:
        _save(figure, path)
    return figure


def label_of(target: Target) -> str:
    """The target as a formula, where sympy is installed and matplotlib can set what it says; else its name.

    A formula wider than WIDEST gives way to the name, and a name of more than LONGEST characters is cut.
    """
    from matplotlib.mathtext import MathTextParser

    name = target.name if len(target.name) <= LONGEST else target.name[: LONGEST - 1] + "…"
    name = name.replace("$", r"\$")
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
