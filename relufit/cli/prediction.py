"""`relufit predict`: read x from --at or a table, compare its type with the one fitted, and print the output."""

import re
import sys
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from relufit.cli import printing, words
from relufit.errors import RelufitError
from relufit.export import load_network
from relufit.network.params import Params
from relufit.reading.columns import NUMBER, ZONED, Columns, convert

DATE = re.compile(r"\s*\d{4}-\d{1,2}-\d{1,2}\b")  # also a valid expression, the difference of three numbers
MONTH = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
LIKE_A_TIME = re.compile(
    r"\d+[-/.]\d+[-/.]\d+|^\s*\d{4}[-/]\d{1,2}\s*$|\d:\d|\d\s*[ap]m\b|\dT\d|\b(now|today|yesterday|tomorrow|utc|gmt)\b"
    rf"|\b({MONTH})[a-z]*\b.*\d|\d.*\b({MONTH})",
    re.IGNORECASE,
)
WRITTEN = "write times as 2026-10-02, 2026-10-02T12:30:12 or 2026-10-02T12:30:12+02:00"


def load(path: str) -> tuple[Params, Columns]:
    """Load a network and its columns. The weights become float64, as x is; files of other programs may hold float32."""
    params, columns = load_network(path)
    return Params(*(np.asarray(array, np.float64) for array in params)), columns


def predict_at(text: str, params: Params, columns: Columns, as_json: bool) -> None:
    """Print the network's output at the values in `text`. Raises RelufitError for values it does not take."""
    printing.demand_inputs(params, 1)
    x, found = values_of_x(text, columns.types[0] if columns.types else None)
    _compare(["--at"], (found,), columns)
    printing.print_rows(x[:, None], params, as_json, (found,))


def predict_table(path: str, x: Sequence[str], params: Params, columns: Columns, as_json: bool) -> None:
    """Print the network's output for each row of a table, and on stderr how many rows were left out.

    Raises RelufitError as `read_columns` does, for a wrong number of columns, for the fitted columns in another order,
    and for times where numbers were fitted.
    """
    from relufit.reading.tables import read_columns

    printing.demand_inputs(params, len(x))
    if list(x) != list(columns.x) and sorted(x) == sorted(columns.x):
        raise RelufitError(f"the network was fitted to {', '.join(columns.x)}; give --x in that order")
    dropped, is_compared = 0, False
    for chunk in read_columns(path, x):
        dropped += chunk.dropped
        if len(chunk.x) and not is_compared:
            _compare([f"column {name!r}" for name in x], chunk.types, columns)
            is_compared = True
        printing.print_rows(chunk.x, params, as_json, chunk.types)
    if dropped:
        print(f"relufit: {printing.left_out(dropped)}", file=sys.stderr)


def values_of_x(text: str, fitted: str | None) -> tuple[np.ndarray, str]:
    """Parse numbers or ISO 8601 times separated by commas. Returns float64 (n,) and their type.

    `fitted` is the type of column that the network was fitted to; None where it is unknown. Raises RelufitError for
    anything else, for numbers mixed with times, and for times with a zone mixed with times without.
    """
    parts = words.split_outside(text)
    if not all(part.strip() for part in parts):
        raise RelufitError(f"--at takes numbers or times separated by commas, such as --at=-1,0,pi/2, not {text!r}")
    times = [_as_time(part.strip(), fitted) for part in parts]
    if not any(times):
        return np.array([_as_number(part, fitted) for part in parts]), NUMBER
    for part, time in zip(parts, times, strict=True):
        if time is None and LIKE_A_TIME.search(part):
            raise _no_time(part.strip(), fitted)
    if not all(times):
        raise RelufitError(f"--at takes either numbers or times, and {text!r} mixes them")
    x, (found,) = convert("--at", np.array(times, object))
    return x, found


def _as_time(text: str, fitted: str | None) -> datetime | None:
    """Parse a time in ISO 8601; None for text that may be a number.

    Raises RelufitError for a date that does not exist, and for a time where numbers were fitted.
    """
    try:
        float(text)
    except ValueError:
        pass
    else:
        return None  # 20261002 too, although ISO 8601 allows it as a date
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        if not DATE.match(text):
            return None
        raise _no_time(text, fitted) from None
    if fitted == NUMBER:
        raise _no_time(text, fitted)
    return time


def _as_number(text: str, fitted: str | None) -> float:
    """Evaluate an expression. Raises RelufitError where it has no value, with a hint where it looks like a time."""
    looks = LIKE_A_TIME.search(text) is not None
    if looks and fitted not in (None, NUMBER):
        raise _no_time(text.strip(), fitted)
    try:
        return words.expression("--at", text)
    except RelufitError:
        if looks:
            raise _no_time(text.strip(), fitted) from None
        raise


def _no_time(text: str, fitted: str | None) -> RelufitError:
    if fitted == NUMBER:
        return RelufitError(
            f"--at: {text!r} looks like a time, and the network was fitted to numbers; give numbers, as in --at=-1,pi/2"
        )
    return RelufitError(f"--at: {text!r} is not a time in ISO 8601; {WRITTEN}")


def _compare(labels: Sequence[str], found: Sequence[str], columns: Columns) -> None:
    """Print a note on stderr for each column whose type differs from the one fitted, and how it is read.

    Raises RelufitError for times where numbers were fitted.
    """
    names = columns.x or ("",) * len(labels)
    for label, given, fitted, name in zip(labels, found, columns.types or (None,) * len(labels), names, strict=True):
        if given == fitted or (fitted is None and given == NUMBER):
            continue
        column = f" (column {name!r})" if name else ""
        if fitted == NUMBER:
            raise RelufitError(f"{label} holds times, and the network was fitted to numbers{column}; give numbers")
        if fitted is None:
            note = "holds times, read as seconds since 1970 UTC; the network's file does not say what it was fitted to"
        elif given == NUMBER:
            note = f"holds numbers, read as seconds since 1970 UTC; the network was fitted to times{column}"
        elif fitted == ZONED:
            note = f"has no time zone and is read as UTC; the network was fitted to times with a zone{column}"
        else:
            note = f"has a time zone; the network was fitted to times without a zone{column}, read as UTC"
        print(f"relufit: {label} {note}", file=sys.stderr)
