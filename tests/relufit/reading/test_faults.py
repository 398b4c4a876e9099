"""Errors about cells of a table: each names the row, the line, the column and the cell, and says what would be read."""

import csv
from pathlib import Path

import pytest
from table_files import message, parquet_of, whole, written

from relufit.reading.tables import read_table

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: tables cannot be read")


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
    """A table has decimal commas or decimal points in all its columns, not both."""
    says = f"row {row} (line {row + 1}), column {column!r} holds {cell!r}, which is not a number with a decimal comma"
    assert message(written(tmp_path, content)) == f"data.csv: {says}"


def test_tabs_make_no_decimal_commas(tmp_path: Path) -> None:
    """Tabs do not allow decimal commas, because there a comma may separate thousands."""
    says = (
        "data.csv: row 1 (line 2), column 'v' holds '3,140', which is not a number; write it with a point, or delimit"
    )
    assert message(written(tmp_path, "t\tv\n1\t3,140\n")) == says + " the cells by semicolons"


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
    """Errors name the row, counted below the header, the line of the file, the column and the cell."""
    assert message(written(tmp_path, "t,v\n" + rows)) == says


def test_a_late_error_names_its_row(tmp_path: Path) -> None:
    """An error many chunks into the file names its row, and the chunks before it are returned."""
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
    """Errors in parquet name the row and no line; a column of another type is refused as a whole."""
    path = parquet_of(tmp_path, t=[1.0, 2.0, float("inf")], s=["1", "x", "2"], w=[1, 0, -3], z=[[1], [2], [3]])
    assert message(path, "t", "w") == "data.parquet: row 3, column 't' holds inf, which is not finite"
    assert message(path, "w", "s") == "data.parquet: row 2, column 's' holds 'x', which is not a number"
    assert message(path, "z", "w").startswith("data.parquet: column 'z' holds list<")
    assert message(path, "q", "w").startswith("data.parquet has no column 'q'; it has t, s, w, z")


def test_a_negative_weight_is_named(tmp_path: Path) -> None:
    """A negative weight is refused with its row; in x and y negative numbers are valid."""
    path = written(tmp_path, "t,v,w\n-1,-2,0\n1,2,-0.5\n")
    says = "data.csv: row 2 (line 3), column 'w' holds -0.5, and a weight must be at least 0"
    assert message(path, weight="w") == says
    assert len(whole(path).x) == 2


def test_decimal_commas_that_come_late(tmp_path: Path) -> None:
    """A decimal comma after the first chunk, which has none, is refused."""
    path = written(tmp_path, "t;v\n" + "1;2\n" * 400_000 + "1;2,5\n")
    says = "column 'v' holds '2,5', which is not a number: none of the first rows has a decimal comma, so write"
    assert message(path) == f"data.csv: row 400001 (line 400002), {says} this one with a point too"
