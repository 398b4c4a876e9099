"""A progress bar for training, drawn by rich on stderr, so that stdout stays clean for programs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(epochs: int, shown: bool) -> Iterator[Callable[[int, float], None]]:
    """Yield a function show(epochs_done, loss); the bar goes away when the block ends."""
    if not shown:
        yield lambda done, loss: None
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
