"""Reading a table, csv or parquet, in pieces: files larger than memory. Needs pyarrow (relufit[tables]).

Every cell of a csv is read as text first and then made a number, all in pyarrow: as fast as its own inference (2.5 s
for 10^7 rows of three columns either way), and a cell that is no number can be shown with its row.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from relufit.errors import RelufitError
from relufit.reading.arrow import COMMA, GAPS, contains, is_text, is_time, load_pyarrow, parse, parses, trim

HEAD = 2**20  # bytes in which the header of a csv must end
BATCH = 2**16  # rows of parquet at a time
OPEN_QUOTE = "; is a quote in it never closed?"


class Chunk(NamedTuple):
    """Consecutive rows of a table, float64 and finite, those with a gap left out; n may be 0."""

    x: np.ndarray  # (n, D)
    y: np.ndarray  # (n, O)
    weight: np.ndarray | None  # (n,), at least 0
    dropped: int  # rows left out


class _Table(NamedTuple):
    path: Path
    columns: list[str]
    delimiter: str | None  # None for parquet


def read_table(
    path: str | Path, x: str | Sequence[str], y: str | Sequence[str], weight: str | None = None
) -> Iterator[Chunk]:
    """Read the columns `x` (D of them), `y` (O) and `weight` of a csv or parquet file, a piece at a time.

    A csv has a header, is UTF-8, is delimited by commas, semicolons or tabs (found from the header), and may be
    compressed (.gz, .bz2). Numbers have a decimal point, or a comma where semicolons delimit and one of the first rows
    has one. Rows with a gap (an empty cell, nan or another of
    arrow.GAPS) in a column that is read are dropped and counted. Integers, decimals and true/false become
    float64. In x, dates and times become seconds since 1970, UTC where they name no zone; those of a csv lie between
    1677 and 2262.

    Raises RelufitError at once for a missing library, file or column, a name used twice, and a file of another kind;
    while reading for a cell that is no number or infinite, a negative weight, a row of the wrong length and a quote
    that is never closed, each with its row (the first one below the header is 1); and after reading where every row
    has a gap.
    """
    load_pyarrow()
    inputs, outputs = ([given] if isinstance(given, str) else list(given) for given in (x, y))
    names = [*inputs, *outputs, *([] if weight is None else [weight])]
    if not inputs or not outputs:
        raise RelufitError("name at least one column for x and one for y")
    for name in names:
        if names.count(name) > 1:
            raise RelufitError(f"column {name!r} is named twice; x, y and weight are different columns")
    return _chunks(_open(Path(path), names), inputs, outputs, weight)


def read_columns(path: str | Path, x: Sequence[str]) -> Iterator[Chunk]:
    """Read the columns `x` alone, as `read_table` does; `y` has no columns."""
    load_pyarrow()
    return _chunks(_open(Path(path), list(x)), list(x), [], None)


def _chunks(table: _Table, inputs: list[str], outputs: list[str], weight: str | None) -> Iterator[Chunk]:
    names = [*inputs, *outputs, *([] if weight is None else [weight])]
    kinds: dict[str, Any] = {}  # what the first cell of a column of text is, its other cells must be
    rows = kept = 0
    number: Any = None  # what all numbers in text are, as the first rows have them
    for batch in _batches(table, names):
        columns = {}
        if number is None and len(batch):
            number = _number_kind(table, [batch.column(name) for name in names])
        for name in names:
            cells = batch.column(name)
            kinds[name] = kinds.get(name) or _kind(table, name, cells, number, may_be_time=name in inputs)
            columns[name] = _numbers(table, rows, name, cells, kinds[name])
            _check(table, rows, name, columns[name], is_weight=name == weight)
        whole: np.ndarray = ~np.any([np.isnan(column) for column in columns.values()], axis=0)  # (n,)
        x, y = (_stack(columns, group, whole) for group in (inputs, outputs))
        yield Chunk(x, y, None if weight is None else columns[weight][whole], len(whole) - len(x))
        rows, kept = rows + len(whole), kept + len(x)
    if not kept:
        raise RelufitError(f"{table.path} has no row with a number in each of {', '.join(names)}; it has {rows} rows")


def _stack(columns: dict[str, np.ndarray], names: list[str], rows: np.ndarray) -> np.ndarray:
    """The chosen rows of these columns, (n, columns), of which there may be none."""
    table = np.empty((int(rows.sum()), len(names)))
    for place, name in enumerate(names):
        table[:, place] = columns[name][rows]
    return table


def _open(path: Path, names: list[str]) -> _Table:
    """Look at the head of a file. Raises RelufitError unless it is a table with the columns `names`, each once."""
    if not path.is_file():
        raise RelufitError(f"cannot read {path}: " + ("it is a folder" if path.is_dir() else "there is no such file"))
    pyarrow = load_pyarrow()
    try:
        with pyarrow.input_stream(str(path)) as file:
            head = file.read(HEAD)
        if head[:4] == b"PAR1":
            with pyarrow.parquet.ParquetFile(path) as file:
                table = _Table(path, file.schema_arrow.names, None)
        else:
            table = _csv_header(path, head, names)
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None
    for name in names:
        if table.columns.count(name) > 1:
            raise RelufitError(f"{path} has {table.columns.count(name)} columns {name!r}; rename one")
        if name not in table.columns:
            has = ", ".join(map(_short, table.columns[:20])) + (", ..." if len(table.columns) > 20 else "")
            raise RelufitError(f"{path} has no column {name!r}; it has {has} (a table begins with its column names)")
    return table


def _csv_header(path: Path, head: bytes, names: list[str]) -> _Table:
    """The first row that is not empty, cut by the delimiter that finds most of `names`."""
    if not head.strip():
        raise RelufitError(f"{path} is empty")
    if b"\0" in head:
        raise RelufitError(f"{path} is neither csv in UTF-8 nor parquet")
    text = head.decode("utf-8-sig", errors="replace")
    try:
        tables = [_Table(path, next(_rows(io.StringIO(text, newline=""), d))[1], d) for d in ",;\t"]
    except csv.Error as error:
        raise RelufitError(f"{path} is no csv: {error}") from None
    return max(tables, key=lambda table: (len(set(names) & set(table.columns)), len(table.columns)))


def _rows(file: Any, delimiter: str, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Rows of a csv, the header included, each with the line of the file that it begins on; the slow way."""
    reader, line = csv.reader(file, delimiter=delimiter, strict=strict), 1
    for cells in reader:
        if cells:  # pyarrow skips empty lines as well
            yield line, [cell.strip() for cell in cells]
        line = reader.line_num + 1


