"""Show progress on stderr: a bar for training, a line for a search and for reading a file."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from relufit.errors import counted


def silent(done: int, error: float) -> None:
    """Show nothing."""


@contextmanager
def progress_line(shown: bool) -> Iterator[Callable[[int, float], None]]:
    """Yield a function show(units, error) for a search, which prints them on a `status_line`."""
    with status_line(shown) as show:
        yield lambda units, error: show(f"{counted(units, 'unit')}: {error:.3g}")


@contextmanager
def status_line(shown: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function show(words), which replaces the text of one line; the line is cleared when the block ends."""
    if not shown:
        yield lambda words: None
        return

    def show(words: str) -> None:
        sys.stderr.write(f"\r{words:<40}")
        sys.stderr.flush()

    try:
        yield show
    finally:
        show("")
        sys.stderr.write("\r")


@contextmanager
def progress_bar(epochs: int, shown: bool) -> Iterator[Callable[[int, float], None]]:
    """Yield a function show(epochs_done, loss); the bar, drawn by rich, is cleared when the block ends."""
    if not shown:
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs{task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=epochs, loss="")
        yield lambda done, loss: progress.update(task, completed=done, loss=f", loss {loss:.3g}")
