"""Figures as files, the same bytes in each run: drawn in other processes, while the tables of a report are written.

Drawing is half of the work of a report. It needs nothing but the finished figures, so that a process that draws loads
matplotlib alone.
"""

import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

MANY = 8  # figures from which on other processes draw: to begin one takes as long as to draw four figures
DOTS_PER_INCH = 110  # of a .png


@contextmanager
def drawn(figures: dict[Path, Figure], cores: int) -> Iterator[None]:
    """Draw each figure as this .png and as an .svg beside it; all are there when the context ends.

    All but one of the cores draw while the body of the context runs on the last one. A single core, and few figures,
    are drawn before the body. Raises OSError where a file cannot be written.
    """
    if cores < 2 or len(figures) < MANY:
        for path, figure in figures.items():
            draw(figure, path)
        yield
        return
    # Not by fork, which copies the locks of the threads of numpy and pandas in whatever state they are.
    pool = ProcessPoolExecutor(min(cores - 1, len(figures)), get_context("spawn"))
    try:
        drawing = {path: pool.submit(draw, figure, path) for path, figure in figures.items()}
        yield
        for path, done in drawing.items():
            try:
                done.result()
            except BrokenProcessPool:  # the system has ended a process, as where memory is short
                draw(figures[path], path)
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
