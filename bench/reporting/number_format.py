"""Numbers as people read them in a cell: three digits, an interval, a share of the roof, or what became of the case."""

from typing import Any

import numpy as np

from bench.journal.status import Status, statuses

NO_BREAK = "\N{NO-BREAK SPACE}"  # where a line ended, 12 300 would read as two numbers


def time_cell(row: dict[str, Any], unit: float = 1) -> str:
    """Lay out a time as "985±3%": the median and half the width of its interval; a status where there is none."""
    if row["status"] != Status.OK:
        return str(row["status"])
    text = digits(row["median_us"] / unit)
    half = (row["high_us"] - row["low_us"]) / 2 / row["median_us"]
    text += "" if np.isnan(half) else f"±{100 * half:.0f}%"
    return text if np.isnan(row["device_us"]) else f"{text} ({digits(row['device_us'] / unit)} on device)"


def roofed_cell(row: dict[str, Any]) -> str:
    """The same with its share of the roof behind it: "985±3% [41%]"."""
    percent = 100 * row["share_of_roof"]
    if np.isnan(percent) or row["status"] != Status.OK:
        return time_cell(row)
    return f"{time_cell(row)} [{percent:.0f}%]" if percent >= 10 else f"{time_cell(row)} [{percent:.2g}%]"


def ratio_cell(row: dict[str, Any], column: str) -> str:
    """A time and how many times faster than the baseline it is: "7.8 us, 54x"."""
    if row["status"] != Status.OK:
        return str(row["status"])
    ratio = row[column]
    return duration(row["median_us"] / 1e6) + ("" if np.isnan(ratio) else f", {digits(ratio)}x")


def duration(seconds: float) -> str:
    """Three digits in the unit that fits: "7.8 us", "6.5 ms", "12 s"; empty for nan."""
    if np.isnan(seconds):
        return ""
    unit, name = next(
        (unit, name) for unit, name in ((1, "s"), (1e-3, "ms"), (1e-6, "us")) if seconds >= unit or name == "us"
    )
    return f"{digits(seconds / unit)} {name}"


def digits(value: float) -> str:
    """Three digits, with no-break spaces between thousands: "364 000"."""
    rounded = float(f"{value:.3g}")
    return whole(rounded) if abs(rounded) >= 100 else f"{rounded:.3g}"


def whole(count: float) -> str:
    """All digits of a whole number, with no-break spaces between thousands: "409 600"."""
    return f"{count:,.0f}".replace(",", NO_BREAK)


def scientific(value: float) -> str:
    """Two digits and a power of ten: "1.2e-04"; empty for nan."""
    return "" if np.isnan(value) else f"{value:.1e}"


def seconds_cell(row: dict[str, Any], column: str) -> str:
    """Lay out seconds as "0.45", or say what became of them."""
    if row["status"] not in statuses(has_numbers=True):
        return str(row["status"])
    if np.isnan(row[column]):
        return Status.DIVERGED if row["status"] == Status.DIVERGED else "not reached"
    return f"{row[column]:.3g}"
