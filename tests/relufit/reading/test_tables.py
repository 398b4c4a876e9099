"""Reading csv and parquet in pieces."""

import csv
import gzip
import sys
import tracemalloc
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from table_files import message, parquet_of, whole, written

from relufit import RelufitError
from relufit.columns import NUMBER, TIME, ZONED
from relufit.reading.tables import read_columns, read_table, tell_columns

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: tables cannot be read")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_delimiters_line_ends_and_marks(tmp_path: Path, delimiter: str, end: str, mark: str) -> None:
    """Comma, semicolon or tab; either line end; with and without a byte order mark; quoted or not; spaces around."""
    rows = ['"t";u;v;w', "1;a;2;0.5", '"3";"b;c";+4e0;0', " -5 ; ; 6;1"]
    content = mark + end.join(row.replace(";", delimiter) for row in rows) + end
    chunk = whole(written(tmp_path, content), weight="w")
    np.testing.assert_array_equal(chunk.x, [[1.0], [3.0], [-5.0]])
    np.testing.assert_array_equal(chunk.y, [[2.0], [4.0], [6.0]])
    assert chunk.weight is not None
    np.testing.assert_array_equal(chunk.weight, [0.5, 0.0, 1.0])
    assert chunk.dropped == 0


def test_columns_are_taken_by_name(tmp_path: Path) -> None:
    """Several for x and y, in the order asked for, whatever stands beside them; names lose their spaces."""
    path = written(tmp_path, "a, b ,note,c\n1,2,x,3\n4,5,y,6")
    chunk = whole(path, ["c", "a"], ["b"])
    np.testing.assert_array_equal(chunk.x, [[3.0, 1.0], [6.0, 4.0]])
    np.testing.assert_array_equal(chunk.y, [[2.0], [5.0]])
    assert chunk.weight is None


def test_gaps_are_dropped_and_counted(tmp_path: Path) -> None:
    """An empty cell, NA, nan and the like, with spaces too, in a column that is read; others do not matter."""
    path = written(tmp_path, "t,u,v\n1,,2\n,1,3\n4,1,\n5,1,NA\n6,1, nan \n7,1,null\n8,1,Nan\n9,1,10\n")
    chunk = whole(path)
    np.testing.assert_array_equal(chunk.x[:, 0], [1, 9])
    assert chunk.dropped == 6


def test_a_column_that_begins_with_gaps(tmp_path: Path) -> None:
    """More of them than one piece holds."""
    path = written(tmp_path, "t,v,note\n" + f"1,,{'-' * 1000}\n" * 3000 + "2,3,\n")
    chunk = whole(path)
    assert chunk.x.tolist() == [[2.0]]
    assert chunk.dropped == 3000


def test_quoted_line_ends_and_empty_lines(tmp_path: Path) -> None:
    """A cell may hold line ends, also across the pieces in which a file is read; empty lines are no rows."""
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
    """In the last row too, with and without a line end behind it, and bytes of other alphabets."""
    for end in ("", "\n", "\r\n"):
        content = f't,v,note\n1,2,"a\nb"\n3,4,"5"" pipe\n\n\xe4,"{end}'.encode("latin-1")
        assert whole(written(tmp_path, content)).x.tolist() == [[1.0], [3.0]]


def test_decimal_commas(tmp_path: Path) -> None:
    """Where semicolons delimit and a number has one, quoted or not; times and integers beside them as ever."""
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
    ("content", "row", "column", "cell"),
    [
        ("t;v\n1;3,14\n1.234;1\n", 2, "t", "1.234"),  # which may be more than a thousand
        ("t;v\n1.5;3,14\n", 1, "t", "1.5"),
        ("t;v\n1;1.234,5\n", 1, "v", "1.234,5"),
        ("t;v\n1;1,234,5\n", 1, "v", "1,234,5"),
        ("t;v\n1;1,5\n2;x\n", 2, "v", "x"),
    ],
)
def test_decimal_commas_beside_points_are_refused(
    tmp_path: Path, content: str, row: int, column: str, cell: str
) -> None:
    """In any column that is read: the table has one or the other."""
    says = f"row {row} (line {row + 1}), column {column!r} holds {cell!r}, which is not a number with a decimal comma"
    assert message(written(tmp_path, content)) == f"data.csv: {says}"


