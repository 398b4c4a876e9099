"""What a csv may look like beside the plain one: blanks, spaces before quotes, a first line for Excel."""

import io
from pathlib import Path

import numpy as np
import pytest
from table_files import message, whole, written

from relufit.reading.delimited import Unspaced


def test_lines_of_blanks_are_no_rows(tmp_path: Path) -> None:
    """Lines of blanks are skipped, and rows and lines in errors below them are correct."""
    assert whole(written(tmp_path, "t,v\n1,2\n   ")).x.tolist() == [[1.0]]
    path = written(tmp_path, "t,v\n1,2\n \t\n3,4\n  \n")
    assert (whole(path).x.tolist(), whole(path).dropped) == ([[1.0], [3.0]], 0)
    says = "data.csv: row 3 (line 6), column 'v' holds 'x', which is not a number"
    assert message(written(tmp_path, "t,v\n1,2\n  \n3,4\n\n5,x\n")) == says
    assert message(written(tmp_path, "t,v\n1,2\n  \n3,4\n \n5\n")) == "data.csv: row 3 (line 6): 1 cells, not 2"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_spaces_before_quotes(tmp_path: Path, end: str) -> None:
    """Of names, numbers and text with delimiters in it, also where pieces of the file meet; gaps as ever."""
    rows = [f'"{i}", "a, ""b"", c",  "{i / 4}"' for i in range(60_000)]
    path = written(tmp_path, end.join(['t, "a note", "v"', *rows, '7, "", "NA"']) + end)
    chunk = whole(path)
    np.testing.assert_array_equal(chunk.y, chunk.x / 4)
    assert (len(chunk.x), chunk.dropped) == (60_000, 1)
    says = "row 2 (line 3), column 'v' holds 'x', which is not a number"
    assert message(written(tmp_path, 't, "v"\n1, "2"\n3, "x"\n')) == f"data.csv: {says}"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 1000, -1])
def test_spaces_before_quotes_in_pieces_of_any_size(size: int) -> None:
    """No byte but those spaces is lost, and no piece is longer than was asked for."""
    text = b'  "a",  "b"\r\n "1","x , "\n2,3 "4"," "\n'
    stream, pieces = Unspaced(io.BytesIO(text), ","), []
    while piece := stream.read(size):
        pieces.append(piece)
    assert size < 0 or max(map(len, pieces)) <= size
    found = b"".join(pieces)
    assert found.replace(b" ", b"") == text.replace(b" ", b"")
    if size < 0 or size >= 8:
        assert found == b'"a","b"\r\n"1","x ,"\n2,3 "4"," "\n'
    long = b"1," + b" " * 1000 + b'"2"\n'
    assert Unspaced(io.BytesIO(long), ",").read() == b'1,"2"\n'


@pytest.mark.parametrize("first", ["sep=;\n", "sep=;\r\n", '"sep=;"\n', "\ufeffsep=;\n"])
def test_a_first_line_may_tell_the_delimiter(tmp_path: Path, first: str) -> None:
    """As Excel writes it; any delimiter, and the lines of errors are those of the file."""
    assert whole(written(tmp_path, first + "t;v,w\n1,5;2\n"), y="v,w").x.tolist() == [[1.5]]
    assert whole(written(tmp_path, "sep=|\nt|v\n1|2\n")).x.tolist() == [[1.0]]
    says = "data.csv: row 1 (line 3), column 'v' holds 'x', which is not a number with a decimal comma"
    assert message(written(tmp_path, first + "t;v\n1,5;x\n")) == says
    assert message(written(tmp_path, first)) == "data.csv is empty"


def test_a_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    """Where a column is not found that it may have."""
    path = written(tmp_path, "größe,v\n1,2\n".encode("latin-1"))
    assert message(path, "größe").endswith("(a table begins with its column names); it is not in UTF-8")


@pytest.mark.parametrize(
    ("delimiter", "columns"), [(",", 20_000), (";", 20_000), ("\t", 20_000), ("|", 20_000), (";", 150_000)]
)
def test_a_table_may_have_many_columns(tmp_path: Path, delimiter: str, columns: int) -> None:
    """The names together may be longer than a cell may be, and than a block in which a file is read."""
    names = [f"sensor_{number}" for number in range(columns)]
    first = "sep=|\n" if delimiter == "|" else ""
    rows = [names, [f"{number / 4:.6f}" for number in range(columns)], ["0"] * columns]
    path = written(tmp_path, first + "\n".join(map(delimiter.join, rows)) + "\n")
    chunk = whole(path, names[-1], "sensor_7")
    assert (chunk.x.tolist(), chunk.y.tolist()) == ([[(columns - 1) / 4], [0.0]], [[1.75], [0.0]])


def test_a_name_may_be_long_where_the_columns_are_found(tmp_path: Path) -> None:
    """A column that is not read may have a long name, also in quotes with delimiters and line ends."""
    name = '"' + "a;b,\n" * 40_000 + '"'
    assert whole(written(tmp_path, f"t,{name},v\n1,2,3\n")).y.tolist() == [[3.0]]
    says = "data.csv is no csv: a quote in its first row is never closed"
    assert message(written(tmp_path, 't,v,"x\n1,2,3\n'), "q") == says


def test_a_row_longer_than_a_block_is_named(tmp_path: Path) -> None:
    """The error says how many rows are above the row, and does not mention a quote."""
    path = written(tmp_path, "t,v,a,b,c\n1,2,3,4,5\n1,2" + 3 * ("," + "3" * 900_000) + "\n")
    assert message(path) == "data.csv: below row 1: a row of more than 1048576 bytes"
