"""Reading csv and parquet in pieces."""

import gzip
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from table_files import message, parquet_of, whole, written

from relufit import RelufitError
from relufit.reading.columns import NUMBER, TIME, ZONED
from relufit.reading.tables import describe_columns, read_columns, read_table

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: tables cannot be read")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_delimiters_line_ends_and_marks(tmp_path: Path, delimiter: str, end: str, mark: str) -> None:
    """A csv may have any of three delimiters, either line end, a byte order mark, quotes and spaces."""
    rows = ['"t";u;v;w', "1;a;2;0.5", '"3";"b;c";+4e0;0', " -5 ; ; 6;1"]
    content = mark + end.join(row.replace(";", delimiter) for row in rows) + end
    chunk = whole(written(tmp_path, content), weight="w")
    np.testing.assert_array_equal(chunk.x, [[1.0], [3.0], [-5.0]])
    np.testing.assert_array_equal(chunk.y, [[2.0], [4.0], [6.0]])
    assert chunk.weight is not None
    np.testing.assert_array_equal(chunk.weight, [0.5, 0.0, 1.0])
    assert chunk.dropped == 0


def test_columns_are_taken_by_name(tmp_path: Path) -> None:
    """Columns are read by name, in the given order; names lose surrounding spaces."""
    path = written(tmp_path, "a, b ,note,c\n1,2,x,3\n4,5,y,6")
    chunk = whole(path, ["c", "a"], ["b"])
    np.testing.assert_array_equal(chunk.x, [[3.0, 1.0], [6.0, 4.0]])
    np.testing.assert_array_equal(chunk.y, [[2.0], [5.0]])
    assert chunk.weight is None


def test_gaps_are_dropped_and_counted(tmp_path: Path) -> None:
    """Rows with a gap in a column that is read are dropped and counted; gaps in other columns do not matter."""
    path = written(tmp_path, "t,u,v\n1,,2\n,1,3\n4,1,\n5,1,NA\n6,1, nan \n7,1,null\n8,1,Nan\n9,1,10\n")
    chunk = whole(path)
    np.testing.assert_array_equal(chunk.x[:, 0], [1, 9])
    assert chunk.dropped == 6


def test_a_column_that_begins_with_gaps(tmp_path: Path) -> None:
    """A column may begin with more gaps than one chunk holds."""
    path = written(tmp_path, "t,v,note\n" + f"1,,{'-' * 1000}\n" * 3000 + "2,3,\n")
    chunk = whole(path)
    assert chunk.x.tolist() == [[2.0]]
    assert chunk.dropped == 3000


def test_quoted_line_ends_and_empty_lines(tmp_path: Path) -> None:
    """A quoted cell may hold line ends, also across chunks; empty lines are not rows."""
    rows = "".join(f'{i},"{"line" * 20}\n\nend",{2 * i}\n\n' for i in range(30_000))
    chunk = whole(written(tmp_path, "\n\nt,note,v\n" + rows))
    np.testing.assert_array_equal(chunk.x[:, 0], np.arange(30_000))
    np.testing.assert_array_equal(chunk.y[:, 0], 2 * np.arange(30_000))


def test_compressed(tmp_path: Path) -> None:
    """A csv may be gzipped."""
    assert whole(written(tmp_path, gzip.compress(b"t,v\n1,2\n"), "data.csv.gz")).x.tolist() == [[1.0]]


@pytest.mark.parametrize("names", ["t,v,note", "t,v,t"])
@pytest.mark.parametrize("below", [1, 100_000, 1_000_000])
def test_a_quote_that_is_never_closed_swallows_no_rows(tmp_path: Path, names: str, below: int) -> None:
    """An open quote in a column that is not read is reported with its row and line, however much follows."""
    path = written(tmp_path, f"{names}\n" + "1,2,3\n" * 1000 + '1,2,"3\n' + "1,2,3\n" * below)
    says = "a quote is never closed, and all that follows is in its cell"
    if below == 1_000_000:
        says = "a cell of more than a megabyte; is a quote in it never closed?"
    with pytest.raises(RelufitError) as caught:
        list(read_columns(path, ["v"]))
    assert str(caught.value) == f"{path}: row 1001 (line 1002): {says}"


def test_a_last_cell_may_hold_line_ends(tmp_path: Path) -> None:
    """The last cell of the file may hold line ends, and other columns bytes of other encodings."""
    for end in ("", "\n", "\r\n"):
        content = f't,v,note\n1,2,"a\nb"\n3,4,"5"" pipe\n\n\xe4,"{end}'.encode("latin-1")
        assert whole(written(tmp_path, content)).x.tolist() == [[1.0], [3.0]]


def test_decimal_commas(tmp_path: Path) -> None:
    """Numbers may have decimal commas if semicolons delimit, beside times and integers."""
    path = written(
        tmp_path, 'd;t;v\n2024-01-01 10:00:00.25;1;3,14\n2024-01-02;20;"-,5"\n;3;4\n2024-01-03;1e3; 5,0e-1 \n'
    )
    chunk = whole(path, ["d", "t"])
    np.testing.assert_array_equal(chunk.x[:, 0], [1704103200.25, 1704153600.0, 1704240000.0])
    np.testing.assert_array_equal(chunk.x[:, 1], [1, 20, 1000])
    np.testing.assert_array_equal(chunk.y[:, 0], [3.14, -0.5, 0.5])
    assert chunk.dropped == 1
    values = np.random.default_rng(0).normal(size=100_000)
    rows = "".join(f"{i};{float(v)!r}\n" for i, v in enumerate(values)).replace(".", ",")
    np.testing.assert_array_equal(whole(written(tmp_path, "t;v\n" + rows)).y[:, 0], values)


