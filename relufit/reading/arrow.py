"""Cells of an Arrow column as float64: text, numbers, true and false, times; nan for a gap. Needs pyarrow."""

from typing import Any

import numpy as np

from relufit.errors import RelufitError

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
COMMA = "decimal comma"  # the kind of text that is a number with one
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def parse(cells: Any, kind: Any) -> np.ndarray:
    """Cells (n,) of type or text `kind` as float64, nan for a gap. Raises ArrowInvalid for other text."""
    pyarrow = load_pyarrow()
    if is_text(cells):
        if kind is None:
            return np.full(len(cells), np.nan)
        if kind == COMMA:  # a point would part thousands: with an apostrophe in its place this is no number
            cells = pyarrow.compute.replace_substring(pyarrow.compute.replace_substring(cells, ".", "'"), ",", ".")
            kind = pyarrow.float64()
        try:
            cells = cells.cast(kind)
        except pyarrow.ArrowInvalid:  # spaces around a number, or gaps in parquet
            cells = trim(cells).cast(kind)
    if not is_time(cells.type):
        return cells.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)
    if pyarrow.types.is_date(cells.type):
        cells = cells.cast(pyarrow.timestamp("s"))
    # Divided as integers first: in nanoseconds, times of today have more digits than a float64.
    ticks = cells.cast(pyarrow.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    seconds, rest = np.divmod(ticks, PER_SECOND[cells.type.unit])
    gaps = cells.is_null().to_numpy(zero_copy_only=False)
    return np.where(gaps, np.nan, seconds + rest / PER_SECOND[cells.type.unit])


def integers(cells: Any, least: int) -> np.ndarray | None:
    """Those of cells (n,) beyond `least` on either side, as they are; None unless all are integers, or text of them."""
    pyarrow = load_pyarrow()
    cells = (trim(cells) if is_text(cells) else cells).drop_null()
    for kind in (pyarrow.int64(), pyarrow.uint64()):
        try:
            whole = cells.cast(kind).to_numpy(zero_copy_only=False)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
            continue
        return whole[(whole > least) | (whole < -least)] if kind == pyarrow.int64() else whole[whole > least]
    return None


def parses(cells: Any, kind: Any) -> bool:
    """Whether `parse` takes cells (n,) for this kind."""
    try:
        parse(cells, kind)
    except load_pyarrow().ArrowInvalid:
        return False
    return True


def contains(cells: Any, pattern: str) -> bool:
    """Whether any of text (n,) does."""
    return bool(load_pyarrow().compute.any(load_pyarrow().compute.match_substring(cells, pattern)).as_py())


def trim(cells: Any) -> Any:
    """Text (n,) without the spaces around it, and null where that is a gap."""
    pyarrow = load_pyarrow()
    cells = pyarrow.compute.utf8_trim_whitespace(cells)
    gaps = pyarrow.compute.is_in(cells, pyarrow.array(GAPS, cells.type))
    return pyarrow.compute.if_else(gaps, None, cells)


def is_text(cells: Any) -> bool:
    """Whether cells (n,) are text."""
    types = load_pyarrow().types
    return bool(types.is_string(cells.type) or types.is_large_string(cells.type))


def is_time(kind: Any) -> bool:
    """Whether a type is one of times or dates."""
    types = load_pyarrow().types
    return bool(types.is_timestamp(kind) or types.is_date(kind))


def load_pyarrow() -> Any:
    """The library. Raises RelufitError where it is not installed."""
    try:
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        raise RelufitError("pyarrow is not installed: pip install relufit[tables]") from None
    return pyarrow
