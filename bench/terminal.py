"""Tables in the terminal, for every command of bench."""

from typing import Literal

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from bench.cells import NO_BREAK

# In place of a no-break space while lines are broken: rich breaks at that as at any other. Journals cannot hold it.
HELD = "\ue000"


def show(frame: pd.DataFrame, title: str, notes: list[str], justify: Literal["left", "right"] = "left") -> None:
    """Print a frame of text and the sentences that belong to it; the first column names the row and is not broken."""
    console = Console(highlight=False, markup=False, emoji=False)  # cells are text, whatever stands in brackets
    table = Table(title=_held(title), box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for place, name in enumerate(frame.columns):
        table.add_column(_held(name), justify=justify if place else "left", no_wrap=not place, overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(*map(_held, row))
    with console.capture() as printed:
        console.print(table)
        for text in notes:
            console.print(_held(text))
    print(printed.get().replace(HELD, " "), end="")


def _held(value: object) -> str:
    return str(value).replace(NO_BREAK, HELD)
