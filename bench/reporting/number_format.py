"""Numbers as people read them: as many digits as their interval supports, an interval, or the status of the case.

The last digit shown is worth at least a twentieth of half the width of the interval, and at most half of it, but there
is one digit at least and three at most. Where there is no interval, there are three.
"""

from math import floor, isnan, log10
from typing import Any

from bench.journal.status import Status, statuses

NO_BREAK = "\N{NO-BREAK SPACE}"  # between thousands, so that no line ends inside a number
WIDE = 0.1  # half an interval over its median, above which both ends are shown in place of a percentage
NAN = float("nan")
BELOW_NOISE = "below noise"  # stands for a difference whose interval holds 0
LOADED = "*"  # marks a time that was measured while something else was running
ROUGH = "~"  # marks a time whose interval is wide, or that other runs disagree with, where there is no room for either
FASTEST = "◄"  # marks the fastest of a column, and those that cannot be told apart from it


def time_cell(row: dict[str, Any], unit: float = 1) -> str:
    """Lay out a time as "985±3%", or "28 (21 to 35)" where its interval is wide; the status of a row without a time.

    Where runs disagree, what they gave takes the place of the interval: "910 (900 to 1 600 in 3 runs)". A * marks a
    time that was measured under load.
    """
    if row["status"] != Status.OK:
        return str(row["status"])
    if isnan(row["median_us"]):
        return BELOW_NOISE
    median, low, high = (row[name] / unit for name in ("median_us", "low_us", "high_us"))
    apart = between(row, unit)
    text = (digits(median, (high - low) / 2) + apart if apart else with_interval(median, low, high)) + marked(row)
    return text if isnan(row["device_us"]) else f"{text} ({digits(row['device_us'] / unit)} on device)"


def short_time_cell(row: dict[str, Any], unit: float = 1) -> str:
    """The time as one word, for a terminal: "985", "28~" where its interval is wide or runs disagree; or the status."""
    if row["status"] != Status.OK or isnan(row["median_us"]):
        return time_cell(row, unit)
    half = (row["high_us"] - row["low_us"]) / 2
    is_rough = bool(row.get("between")) or isnan(half) or half > WIDE * row["median_us"]
    return digits(row["median_us"] / unit, half / unit) + ROUGH * is_rough + marked(row)


def marked(row: dict[str, Any]) -> str:
    """The mark behind a time that was measured under load; empty of others."""
    return LOADED if row.get("under_load") else ""


def between(row: dict[str, Any], unit: float, name: str = "") -> str:
    """What runs or passes that disagree gave, and the row's own interval: " (900 to 1 600 in 3 runs)"; else empty."""
    if not row.get("between"):
        return ""
    # The row's own interval is nan where rounds are few: `min` and `max` then return the number that stands first.
    low, high = min(row["between_low_us"], row["low_us"]), max(row["between_high_us"], row["high_us"])
    return " " + ends(low / unit, high / unit, f"{name} in {row['between']}")


def with_interval(value: float, low: float, high: float) -> str:
    """A number and its interval: "985±3%", in a wide one "28 (21 to 35)", without one "985"."""
    half = (high - low) / 2
    if isnan(half):
        return digits(value)
    if half <= WIDE * value:
        return f"{digits(value, half)}±{100 * half / value:.0f}%"
    return f"{digits(value, half)} {ends(low, high)}"


def ends(low: float, high: float, unit: str = "") -> str:
    """An interval in brackets: "(21 to 35)"; empty where it is not known."""
    half = (high - low) / 2
    return "" if isnan(half) else f"({digits(low, half)} to {digits(high, half)}{unit})"


def roofed_cell(row: dict[str, Any]) -> str:
    """A time with its share of the roof behind it: "985±3% [41%]"."""
    percent = 100 * row["share_of_roof"]
    if isnan(percent) or row["status"] != Status.OK:
        return time_cell(row)
    return f"{time_cell(row)} [{percent:.0f}%]" if percent >= 10 else f"{time_cell(row)} [{percent:.2g}%]"


def ratio_cell(row: dict[str, Any], column: str) -> str:
    """A time and how many times faster than the baseline it is: "7.8 us, 54x"."""
    ratio = "" if row["status"] != Status.OK or isnan(row[column]) else f", {digits(row[column])}x"
    return duration_cell(row) + ratio


def duration_cell(row: dict[str, Any]) -> str:
    """A time in the unit that fits, with what runs that disagree gave: "7.8 us (7.1 to 9.2 us in 2 runs)"."""
    if row["status"] != Status.OK:
        return str(row["status"])
    unit, name = unit_of(row["median_us"] / 1e6)
    half = (row["high_us"] - row["low_us"]) / 2
    return duration(row["median_us"] / 1e6, half / 1e6) + between(row, unit * 1e6, f" {name}") + marked(row)


def duration(seconds: float, half: float = NAN) -> str:
    """Seconds in the unit that fits: "7.8 us", "6.5 ms", "12 s"; empty for nan."""
    unit, name = unit_of(seconds)
    return "" if isnan(seconds) else f"{digits(seconds / unit, half / unit)} {name}"


def unit_of(seconds: float) -> tuple[float, str]:
    """The unit that fits, in seconds, and its name."""
    return (1, "s") if seconds >= 1 else (1e-3, "ms") if seconds >= 1e-3 else (1e-6, "us")


def digits(value: float, half: float = NAN) -> str:
    """A number to the digits that half the width of its interval supports: "364 000"; three where that is not known."""
    if isnan(half) or half <= 0 or value <= 0:
        rounded = float(f"{value:.3g}")
        return whole(rounded) if abs(rounded) >= 100 else f"{rounded:.3g}"
    first = floor(log10(value))  # the place of the first digit: 2 of hundreds, -1 of tenths
    last = min(max(floor(log10(half / 2)), first - 2), first)
    return whole(round(value, -last)) if last >= 0 else f"{value:.{-last}f}"


def whole(count: float) -> str:
    """All digits of a whole number, with no-break spaces between thousands: "409 600"; empty for nan."""
    return "" if isnan(count) else f"{count:,.0f}".replace(",", NO_BREAK)


def power(samples: int) -> str:
    """A number of samples; a power of ten, or a large one of two, as one: "10^6"."""
    ten, two = len(str(samples)) - 1, samples.bit_length() - 1
    if samples == 10**ten and ten > 1:
        return f"10^{ten}"
    return f"2^{two}" if samples == 2**two and two >= 20 else str(samples)


def scientific(value: float, decimals: int = 1) -> str:
    """Two digits or more, and a power of ten: "1.2e-04"; empty for nan."""
    return "" if isnan(value) else f"{value:.{decimals}e}"


def times(value: float) -> str:
    """A ratio to three digits, and with a power of ten from a thousand on; empty for nan."""
    return "" if isnan(value) else f"{value:.3g}" if value < 1e3 else f"{value:.1e}"


def mebibytes(count: float) -> str:
    """Bytes in MiB; empty for nan."""
    return "" if isnan(count) else f"{count / 2**20:.1f} MiB" if count >= 2**20 else "< 1 MiB"


def seconds_cell(row: dict[str, Any], column: str) -> str:
    """Lay out seconds as "0.45", or give the reason why they are missing."""
    if row["status"] not in statuses(has_numbers=True):
        return str(row["status"])
    if isnan(row[column]):
        return Status.DIVERGED.value if row["status"] == Status.DIVERGED else "not reached"
    return f"{row[column]:.3g}"
