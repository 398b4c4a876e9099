"""Conversion of the numbers and times that users give, in arrays, lists and pandas objects."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

from relufit import RelufitError, fit, fit_many
from relufit.network.data import check_table
from relufit.reading.columns import NUMBER, TIME, ZONED, Columns, as_text, convert, names_of

BIG = 2**62
NOON = 1704110400.0  # 2024-01-01T12:00:00 UTC
EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    "x",
    [
        [BIG + i for i in range(28)],
        tuple(BIG + i for i in range(28)),
        [[BIG + i] for i in range(28)],
        [[BIG + i, 0.5] for i in range(28)],  # numpy converts them to floats
        [BIG + i for i in range(27)] + [0.5],
        [2**63, 2**63 + 1, -1],  # likewise
        [2**53, 2**53 + 1],
        [2**70 + i for i in range(28)],
        np.array([BIG + i for i in range(28)], object),
        np.array([BIG + i for i in range(28)], np.uint64),
        np.array([BIG, BIG + 1, 0.5], object),
        [np.int64(BIG), np.int64(BIG + 1), np.float64(1)],
        np.arange(BIG, BIG + 28),
        np.array([BIG, BIG + 1]).astype(np.longdouble),
        [Decimal(BIG), Decimal(BIG + 1)],
        [Fraction(BIG), BIG + 1],
        pd.Series(range(BIG, BIG + 28)),
        pd.Series(range(BIG, BIG + 28), dtype="UInt64"),
        pd.Series([BIG, BIG + 1], dtype=object),
        pd.Index([BIG, BIG + 1]),
        pd.DataFrame({"a": [0.5, 1.0], "b": [BIG, BIG + 1]}),  # likewise
        pd.date_range("2024-01-01", periods=28, freq="ns"),
        np.datetime64("2024-01-01", "ns") + np.arange(28),
        np.datetime64("1970-01-01T01:00:00", "fs") + np.arange(28),
        [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-01") + pd.Timedelta(1, "ns")],
        [datetime(9000, 1, 1), datetime(9000, 1, 1, microsecond=1)],
    ],
)
def test_what_float64_does_not_tell_apart_is_refused(x: Any) -> None:
    """Integers beyond 2^53 and times below a microsecond that are equal in float64 are refused in x of any type."""
    with pytest.raises(RelufitError, match=r"^x holds .* and .*, which are equal (in float64|as float64 seconds)"):
        check_table(x, np.zeros(len(x)))


@pytest.mark.parametrize(
    "x",
    [
        [BIG + 1024 * i for i in range(28)],
        [BIG, BIG, 0.5],
        [2**53 - 1, 2**53, 0.5],
        [2.0**1000, 2**1000, 2**1001],
        [2**70, 2**71],
        pd.DataFrame({"a": [0.5, 1.0], "b": [BIG, 2 * BIG]}),
    ],
)
def test_what_float64_tells_apart_is_taken(x: Any) -> None:
    """Numbers beyond 2^53 are taken if they are far apart or repeated, and so are today's microseconds."""
    found, _ = check_table(x, np.zeros(len(x)))
    assert len(np.unique(found)) == len({float(value) for value in np.asarray(x).ravel()})
    check_table(np.datetime64("2024-01-01", "us") + np.arange(28), np.zeros(28))


def test_fits_refuse_integers_that_fall_together_and_predict_rounds() -> None:
    """Every way to fit refuses integers in x that are equal in float64; in y and in predict they are rounded."""
    x = [BIG + i for i in range(28)]
    for fitted in (lambda: fit(x, np.arange(28), solver="spline"), lambda: fit_many(x, np.ones((28, 2)), epochs=1)):
        with pytest.raises(RelufitError, match="subtract an integer from all of them"):
            fitted()
    line = fit(np.arange(28), x, hidden=1, solver="spline")
    assert line.predict([BIG, BIG + 1]).tolist() == line.predict([float(BIG)] * 2).tolist()