def test_tabs_make_no_decimal_commas(tmp_path: Path) -> None:
    """There a comma may part thousands."""
    says = (
        "data.csv: row 1 (line 2), column 'v' holds '3,140', which is not a number; write it with a point, or delimit"
    )
    assert message(written(tmp_path, "t\tv\n1\t3,140\n")) == says + " the cells by semicolons"


def test_numbers_survive_exactly(tmp_path: Path) -> None:
    """The shortest text of a float64 is read as that float64."""
    values = np.random.default_rng(0).normal(size=1000) * 10.0 ** np.random.default_rng(1).integers(-200, 200, 1000)
    path = written(tmp_path, "t,v\n" + "".join(f"{float(v)!r},{i}\n" for i, v in enumerate(values)))
    np.testing.assert_array_equal(whole(path).x[:, 0], values)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-01-01", 1704067200.0),
        ("2024-01-01 10:00", 1704103200.0),
        ("2024-01-01T10:00:00.25", 1704103200.25),
        ("2024-01-01T10:00:00Z", 1704103200.0),
        ("2024-01-01T10:00:00+02:00", 1704096000.0),
        ("true", 1.0),
    ],
)
def test_times_and_truth_in_csv(tmp_path: Path, text: str, seconds: float) -> None:
    """Times in x become seconds since 1970, UTC where they name no zone; a gap may come first."""
    chunk = whole(written(tmp_path, f"t,v\n,true\n{text},false\n"))
    assert chunk.x.tolist() == [[seconds]]
    assert chunk.y.tolist() == [[0.0]]


def test_parquet_types(tmp_path: Path) -> None:
    """Integers, decimals, truth, text of numbers and nulls, over several row groups."""
    path = parquet_of(
        tmp_path,
        row_group_size=2,
        i=pyarrow.array([1, 2, None, 2**62, 5]),
        f=pyarrow.array([0.5, float("nan"), 1.0, 2.0, 3.0], pyarrow.float32()),
        d=pyarrow.array([Decimal("1.25")] * 5),
        b=pyarrow.array([True, False, True, True, False]),
        s=pyarrow.array(["1", "2", "3", " 4 ", "NA"]),
        c=pyarrow.array([7, 7, 7, 8, 8]).dictionary_encode(),
    )
    chunk = whole(path, ["i", "f", "d", "c"], ["s", "b"])
    np.testing.assert_array_equal(chunk.x, [[1, 0.5, 1.25, 7], [2.0**62, 2, 1.25, 8]])
    np.testing.assert_array_equal(chunk.y, [[1, 1], [4, 1]])
    assert chunk.dropped == 3


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_parquet_times(tmp_path: Path, unit: str) -> None:
    """Seconds since 1970, exact where they are whole; days likewise."""
    stamp = np.datetime64("2024-05-06T07:08:09", "s")
    path = parquet_of(
        tmp_path, t=pyarrow.array([stamp.astype(f"datetime64[{unit}]")]), day=[stamp.astype(object).date()], v=[1]
    )
    assert whole(path, ["t", "day"]).x.tolist() == [[float(stamp.astype(int)), 1714953600.0]]
    assert message(path, "v", "t").startswith("data.parquet: column 't' holds timestamp[")
    assert message(path, "v", "t").endswith("not numbers; times may stand in x only")


