"""Rows of a csv are cut as Python's csv module does, but without its limit on cells."""

import csv
import io

from hypothesis import given, settings
from hypothesis import strategies as st

from relufit.reading.rows import CELL, split_rows


def by_csv(text: str, spaced: bool) -> list[tuple[int, str]]:
    """The first line and the visible characters of each row that is not empty."""
    reader, rows, line = csv.reader(io.StringIO(text, newline=""), skipinitialspace=spaced), [], 1
    for row in reader:
        rows += [(line, "|".join("".join(cell.split()) for cell in row))] if row else []
        line = reader.line_num + 1
    return rows


@settings(max_examples=500)
@given(st.text('",\n\r ab', max_size=16), st.booleans())
def test_rows_are_those_of_csv(text: str, spaced: bool) -> None:
    """Rows equal those of Python's csv module for any quotes, line ends and spaces, up to an open quote."""
    rows = list(split_rows(io.StringIO(text, newline=""), ",", spaced))
    found = [(row.line, "|".join("".join(cell.split()) for cell in row.cells)) for row in rows if row.is_whole]
    wanted = by_csv(text, spaced)
    assert found == (wanted if all(row.is_whole for row in rows) else wanted[:-1])


def test_a_cell_beyond_the_limit_is_not_whole() -> None:
    """An open quote ends the reading; a cell that is too long does not."""
    lines = ["a,b\n", '1,"\n'] + ["2,3\n"] * CELL
    assert [row.is_whole for row in split_rows(lines, ",")] == [True, False]
    for cell in ("x" * (CELL + 1), '"' + "y" * (CELL + 1) + '"'):
        assert [row.is_whole for row in split_rows([f"{cell},1\n", "2,3\n"], ",")] == [False, True]
