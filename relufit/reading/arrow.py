"""Convert cells of an Arrow column to float64: text, numbers, true and false, times; nan for a gap. Needs pyarrow."""

from typing import Any

import numpy as np

from relufit.errors import RelufitError
from relufit.reading.columns import NUMBER, TIME, ZONED, fractions, seconds

GAPS = (
    "",
    "NA",
    "N/A",
    "n/a",
    "na",
    "#N/A",
    "NaN",
    "nan",
    "NAN",
    "-nan",
    "NULL",
    "Null",
    "null",
    "None",
    "none",
    "<NA>",
    "NaT",
    "?",
    ".",
    "-",
)
COMMA = "decimal comma"  # the kind of text that holds numbers with a decimal comma


def parse(cells: Any, kind: Any) -> np.ndarray:
    """Parse cells (n,) as float64, nan for a gap. `kind` is an Arrow type, COMMA, or None if all cells are gaps.

    Raises ArrowInvalid for text that is not of this kind.
    """
    pyarrow = load_pyarrow()
    if kind is None:
        return np.full(len(cells), np.nan)
    cells = _typed(cells, kind)
    if is_time(cells.type):
        return seconds(_as_datetimes(cells))
    numbers: np.ndarray = cells.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers


def exact(cells: Any, kind: Any) -> np.ndarray | None:
    """Exact values of cells (n,) without gaps, to find those that float64 rounds; None for floats."""
    pyarrow = load_pyarrow()
    if is_time(kind):
        return _as_datetimes(_typed(cells, kind))
    if pyarrow.types.is_floating(cells.type):
        return None
    if is_text(cells):
        cells = _with_point(cells) if kind == COMMA else trim(cells)
    for whole in (pyarrow.int64(), pyarrow.uint64()):
        try:
            integers: np.ndarray = cells.cast(whole).to_numpy(zero_copy_only=False)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
            continue
        return integers
    return fractions(cells.to_pylist())


def column_type(kind: Any) -> str:
    """The type of a column of cells of this kind, one of relufit.reading.columns.TYPES."""
    if not is_time(kind):
        return NUMBER
    return ZONED if getattr(kind, "tz", None) is not None else TIME


def _typed(cells: Any, kind: Any) -> Any:
    """Convert text (n,) to cells of this kind; cells that are not text are returned unchanged."""
    pyarrow = load_pyarrow()
    if not is_text(cells):
        return cells
    if kind == COMMA:
        cells, kind = _with_point(cells), pyarrow.float64()
    try:
        return cells.cast(kind)
    except pyarrow.ArrowInvalid:  # spaces around a number, or gaps in parquet
        return trim(cells).cast(kind)


def _with_point(cells: Any) -> Any:
    """Replace decimal commas by points in text (n,). Points, which would separate thousands, make a number invalid."""
    replace = load_pyarrow().compute.replace_substring
    return replace(replace(cells, ".", "'"), ",", ".")


def _as_datetimes(cells: Any) -> np.ndarray:
    """Convert times (n,) to datetime64, NaT for a gap."""
    pyarrow = load_pyarrow()
    cells = cells.cast(pyarrow.timestamp("s")) if pyarrow.types.is_date(cells.type) else cells
    times: np.ndarray = cells.to_numpy(zero_copy_only=False)
    return times


def parses(cells: Any, kind: Any) -> bool:
    """Whether `parse` takes cells (n,) for this kind."""
    try:
        parse(cells, kind)
    except load_pyarrow().ArrowInvalid:
        return False
    return True


def contains(cells: Any, pattern: str) -> bool:
    """Whether any cell of text (n,) contains `pattern`."""
    return bool(load_pyarrow().compute.any(load_pyarrow().compute.match_substring(cells, pattern)).as_py())


def trim(cells: Any) -> Any:
    """Strip the spaces around cells of text (n,); gaps become null."""
    pyarrow = load_pyarrow()
    cells = pyarrow.compute.utf8_trim_whitespace(cells)
    gaps = pyarrow.compute.is_in(cells, pyarrow.array(GAPS, cells.type))
    return pyarrow.compute.if_else(gaps, None, cells)


def is_text(cells: Any) -> bool:
    """Whether cells (n,) are text."""
    types = load_pyarrow().types
    return bool(types.is_string(cells.type) or types.is_large_string(cells.type))


def is_time(kind: Any) -> bool:
    """Whether `kind` is a type of times or dates."""
    types = load_pyarrow().types
    return isinstance(kind, load_pyarrow().DataType) and bool(types.is_timestamp(kind) or types.is_date(kind))


def load_pyarrow() -> Any:
    """Import pyarrow with the modules used here. Raises RelufitError if it is not installed."""
    try:
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        raise RelufitError("pyarrow is not installed: pip install relufit[tables]") from None
    return pyarrow
