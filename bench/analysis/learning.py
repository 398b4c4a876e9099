"""How soon each training run and each solver reaches an error and where it ends, and how far from float64 both are.

Ratios of solvers are of the error at the end: to MSE*, an asymptotic value and no bound (relufit.theory), and to the
error of the best spline found in the same run.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis import warnings
from bench.analysis.frames import Run, records, worst_share
from bench.grid.case import ALONE
from bench.journal.status import statuses

THRESHOLDS = {f"{limit:g}": limit for limit in (1e-2, 1e-3, 1e-4)}  # test errors of a training run
LIMITS = {f"1e-{power}": 10.0**-power for power in range(2, 10)}  # mean squared errors of a solver
PARTED = 1e-3  # distance from float64's weights, relative to the distance trained, above which a run has parted
EXACT = 1e-20  # mean squared error below which a spline is off by rounding only: no ratio to it is given


@lru_cache
def convergence(run: Run) -> pd.DataFrame:
    """Seconds of training until the test error is first seen below each threshold, and where each run ended."""
    cases = records(run.cases[run.cases.work == "convergence"])
    return pd.DataFrame([_trained(run, case) for case in cases])


def _trained(run: Run, case: dict[str, Any]) -> dict[str, Any]:
    step, seconds, errors = curves(case, "step", "train_seconds", "test_mse")
    return {
        **case,
        **_when_reached("seconds", seconds, errors, THRESHOLDS),
        "test_mse": errors[-1],
        "lowest_test_mse": np.fmin.reduce(errors),
        "train_seconds": seconds[-1],
        "steps": step[-1],
        "unsound": warnings.in_words(warnings.notes(run.header, {**case, "seconds": []}), case["work"]),
    }


@lru_cache
def solvers(run: Run) -> pd.DataFrame:
    """How close each solver came, and how soon: a row for each function, width, solver and backend."""
    cases = records(run.cases[run.cases.work == "solving"])
    if not cases:
        return pd.DataFrame()
    frame = pd.DataFrame([_solved(run, case) for case in cases])
    splines = frame.mse.where(frame.solver == "spline")
    best = splines.groupby([frame.target, frame.hidden]).transform("min")
    frame["over_asymptotic"] = frame.mse / frame.asymptotic_mse.where(frame.asymptotic_mse > 0)
    frame["over_best_spline"] = frame.mse / best.where(best >= EXACT)
    frame.loc[(frame.solver == "spline") & (frame.mse == best), "over_best_spline"] = 1.0  # even below EXACT
    return frame


def _solved(run: Run, case: dict[str, Any]) -> dict[str, Any]:
    step, seconds, mse, largest = curves(case, "step", "train_seconds", "mse", "max_error")
    step = step * (np.nan if case["optimizer"] == "spline" else 1)  # one call has no steps
    return {
        **case,
        "solver": case["optimizer"],
        "backend": "numpy" if case["algorithm"] == ALONE else case["backend"],
        **_when_reached("seconds", seconds, mse, LIMITS),
        **_when_reached("steps", step, mse, LIMITS),
        "mse": mse[-1],
        "lowest_mse": np.fmin.reduce(mse),
        "max_error": largest[-1],
        "train_seconds": seconds[-1],
        "steps": step[-1],
        "unsound": warnings.in_words(warnings.notes(run.header, case), case["work"]),
        "under_load": warnings.under_load(run.header, case),
    }


def has_solvers(run: Run) -> bool:
    """Whether any function was solved in a run."""
    return bool((run.cases.work == "solving").any())


def is_of_solvers(run: Run) -> bool:
    """Whether solvers are all that a run measured."""
    return run.kind == "solvers" and has_solvers(run)


def best_spline(rows: pd.DataFrame) -> float:
    """The error of the best spline found among these rows of one function and width; nan where there is no spline."""
    return float(rows.mse[rows.solver == "spline"].min())


def curves(case: dict[str, Any], *names: str) -> list[np.ndarray]:
    """These curves of a case that ended well or diverged, (looks,) each; one nan each where it has none."""
    has_curves = case["status"] in statuses(has_numbers=True) and all(case[name] for name in names)
    return [np.asarray(case[name] if has_curves else [np.nan], dtype=float) for name in names]


def at_first(values: np.ndarray, reached: np.ndarray) -> float:
    """The value at the first look at which something was reached; nan where it never was."""
    return float(values[int(np.argmax(reached))]) if reached.any() else np.nan


def _when_reached(what: str, values: np.ndarray, errors: np.ndarray, limits: dict[str, float]) -> dict[str, float]:
    return {f"{what}_to_{name}": at_first(values, errors <= limit) for name, limit in limits.items()}


def agreement(run: Run) -> pd.DataFrame:
    """Error and computed bound of each quantity, where the error is the largest share of the bound."""
    rows = []
    for case in records(run.cases[run.cases.work == "agreement"]):
        checks = case["agreement"] or {None: dict.fromkeys(("error", "bound", "share"), np.nan)}
        rows += [{**case, "quantity": quantity, **check} for quantity, check in checks.items()]
    return pd.DataFrame(rows)


def trajectory(run: Run) -> pd.DataFrame:
    """Single steps as a share of their bound; of the free run, when signs first differ and when it has parted."""
    return pd.DataFrame([_followed(case) for case in records(run.cases[run.cases.work == "trajectory"])])


def _followed(case: dict[str, Any]) -> dict[str, Any]:
    steps, distances, flips = curves(case, "step", "distance", "flips")
    differs, parted = flips > 0, distances > PARTED
    return {
        **case,
        "share": worst_share(case["agreement"]),
        "first_flip_step": at_first(steps, differs),
        "first_flip_distance": at_first(distances, differs),
        "parted_step": at_first(steps, parted),
        "parted_flips": at_first(flips, parted),
        "flips_until_parted": at_first(np.cumsum(flips), parted),
        "steps": steps[-1],
        "distance": distances[-1],
    }
