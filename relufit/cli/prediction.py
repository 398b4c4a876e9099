"""`relufit predict`: x from the command line or a table, numbers or times, beside what the network was fitted to."""

import re
import sys
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from relufit.cli import printing, words
from relufit.columns import NUMBER, ZONED, Columns, convert
from relufit.errors import RelufitError, counted
from relufit.export import load_network
from relufit.params import Params

DATE = re.compile(r"\s*\d{4}-\d{1,2}-\d{1,2}\b")  # read as a difference it would be the number of a year or so
MONTH = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
LIKE_A_TIME = re.compile(
    r"\d+[-/.]\d+[-/.]\d+|^\s*\d{4}[-/]\d{1,2}\s*$|\d:\d|\d\s*[ap]m\b|\dT\d|\b(now|today|yesterday|tomorrow|utc|gmt)\b"
    rf"|\b({MONTH})[a-z]*\b.*\d|\d.*\b({MONTH})",
    re.IGNORECASE,
)
WRITTEN = "write times as 2026-10-02, 2026-10-02T12:30:12 or 2026-10-02T12:30:12+02:00"


def load(path: str) -> tuple[Params, Columns]:
    """The network in a file, in float64, as x is: another program may have written float32."""
    params, columns = load_network(path)
    return Params(*(np.asarray(array, np.float64) for array in params)), columns


def predict_at(text: str, params: Params, columns: Columns, as_json: bool) -> None:
    """Print the network's output at the values in `text`. Raises RelufitError where they are none that it takes."""
    printing.demand_inputs(params, 1)
    x, found = values_of_x(text, columns.types[0] if columns.types else None)
    _compare(["--at"], (found,), columns)
    printing.print_rows(x[:, None], params, as_json, (found,))


def predict_table(path: str, x: Sequence[str], params: Params, columns: Columns, as_json: bool) -> None:
    """Print the network's output for the columns `x` of a table, and on stderr how many rows were left out.

    Raises RelufitError as `read_columns` does, and for columns that the network was not fitted to.
    """
    from relufit.reading.tables import read_columns

    printing.demand_inputs(params, len(x))
    if list(x) != list(columns.x) and sorted(x) == sorted(columns.x):
        raise RelufitError(f"the network was fitted to {', '.join(columns.x)}: name the columns of x in that order")
    dropped, is_compared = 0, False
    for chunk in read_columns(path, x):
        dropped += chunk.dropped
        if len(chunk.x) and not is_compared:
            _compare([f"column {name!r}" for name in x], chunk.types, columns)
            is_compared = True
        printing.print_rows(chunk.x, params, as_json, chunk.types)
    if dropped:
        verb = "was" if dropped == 1 else "were"
        print(f"relufit: {counted(dropped, 'row')} with a gap {verb} left out", file=sys.stderr)


def values_of_x(text: str, fitted: str | None) -> tuple[np.ndarray, str]:
    """Numbers or ISO times with commas between them, as float64 (n,), and their type.

    `fitted` is the type of column that the network was fitted to, None where it is unknown. Raises RelufitError for
    what is neither, both, or times with a zone beside times without.
    """
    parts = words.split_outside(text)
    if not all(part.strip() for part in parts):
        raise RelufitError(f"--at takes numbers with commas between them, such as --at=-1,0,pi/2, not {text!r}")
    times = [_as_time(part.strip(), fitted) for part in parts]
    if not any(times):
        return np.array([_as_number(part, fitted) for part in parts]), NUMBER
    for part, time in zip(parts, times, strict=True):
        if time is None and LIKE_A_TIME.search(part):
            raise _no_time(part.strip(), fitted)
    if not all(times):
        raise RelufitError(f"--at takes times or numbers, and {text!r} has both")
    x, (found,) = convert("--at", np.array(times, object))
    return x, found


def _as_time(text: str, fitted: str | None) -> datetime | None:
    """The time that a text names in ISO 8601; None for one that may be a number.

    Raises RelufitError for a date that does not exist, and for a time where numbers were fitted.
    """
    try:
        float(text)
    except ValueError:
        pass
    else:
        return None  # also 20261002, a date without its dashes
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
    """The value of an expression. Raises RelufitError where it has none, about times where it looks like one."""
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
    """Say on stderr where x is of another type than the network was fitted to, and how it is taken.

    Raises RelufitError for times where numbers were fitted.
    """
    names = columns.x or ("",) * len(labels)
    for label, given, fitted, name in zip(labels, found, columns.types or (None,) * len(labels), names, strict=True):
        if given == fitted or (fitted is None and given == NUMBER):
            continue
        network = "the network was fitted to" if not name else f"the network was fitted to column {name!r}, which held"
        if fitted == NUMBER:
            raise RelufitError(f"{label} holds times, and {network} numbers; give numbers in the unit of those")
        if fitted is None:
            note = f"{label} holds times, taken as seconds since 1970 UTC; the file of the network does not say its x"
        elif given == NUMBER:
            note = f"{label} holds numbers, taken as seconds since 1970 UTC; {network} times"
        elif fitted == ZONED:
            note = f"{label} names no time zone and is taken as UTC; {network} times with a zone"
        else:
            note = f"{label} names a time zone; {network} times without one, which were taken as UTC"
        print(f"relufit: {note}", file=sys.stderr)
