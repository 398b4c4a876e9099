"""Numbers in cells: as many digits as their interval supports, both ends of a wide one, the unit that fits."""

import re

import numpy as np
import pytest

from bench.reporting import number_format
from bench.reporting.number_format import NO_BREAK, digits, ends, with_interval


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1234, "0.123"), (7.0, "7"), (99.96, "100"), (985.4, "985"), (1019, "1 020"), (364_123, "364 000")],
)
def test_digits(value: float, text: str) -> None:
    """A number has three digits and no-break spaces between its thousands, so that no line ends inside it."""
    assert number_format.digits(value) == text.replace(" ", NO_BREAK)


@pytest.mark.parametrize(
    ("seconds", "text"), [(7.8e-6, "7.8 us"), (6.5e-3, "6.5 ms"), (12.0, "12 s"), (1e-9, "0.001 us"), (np.nan, "")]
)
def test_durations_have_the_unit_that_fits(seconds: float, text: str) -> None:
    """A duration has the unit that fits, from microseconds to seconds."""
    assert number_format.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (27.6, 5.8, "28"), (985.4, 30, "990"), (985.4, 3, "985"), (985.4, 0.01, "985"), (0.0755, 0.012, "0.075"),
        (1554, 203, "1 600"), (1554, 190, "1 550"), (0.498, 0.04, "0.50"), (2.97, 0.27, "3.0"), (5.2, 8, "5"),
        (96, 200, "100"), (9.96, 0.3, "10.0"), (12_345, 100, "12 300"), (7.0, 0, "7"), (-3.14159, 0.5, "-3.14"),
    ],
)  # fmt: skip
def test_digits_follow_the_interval(value: float, half: float, text: str) -> None:
    """The last digit is worth a twentieth to a half of half the interval, within one to three digits."""
    assert digits(value, half) == text.replace(" ", NO_BREAK)


@pytest.mark.parametrize("half", [1e-9, 0.003, 0.02, 0.19, 0.21, 1.0, 3.0, 40.0, 1e6])
def test_no_digit_is_shown_that_the_interval_does_not_support(half: float) -> None:
    """A number shown is off by at most a quarter of half the interval, and has one to three significant digits."""
    for value in np.geomspace(0.0123, 98_765, 200):
        shown = digits(value, half).replace(NO_BREAK, "")
        assert abs(float(shown) - value) <= max(half / 4, value / 200) * 1.001 or half > value
        assert 1 <= len(shown.replace(".", "").strip("0") or "0") <= 3


@pytest.mark.parametrize(
    ("low", "value", "high", "text"),
    [
        (21, 28, 35, "28 (21 to 35)"), (955, 985, 1015, "980±3%"), (95, 100, 105, "100±5%"), (90, 100, 110, "100±10%"),
        (89, 100, 112, "100 (89 to 112)"), (1161, 1554, 1568, "1 600 (1 200 to 1 600)"),
        (0.3, 10, 30, "10 (0.3 to 30)"), (np.nan, 27.63, np.nan, "27.6"), (5, 5, 5, "5±0%"),
    ],
)  # fmt: skip
def test_a_wide_interval_is_shown_by_its_ends(low: float, value: float, high: float, text: str) -> None:
    """Up to 10 % an interval is half its width in per cent; above, both ends; without one three digits stand alone."""
    assert with_interval(value, low, high) == re.sub(r"(?<=\d) (?=\d{3}\b)", NO_BREAK, text)


def test_the_ends_of_an_interval() -> None:
    """Both ends are rounded to the same digit as the number; a nan interval gives an empty string."""
    assert ends(0.226, 0.38) == "(0.23 to 0.38)"
    assert ends(np.nan, np.nan) == ""


def test_a_time_is_shown_with_its_interval() -> None:
    """A time has its interval, the device's time beside it, and the share of the roof behind it."""
    row = {
        "status": "OK",
        "median_us": 28.0,
        "low_us": 21.0,
        "high_us": 35.0,
        "device_us": np.nan,
        "share_of_roof": 0.41,
    }
    assert number_format.time_cell(row) == "28 (21 to 35)"
    assert number_format.roofed_cell(row) == "28 (21 to 35) [41%]"
    assert number_format.time_cell({**row, "device_us": 12.34}) == "28 (21 to 35) (12.3 on device)"
    assert number_format.duration(0.0755, 0.012) == "76 ms"
    assert number_format.ratio_cell({**row, "ratio": 54.3}, "ratio") == "28 us, 54.3x"
