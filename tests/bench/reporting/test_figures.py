"""What figures draw: every row that has a time, hollow marks on those under load, and nothing of unsound rows."""

from pathlib import Path
from typing import Any

import pytest
from journals import CURVE, followed, learned, line, solved, spline, write
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.frames import Run, read
from bench.grid.sweep import Sweep
from bench.reporting import figures

LOAD = {"watched_seconds": 1.0, "cores_of_others": 0.8}
SWEEP = Sweep("numpy", "torch-cpu", "batch", 512, 1, 65536)
SOUND = ("convergence", "fits", "scaling", "solvers", "throughput", "trajectory")


def hollow(axes: Axes) -> list[list[float]]:
    """The x of each line with hollow marks, which is drawn above all others."""
    found = [drawn for drawn in axes.get_lines() if drawn.get_markerfacecolor() == "white"]
    others = [drawn.get_zorder() for drawn in axes.get_lines() if drawn not in found]
    assert all(drawn.get_zorder() > max(others) for drawn in found)
    return [list(drawn.get_xdata()) for drawn in found]


def swept(tmp_path: Path, **at_64: Any) -> Run:
    """A crossover at N = 1, 8 and 64, with these fields of numpy at 64."""
    lines = [
        line(
            name,
            batch=n,
            **{"pass": number},
            seconds=[times * 1e-3 * n] * 7,
            **(at_64 if (name, n) == ("numpy", 64) else {}),
        )
        for name, times in (("numpy", 1.0), ("torch-cpu", 2.0))
        for n in (1, 8, 64)
        for number in range(12)
    ]
    settings = {"profile": "crossover", "threads": None, "crossover": SWEEP.settings()}
    return read(write(tmp_path / "r.jsonl", *lines, settings=settings))


def test_times_under_load_are_hollow_in_a_crossover(tmp_path: Path) -> None:
    """The time at N = 64 and the ratio to it have hollow marks; the legend says what that means, once, and no more."""
    figure = figures.crossover(swept(tmp_path, **LOAD))
    assert figure is not None
    above, below = figure.axes
    assert hollow(above) == hollow(below) == [[64]]
    legend = above.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["hollow: under load"]
    assert [text.get_text() for text in above.texts] == ["torch-cpu", "numpy"]


def test_an_unsound_time_is_not_in_a_crossover(tmp_path: Path) -> None:
    """A size that is unsound for one backend is drawn for neither."""
    figure = figures.crossover(swept(tmp_path, status="UNSOUND", reason="remembers results"))
    assert figure is not None
    assert max(x for axes in figure.axes for drawn in axes.get_lines()[:1] for x in drawn.get_xdata()) == 8


def test_solvers_under_load_are_hollow(tmp_path: Path) -> None:
    """The last point of a solver that ran under load is hollow, whether it has many points or one, or diverged."""
    rows = [solved(**LOAD), spline(**LOAD), solved("sgd", status="DIVERGED", reason="nan", **LOAD), solved("momentum")]
    figure = figures.solvers(read(write(tmp_path / "r.jsonl", *rows)))
    assert figure is not None
    assert sorted(hollow(figure.axes[0])) == [[0.05], [4.0], [4.0]]


def everything(name: str, **fields: Any) -> list[dict[str, Any]]:
    """A row of a backend in each figure."""
    usual = [line(name, batch=n, work=work) for work in ("gradient", "scaling") for n in (32, 800)]
    return [
        {**row, **fields} for row in (*usual, learned(backend=name, curve=CURVE), followed(name), solved("adam", name))
    ]


@pytest.mark.parametrize("name", SOUND)
def test_unsound_rows_are_in_no_figure(name: str, tmp_path: Path) -> None:
    """A backend whose rows are unsound has no label in a figure; those of the other are there."""
    unsound = everything("torch-cpu", status="UNSOUND", reason="remembers results")
    figure = getattr(figures, name)(read(write(tmp_path / "r.jsonl", *everything("numpy"), *unsound)))
    texts = [text.get_text() for axes in figure.axes for text in (axes.title, axes.xaxis.label)]
    labels = [label for axes in figure.axes for label in axes.get_legend_handles_labels()[1]]
    assert any("numpy" in text or text == "adam" for text in (*labels, *texts))
    assert not any("torch-cpu" in text for text in (*labels, *texts))


def test_a_solver_that_diverged_in_tf32_is_unsound(tmp_path: Path) -> None:
    """A time of products that were rounded to 10 bits is not shown because training diverged after it."""
    backends = {"torch-cuda": {"reason": None, "facts": {"tf32": "on"}}}
    diverged = solved("adam", "torch-cuda", status="DIVERGED", reason="the loss became nan")
    run = read(write(tmp_path / "r.jsonl", diverged, backends=backends))
    assert run.cases.status.tolist() == ["UNSOUND"]
    assert run.cases.reason[0].endswith("; the loss became nan")
    assert figures.solvers(run) is None