TIMES = "times are read as 2024-01-31 12:00:00"
RANGE = "out of range; those from 1678 to 2261 are read"
X_ONLY = "times may stand in x only"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("1,2\n3,abc\n", "data.csv: row 2 (line 3), column 'v' holds 'abc', which is not a number"),
        ("1,1_000\n", "data.csv: row 1 (line 2), column 'v' holds '1_000', which is not a number"),
        (
            '1,"1,5"\n',
            "data.csv: row 1 (line 2), column 'v' holds '1,5', which is not a number; write it with a point, or "
            "delimit the cells by semicolons",
        ),
        (
            "1,2024-01-01\n",
            "data.csv: row 1 (line 2), column 'v' holds '2024-01-01', which is not a number; times may stand in x only",
        ),
        ("01/01/2024,1\n", "data.csv: row 1 (line 2), column 't' holds '01/01/2024', which is not a number; " + TIMES),
        ("12:01:00,1\n", "data.csv: row 1 (line 2), column 't' holds '12:01:00', which is not a number; " + TIMES),
        ("2024-01,1\n", "data.csv: row 1 (line 2), column 't' holds '2024-01', which is not a number; " + TIMES),
        ("1.2.2024,1\n", "data.csv: row 1 (line 2), column 't' holds '1.2.2024', which is not a number; " + TIMES),
        ("1600-01-01,1\n", "data.csv: row 1 (line 2), column 't' holds '1600-01-01', a time " + RANGE),
        ("2000-01-01,1\n9999-12-31,1\n", "data.csv: row 2 (line 3), column 't' holds '9999-12-31', a time " + RANGE),
        ("1,01/01/2024\n", "data.csv: row 1 (line 2), column 'v' holds '01/01/2024', which is not a number; " + X_ONLY),
        ("1,\n,\n\n\nx,2\n", "data.csv: row 3 (line 6), column 't' holds 'x', which is not a number"),
        ('1,"\n\n"\ny,2\n', "data.csv: row 2 (line 5), column 't' holds 'y', which is not a number"),
        ("1,true\n2,0.5\n", "data.csv: row 2 (line 3), column 'v' holds '0.5', which is not true or false"),
        (
            "2024-01-01,1\n7 May,1\n",
            "data.csv: row 2 (line 3), column 't' holds '7 May', which is not a time like those above",
        ),
        ("1,2\n3,-inf\n", "data.csv: row 2 (line 3), column 'v' holds -inf, which is not finite"),
        ("1,2\n3,4\n1e400,4\n", "data.csv: row 3 (line 4), column 't' holds inf, which is not finite"),
        ("1,2\n\n3\n", "data.csv: row 2 (line 4): 1 cells, not 2"),
        ("1,2\n3,4\n1,2,3\n", "data.csv: row 3 (line 4): 3 cells, not 2"),
        ('1,2\n"3,4\n1,2\n', "data.csv: row 2 (line 3): 1 cells, not 2; is a quote in it never closed?"),
        ('1,2\n3,"\n', "data.csv: row 2 (line 3): a quote is never closed, and all that follows is in its cell"),
        ("1," + "z" * 99 + "\n", f"data.csv: row 1 (line 2), column 'v' holds '{'z' * 37}...', which is not a number"),
        ("", "data.csv has no row with a number in each of t, v; it has 0 rows"),
        ("1,\nNA,2\n", "data.csv has no row with a number in each of t, v; it has 2 rows"),
    ],
)
def test_errors_name_row_line_column_and_cell(tmp_path: Path, rows: str, says: str) -> None:
    """The row counts from 1 below the header, the line from 1 with it."""
    assert message(written(tmp_path, "t,v\n" + rows)) == says


def test_a_late_error_names_its_row(tmp_path: Path) -> None:
    """Many pieces into the file; the pieces before it come out."""
    path = written(tmp_path, "t,v\n" + "1,2\n" * 700_000 + "1,abc\n" + "1,2\n" * 10)
    assert message(path) == "data.csv: row 700001 (line 700002), column 'v' holds 'abc', which is not a number"
    assert len(next(read_table(path, "t", "v")).x) > 1000
    path = written(tmp_path, "t,v\n" + "1,2\n" * 700_000 + "1\n" + "1,2\n" * 10)
    assert message(path) == "data.csv: row 700001 (line 700002): 1 cells, not 2"


def test_a_row_below_a_giant_cell_has_a_line(tmp_path: Path) -> None:
    """A row is numbered correctly below a cell longer than Python's csv limit, and the limit is not changed."""
    limit = csv.field_size_limit()
    path = written(tmp_path, "t,note,v\n1," + "z" * 200_000 + ",2\n1,,abc\n")
    assert message(path) == "data.csv: row 2 (line 3), column 'v' holds 'abc', which is not a number"
    note = '"' + "a,\n" * 50_000 + '"'
    path = written(tmp_path, f"t,note,v\n1,{note},2\n2,,abc\n")
    assert message(path) == "data.csv: row 2 (line 50003), column 'v' holds 'abc', which is not a number"
    assert csv.field_size_limit() == limit


