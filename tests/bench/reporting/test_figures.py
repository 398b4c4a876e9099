"""What figures draw: every row that has a time, hollow marks on those under load, and nothing of unsound rows."""

from pathlib import Path
from typing import Any

import pytest
from journals import CURVE, followed, learned, line, solved, spline, write
from matplotlib.axes import Axes

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
    """The time at N = 64 and the ratio to it have hollow marks; the legend says what that means, once."""
    figure = figures.crossover(swept(tmp_path, **LOAD))
    assert figure is not None
    above, below = figure.axes
    assert hollow(above) == hollow(below) == [[64]]
    legend = above.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["hollow: under load", "numpy", "torch-cpu"]


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
