"""Convert x and y (arrays, lists, pandas objects) to float64; find names and types of the columns.

All times are converted here, whether they are fitted, predicted or read from a file: a time becomes the seconds since
1970 UTC, and a time without a zone counts as UTC. pandas objects are recognised by their attributes, so pandas is never
imported.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

import numpy as np

from relufit.errors import RelufitError, reason

NUMBER, TIME, ZONED = "number", "time", "time with zone"  # the types of a column; TIME has no zone
TYPES = (NUMBER, TIME, ZONED)
EXACT = 2**53  # float64 holds all integers up to this one
TICKS = {unit: 10 ** (3 * place) for place, unit in enumerate(("s", "ms", "us", "ns", "ps", "fs", "as"))}  # per second
EPOCH = date(1970, 1, 1).toordinal()
REFUSED = (complex, np.complexfloating, timedelta, np.timedelta64, bytes)  # numpy would convert these to numbers
HINTS = {  # by dtype.kind, for arrays of text and of durations, and for single objects like them
    "U": "; convert text first, times by numpy.asarray(x, 'datetime64[us]')",
    "m": "; divide durations by their unit, as in x / numpy.timedelta64(1, 's')",
}
PRINTABLE = 9e12  # seconds, the year 287 000: datetime64[us] holds times up to about this one


@dataclass(frozen=True)
class Columns:
    """The names of the columns of x and y, and the type of each column of x.

    `x` and `y` are () where no column has a name; a column without a name among others is "". Each type is "number",
    "time" (without a zone, counted as UTC) or "time with zone"; `types` is () where they are unknown.
    """

    x: tuple[str, ...] = ()
    y: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def of_output(self, place: int) -> "Columns":
        """The columns of a network that has only this output."""
        return replace(self, y=self.y[place : place + 1])


def convert(name: str, values: Any, distinct: bool = False) -> tuple[np.ndarray, tuple[str, ...]]:
    """Convert numbers or times to float64 in the shape given, nan for gaps; return them and the type of each column.

    A vector or a number is one column. `name` is what errors call the values. Raises RelufitError for anything else.
    With `distinct` it also raises where two different numbers beyond 2^53, or two different times, become equal in
    float64.
    """
    if np.ma.is_masked(values):  # numpy would use the values under the mask
        raise RelufitError(f"{name} holds masked values; leave those samples out, as in x[~mask], y[~mask]")
    if is_frame(values):  # column by column: numpy would round integers where another column holds floats
        parts = [_as_array(name, values.iloc[:, place]) for place in range(values.shape[1])]
        zoned = [_has_zone(values.iloc[:, place]) for place in range(values.shape[1])]
    else:
        array = _as_array(name, values)
        if array.dtype.kind != "O" or array.ndim != 2:
            numbers, found = _as_float(name, array, _has_zone(values), distinct)
            return numbers, (found,) * (array.shape[1] if array.ndim == 2 else 1)
        parts, zoned = list(array.T), [False] * array.shape[1]
    columns = [_as_float(name, part, zone, distinct) for part, zone in zip(parts, zoned, strict=True)]
    table = np.empty((len(values), len(columns)))
    for place, (numbers, _) in enumerate(columns):
        table[:, place] = numbers
    return table, tuple(found for _, found in columns)


def names_of(values: Any) -> tuple[str, ...]:
    """The names of the columns of a pandas object; () for anything else, and where no name is text."""
    given = list(values.columns) if is_frame(values) else [getattr(values, "name", None)]
    names = tuple(name if isinstance(name, str) else "" for name in given)
    return names if any(names) else ()


def is_frame(values: Any) -> bool:
    """Whether `values` is a pandas.DataFrame, judged by its attributes."""
    return hasattr(values, "iloc") and hasattr(values, "columns")


def seconds(times: np.ndarray) -> np.ndarray:
    """Convert datetime64 of any unit and shape to float64 seconds since 1970; NaT becomes nan.

    Raises RelufitError for times that do not fit into 64 bits of seconds.
    """
    unit, count = np.datetime_data(times.dtype)
    if unit not in TICKS or count != 1:  # such as days, or steps of 25 s
        finer = times.astype(f"datetime64[{unit if unit in TICKS else 's'}]")
        if (finer.astype(times.dtype) != times)[~np.isnat(times)].any():  # numpy overflows silently
            raise RelufitError("times are out of range: seconds since 1970 must fit into 64 bits")
        times, unit = finer, np.datetime_data(finer.dtype)[0]
    # Integer division first: nanoseconds since 1970 have more digits today than a float64 holds.
    whole, rest = np.divmod(times.astype(np.int64), TICKS[unit])
    return np.where(np.isnat(times), np.nan, whole + rest / TICKS[unit])


def as_text(values: np.ndarray, column_type: str) -> list[str]:
    """Write finite seconds since 1970 (n,) as ISO 8601 in UTC to the microsecond, with a Z for "time with zone".

    Seconds beyond PRINTABLE are written as numbers.
    """
    whole = np.floor(values)
    near = np.abs(values) < PRINTABLE
    ticks = np.where(near, whole, 0).astype(np.int64) * 10**6 + np.rint((values - whole) * 1e6).astype(np.int64)
    texts = np.datetime_as_string(ticks.astype("datetime64[us]")).tolist()
    end = "Z" if column_type == ZONED else ""
    return [
        text.rstrip("0").rstrip(".") + end if printable else repr(value)
        for text, printable, value in zip(texts, near.tolist(), values.tolist(), strict=True)
    ]


def demand_distinct(name: str, exact: np.ndarray, values: np.ndarray, times: bool) -> None:
    """Raise RelufitError where two different numbers beyond 2^53, or two different times, are equal in float64.

    `exact`, (N,) or (N, D), holds the numbers before rounding and can be sorted; `values`, of the same shape, holds
    them in float64.
    """
    for column, rounded in zip(exact.reshape(len(exact), -1).T, values.reshape(len(exact), -1).T, strict=True):
        chosen = np.isfinite(rounded) & (times | (np.abs(rounded) >= EXACT))
        if not chosen.any():
            continue
        distinct, first = np.unique(column[chosen], return_index=True)
        same = np.diff(rounded[chosen][first]) == 0
        if same.any():
            place = int(np.argmax(same))
            pair = f"{name} holds {_shown(distinct[place], times)} and {_shown(distinct[place + 1], times)}, which are"
            if times:
                raise RelufitError(
                    f"{pair} equal as float64 seconds since 1970; give the seconds since the first time, as numbers"
                )
            raise RelufitError(
                f"{pair} equal in float64; subtract an integer from all of them, so that they are below 2^53"
            )


def fractions(numbers: Sequence[Any]) -> np.ndarray:
    """Exact values of numbers of any type, or of numbers in text: (n,) Fractions."""
    exact = np.empty(len(numbers), object)
    for place, number in enumerate(numbers):
        number = int(number) if isinstance(number, np.integer) else number
        ratio = getattr(number, "as_integer_ratio", None) or float(number).as_integer_ratio
        exact[place] = Fraction(number) if isinstance(number, str) else Fraction(*ratio())
    return exact


def _as_array(name: str, values: Any) -> np.ndarray:
    if _has_zone(values):
        return np.asarray(values, dtype=f"datetime64[{values.dtype.unit}]")
    try:
        array = np.asarray(values)
        if array.dtype.kind == "f" and not hasattr(values, "dtype") and (np.abs(array) >= EXACT).any():
            array = np.asarray(values, dtype=object)  # a list with a float in it: numpy has rounded its integers
    except ValueError:  # a ragged list
        raise RelufitError(f"{name} is not a table of numbers: its rows differ in length") from None
    except (TypeError, RuntimeError) as error:  # an array of another library, on a GPU
        raise RelufitError(f"{name} is not a table of numbers: {reason(error)}") from None
    return array


def _has_zone(values: Any) -> bool:
    """Whether `values` is a pandas object of times with a zone."""
    dtype = getattr(values, "dtype", None)
    return getattr(dtype, "tz", None) is not None and hasattr(dtype, "unit")


def _as_float(name: str, array: np.ndarray, zoned: bool, distinct: bool) -> tuple[np.ndarray, str]:
    """Convert one column, or columns of one type, to float64; return it and its type."""
    kind, exact = array.dtype.kind, array
    if kind == "O":
        values, column_type, exact = _of_objects(name, array)
    elif kind == "M":
        try:
            values, column_type = seconds(array), ZONED if zoned else TIME
        except RelufitError as error:
            raise RelufitError(f"{name}: {error}") from None
    elif kind in "fiub":
        with np.errstate(over="ignore"):  # long doubles may overflow
            values, column_type = array.astype(np.float64, copy=False), NUMBER
    else:
        what = "text" if kind == "U" else array.dtype
        raise RelufitError(f"{name} must hold real numbers or times, not {what}{HINTS.get(kind, '')}")
    if distinct and exact.ndim and exact.size and (kind in "OMiu" or array.dtype.itemsize > 8):
        demand_distinct(name, exact, values, column_type != NUMBER)
    return values, column_type


def _of_objects(name: str, array: np.ndarray) -> tuple[np.ndarray, str, np.ndarray]:
    """Convert objects to float64; return that, their type, and their exact values, in the same shape."""
    objects = array.ravel()
    found = set(map(type, objects))
    if any(issubclass(one, (date, np.datetime64)) for one in found):
        values, column_type, exact = _of_times(name, objects)
    else:
        values, column_type = _of_numbers(name, objects, found), NUMBER
        exact = values.astype(object)
        far = np.isfinite(values) & (np.abs(values) >= EXACT)
        exact[far] = fractions(objects[far])
    return values.reshape(array.shape), column_type, exact.reshape(array.shape)


def _of_numbers(name: str, objects: np.ndarray, found: set[type]) -> np.ndarray:
    """Convert objects (n,) to float64; `found` is the set of their types."""
    try:
        if any(issubclass(one, REFUSED) for one in found):
            raise TypeError
        objects = objects.copy()
        objects[[type(item).__name__ == "NAType" for item in objects]] = None  # pandas.NA
        return objects.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        wrong = next((item for item in objects if not _is_number(item)), None)
    why = "which is beyond the range of float64" if isinstance(wrong, int) else "which is not a number"
    kind = "U" if isinstance(wrong, str) else "m" if isinstance(wrong, (timedelta, np.timedelta64)) else ""
    raise RelufitError(f"{name} holds {wrong!r:.40}, {why}{HINTS.get(kind, '')}")


def _is_number(item: Any) -> bool:
    if isinstance(item, REFUSED):
        return False
    try:
        float("nan" if item is None else item)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _of_times(name: str, objects: np.ndarray) -> tuple[np.ndarray, str, np.ndarray]:
    """Convert times and gaps, objects (n,), to seconds; return also their type, and nanoseconds as Python integers."""
    gaps = np.array([_is_gap(item) for item in objects], bool)
    times = objects[~gaps]
    wrong = next((item for item in times if not isinstance(item, (date, np.datetime64))), None)
    if wrong is not None:
        raise RelufitError(f"{name} holds times and {wrong!r:.40}; a column must hold either times or numbers")
    zoned = {isinstance(time, datetime) and time.utcoffset() is not None for time in times}
    if len(zoned) > 1:
        raise RelufitError(f"{name} holds times with a zone and times without; give a zone for all of them or for none")
    values, exact = np.full(len(objects), np.nan), np.zeros(len(objects), object)
    exact[~gaps] = ticks = [_nanoseconds(time) for time in times]
    values[~gaps] = [tick // 10**9 + tick % 10**9 / 10**9 for tick in ticks]
    return values, ZONED if True in zoned else TIME, exact


def _is_gap(item: Any) -> bool:
    is_nan = isinstance(item, (float, date, np.datetime64)) and item != item  # nan and NaT
    return item is None or is_nan or type(item).__name__ == "NAType"


def _nanoseconds(time: Any) -> int:
    """Nanoseconds since 1970 of a date, a datetime, a pandas.Timestamp or a datetime64."""
    if isinstance(time, np.datetime64):
        unit, _ = np.datetime_data(time.dtype)
        whole = int(time.astype("datetime64[s]").astype(np.int64))
        rest = int((time - time.astype("datetime64[s]")).astype(np.int64)) if unit in TICKS else 0
        return whole * 10**9 + rest * 10**9 // TICKS.get(unit, 1)
    days = (time.toordinal() - EPOCH) * 86400 * 10**9
    if not isinstance(time, datetime):
        return int(days)
    since = (time.hour * 3600 + time.minute * 60 + time.second) * 10**6 + time.microsecond
    offset = (time.utcoffset() or timedelta()) // timedelta(microseconds=1)
    return int(days + (since - offset) * 1000 + getattr(time, "nanosecond", 0))


def _shown(number: Any, times: bool) -> str:
    """A number or a time as text; a time is datetime64, or nanoseconds since 1970 as a Python integer."""
    if not times or isinstance(number, np.datetime64):
        text = str(number)
        return text if len(text) <= 40 else text[:37] + "..."
    is_near = abs(number) < 2**63
    return str(np.datetime64(number if is_near else number // 1000, "ns" if is_near else "us"))
