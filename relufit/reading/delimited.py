"""Read a csv: its header, its rows as text in pyarrow's batches, and, slowly, line numbers for error messages.

pyarrow reads every cell as text and then converts it: as fast as its own inference of types (2.5 s for 10^7 rows of
three columns either way), and an error can show a cell that is not a number, with its row.
"""

import io
import re
from collections.abc import Iterable, Iterator
from itertools import islice, product
from typing import Any

from relufit.errors import RelufitError
from relufit.reading.arrow import GAPS, load_pyarrow
from relufit.reading.rows import Row, split_rows
from relufit.reading.sources import OpenTable, Source

NAME = 2**17  # largest number of characters in the name of a column
OPEN_QUOTE = "; is a quote in it never closed?"
SEPARATOR = re.compile(r'"?sep=([!#-/:-@\[-`{-~]|\t)"?\r?\n')  # the sep= line that Excel reads and writes


def read_header(source: Source, head: bytes, names: list[str]) -> OpenTable:
    """Read the column names from the first row that is not empty.

    The delimiter is that of a sep= line; without one, the delimiter that finds most of `names`.
    """
    if b"\0" in head:
        raise RelufitError(f"{source} is neither csv in UTF-8 nor parquet")
    text = head.decode("utf-8-sig", errors="replace")
    declared = SEPARATOR.match(text)
    text = text[declared.end() :] if declared else text
    if not text.strip():
        raise RelufitError(f"{source} is empty")
    delimiters = declared[1] if declared else ",;\t"
    tables = [_cut(source, text, delimiter, declared is not None) for delimiter in delimiters]
    found, fault = max(tables, key=lambda cut: (len(set(names) & set(cut[0].columns)), not cut[1], len(cut[0].columns)))
    if fault and not (names and set(names) <= set(found.columns)):
        raise RelufitError(f"{source} is no csv: {fault}")
    return found


def _cut(source: Source, text: str, delimiter: str, is_declared: bool) -> tuple[OpenTable, str]:
    """Split the head of a file by a delimiter. Return the table, and why its first row is no header, or ""."""
    spaced = re.search(rf'(^|[\r\n{re.escape(delimiter)}]) +"', text) is not None
    table = OpenTable(source, [], delimiter, int(is_declared), spaced)
    row = next(_rows(io.StringIO(text, newline=""), table), Row(1, [], True))
    if not row.is_whole:
        return table._replace(columns=row.cells), "a quote in its first row is never closed"
    is_long = max(map(len, row.cells), default=0) > NAME
    return table._replace(columns=row.cells), f"its first row has a name of more than {NAME} characters" * is_long


def read_batches(table: OpenTable, names: list[str]) -> Iterator[Any]:
    """Record batches with the columns `names` as text. Raises RelufitError for rows that do not fit."""
    library, misfits = load_pyarrow().csv, []

    def note(row: Any) -> str:
        misfits.append(row)
        return "error" if row.text.strip() else "skip"  # a line of blanks counts as empty

    # Always read the last column, as bytes, under a name that no column has: a quote that is never closed puts the rest
    # of the file into its last cell.
    last = table.columns[-1] if table.columns[-1] in names else "\0"
    kinds = {last: load_pyarrow().binary()} | dict.fromkeys(names, load_pyarrow().string())
    # One thread: with several, pyarrow does not number the rows that do not fit, and reading is no faster.
    read = library.ReadOptions(
        use_threads=False,
        column_names=[*table.columns[:-1], last],
        skip_rows=table.skipped,
        block_size=_block_bytes(table),
    )
    parse = library.ParseOptions(delimiter=table.delimiter, newlines_in_values=True, invalid_row_handler=note)
    convert = library.ConvertOptions(
        include_columns=list(kinds), column_types=kinds, null_values=GAPS, strings_can_be_null=True
    )
    header, rows, end = 1, -1, None  # the first batch begins with the row of column names
    try:
        with library.open_csv(_opened(table), read, parse, convert) as reader:
            for batch in reader:
                yield batch.slice(header)
                header, rows = 0, rows + len(batch)
                end = batch.column(last)[-1:] if len(batch) else end
    except load_pyarrow().ArrowInvalid as error:
        if misfits and misfits[-1].text.strip():
            raise _ragged(table, misfits[-1], len(misfits) - 1) from None
        if "straddl" in str(error):  # a row that straddles more than two blocks
            raise _endless(table, rows) from None
        raise
    cell = None if end is None else end.cast(load_pyarrow().binary())[0].as_py()
    if cell and b"\n" in cell and _broken(table) is not None:
        raise RelufitError(f"{row_name(table, rows)}: a quote is never closed, and all that follows is in its cell")