def test_errors_of_parquet_name_the_row(tmp_path: Path) -> None:
    """There are no lines; a column of another type is refused as a whole."""
    path = parquet_of(tmp_path, t=[1.0, 2.0, float("inf")], s=["1", "x", "2"], w=[1, 0, -3], z=[[1], [2], [3]])
    assert message(path, "t", "w") == "data.parquet: row 3, column 't' holds inf, which is not finite"
    assert message(path, "w", "s") == "data.parquet: row 2, column 's' holds 'x', which is not a number"
    assert message(path, "z", "w").startswith("data.parquet: column 'z' holds list<")
    assert message(path, "q", "w").startswith("data.parquet has no column 'q'; it has t, s, w, z")


def test_a_negative_weight_is_named(tmp_path: Path) -> None:
    """With its row; in x and y negative numbers are welcome."""
    path = written(tmp_path, "t,v,w\n-1,-2,0\n1,2,-0.5\n")
    says = "data.csv: row 2 (line 3), column 'w' holds -0.5, and a weight must be at least 0"
    assert message(path, weight="w") == says
    assert len(whole(path).x) == 2


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
    """When read_table is called, not when the first chunk is asked for; a name twice is no harm in other columns."""
    path = written(tmp_path, "t,v,w,t\n1,2,3,4\n")
    with pytest.raises(RelufitError) as caught:
        read_table(path, x, y, weight)
    assert str(caught.value).replace(f"{tmp_path}/", "") == says
    assert len(whole(path, "v", "w").x) == 1


def test_a_file_without_header(tmp_path: Path) -> None:
    """Its first row is shown."""
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
    """Each with a sentence."""
    assert message(written(tmp_path, content, name)).startswith(says)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    """Are named as what they are."""
    assert message(tmp_path / "data.csv") == "cannot read data.csv: there is no such file"
    assert message(tmp_path).endswith("it is a folder")


def test_headers_alone_and_in_other_alphabets(tmp_path: Path) -> None:
    """A header without a line end is a table without rows; names may hold any letter."""
    assert message(written(tmp_path, "t,v")) == "data.csv has no row with a number in each of t, v; it has 0 rows"
    assert whole(written(tmp_path, "größe,вес\n1,2\n"), "größe", "вес").y.tolist() == [[2.0]]
    latin = written(tmp_path, "größe,t,v\nä,1,2\n".encode("latin-1"))
    assert whole(latin).y.tolist() == [[2.0]]


def test_without_pyarrow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What to install."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RelufitError, match=r"^pyarrow is not installed: pip install relufit\[tables\]$"):
        read_table(tmp_path / "data.csv", "t", "v")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_memory_is_bounded(tmp_path: Path, kind: str) -> None:
    """Eight million rows, 128 MB as arrays and 112 MB as text, are never held at once, by Python or by pyarrow."""
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


@pytest.mark.parametrize("gap", ["<NA>", "NaT", "?", ".", "-", " - "])
def test_more_gaps(tmp_path: Path, gap: str) -> None:
    """Whole cells only, as other programs write them."""
    chunk = whole(written(tmp_path, f"t,v\n1,{gap}\n-2,.5\n"))
    assert (chunk.x.tolist(), chunk.y.tolist(), chunk.dropped) == ([[-2.0]], [[0.5]], 1)


def test_decimal_commas_that_come_late(tmp_path: Path) -> None:
    """Below the first piece of the file, which has told that there are none."""
    path = written(tmp_path, "t;v\n" + "1;2\n" * 400_000 + "1;2,5\n")
    says = "column 'v' holds '2,5', which is not a number: none of the first rows has a decimal comma, so write"
    assert message(path) == f"data.csv: row 400001 (line 400002), {says} this one with a point too"