@pytest.mark.parametrize(
    ("given", "column_type"),
    [
        (np.array(["2024-01-01T12:00:00"], "datetime64[ns]"), TIME),
        (np.array(["2024-01-01T12"], "datetime64[h]"), TIME),
        (np.array([int(NOON) * 20], "datetime64[50ms]"), TIME),
        (np.array([int(NOON) // 4], "datetime64[4s]"), TIME),
        ([datetime(2024, 1, 1, 12)], TIME),
        ([datetime(2024, 1, 1, 14, tzinfo=EAST)], ZONED),
        ([datetime(2024, 1, 1, 12, tzinfo=UTC), datetime(2024, 1, 1, 14, tzinfo=EAST)], ZONED),
        ([np.datetime64("2024-01-01T12"), datetime(2024, 1, 1, 12)], TIME),
        ([pd.Timestamp("2024-01-01T12")], TIME),
        (pd.Series(pd.to_datetime(["2024-01-01T12"])), TIME),
        (pd.Series(pd.to_datetime(["2024-01-01T12"])).astype("datetime64[s]"), TIME),
        (pd.Series(pd.to_datetime(["2024-01-01T14:00+02:00"])), ZONED),
        (pd.DatetimeIndex(["2024-01-01T13"], tz="Europe/Berlin"), ZONED),
        (pd.Series([pd.Timestamp("2024-01-01T13", tz="Europe/Berlin")], dtype=object), ZONED),
        (pd.Series(pd.to_datetime(["2024-01-01T12Z"])).astype("timestamp[ns, UTC][pyarrow]"), ZONED),
        (pd.DataFrame({"t": pd.to_datetime(["2024-01-01T14:00+02:00"])}), ZONED),
        (np.array([NOON]), NUMBER),
        (np.array([NOON], object), NUMBER),
    ],
)
def test_times_are_seconds_since_1970(given: Any, column_type: str) -> None:
    """Times of any type and unit are converted alike, in fit and in predict; no zone counts as UTC."""
    values, types = convert("x", given)
    assert set(values.ravel()) == {NOON}
    assert types == (column_type,)


def test_units_of_times() -> None:
    """Days, years before 1970 and after 9999, fractions of a second, and Python's dates are converted."""
    for text in ("1066-10-14", "0001-01-01", "1969-12-31", "2024-02-29", "9999-12-31"):
        wanted = float(np.datetime64(text, "s").astype(int))
        for given in ([date.fromisoformat(text)], np.array([text], "datetime64[D]"), [np.datetime64(text)]):
            assert convert("x", given)[0].tolist() == [wanted]
    stamp = pd.Timestamp("2024-01-01T12:00:00.123456789")
    for given in ([stamp], pd.Series([stamp]), [stamp.to_datetime64()], np.array([stamp.to_datetime64()])):
        assert convert("x", given)[0].ravel()[0] == NOON + 0.123456789
    assert convert("x", np.array([10**6], "datetime64[Y]"))[0][0] == pytest.approx(10**6 * 365.2425 * 86400)
    assert convert("x", np.datetime64("1970-01-02"))[0] == 86400


def test_each_column_of_a_table_has_a_type() -> None:
    """A DataFrame or a list of rows may hold columns of times and columns of numbers."""
    frame = pd.DataFrame({"t": pd.to_datetime(["2024-01-01T12"] * 2), "a": [1, 2]})
    rows = [[datetime(2024, 1, 1, 12), 1], [datetime(2024, 1, 1, 12), 2]]
    for given in (frame, rows, frame.to_numpy()):
        values, types = convert("x", given)
        assert values.tolist() == [[NOON, 1], [NOON, 2]]
        assert types == (TIME, NUMBER)


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (np.array(["2024-01-01", "NaT"], "datetime64[D]"), "x holds NaT at row 1 (1 in all)"),
        (pd.Series(pd.to_datetime([None, "2024-01-01"])), "x holds NaT at row 0"),
        (pd.Series(pd.to_datetime(["2024-01-01T00Z", None])), "x holds NaT at row 1"),
        ([datetime(2024, 1, 1), None], "x holds NaT at row 1"),
        ([pd.NaT, pd.NaT], "x holds NaT at row 0 (2 in all)"),
        (pd.Series([1, None], dtype="Int64"), "x holds nan or inf at row 1"),
        (pd.Series([1, pd.NA], dtype=object), "x holds nan or inf at row 1"),
        ([1.0, None], "x holds nan or inf at row 1"),
        ([datetime(2024, 1, 1), 1.0], "x holds times and 1.0; a column must hold either times or numbers"),
        ([datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)], "x holds times with a zone and times without"),
        ([date(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)], "x holds times with a zone and times without"),
        (["2024-01-01", "2024-01-02"], "x must hold real numbers or times, not text; convert text first, times by"),
        (
            pd.Series(["2024-01-01", "2024-01-02"]),
            "x holds '2024-01-01', which is not a number; convert text first",
        ),
        (np.array([1, 2], "timedelta64[s]"), "divide durations by their unit"),
        ([timedelta(1), timedelta(2)], "which is not a number; divide durations by their unit"),
        (np.array([10**18, 0], "datetime64[D]"), "x: times are out of range"),
        ([10**400, 1], "which is beyond the range of float64"),
        ([1, 2j], "x must hold real numbers or times, not complex128"),
        ([object(), np.complex64(1)], "which is not a number"),
        (np.array([], "datetime64[s]"), "x is empty: shape (0, 1)"),
    ],
)
def test_what_is_neither_numbers_nor_times_is_a_sentence(x: Any, says: str) -> None:
    """The error names the row of a gap, the values of a mixture, or the wrong type."""
    with pytest.raises(RelufitError) as caught:
        check_table(x, [1, 2])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_times_may_stand_in_x_only() -> None:
    """Times in y and in the weights are refused by name."""
    days = np.array(["2024-01-01", "2024-01-02"], "datetime64[D]")
    with pytest.raises(RelufitError, match="y holds times, which are allowed in x only"):
        check_table([1, 2], days)
    with pytest.raises(RelufitError, match="weight holds times"):
        fit([1, 2], [1, 2], weight=days, solver="spline")


