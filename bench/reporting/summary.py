"""The main tables: a row for each backend, the few columns that decide most questions, at one width and dtype."""

from typing import Any

import pandas as pd

from bench.analysis.derived import absence, absent, convergence, focus, in_order, throughput
from bench.analysis.frames import Run
from bench.grid.case import RULES
from bench.grid.workloads import WORKLOADS
from bench.reporting.number_format import ratio_cell, seconds_cell, time_cell

MICROSECONDS = {"us": 1, "ms": 1e3, "s": 1e6}
HEADLINE = {  # title -> (work, batch, optimizer)
    "SGD step\nN=32": ("step", 32, "sgd"),
    "Adam step\nN=32": ("step", 32, "adam"),
    "gradient\nN=800": ("gradient", 800, ""),
    "gradient\nN=65536": ("gradient", 65536, ""),
    "gradient\nN=2^20": ("gradient", 2**20, ""),
    "gradient\nN=10^7": ("gradient", 10**7, ""),
}
TIME_KEYS = ("work", "batch", "optimizer", "backend", "hidden", "dtype")
LEARNING_KEYS = ("target", "scheme", "optimizer", "backend", "hidden", "dtype")
SUMMARY_LEARNING = "Adam, sin\nto 1e-2\ns"


def columns() -> dict[str, tuple[str, int, str, float]]:
    """The timed columns of the main table: title -> (work, batch, optimizer, microseconds in the column's unit)."""
    return {
        f"{f'{type(RULES[optimizer]).__name__} ' if optimizer else ''}{kind.name}\nN={batch}\n{unit}": (
            kind.name, batch, optimizer, MICROSECONDS[unit],
        )
        for kind in WORKLOADS.values()
        for batch, unit, optimizer in kind.columns
    }  # fmt: skip


def summary(run: Run) -> pd.DataFrame:
    """The main table: a row for each backend that ran, the columns that decide most questions, at `focus(run)`."""
    times, learned = _indexed(throughput(run), TIME_KEYS), _indexed(convergence(run), LEARNING_KEYS)
    hidden, dtype = focus(run)
    rows = []
    for name in in_order(run):
        if absence(run, name) is not None:
            continue
        cells = {"backend": name}
        for title, (work, batch, optimizer, unit) in columns().items():
            found = times.get((work, batch, optimizer, name, hidden, dtype))
            cells[title] = "" if found is None else time_cell(found, unit)
        found = learned.get(("sin", "spread", "adam", name, hidden, dtype))
        cells[SUMMARY_LEARNING] = "" if found is None else seconds_cell(found, f"seconds_to_{1e-2:g}")
        rows.append(cells)
    frame = pd.DataFrame(rows, columns=["backend", *columns(), SUMMARY_LEARNING])
    return frame.loc[:, [name for name in frame.columns if (frame[name] != "").any()]]  # what was not asked for


def not_here(run: Run) -> str:
    """A sentence on the backends that could not run on this machine, each reason once; empty where all could."""
    found: dict[str, list[str]] = {}
    for name in absent(run):
        found.setdefault(str(absence(run, name)), []).append(name)
    return "; ".join(
        ("" if place else "Not measured here: ") + f"{', '.join(names)} ({reason})"
        for place, (reason, names) in enumerate(found.items())
    ) + ("." if found else "")


def headline(run: Run) -> pd.DataFrame:
    """The times that ratios are quoted from, at `focus(run)`, each with how many times faster than its baseline it is.

    The ratio is to the baseline of the same device in the same run, and only where both were timed.
    """
    times = _indexed(throughput(run), TIME_KEYS)
    hidden, dtype = focus(run)
    rows = []
    for name in in_order(run):
        cells = {"backend": name}
        for title, (work, batch, optimizer) in HEADLINE.items():
            found = times.get((work, batch, optimizer, name, hidden, dtype))
            cells[title] = "" if found is None else ratio_cell(found, "times_faster_than_baseline")
        if absence(run, name) is None:
            rows.append(cells)
    frame = pd.DataFrame(rows, columns=["backend", *HEADLINE])
    return frame.loc[:, [name for name in frame.columns if (frame[name] != "").any()]]


def _indexed(frame: pd.DataFrame, keys: tuple[str, ...]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The rows by the values of these columns; of equal ones the first."""
    rows = frame.to_dict("records")
    return {tuple(row[key] for key in keys): row for row in reversed(rows)}