@pytest.mark.parametrize(
    ("x", "y", "weight", "says"),
    [
        ("q", "v", None, "data.csv has no column 'q'; it has t, v, w, t (a table begins with its column names)"),
        ("v", "v", None, "column 'v' is named twice; x, y and weight are different columns"),
        ("v", "w", "w", "column 'w' is named twice; x, y and weight are different columns"),
        ("t", "v", None, "data.csv has 2 columns 't'; rename one"),
        ([], "v", None, "name at least one column for x and one for y"),
        ("v", [], None, "name at least one column for x and one for y"),
    ],
)
def test_columns_are_checked_at_once(tmp_path: Path, x: Any, y: Any, weight: str | None, says: str) -> None:
    """Columns are checked when read_table is called; a name that occurs twice only matters if it is read."""
    path = written(tmp_path, "t,v,w,t\n1,2,3,4\n")
    with pytest.raises(RelufitError) as caught:
        read_table(path, x, y, weight)
    assert str(caught.value).replace(f"{tmp_path}/", "") == says
    assert len(whole(path, "v", "w").x) == 1


def test_a_file_without_header(tmp_path: Path) -> None:
    """The error about a missing column shows the first row, which was read as the header."""
    assert "it has 1.5, 2.5 (a table begins" in message(written(tmp_path, "1.5,2.5\n3,4\n"))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("data.csv", b"", "data.csv is empty"),
        ("data.csv", b"\n \r\n", "data.csv is empty"),
        ("data.xlsx", b"PK\x03\x04\0\0\0", "data.xlsx is neither csv in UTF-8 nor parquet"),
        ("data.csv", "t,v\n1,2\n".encode("utf-16"), "data.csv is neither csv in UTF-8 nor parquet"),
        ("data.parquet", b"PAR1 and no more", "cannot read data.parquet: "),
        ("data.csv.gz", b"t,v\n1,2\n", "cannot read data.csv.gz: "),
        ("data.csv", b"t,v\n1,\xff\n", "cannot read data.csv: "),
        ("data.csv", b"x" * 300_000, "data.csv is no csv: "),
        (
            "data.csv",
            b"t,v\n1," + b"2" * 3_000_000 + b"\n",
            "data.csv: row 1 (line 2): a cell of more than a megabyte; is a quote",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    """Files of other formats are refused with a sentence that says why."""
    assert message(written(tmp_path, content, name)).startswith(says)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    """A missing file and a folder are named in the error."""
    assert message(tmp_path / "data.csv") == "cannot read data.csv: there is no such file"
    assert message(tmp_path).endswith("it is a folder")


def test_headers_alone_and_in_other_alphabets(tmp_path: Path) -> None:
    """A header without a line end is a table without rows; names may hold any letter."""
    assert message(written(tmp_path, "t,v")) == "data.csv has no row with a number in each of t, v; it has 0 rows"
    assert whole(written(tmp_path, "größe,вес\n1,2\n"), "größe", "вес").y.tolist() == [[2.0]]
    latin = written(tmp_path, "größe,t,v\nä,1,2\n".encode("latin-1"))
    assert whole(latin).y.tolist() == [[2.0]]


def test_without_pyarrow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without pyarrow the error says what to install."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RelufitError, match=r"^pyarrow is not installed: pip install relufit\[tables\]$"):
        read_table(tmp_path / "data.csv", "t", "v")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_memory_is_bounded(tmp_path: Path, kind: str) -> None:
    """Eight million rows, 128 MB as arrays and 112 MB as text, are never in memory at once."""
    n = 8_000_000
    if kind == "csv":
        path = written(tmp_path, "t,v\n" + "1.25,3.123456\n" * n)
    else:
        path = parquet_of(tmp_path, row_group_size=100_000, t=np.arange(n), v=np.arange(n) % 7)
    tracemalloc.start()
    before_bytes, rows, arrow_bytes = pyarrow.total_allocated_bytes(), 0, 0
    for chunk in read_table(path, "t", "v"):
        rows += len(chunk.x)
        arrow_bytes = max(arrow_bytes, pyarrow.total_allocated_bytes() - before_bytes)
    python_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == n
    assert python_bytes < 16e6
    assert arrow_bytes < 64e6  # 40 MB for a csv of any length


def test_chunks_say_what_x_was(tmp_path: Path) -> None:
    """Chunks have the type of each column of x: numbers, or times with or without a zone, in csv and parquet."""
    path = written(tmp_path, "a;b;c;d;v\n1,5;2024-01-01;2024-01-01T00:00+02:00;true;1\n")
    assert next(read_table(path, ["a", "b", "c", "d"], "v")).types == (NUMBER, TIME, ZONED, NUMBER)
    stamps = {name: pyarrow.array([0], pyarrow.timestamp("s", zone)) for name, zone in (("b", None), ("c", "UTC"))}
    path = parquet_of(tmp_path, a=[1], d=pyarrow.array([0], pyarrow.date32()), v=[1], **stamps)
    assert next(read_table(path, ["a", "b", "c", "d"], "v")).types == (NUMBER, TIME, ZONED, TIME)


def test_the_columns_there_are(tmp_path: Path) -> None:
    """describe_columns lists the columns of a csv and of a parquet file."""
    assert describe_columns(written(tmp_path, "t;a, b;v\n1;2;3\n")) == f"{tmp_path / 'data.csv'} has t, a, b, v"
    assert describe_columns(parquet_of(tmp_path, t=[1], v=[2])) == f"{tmp_path / 'data.parquet'} has t, v"