def _batches(table: _Table, names: list[str]) -> Iterator[Any]:
    """Record batches with the columns `names`, those of a csv as text."""
    pyarrow = load_pyarrow()
    try:
        if table.delimiter:
            yield from _csv_batches(table, names)
        else:
            # pre_buffer would keep the columns of the whole file, compressed as they are.
            with pyarrow.parquet.ParquetFile(table.path, pre_buffer=False, buffer_size=BATCH) as file:
                yield from file.iter_batches(BATCH, columns=names)
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable(table.path, error) from None


def _csv_batches(table: _Table, names: list[str]) -> Iterator[Any]:
    library, ragged = load_pyarrow().csv, []

    def note(row: Any) -> str:
        ragged.append(row)
        return "error"

    # The last column is always read, as bytes and by a name that no column has: a quote that is never closed makes
    # all that follows its last cell.
    last = table.columns[-1] if table.columns[-1] in names else "\0"
    kinds = {last: load_pyarrow().binary()} | dict.fromkeys(names, load_pyarrow().string())
    # One thread: with more, a row that does not fit has no number, and they are not faster.
    read = library.ReadOptions(use_threads=False, column_names=[*table.columns[:-1], last])
    parse = library.ParseOptions(delimiter=table.delimiter, newlines_in_values=True, invalid_row_handler=note)
    convert = library.ConvertOptions(
        include_columns=list(kinds), column_types=kinds, null_values=GAPS, strings_can_be_null=True
    )
    header, rows, end = 1, -1, None  # the row of names is text as all the others are
    try:
        with library.open_csv(str(table.path), read, parse, convert) as reader:
            for batch in reader:
                yield batch.slice(header)
                header, rows = 0, rows + len(batch)
                end = batch.column(last)[-1:] if len(batch) else end
    except load_pyarrow().ArrowInvalid as error:
        if ragged:
            raise _ragged(table, ragged[0]) from None
        if "straddl" in str(error):  # two blocks
            raise _endless(table, rows) from None
        raise
    cell = None if end is None else end.cast(load_pyarrow().binary())[0].as_py()
    if cell and b"\n" in cell and _open_quote(table) is not None:
        raise RelufitError(f"{_place(table, rows)}: a quote is never closed, and all that follows is in its cell")