def test_integers_that_float64_does_not_tell_apart(tmp_path: Path) -> None:
    """In x, as text and as integers; times in nanoseconds are far enough apart, and y is rounded as ever."""
    for kind in ("int64", "uint64"):
        big = np.arange(28).astype(kind) + np.array(2**62 if kind == "int64" else 2**63, kind)
        says = f"column 't' holds {big[0]} and {big[1]}, which are equal in float64; subtract an integer from"
        for path in (
            parquet_of(tmp_path, t=big, v=big),
            written(tmp_path, "t,v\n" + "".join(f" {b},{b}\n" for b in big)),
        ):
            assert message(path) == f"{path.name}: {says} all of them, so that they are below 2^53"
    far = 1_700_000_000_000_000_000 + 1000 * np.arange(28)
    path = parquet_of(tmp_path, t=far, v=np.arange(28), small=np.arange(28))
    assert len(np.unique(whole(path).x)) == 28
    assert len(whole(path, "small", "t").y) == 28


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["9007199254740992", "9007199254740993", "1"], "number"),  # 2^53 itself
        (["9007199254740993", "9007199254740992", "0.5"], "number"),  # beside a decimal
        (["9007199254740993.0", "9.007199254740992e15", "-1"], "number"),
        (["100000000000000000000", "100000000000000000001", "1"], "number"),  # beyond 64 bits
        (["2024-01-01T00:00:00.000000001", "2024-01-01T00:00:00.000000002"], "time"),
        (["2024-01-01T00:00:00.000000001Z", "2024-01-01T00:00:00.000000002Z"], "time"),
    ],
)
def test_text_that_float64_does_not_tell_apart(tmp_path: Path, cells: list[str], kind: str) -> None:
    """Text that is equal in float64 is refused in x, with decimal commas too, and rounded in y."""
    for path in (
        written(tmp_path, "t,v\n" + "".join(f"{cell},1\n" for cell in cells)),
        written(
            tmp_path,
            "t;v\n" + "".join(f"{cell.replace('.', ',' if kind == 'number' else '.')};1,5\n" for cell in cells),
        ),
        parquet_of(tmp_path, t=cells, v=[1] * len(cells)),
    ):
        assert f"column 't' holds {cells[0][:10]}" in message(path).replace("9007199254740993 and 9007199254740992", "")
        assert "which are equal " + {"number": "in float64", "time": "as float64"}[kind] in message(path)
        if kind == "number" and path.suffix == ".csv":
            assert len(whole(path, "v", "t").y) == len(cells)


def test_typed_columns_that_float64_does_not_tell_apart(tmp_path: Path) -> None:
    """Decimals and times in parquet that are equal in float64 are refused."""
    decimals = [Decimal(2**62), Decimal(2**62 + 1), Decimal("0.5")]
    times = pyarrow.array([10**18, 10**18 + 1, None], pyarrow.timestamp("ns", "Europe/Berlin"))
    path = parquet_of(tmp_path, d=decimals, t=times, v=[1, 2, 3])
    assert "4611686018427387904 and 4611686018427387905, which are equal in float64" in message(path, "d")
    assert "2001-09-09T01:46:40.000000001, which are equal as float64 seconds" in message(path, "t")


def test_chunks_say_what_x_was(tmp_path: Path) -> None:
    """Chunks have the type of each column of x: numbers, or times with or without a zone, in csv and parquet."""
    path = written(tmp_path, "a;b;c;d;v\n1,5;2024-01-01;2024-01-01T00:00+02:00;true;1\n")
    assert next(read_table(path, ["a", "b", "c", "d"], "v")).types == (NUMBER, TIME, ZONED, NUMBER)
    stamps = {name: pyarrow.array([0], pyarrow.timestamp("s", zone)) for name, zone in (("b", None), ("c", "UTC"))}
    path = parquet_of(tmp_path, a=[1], d=pyarrow.array([0], pyarrow.date32()), v=[1], **stamps)
    assert next(read_table(path, ["a", "b", "c", "d"], "v")).types == (NUMBER, TIME, ZONED, TIME)


def test_the_columns_there_are(tmp_path: Path) -> None:
    """As words, for those who have not named any."""
    assert tell_columns(written(tmp_path, "t;a, b;v\n1;2;3\n")) == f"{tmp_path / 'data.csv'} has t, a, b, v"
    assert tell_columns(parquet_of(tmp_path, t=[1], v=[2])) == f"{tmp_path / 'data.parquet'} has t, v"