def test_a_fit_of_times_takes_times_and_seconds() -> None:
    """An instant in any form gives the same output, and NaT nan; a fit of numbers refuses times."""
    days = pd.date_range("2024-01-01", periods=60, tz="Europe/Berlin", name="day")
    found = fit(days.to_series(), pd.Series(np.arange(60.0), name="load"), hidden=1, solver="spline")
    assert found.columns == Columns(("day",), ("load",), (ZONED,))
    instant = pd.Timestamp("2024-01-11", tz="Europe/Berlin")
    for x in ([instant], [instant.to_pydatetime()], [instant.timestamp()], np.array([instant.to_datetime64()])):
        assert found.predict(x) == pytest.approx([10], abs=1e-6)
        assert found.to_numpy_function()(x) == pytest.approx(found.predict(x), abs=1e-6)
    assert found.predict(instant) == pytest.approx(10, abs=1e-6)
    assert np.isnan(found.predict(pd.Series([instant, pd.NaT]))).tolist() == [False, True]
    with pytest.raises(RelufitError, match="takes real numbers, as the fit did, and not times"):
        fit([1, 2], [1, 2], solver="spline").predict([instant])
    many = fit_many(days, np.ones((60, 2)), epochs=1, hidden=2)
    assert [one.columns for one in many] == [Columns(("day",), (), (ZONED,))] * 2


def test_names_are_those_of_pandas() -> None:
    """Names are those of a Series, an Index or a DataFrame, if they are text."""
    assert names_of(pd.Series([1], name="a")) == ("a",)
    assert names_of(pd.Series([1])) == names_of(pd.Series([1], name=0)) == names_of([1]) == ()
    assert names_of(pd.DataFrame({"a": [1], 0: [2]})) == ("a", "")
    many = fit_many(pd.DataFrame({"a": [1, 2], "b": [2, 0]}), pd.DataFrame({"u": [1, 2], "v": [1, 3]}), epochs=1)
    assert [one.columns for one in many] == [Columns(("a", "b"), (y,), (NUMBER, NUMBER)) for y in "uv"]


def test_times_as_text() -> None:
    """Times are written as ISO 8601 in UTC to the microsecond; those beyond numpy's calendar as numbers."""
    seconds = np.array([0, -1.5, NOON + 0.25, 253402300800.0, 1e18])
    wanted = ["1970-01-01T00:00:00", "1969-12-31T23:59:58.5", "2024-01-01T12:00:00.25", "10000-01-01T00:00:00", "1e+18"]
    assert as_text(seconds, TIME) == wanted
    assert as_text(seconds[:1], ZONED) == ["1970-01-01T00:00:00Z"]
    micros = 1_700_000_000_000_000 + np.arange(1000) * 7
    back = np.array(as_text(micros / 1e6, TIME), "datetime64[us]")
    np.testing.assert_array_equal(back.astype(np.int64), micros)
