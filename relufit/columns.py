"""Numbers and times as users give them (arrays, lists, pandas objects): as float64, with their names and types.

The one conversion of times, for what is fitted, predicted and read from files: a time becomes the seconds since 1970
UTC, and a time without a zone counts as UTC. pandas objects are recognised by their attributes, so that nothing here
imports pandas.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

import numpy as np

from relufit.errors import RelufitError, reason

NUMBER, TIME, ZONED = "number", "time", "time with zone"  # the types of a column; TIME names no zone
TYPES = (NUMBER, TIME, ZONED)
EXACT = 2**53  # integers below it are float64 without loss
TICKS = {unit: 10 ** (3 * place) for place, unit in enumerate(("s", "ms", "us", "ns", "ps", "fs", "as"))}  # per second
EPOCH = date(1970, 1, 1).toordinal()
REFUSED = (complex, np.complexfloating, timedelta, np.timedelta64, bytes)  # objects that numpy would make numbers of
HINTS = {  # for arrays of these kinds of numpy, and for objects like them
    "U": "; convert text first, times by numpy.asarray(x, 'datetime64[us]')",
    "m": "; divide durations by their unit, as in x / numpy.timedelta64(1, 's')",
}
PRINTABLE = 9e12  # seconds: up to the year 287 000, numpy has the time in microseconds


@dataclass(frozen=True)
class Columns:
    """The names of the columns of x and y, and the type of each column of x.

    Names are () where no column has one, and "" for a column without one. `types` are "number", "time" (without a zone,
    so that it counted as UTC) or "time with zone"; () where they are unknown.
    """

    x: tuple[str, ...] = ()
    y: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def of_output(self, place: int) -> "Columns":
        """The columns of a network that has one of the outputs only."""
        return replace(self, y=self.y[place : place + 1])


def convert(name: str, values: Any, distinct: bool = False) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return numbers or times as float64 in the shape given, nan for a gap, and the type of each column.

    A vector or a number is one column. Raises RelufitError, about `name`, for anything else; and, where they have to
    stay `distinct`, for numbers beyond 2^53 or times that are different and the same in float64.
    """
    if np.ma.is_masked(values):  # numpy would take what lies under the mask
        raise RelufitError(f"{name} holds masked values; leave those samples out, as in x[~mask], y[~mask]")
    if is_frame(values):  # by column: numpy would round integers beside floats
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
    """What a pandas object calls its columns; () where nothing has a name."""
    given = list(values.columns) if is_frame(values) else [getattr(values, "name", None)]
    names = tuple(name if isinstance(name, str) else "" for name in given)
    return names if any(names) else ()


def is_frame(values: Any) -> bool:
    """Whether values are a pandas.DataFrame, by its attributes."""
    return hasattr(values, "iloc") and hasattr(values, "columns")


def seconds(times: np.ndarray) -> np.ndarray:
    """datetime64 of any unit and shape as seconds since 1970, float64; nan for NaT.

    Raises RelufitError for times that do not fit into 64 bits of seconds.
    """
    unit, count = np.datetime_data(times.dtype)
    if unit not in TICKS or count != 1:  # from days, or from steps of 25 s
        finer = times.astype(f"datetime64[{unit if unit in TICKS else 's'}]")
        if (finer.astype(times.dtype) != times)[~np.isnat(times)].any():  # numpy wraps around without a word
            raise RelufitError("times are out of range: seconds since 1970 must fit into 64 bits")
        times, unit = finer, np.datetime_data(finer.dtype)[0]
    # Divided as integers first: in nanoseconds, times of today have more digits than a float64.
    whole, rest = np.divmod(times.astype(np.int64), TICKS[unit])
    return np.where(np.isnat(times), np.nan, whole + rest / TICKS[unit])


def as_text(values: np.ndarray, column_type: str) -> list[str]:
    """Seconds since 1970 (n,), finite, as ISO 8601 in UTC to the microsecond; with a Z where the times had a zone.

    The few that no calendar of numpy reaches stay numbers.
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
    """Raise RelufitError where different numbers beyond 2^53, or different times, are one float64.

    `exact` (N,) or (N, D) can be sorted and holds what `values`, of the same shape, are in float64.
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
                    f"{pair} one time in float64 seconds since 1970; give the seconds since the first time, as numbers"
                )
            raise RelufitError(
                f"{pair} one number in float64; subtract an integer from all of them, so that they are below 2^53"
            )


def fractions(numbers: Sequence[Any]) -> np.ndarray:
    """Numbers of any kind, or text of them, as they are: (n,) objects that can be compared."""
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
            array = np.asarray(values, dtype=object)  # a list: numpy has rounded integers beside a float
    except ValueError:  # a ragged list
        raise RelufitError(f"{name} is not a table of numbers: its rows differ in length") from None
    except (TypeError, RuntimeError) as error:  # an array that another library keeps on its device
        raise RelufitError(f"{name} is not a table of numbers: {reason(error)}") from None
    return array