def _ragged(table: _Table, row: Any) -> RelufitError:
    hint = OPEN_QUOTE if "\n" in row.text.strip() else ""
    place = _place(table, row.number - 1)
    return RelufitError(f"{place}: {row.actual_columns} cells, not {row.expected_columns}{hint}")


def _endless(table: _Table, rows: int) -> RelufitError:
    """For a cell that pyarrow takes for longer than its blocks; at least so many rows lie above it."""
    row = _open_quote(table)
    place = f"{table.path}: below row {rows}" if row is None else _place(table, row)
    return RelufitError(f"{place}: a cell of more than a megabyte{OPEN_QUOTE}")


def _open_quote(table: _Table) -> int | None:
    """The row with a quote that is not closed by the end, or within the 128 KiB that Python's reader takes."""
    row = 0
    with _text(table.path) as text:
        try:
            for _ in _rows(text, table.delimiter or ",", strict=True):
                row += 1
        except csv.Error as error:
            return row if re.search("end of data|field limit", str(error)) else None
    return None


def _number_kind(table: _Table, columns: list[Any]) -> Any:
    """What a number in text is: for a whole table, so that 1.234 beside 3,14 is refused and not misread."""
    has_comma = any(is_text(cells) and contains(cells, ",") for cells in columns)
    return COMMA if table.delimiter == ";" and has_comma else load_pyarrow().float64()


def _kind(table: _Table, name: str, cells: Any, number: Any, may_be_time: bool) -> Any:
    """The type of cells (n,); of text the kind of the first cell that is no gap, or None without one.

    Raises RelufitError where a column of parquet holds no numbers.
    """
    pyarrow = load_pyarrow()
    if is_text(cells):
        given = trim(cells).drop_null()[:1]
        times = [pyarrow.timestamp("ns"), pyarrow.timestamp("ns", "UTC")] if may_be_time else []
        fitting = (kind for kind in [number, pyarrow.bool_(), *times] if parses(given, kind))
        return next(fitting, number) if len(given) else None
    if not (is_time(cells.type) and may_be_time):
        try:
            cells[:0].cast(pyarrow.float64())
        except pyarrow.ArrowNotImplementedError:
            hint = "; times may stand in x only" if is_time(cells.type) else ""
            raise RelufitError(f"{table.path}: column {name!r} holds {cells.type}, not numbers{hint}") from None
    return cells.type


def _numbers(table: _Table, rows: int, name: str, cells: Any, kind: Any) -> np.ndarray:
    """Cells (n,) as float64, nan for a gap; `rows` lie above them. Raises RelufitError for text that is no `kind`."""
    try:
        return parse(cells, kind)
    except load_pyarrow().ArrowInvalid:
        low, high = 0, len(cells)  # the first cell that is wrong is among these
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if parses(cells[low:middle], kind) else (low, middle)
        called = {"double": "a number", "bool": "true or false", COMMA: "a number with a decimal comma"}.get(
            str(kind), "a time like those above"
        )
        place, text = _place(table, rows + low + 1), _short(cells[low].as_py())
        raise RelufitError(f"{place}, column {name!r} holds {text!r}, which is not {called}") from None


def _check(table: _Table, rows: int, name: str, values: np.ndarray, is_weight: bool) -> None:
    """Raise RelufitError for what is infinite in values (n,), and for weights below 0."""
    bad = np.isinf(values) | (values < 0 if is_weight else False)
    if bad.any():
        first = int(np.argmax(bad))
        why = "which is not finite" if np.isinf(values[first]) else "and a weight must be at least 0"
        place = _place(table, rows + first + 1)
        raise RelufitError(f"{place}, column {name!r} holds {float(values[first])!r}, {why}")


def _place(table: _Table, row: int) -> str:
    """Where row `row` is, and in which line of the file: quoted line ends and empty lines part the two."""
    line = None if table.delimiter is None else _line(table.path, table.delimiter, row)
    return f"{table.path}: row {row}" + ("" if line is None else f" (line {line})")


def _line(path: Path, delimiter: str, row: int) -> int | None:
    with _text(path) as text:
        try:
            return next((line for line, _ in islice(_rows(text, delimiter), row, None)), None)
        except csv.Error:  # Python's reader ends at a cell of 128 KiB
            return None


def _text(path: Path) -> io.TextIOWrapper:
    return io.TextIOWrapper(load_pyarrow().input_stream(str(path)), "utf-8-sig", errors="replace", newline="")


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


def _unreadable(path: Path, error: Exception) -> RelufitError:
    return RelufitError(f"cannot read {path}: {str(error).splitlines()[0]}")