def row_name(table: OpenTable, row: int) -> str:
    """The source, the row and its line in the file, for errors: quoted line ends and empty lines shift lines."""
    line = None if table.delimiter is None else _line(table, row)
    return f"{table.source}: row {row}" + ("" if line is None else f" (line {line})")


class Unspaced(io.RawIOBase):
    """A stream of a csv without the spaces at the start of cells: pyarrow reads a quote after spaces as text.

    Spaces after a delimiter inside a quoted cell are lost too. bytes.replace takes a thirtieth of the time of a regular
    expression.
    """

    def __init__(self, stream: Any, delimiter: str) -> None:
        self.stream, self.ends, self.rest, self.is_first = stream, (delimiter.encode(), b"\n"), b"", True

    def readable(self) -> bool:
        """Whether the stream can be read: always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes; spaces at the end are held back until the byte after them is known."""
        more: bytes = self.stream.read(size if size < 0 else max(1, size - len(self.rest)))
        content = self.rest + more
        solid = content.rstrip(b" ")
        waits = bool(more) and size >= 0 and solid.endswith(self.ends)
        cut = max(1, len(solid) - 1) if waits else len(content)
        cut = cut if size < 0 else min(cut, size)
        self.rest, content = content[cut:], content[:cut]
        if self.is_first:
            content, self.is_first = content.lstrip(b" ") or content, False
        for end, width in product(self.ends, (64, 8, 1)):
            while end + b" " * width in content:
                content = content.replace(end + b" " * width, end)
        return content


def _opened(table: OpenTable) -> Any:
    path = str(table.source.path)
    return Unspaced(load_pyarrow().input_stream(path), table.delimiter or ",") if table.spaced else path


def _block_bytes(table: OpenTable) -> int:
    """Bytes that pyarrow reads at once, more for many columns; a row must not be longer."""
    return max(2**20, 64 * len(table.columns), 4 * sum(len(name) + 3 for name in table.columns))


def _rows(lines: Iterable[str], table: OpenTable) -> Iterator[Row]:
    """Rows of a csv below the skipped lines, each with the line on which it begins; slow, as it runs in Python.

    Lines that are empty or blank are skipped, as in `read_batches`.
    """
    width = len(table.columns)
    for row in split_rows(lines, table.delimiter or ",", table.spaced, 1 + table.skipped):
        cells = row.cells
        if any(cells) or not row.is_whole or (len(cells) == width if width else len(cells) > 1):
            yield row


def _ragged(table: OpenTable, row: Any, blank: int) -> RelufitError:
    hint = OPEN_QUOTE if "\n" in row.text.strip() else ""
    place = row_name(table, row.number - 1 - blank)
    return RelufitError(f"{place}: {row.actual_columns} cells, not {row.expected_columns}{hint}")


def _endless(table: OpenTable, rows: int) -> RelufitError:
    """The error for a row longer than a block of pyarrow; at least `rows` rows are above it."""
    row = _broken(table)
    if row is None:
        return RelufitError(f"{table.source}: below row {rows}: a row of more than {_block_bytes(table)} bytes")
    return RelufitError(f"{row_name(table, row)}: a cell of more than a megabyte{OPEN_QUOTE}")


def _broken(table: OpenTable) -> int | None:
    """The number of the first row that is not whole, if any."""
    with _text(table) as text:
        return next((number for number, row in enumerate(_rows(text, table)) if not row.is_whole), None)


def _line(table: OpenTable, row: int) -> int | None:
    with _text(table) as text:
        return next((found.line for found in islice(_rows(text, table), row, None)), None)


def _text(table: OpenTable) -> io.TextIOWrapper:
    """The file as text, after its skipped lines."""
    stream = load_pyarrow().input_stream(str(table.source.path))
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline="")
    for _ in range(table.skipped):
        text.readline()
    return text
