"""Tables in the terminal, for every command of bench."""

from typing import Literal

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from bench.reporting.number_format import NO_BREAK

# In place of a no-break space while lines are broken: rich breaks at that as at any other. Journals cannot hold it.
HELD = "\ue000"


def show(frame: pd.DataFrame, title: str, notes: list[str], justify: Literal["left", "right"] = "left") -> None:
    """Print a frame of text and the sentences that belong to it; the first column names the row and is not broken."""
    console = Console(highlight=False, markup=False, emoji=False)  # cells are text, whatever stands in brackets
    table = Table(title=_held(title), box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    widths = [_least_width(frame[name], whole=not place) for place, name in enumerate(frame.columns)]
    fits = sum(widths) + len(widths) <= console.width  # else words are folded, for nothing may be cut off
    for place, (name, width) in enumerate(zip(frame.columns, widths, strict=True)):
        table.add_column(
            _held(name),
            justify=justify if place else "left",
            no_wrap=not place,
            overflow="fold",
            min_width=width if fits else None,
        )
    for row in frame.itertuples(index=False):
        table.add_row(*map(_held, row))
    with console.capture() as printed:
        console.print(table)
        for text in notes:
            console.print(_held(text))
    print(printed.get().replace(HELD, " "), end="")


def _least_width(column: pd.Series, whole: bool) -> int:
    """Characters of the longest word of a column with its name, or of its longest line."""
    lines = [line for cell in (column.name, *column) for line in _held(cell).splitlines()]
    return max((len(part) for line in lines for part in ([line] if whole else line.split())), default=0)


def _held(value: object) -> str:
    return str(value).replace(NO_BREAK, HELD)
