"""Rows of a csv in Python, slowly: for its header, and for those who ask in which line a row begins.

Python's own csv reader ends at cells of 128 KiB, by a limit that belongs to the whole process, which is the user's.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

CELL = 2**20  # characters of a cell: pyarrow reads no longer one
INSIDE = re.compile('[^"]*(?:""[^"]*)*')  # what stands between the quotes around a cell


class Row(NamedTuple):
    """A row of a csv: the number of its first line, and its cells without the spaces around them.

    It is not whole where a cell has more than CELL characters, or a quote is not closed within them or by the end.
    """

    line: int
    cells: list[str]
    is_whole: bool


def split_rows(lines: Iterable[str], delimiter: str, spaced: bool = False, first: int = 1) -> Iterator[Row]:
    """The rows of a csv, but for empty lines, up to the first with a quote that is not closed; `first` is a line.

    Cut as pyarrow cuts them: a quote opens a cell where it comes first, or behind spaces where they are `spaced`; two
    quotes inside are one; what follows the quote that closes a cell belongs to it.
    """
    opening = re.compile(' *"' if spaced else '"')
    begin, cells = 1, list[str]()
    quoted: str | None = None  # the cell whose quote is open, as far as it goes
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
                end = INSIDE.match(text, place).end()  # type: ignore[union-attr]  # it matches nothing too
                quoted += text[place:end]
                if end == len(text):  # the cell goes on in the next line
                    quoted += "\n"
                    break
                place = end + 1
            end = text.find(delimiter, place) % (len(text) + 1)  # without one, -1, to the end
            cells.append((quoted or "").replace('""', '"').strip() + text[place:end].strip())
            quoted, place = None, end + 1
        else:
            yield Row(begin, cells, max(map(len, cells)) <= CELL)
        if quoted is not None and len(quoted) > CELL:
            break
    if quoted is not None:
        yield Row(begin, cells, False)