def timed(tmp_path: Path, *milliseconds: tuple[str, float], batches: tuple[int, ...] = (32, 800)) -> Figure:
    """The figure of the throughput of backends that take so long at each of these sizes."""
    rows = [
        line(name, batch=n, seconds=[times * 1e-3 * (1 + k / 20) for k in range(9)])
        for name, times in milliseconds
        for n in batches
    ]
    figure = figures.throughput(read(write(tmp_path / "r.jsonl", *rows)))
    assert figure is not None
    return figure


def names_in(figure: Figure) -> tuple[list[str], list[str]]:
    """The names at the ends of lines, and those in the legend."""
    at_ends = [text.get_text() for axes in figure.axes for text in axes.texts]
    return at_ends, [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_names_stand_at_the_ends_of_a_few_lines(tmp_path: Path) -> None:
    """Three lines that end apart have their names there and no legend, each name at the height of its line's end."""
    figure = timed(tmp_path, ("numpy", 3.0), ("torch-cpu", 1.0), ("numba", 9.0))
    assert names_in(figure) == (["torch-cpu", "numpy", "numba"], [])
    ends = {drawn.get_label(): drawn.get_ydata()[-1] for drawn in figure.axes[0].get_lines()}
    assert {text.get_text(): text.xy[1] for text in figure.axes[0].texts} == ends


@pytest.mark.parametrize(
    "milliseconds",
    [
        [("numpy", 1.0), ("torch-cpu", 1.02), ("numba", 9.0)],
        [(f"numpy-{k}", 4.0**k) for k in range(6)],
    ],
    ids=["close", "many"],
)
def test_a_legend_has_the_names_of_lines_that_end_close(milliseconds: list[tuple[str, float]], tmp_path: Path) -> None:
    """Where two lines end close to each other, or lines are many, the legend lists them from the top to the bottom."""
    in_order = [name for name, _ in sorted(milliseconds, key=lambda item: item[1])]
    assert names_in(timed(tmp_path, *milliseconds)) == ([], in_order)


def test_a_legend_has_the_names_of_lines_of_different_lengths(tmp_path: Path) -> None:
    """The name of a line that ends before another one would stand on that one."""
    rows = [line("numpy", batch=32), line("numpy", batch=800), line("numba", batch=32, seconds=[9.0] * 9)]
    figure = figures.throughput(read(write(tmp_path / "r.jsonl", *rows)))
    assert figure is not None
    assert names_in(figure) == ([], ["numpy", "numba"])


def test_intervals_are_bands(tmp_path: Path) -> None:
    """Each backend has a band as high as its interval."""
    figure = timed(tmp_path, ("numpy", 3.0), ("torch-cpu", 1.0), ("numba", 9.0))
    bands = [band.get_paths()[0].get_extents() for band in figure.axes[0].collections]
    assert len(bands) == 3
    assert all(band.ymax > 1.1 * band.ymin for band in bands)


def test_fits_have_a_panel_for_each_function_with_the_difference_below(tmp_path: Path) -> None:
    """Every backend is a line of one panel, and its difference from the function a line of the panel below."""
    names = ("numpy", "numba", "torch-cpu")
    rows = [learned(backend=name, curve=CURVE, target=target) for name in names for target in ("sin", "square")]
    figure = figures.fits(read(write(tmp_path / "r.jsonl", *rows)))
    assert figure is not None
    assert [axes.get_title() for axes in figure.axes] == ["sin", "square", "", ""]
    above, below = figure.axes[0], figure.axes[2]
    assert len(above.get_lines()) == len(names) + 1  # and the function
    assert len(below.get_lines()) == len(names) + 1  # and zero
    assert below.get_lines()[0].get_ydata()[100] == pytest.approx(CURVE[100], abs=1e-12)  # sin(0) = 0


def test_short_spans_have_labels_between_powers_of_ten(tmp_path: Path) -> None:
    """Times from 1 to 3 ms span no power of ten: the axis has labels at 1, 2 and 5 of one."""
    rows = [line(batch=n, work="scaling", seconds=[1e-3 * (1 + n / 400)] * 6) for n in (100, 800)]
    figure = figures.scaling(read(write(tmp_path / "r.jsonl", *rows)))
    assert figure is not None
    axes = figure.axes[0]
    shown = [at for at in axes.yaxis.get_majorticklocs() if axes.get_ylim()[0] <= at <= axes.get_ylim()[1]]
    assert len(shown) >= 1
    assert any(f"{at:e}"[0] in "25" for at in shown)
