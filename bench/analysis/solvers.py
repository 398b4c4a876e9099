"""How close each solver came to a function, and how soon: a row for each function, width, solver and backend.

Ratios are of the error at the end: to MSE*, an asymptotic value and no bound (relufit.theory), and to that of the
best spline found in the same run.
"""

from typing import Any

import numpy as np
import pandas as pd

from bench.analysis import warnings
from bench.analysis.frames import Run
from bench.grid.case import ALONE
from bench.journal.status import statuses

LIMITS = {f"1e-{power}": 10.0**-power for power in range(2, 10)}  # mean squared errors to be reached
EXACT = 1e-20  # a mean squared error below which a spline is off by rounding only, and no ratio to it says anything


def has_solvers(run: Run) -> bool:
    """Whether any function was solved in it."""
    return bool((run.cases.work == "solving").any())


def tabulate(run: Run) -> pd.DataFrame:
    """A row for each function, width, solver and backend."""
    cases = run.cases[run.cases.work == "solving"].to_dict("records")
    frame = pd.DataFrame([_row(run, case) for case in cases], columns=[*COLUMNS])
    best = frame.target.map(lambda _: np.nan).astype(float)
    for _, rows in frame.groupby(["target", "hidden"]):
        best[rows.index] = best_spline(rows)
    frame["over_asymptotic"] = frame.mse / frame.asymptotic_mse.where(frame.asymptotic_mse > 0)
    frame["over_best_spline"] = frame.mse / best.where(best >= EXACT)
    frame.loc[(frame.solver == "spline") & (frame.mse == best), "over_best_spline"] = 1.0  # of one that is exact too
    return frame


COLUMNS = ("target", "hidden", "solver", "backend", "algorithm", "dtype", "status",
           *(f"{what}_to_{name}" for what in ("seconds", "steps") for name in LIMITS), "mse", "lowest_mse", "max_error",
           "asymptotic_mse", "over_asymptotic", "over_best_spline", "train_seconds", "steps", "budget_seconds",
           "unsound", "reason")  # fmt: skip


def best_spline(rows: pd.DataFrame) -> float:
    """The error of the best spline found among these rows of one function and width; nan where none was looked for."""
    return float(rows.mse[rows.solver == "spline"].min())


def _row(run: Run, case: dict[str, Any]) -> dict[str, Any]:
    names = ("step", "train_seconds", "mse", "max_error")
    is_whole = case["status"] in statuses(has_numbers=True) and all(case[name] for name in names)
    step, seconds, mse, largest = (np.asarray(case[name] if is_whole else [np.nan]) for name in names)
    one_call = case["optimizer"] == "spline"
    reached = {name: np.flatnonzero(mse <= limit)[:1] for name, limit in LIMITS.items()}
    return {
        **{name: case[name] for name in ("target", "hidden", "algorithm", "dtype", "status", "reason")},
        "solver": case["optimizer"],
        "backend": "numpy" if case["algorithm"] == ALONE else case["backend"],
        **{f"seconds_to_{name}": _at(seconds, first) for name, first in reached.items()},
        **{f"steps_to_{name}": np.nan if one_call else _at(step, first) for name, first in reached.items()},
        "mse": mse[-1],
        "lowest_mse": np.nan if np.isnan(mse).all() else np.nanmin(mse),
        "max_error": largest[-1],
        "asymptotic_mse": case["asymptotic_mse"],
        "train_seconds": seconds[-1],
        "steps": np.nan if one_call else step[-1],
        "budget_seconds": case["budget_seconds"],
        "unsound": warnings.in_words(warnings.notes(run, case)),
    }


def _at(values: np.ndarray, first: np.ndarray) -> float:
    return float(values[first[0]]) if len(first) else np.nan
