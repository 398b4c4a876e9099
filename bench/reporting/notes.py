"""The last column of a table: for each backend why cells have no time, and how far to trust the times of the others."""

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from bench.analysis import warnings
from bench.analysis.frames import records
from bench.grid.cost import is_hinge
from bench.journal.schema import USUAL
from bench.journal.status import Status
from bench.reporting.document import Document
from bench.reporting.number_format import LOADED, duration, power

COMPILED_SECONDS, COMPILED_TIMES = 0.1, 20  # a first call above both limits compiled or allocated something
LAUNCH_BOUND = 0.5  # share of the wall time from which on it is noted
LOSSY = 1e-5  # relative error of the gradient that is noted: float32 has lost a third of its digits

Row = dict[str, Any]


def note(rows: list[Row]) -> str:
    """The note on the rows of one backend in one table."""
    reasons = [row["reason"] for row in rows if row["status"] != Status.OK and row["reason"]]
    parts = [*dict.fromkeys(reasons), *_hinge([row for row in rows if row["algorithm"]])]
    for row in _largest(rows, "gradient_error", lambda row: row["gradient_error"] > LOSSY):
        parts.append(f"gradient off by {row['gradient_error']:.0e} at N = {power(row['samples'])}")
    for row in _largest(rows, "launch_bound_share", lambda row: row["launch_bound_share"] > LAUNCH_BOUND):
        waits = f"the device waits {100 * row['launch_bound_share']:.0f} % of the time"
        parts.append(f"launch-bound: {waits} at N = {power(row['samples'])}")
    kernels = [row["kernels_per_step"] for row in rows if pd.notna(row["kernels_per_step"])]
    parts += [f"{count:g} kernels a step" for count in kernels[:1]]
    for row in _largest(rows, "first_call_seconds", _has_compiled):
        parts.append(f"first call {duration(row['first_call_seconds'])}")
    return "; ".join([*parts, *_unsound(rows)])


def legend(rows: pd.DataFrame) -> Document:
    """A line on the times with a mark, and one on what to do about the warnings; neither where there is no need."""
    timed = records(rows[rows.status == Status.OK]) if len(rows) else []
    found = [(word, row["work"]) for row in timed for word in warnings.words(row["unsound"])]
    advice = dict.fromkeys(f"{word}: {warnings.remedy(word, work)}" for word, work in found)
    return [*loads_in_words(timed), *([f"What to do about the warnings: {'; '.join(advice)}."] if advice else [])]


def loads_in_words(rows: Iterable[Row]) -> list[str]:
    """A line on the times with a mark: what was running; none where there is no mark."""
    loads = [row for row in rows if row["under_load"]]
    found = dict.fromkeys(f"{row['backend']}, {case_in_words(row)}: {row['under_load']}" for row in loads)
    return [f"{LOADED} Measured under load: {'; '.join(found)}."] if found else []


def case_in_words(row: Row) -> str:
    """A case: only what differs from the usual one."""
    letters = {"hidden": "H = ", "dtype": "", "inputs": "D = ", "outputs": "O = ", "networks": "networks "}
    unusual = [f", {letter}{row[name]}" for name, letter in letters.items() if row[name] != USUAL[name]]
    return f"{row['work']}{row['optimizer'] and ' ' + row['optimizer']} N = {row['batch']}{''.join(unusual)}"


def _hinge(rows: list[Row]) -> list[str]:
    """That samples are effective ones, and how long it took to build them."""
    by_hinge = [row for row in rows if is_hinge(row["algorithm"])]
    if not by_hinge:
        return []
    dense = [row["batch"] for row in rows if not is_hinge(row["algorithm"]) and row["status"] == Status.OK]
    parts = ["hinge: effective samples" + (f", dense up to N = {power(max(dense))}" if dense else "")]
    for row in _largest(by_hinge, "samples", lambda row: pd.notna(row["build_seconds"])):
        parts.append(f"build {duration(row['build_seconds'])} at N = {power(row['samples'])}")
    return parts


def _has_compiled(row: Row) -> bool:
    seconds: float = row["first_call_seconds"]
    return seconds > COMPILED_SECONDS and seconds > COMPILED_TIMES * row["median_us"] / 1e6


def _largest(rows: list[Row], name: str, which: Callable[[Row], bool]) -> list[Row]:
    """The row with the largest value of a column, among those that meet a condition; empty if no row does."""
    found = [row for row in rows if which(row)]
    return [max(found, key=lambda row: float(row[name]))] if found else []


def _unsound(rows: list[Row]) -> list[str]:
    """Each warning once, with the sizes that it is about: "noisy at N = 32, 800"."""
    found: dict[str, list[int]] = {}
    for row in sorted(rows, key=lambda row: int(row["batch"])):
        for word in warnings.words(row["unsound"]):
            found.setdefault(word, []).append(row["batch"])
    return [f"{word} at N = {', '.join(map(power, dict.fromkeys(sizes)))}" for word, sizes in found.items()]
