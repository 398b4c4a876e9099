"""Figures as files, the same bytes in each run: drawn in other processes, while the tables of a report are written.

Drawing is half of the work of a report. It needs nothing but the finished figures, so that a process that draws loads
matplotlib alone.
"""

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

DOTS_PER_INCH = 110  # of a .png

Draw = Callable[[Figure, Path], None]


@contextmanager
def drawer(processes: int) -> Iterator[Draw]:
    """A function that draws a figure as `draw` does, which leaves it to so many other processes; to none, if 0.

    All files are there when the context ends. Raises OSError, by then, where one cannot be written.
    """
    if not processes:
        yield draw
        return
    # Not by fork, which copies the locks of the threads of numpy and pandas in whatever state they are.
    pool, begun = ProcessPoolExecutor(processes, get_context("spawn")), list[tuple[Figure, Path, Future[None]]]()

    def leave_to_others(figure: Figure, path: Path) -> None:
        with suppress(BrokenProcessPool):
            begun.append((figure, path, pool.submit(draw, figure, path)))
            return
        draw(figure, path)

    try:
        yield leave_to_others
        for figure, path, done in begun:
            try:
                done.result()
            except BrokenProcessPool:  # the system has ended a process, as where memory is short
                draw(figure, path)
    finally:
        pool.shutdown(cancel_futures=True)


def draw(figure: Figure, path: Path) -> None:
    """Draw a figure as a .png and as an .svg beside it, without dates or random identifiers."""
    with mpl.rc_context({"svg.hashsalt": "relufit"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in another script is drawn as boxes
        # Not by savefig, which draws twice, first without a file: the same bytes in two thirds of the time.
        figure.set_dpi(DOTS_PER_INCH)
        FigureCanvasAgg(figure).print_png(path, metadata={"Software": None})
        figure.set_layout_engine("none")  # keep it as laid out: to do it again takes longer than to draw
        FigureCanvasSVG(figure).print_svg(path.with_suffix(".svg"), metadata={"Date": None, "Creator": None})
