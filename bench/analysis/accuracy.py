"""How far each backend is from float64: single results against their bounds, and training step by step."""

from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.frames import Run, records, worst_share
from bench.analysis.learning import at_first, curves

PARTED = 1e-3  # distance from float64's weights, relative to the distance trained, above which a run has parted


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