def _has_zone(values: Any) -> bool:
    """Whether values are pandas' times with a zone."""
    dtype = getattr(values, "dtype", None)
    return getattr(dtype, "tz", None) is not None and hasattr(dtype, "unit")


def _as_float(name: str, array: np.ndarray, zoned: bool, distinct: bool) -> tuple[np.ndarray, str]:
    """An array of one type as float64, and which."""
    kind, exact = array.dtype.kind, array
    if kind == "O":
        values, column_type, exact = _of_objects(name, array)
    elif kind == "M":
        try:
            values, column_type = seconds(array), ZONED if zoned else TIME
        except RelufitError as error:
            raise RelufitError(f"{name}: {error}") from None
    elif kind in "fiub":
        with np.errstate(over="ignore"):  # of long doubles
            values, column_type = array.astype(np.float64, copy=False), NUMBER
    else:
        what = "text" if kind == "U" else array.dtype
        raise RelufitError(f"{name} must hold real numbers or times, not {what}{HINTS.get(kind, '')}")
    if distinct and exact.ndim and exact.size and (kind in "OMiu" or array.dtype.itemsize > 8):
        demand_distinct(name, exact, values, column_type != NUMBER)
    return values, column_type


def _of_objects(name: str, array: np.ndarray) -> tuple[np.ndarray, str, np.ndarray]:
    """Objects as float64, their type, and what float64 may have rounded, in the same shape."""
    cells = array.ravel()
    found = set(map(type, cells))
    if any(issubclass(one, (date, np.datetime64)) for one in found):
        values, column_type, exact = _of_times(name, cells)
    else:
        values, column_type = _of_numbers(name, cells, found), NUMBER
        exact = values.astype(object)
        far = np.isfinite(values) & (np.abs(values) >= EXACT)
        exact[far] = fractions(cells[far])
    return values.reshape(array.shape), column_type, exact.reshape(array.shape)


def _of_numbers(name: str, cells: np.ndarray, found: set[type]) -> np.ndarray:
    """Objects (n,) of these types as float64."""
    try:
        if any(issubclass(one, REFUSED) for one in found):
            raise TypeError
        cells = cells.copy()
        cells[[type(cell).__name__ == "NAType" for cell in cells]] = None  # pandas.NA
        return cells.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        wrong = next((cell for cell in cells if not _is_number(cell)), None)
    why = "which is beyond the range of float64" if isinstance(wrong, int) else "which is not a number"
    kind = "U" if isinstance(wrong, str) else "m" if isinstance(wrong, (timedelta, np.timedelta64)) else ""
    raise RelufitError(f"{name} holds {wrong!r:.40}, {why}{HINTS.get(kind, '')}")


def _is_number(cell: Any) -> bool:
    if isinstance(cell, REFUSED):
        return False
    try:
        float("nan" if cell is None else cell)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _of_times(name: str, cells: np.ndarray) -> tuple[np.ndarray, str, np.ndarray]:
    """Objects (n,) of which one is a time: seconds, their type, and nanoseconds as Python's integers."""
    gaps = np.array([_is_gap(cell) for cell in cells], bool)
    times = cells[~gaps]
    wrong = next((cell for cell in times if not isinstance(cell, (date, np.datetime64))), None)
    if wrong is not None:
        raise RelufitError(f"{name} holds times beside {wrong!r:.40}; a column holds times or numbers")
    zoned = {isinstance(time, datetime) and time.utcoffset() is not None for time in times}
    if len(zoned) > 1:
        raise RelufitError(f"{name} holds times with a zone and times without; give all of them a zone, or none")
    values, exact = np.full(len(cells), np.nan), np.zeros(len(cells), object)
    exact[~gaps] = ticks = [_nanoseconds(time) for time in times]
    values[~gaps] = [tick // 10**9 + tick % 10**9 / 10**9 for tick in ticks]
    return values, ZONED if True in zoned else TIME, exact


def _is_gap(cell: Any) -> bool:
    is_nan = isinstance(cell, (float, date, np.datetime64)) and cell != cell  # nan and NaT
    return cell is None or is_nan or type(cell).__name__ == "NAType"


def _nanoseconds(time: Any) -> int:
    """Since 1970 of a date, a datetime, a pandas.Timestamp or a datetime64."""
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
    """A number or a time as text; nanoseconds are those of a Python object."""
    if not times or isinstance(number, np.datetime64):
        text = str(number)
        return text if len(text) <= 40 else text[:37] + "..."
    is_near = abs(number) < 2**63
    return str(np.datetime64(number if is_near else number // 1000, "ns" if is_near else "us"))
