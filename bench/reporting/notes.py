"""What stands in the last column of a table: of one backend, why cells have no time, and what to know of the others."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from bench.analysis import warnings
from bench.grid.cost import is_hinge
from bench.journal.status import Status
from bench.reporting.number_format import duration

COMPILED_SECONDS, COMPILED_TIMES = 0.1, 20  # a first call so long, and so many times the steady one, prepared something
LAUNCH_BOUND = 0.5  # of the wall time
LOSSY = 1e-5  # relative error of the gradient from which on it is said: float32 has lost a third of its digits
READ = ("status", "reason", "algorithm", "batch", "samples", "median_us", "build_seconds", "first_call_seconds",
        "gradient_error", "launch_bound_share", "kernels_per_step", "unsound")  # fmt: skip

Row = dict[str, Any]


def remarks(rows: pd.DataFrame) -> str:
    """The remarks on the rows of one backend in one table; they need the columns READ."""
    records = rows[[*READ]].to_dict("records")
    reasons = [row["reason"] for row in records if row["status"] != Status.OK and row["reason"]]
    parts = [*dict.fromkeys(reasons), *_hinge([row for row in records if row["algorithm"]])]
    parts += [
        f"gradient off by {row['gradient_error']:.0e} at {power(row['samples'])}"
        for row in _largest(records, "gradient_error", lambda row: row["gradient_error"] > LOSSY)
    ]
    parts += [
        f"launch-bound: the device waits {100 * row['launch_bound_share']:.0f} % of the time at {power(row['samples'])}"
        for row in _largest(records, "launch_bound_share", lambda row: row["launch_bound_share"] > LAUNCH_BOUND)
    ]
    kernels = [row["kernels_per_step"] for row in records if row["kernels_per_step"] == row["kernels_per_step"]]
    parts += [f"{count:g} kernels a step" for count in kernels[:1]]
    parts += [
        f"first call {duration(row['first_call_seconds'])}"
        for row in _largest(records, "first_call_seconds", _prepared_something)
    ]
    return "; ".join([*parts, *_unsound(records)])


def _hinge(records: list[Row]) -> list[str]:
    """That samples are effective ones, and what the table of the data took."""
    by_hinge = [row for row in records if is_hinge(row["algorithm"])]
    if not by_hinge:
        return []
    dense = [row["batch"] for row in records if not is_hinge(row["algorithm"]) and row["status"] == Status.OK]
    built = _largest(by_hinge, "samples", lambda row: row["build_seconds"] == row["build_seconds"])
    return [
        "hinge: effective samples" + (f", dense up to {power(max(dense))}" if dense else ""),
        *(f"build {duration(row['build_seconds'])} at {power(row['samples'])}" for row in built),
    ]


def _prepared_something(row: Row) -> bool:
    seconds: float = row["first_call_seconds"]
    return seconds > COMPILED_SECONDS and seconds > COMPILED_TIMES * row["median_us"] / 1e6


def _largest(records: list[Row], name: str, which: Callable[[Row], bool]) -> list[Row]:
    """Of these rows the one where a column is largest; none where there are none."""
    found = [row for row in records if which(row)]
    return [max(found, key=lambda row: float(row[name]))] if found else []


def _unsound(records: list[Row]) -> list[str]:
    """What is the matter with the times, each kind once with its sizes: "noisy at N = 32, 800"."""
    found: dict[str, list[int]] = {}
    for row in sorted(records, key=lambda row: int(row["batch"])):
        for word in warnings.words(row["unsound"]):
            found.setdefault(word, []).append(row["batch"])
    return [f"{word} at N = {', '.join(map(_size, dict.fromkeys(sizes)))}" for word, sizes in found.items()]


def power(samples: int) -> str:
    """A power of ten, or a large one of two, as one: "N = 10^6"."""
    return f"N = {_size(samples)}"


def _size(samples: int) -> str:
    ten, two = len(str(samples)) - 1, samples.bit_length() - 1
    if samples == 10**ten and ten > 1:
        return f"10^{ten}"
    return f"2^{two}" if samples == 2**two and two >= 20 else str(samples)
