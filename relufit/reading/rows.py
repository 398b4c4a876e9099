"""Split a csv into rows in Python: for its header, and to find the line of a row. It is slow.

Python's csv module refuses cells of more than 128 KiB, and changing that limit would change it for the whole process.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

CELL = 2**20  # largest number of characters in a cell, as in pyarrow
INSIDE = re.compile('[^"]*(?:""[^"]*)*')  # the text between the quotes around a cell


class Row(NamedTuple):
    """A row of a csv: the number of its first line, and its cells without surrounding spaces.

    It is not whole if a cell has more than CELL characters, or if a quote is not closed within CELL or by the end.
    """

    line: int
    cells: list[str]
    is_whole: bool


def split_rows(lines: Iterable[str], delimiter: str, spaced: bool = False, first: int = 1) -> Iterator[Row]:
    """Yield the rows of a csv without empty lines, up to the first row with a quote that is not closed.

    `first` is the number of the first line. Rows are cut as pyarrow cuts them: a quote opens a cell if it comes first,
    or after spaces if cells are `spaced`; two quotes inside a quoted cell are one; text after the closing quote belongs
    to the cell.
    """
    opening = re.compile(' *"' if spaced else '"')
    begin, cells = 1, list[str]()
    quoted: str | None = None  # text so far of the cell whose quote is open
    for number, line in enumerate(lines, first):
        text, place = line.rstrip("\r\n"), 0
        if quoted is None and '"' not in text:
            if text:
                found = [cell.strip() for cell in text.split(delimiter)]
                yield Row(number, found, len(text) <= CELL or max(map(len, found)) <= CELL)
            continue
        if quoted is None:
            begin, cells = number, []
        while place <= len(text):
            if quoted is None and (opened := opening.match(text, place)):
                quoted, place = "", opened.end()
            if quoted is not None:
                end = INSIDE.match(text, place).end()  # type: ignore[union-attr]  # it always matches, if only the empty string
                quoted += text[place:end]
                if end == len(text):  # the cell continues in the next line
                    quoted += "\n"
                    break
                place = end + 1
            end = text.find(delimiter, place) % (len(text) + 1)  # -1, no delimiter, becomes the end of the line
            cells.append((quoted or "").replace('""', '"').strip() + text[place:end].strip())
            quoted, place = None, end + 1
        else:
            yield Row(begin, cells, max(map(len, cells)) <= CELL)
        if quoted is not None and len(quoted) > CELL:
            break
    if quoted is not None:
        yield Row(begin, cells, False)
