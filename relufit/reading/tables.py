"""Read a table, csv or parquet, in chunks, also from files larger than memory. Needs pyarrow (relufit[tables]).

`delimited` and pyarrow read batches of rows; this module converts them to arrays of numbers.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from relufit.errors import RelufitError, reason
from relufit.reading import arrow, delimited, faults
from relufit.reading.arrow import load_pyarrow
from relufit.reading.columns import EXACT, demand_distinct
from relufit.reading.sources import OpenTable, Source, find_source

HEAD = 2**20  # bytes of a csv read for its header
HEADS = 64  # largest number of heads read, if the first lines are longer than one
BATCH = 2**16  # rows of parquet read at once


class Chunk(NamedTuple):
    """Consecutive rows of a table, float64 and finite; rows with a gap are left out, and n may be 0."""

    x: np.ndarray  # (n, D)
    y: np.ndarray  # (n, O)
    weight: np.ndarray | None  # (n,), at least 0
    dropped: int  # rows left out
    types: tuple[str, ...] = ()  # (D,) types of the columns of x, see relufit.reading.columns; valid for n > 0


def read_table(
    path: str | Path, x: str | Sequence[str], y: str | Sequence[str], weight: str | None = None
) -> Iterator[Chunk]:
    """Read the columns `x` (D of them), `y` (O) and `weight` of a csv or parquet file, a chunk at a time.

    A csv has a header, is UTF-8, and may be compressed (.gz, .bz2). Its delimiter is a comma, semicolon or tab, found
    from the header, or the one that a first line such as sep=; declares. Numbers have a decimal point, or a comma if
    semicolons delimit and one of the first rows has one. Rows with a gap (an empty cell, nan or another of arrow.GAPS)
    in a column that is read are dropped and counted. Integers, decimals and true/false become float64. In x, dates and
    times become seconds since 1970, in UTC if they name no zone; those of a csv lie between 1677 and 2262. `path` may
    be a pipe, or "-" for standard input; both are copied to a temporary file.

    Raises RelufitError at once for a missing library, file or column, a name used twice, and a file of another format;
    while reading for a cell that is not a number or is infinite, different integers or times in x that are equal in
    float64 (within one chunk), a negative weight, a row of the wrong length and a quote that is never closed, each with
    its row (the first one below the header is 1); and after reading if every row has a gap.
    """
    load_pyarrow()
    inputs, outputs = ([given] if isinstance(given, str) else list(given) for given in (x, y))
    names = [*inputs, *outputs, *([] if weight is None else [weight])]
    if not inputs or not outputs:
        raise RelufitError("name at least one column for x and one for y")
    for name, times in Counter(names).items():
        if times > 1:
            raise RelufitError(f"column {name!r} is named twice; x, y and weight are different columns")
    return _chunks(_open(path, names), inputs, outputs, weight)


def read_columns(path: str | Path, x: Sequence[str]) -> Iterator[Chunk]:
    """Read the columns `x` alone, as `read_table` does; `y` has no columns."""
    load_pyarrow()
    return _chunks(_open(path, list(x)), list(x), [], None)


def describe_columns(path: str | Path) -> str:
    """The columns of a table in words, such as "data.csv has t, v". Raises RelufitError as `read_table` does."""
    load_pyarrow()
    table = _open(path, [])
    return f"{table.source} has {_listed(table.columns)}"


def _chunks(table: OpenTable, inputs: list[str], outputs: list[str], weight: str | None) -> Iterator[Chunk]:
    names = [*inputs, *outputs, *([] if weight is None else [weight])]
    kinds: dict[str, Any] = {}  # by column; in a column of text, the first cell decides
    rows = kept = 0
    number: Any = None  # the kind of all numbers in text; the first rows decide
    for batch in _batches(table, names):
        columns = {}
        if number is None and len(batch):
            number = _number_kind(table, [batch.column(name) for name in names])
        for name in names:
            cells = batch.column(name)
            kinds[name] = kinds.get(name) or _kind(table, name, cells, number, may_be_time=name in inputs)
            columns[name] = _numbers(table, rows, name, cells, kinds[name], may_be_time=name in inputs)
            _check(table, rows, name, columns[name], is_weight=name == weight)
            if name in inputs:
                _demand_distinct(table, name, cells, kinds[name], columns[name])
        whole: np.ndarray = ~np.any([np.isnan(column) for column in columns.values()], axis=0)  # (n,)
        x, y = (_stack(columns, group, whole) for group in (inputs, outputs))
        types = tuple(arrow.column_type(kinds[name]) for name in inputs)
        yield Chunk(x, y, None if weight is None else columns[weight][whole], len(whole) - len(x), types)
        rows, kept = rows + len(whole), kept + len(x)
    if not kept:
        raise RelufitError(f"{table.source} has no row with a number in each of {', '.join(names)}; it has {rows} rows")


def _stack(columns: dict[str, np.ndarray], names: list[str], rows: np.ndarray) -> np.ndarray:
    """The chosen rows of these columns as one array (n, columns)."""
    table = np.empty((int(rows.sum()), len(names)))
    for place, name in enumerate(names):
        table[:, place] = columns[name][rows]
    return table


def _open(path: str | Path, names: list[str]) -> OpenTable:
    """Read the head of a file. Raises RelufitError unless it is a table with the columns `names`, each once."""
    source, pyarrow = find_source(path), load_pyarrow()
    try:
        with pyarrow.input_stream(str(source.path)) as file:
            head = file.read(HEAD)
            # Two lines: the sep= line of Excel may precede the names.
            while head.strip().count(b"\n") < 2 and len(head) < HEADS * HEAD and (more := file.read(HEAD)):
                head += more
        if head[:4] == b"PAR1":
            with pyarrow.parquet.ParquetFile(source.path) as file:
                table = OpenTable(source, file.schema_arrow.names, None)
        else:
            table = delimited.read_header(source, head, names)
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable(source, error) from None
    counts = Counter(table.columns)
    for name in names:
        if counts[name] > 1:
            raise RelufitError(f"{source} has {counts[name]} columns {name!r}; rename one")
        if name not in counts:
            hint = "; it is not in UTF-8" if any("\ufffd" in column for column in table.columns) else ""
            raise RelufitError(
                f"{source} has no column {name!r}; it has {_listed(table.columns)} (a table begins with its column "
                f"names){hint}"
            )
    return table


def _listed(columns: list[str]) -> str:
    return ", ".join(map(_short, columns[:20])) + (", ..." if len(columns) > 20 else "")


def _batches(table: OpenTable, names: list[str]) -> Iterator[Any]:
    """Record batches with the columns `names`, those of a csv as text."""
    pyarrow = load_pyarrow()
    try:
        if table.delimiter:
            yield from delimited.read_batches(table, names)
        else:
            # pre_buffer would keep the compressed columns of the whole file in memory.
            with pyarrow.parquet.ParquetFile(table.source.path, pre_buffer=False, buffer_size=BATCH) as file:
                yield from file.iter_batches(BATCH, columns=names)
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable(table.source, error) from None


def _number_kind(table: OpenTable, columns: list[Any]) -> Any:
    """Whether numbers in text have a decimal comma: in the whole table, so that 1.234 beside 3,14 is an error."""
    has_comma = any(arrow.is_text(cells) and arrow.contains(cells, ",") for cells in columns)
    return arrow.COMMA if table.delimiter == ";" and has_comma else load_pyarrow().float64()


def _kind(table: OpenTable, name: str, cells: Any, number: Any, may_be_time: bool) -> Any:
    """The type of cells (n,); for text, the kind of the first cell that is not a gap, or None if all are gaps.

    Raises RelufitError if a column of parquet does not hold numbers.
    """
    pyarrow = load_pyarrow()
    if arrow.is_text(cells):
        given = arrow.trim(cells).drop_null()[:1]
        times = [pyarrow.timestamp("ns"), pyarrow.timestamp("ns", "UTC")] if may_be_time else []
        fitting = (kind for kind in [number, pyarrow.bool_(), *times] if arrow.parses(given, kind))
        return next(fitting, number) if len(given) else None
    if not (arrow.is_time(cells.type) and may_be_time):
        try:
            cells[:0].cast(pyarrow.float64())
        except pyarrow.ArrowNotImplementedError:
            hint = "; times may stand in x only" if arrow.is_time(cells.type) else ""
            raise RelufitError(f"{table.source}: column {name!r} holds {cells.type}, not numbers{hint}") from None
    return cells.type


def _numbers(table: OpenTable, rows: int, name: str, cells: Any, kind: Any, may_be_time: bool) -> np.ndarray:
    """Cells (n,) below `rows` rows as float64, nan for a gap. Raises RelufitError for text that is not of this kind."""
    try:
        return arrow.parse(cells, kind)
    except load_pyarrow().ArrowInvalid:
        low, high = 0, len(cells)  # bisect for the first cell that is wrong
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if arrow.parses(cells[low:middle], kind) else (low, middle)
        place, text = delimited.row_name(table, rows + low + 1), cells[low].as_py()
        fault = faults.describe(text, kind, table.delimiter, may_be_time)
        raise RelufitError(f"{place}, column {name!r} holds {_short(text)!r}, {fault}") from None


def _check(table: OpenTable, rows: int, name: str, values: np.ndarray, is_weight: bool) -> None:
    """Raise RelufitError for infinite values (n,), and for weights below 0."""
    bad = np.isinf(values) | (values < 0 if is_weight else False)
    if bad.any():
        first = int(np.argmax(bad))
        why = "which is not finite" if np.isinf(values[first]) else "and a weight must be at least 0"
        place = delimited.row_name(table, rows + first + 1)
        raise RelufitError(f"{place}, column {name!r} holds {float(values[first])!r}, {why}")


def _demand_distinct(table: OpenTable, name: str, cells: Any, kind: Any, values: np.ndarray) -> None:
    """Raise RelufitError where different integers or times in cells (n,) are equal as float64 `values` (n,)."""
    chosen = ~np.isnan(values) if arrow.is_time(kind) else np.abs(values) >= EXACT
    if len(np.unique(values[chosen])) < chosen.sum():  # in most tables all are distinct
        unrounded = arrow.exact(cells.filter(load_pyarrow().array(chosen)), kind)
        if unrounded is not None:
            label = f"{table.source}: column {name!r}"
            demand_distinct(label, unrounded, values[chosen], arrow.is_time(kind))


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


def _unreadable(source: Source, error: Exception) -> RelufitError:
    return RelufitError(f"cannot read {source}: {reason(error)}")
