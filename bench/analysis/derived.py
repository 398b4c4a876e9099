"""From tidy frames to the tables that people read: every derived number is computed here, and nowhere else.

Each function takes a Run and returns a frame in long form, which is what goes into the .csv; report.py lays it out.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis import roofline, warnings
from bench.analysis.frames import Run
from bench.grid.case import Case
from bench.grid.cost import is_hinge
from bench.grid.workloads import named
from bench.journal.status import Status, statuses
from bench.statistics.intervals import median_interval

BASELINES = {"cpu": "torch-cpu", "cuda": "torch-cuda"}  # of each device: what most people use
BASELINE = BASELINES["cpu"]
# What people write on a CPU. Where the baseline is slower than it by more than this, beyond both intervals, no ratio to
# the baseline is published. Where it is faster, because the loader's cost is not in it, ratios are on the modest side.
BASELINE_PEER, SLOWER_BY = "torch-recipe", 1.05
THRESHOLDS = (1e-2, 1e-3, 1e-4)
TIMED_KEYS = ("work", "batch", "hidden", "dtype", "optimizer", "backend", "device", "algorithm")
SCALING_COLUMNS = ("dtype", "hidden", "batch", "samples", "backend", "algorithm", "status", "median_seconds",
                   "low_seconds", "high_seconds", "samples_per_second", "share_of_roof", "share_of_copy",
                   "build_seconds", "first_call_seconds", "gradient_error", "launch_bound_share", "kernels_per_step",
                   "gpu_throttled", "rounds", "unsound", "reason")  # fmt: skip
ENSEMBLE_STEPS = 25_000  # of one network: a thousand epochs of 800 samples
ENSEMBLE_COLUMNS = ("dtype", "hidden", "batch", "optimizer", "networks", "backend", "algorithm", "status", "median_us",
                    "low_us", "high_us", "device_us", "networks_per_second", "launch_bound_share",
                    "first_call_seconds", "unsound", "reason")  # fmt: skip
AGREEMENT_COLUMNS = ("dtype", "batch", "inputs", "hidden", "outputs", "backend", "status", "quantity", "error", "bound",
                     "share", "reason")  # fmt: skip
PARTED = 1e-3  # of the way that float64 has gone: a run that is further from it goes a way of its own
TRAJECTORY_COLUMNS = ("target", "optimizer", "scheme", "dtype", "hidden", "backend", "status", "share",
                      "first_flip_step", "first_flip_distance", "parted_step", "parted_flips", "flips_until_parted",
                      "pairs", "steps", "distance", "order", "reason")  # fmt: skip


@lru_cache(maxsize=4)
def throughput(run: Run) -> pd.DataFrame:
    """Times and rates of forward, gradient, their difference, step, latency and transfer. Kept: not to be changed."""
    cases = run.cases[run.cases.work.isin(named(table="throughput"))]
    rows = [_timed_row(run, case) for case in cases.to_dict("records")]
    if not rows:
        return pd.DataFrame()
    frame = pd.DataFrame(rows)
    frame = pd.concat([frame, _backward(frame)], ignore_index=True)
    frame["baseline"] = frame.device.map(BASELINES)
    base = _beside(frame, frame.baseline)
    peer = _beside(frame, frame.baseline.where(frame.baseline != BASELINE, BASELINE_PEER))
    frame["baseline_over_recipe"] = (base.median_us / peer.median_us).mask(frame.baseline != BASELINE)
    slower = base.low_us.fillna(base.median_us) > SLOWER_BY * peer.high_us.fillna(peer.median_us)
    untrue = frame.grave.astype(bool) | base.grave.fillna(False).astype(bool)
    frame["times_faster_than_baseline"] = (base.median_us / frame.median_us).mask(slower | untrue)
    return frame


def _beside(frame: pd.DataFrame, names: pd.Series) -> pd.DataFrame:
    """For each row, that of the backend named beside it at the same case; nan where there is none."""
    keys = ["work", "batch", "hidden", "dtype", "optimizer"]
    rows = frame.drop_duplicates([*keys, "backend"]).set_index([*keys, "backend"])
    at = pd.MultiIndex.from_frame(frame[keys].assign(backend=names))
    return rows.reindex(at).set_index(frame.index)


def _timed_row(run: Run, case: dict[str, Any]) -> dict[str, Any]:
    """One row of times; where the algorithm is hinge its samples per second are effective ones."""
    timed = case["status"] == Status.OK and len(case["seconds"]) > 0
    steps = 1 if np.isnan(case["steps"]) else case["steps"]
    median, low, high = median_interval(case["seconds"]) if timed else (np.nan,) * 3
    found = warnings.notes(run, case)
    device = np.median(case["device_seconds"]) if case["device_seconds"] else np.nan
    return {
        **{key: case[key] for key in TIMED_KEYS},
        "samples": Case(case["work"], case["batch"]).samples,
        "status": case["status"],
        "median_us": median / steps * 1e6,
        "low_us": low / steps * 1e6,
        "high_us": high / steps * 1e6,
        "device_us": device / steps * 1e6,
        # Of the wall time, when the device had nothing to do but wait for the host.
        "launch_bound_share": float(np.maximum(0.0, 1 - device / median)),
        **{name: case[name] for name in ("kernels_per_step", "gpu_watts", "gpu_sm_mhz", "gpu_throttled")},
        "samples_per_second": case["batch"] * steps / median if timed else np.nan,
        **roofline.shares(run, case, median / steps),
        "error_share_of_bound": _worst_share(case["agreement"]),
        "gradient_error": case["agreement"].get("gradient", {}).get("error", np.nan) if timed else np.nan,
        "rounds": len(case["seconds"]) if timed else 0,
        "calls_per_round": case["iterations"],
        "minor_faults_per_call": case["minor_faults_per_call"],
        "build_seconds": case["build_seconds"],
        "first_call_seconds": case["first_call_seconds"],
        "order": case["order"],
        "unsound": warnings.in_words(found),
        "grave": bool(timed and warnings.grave(run, case)),
        "reason": case["reason"],
    }


def scaling(run: Run) -> pd.DataFrame:
    """Seconds of one full-batch gradient against N, and what building the samples took."""
    rows = [_timed_row(run, case) for case in run.cases[run.cases.work == "scaling"].to_dict("records")]
    if not rows:
        return pd.DataFrame(columns=[*SCALING_COLUMNS])
    frame = pd.DataFrame(rows).sort_values(["dtype", "hidden", "batch"], kind="stable")
    for name in ("median", "low", "high"):
        frame[f"{name}_seconds"] = frame[f"{name}_us"] / 1e6
    return frame[[*SCALING_COLUMNS]].reset_index(drop=True)


def ensembles(run: Run) -> pd.DataFrame:
    """Many networks trained at once: the time of one step of all of them, and networks trained in a second."""
    rows = [
        _timed_row(run, case) | {"networks": case["networks"]}
        for case in run.cases[run.cases.work == "ensemble"].to_dict("records")
    ]
    if not rows:
        return pd.DataFrame(columns=[*ENSEMBLE_COLUMNS])
    frame = pd.DataFrame(rows)
    frame["networks_per_second"] = frame.networks / (ENSEMBLE_STEPS * frame.median_us / 1e6)
    return frame.sort_values(["dtype", "hidden", "optimizer", "networks"], kind="stable")[[*ENSEMBLE_COLUMNS]]


def _worst_share(checks: dict[str, dict[str, float]]) -> float:
    return max((check["share"] for check in checks.values()), default=np.nan)


def _backward(frame: pd.DataFrame) -> pd.DataFrame:
    """Gradient minus forward: a difference of two measurements, and said so; it has no interval of its own.

    None of hinge, whose forward is no part of its gradient.
    """
    keys = ["batch", "hidden", "dtype", "backend"]
    frame = frame[~frame.algorithm.map(is_hinge)]
    frame = frame.drop_duplicates(["work", *keys])
    forward, gradient = (frame[frame.work == work].set_index(keys) for work in ("forward", "gradient"))
    both = gradient.index.intersection(forward.index)
    gradient, forward = gradient.loc[both], forward.loc[both]
    rows = gradient.assign(
        work="backward",
        median_us=gradient.median_us - forward.median_us,
        low_us=np.nan,
        high_us=np.nan,
        device_us=gradient.device_us - forward.device_us,
        rounds=0,
        calls_per_round=np.nan,
        minor_faults_per_call=np.nan,
        share_of_roof=np.nan,
        share_of_copy=np.nan,
        build_seconds=np.nan,
        first_call_seconds=np.nan,
        status=np.where(gradient.status == Status.OK, forward.status, gradient.status),
        unsound=[
            warnings.SEPARATOR.join(filter(None, both)) for both in zip(gradient.unsound, forward.unsound, strict=True)
        ],
        grave=gradient.grave | forward.grave,
    )
    rows["samples_per_second"] = rows.index.get_level_values("batch") / rows.median_us * 1e6
    return rows.reset_index()[frame.columns]


def convergence(run: Run) -> pd.DataFrame:
    """Seconds of training until the test error is first seen below each threshold, and where each run ended."""
    rows = []
    for case in run.cases[run.cases.work == "convergence"].to_dict("records"):
        seen = len(case["test_mse"]) > 0
        errors = np.asarray(case["test_mse"]) if seen else np.asarray([np.nan])
        seconds = np.asarray(case["train_seconds"]) if seen else np.asarray([np.nan])
        reached = {f"seconds_to_{limit:g}": _first(seconds, errors <= limit) for limit in THRESHOLDS}
        rows.append(
            {
                **{key: case[key] for key in ("target", "scheme", "optimizer", "hidden", "dtype", "backend", "status")},
                **reached,
                "test_mse": errors[-1],
                "lowest_test_mse": np.nanmin(errors) if np.isfinite(errors).any() else np.nan,
                "train_seconds": seconds[-1],
                "steps": case["step"][-1] if seen else np.nan,
                "order": case["order"],
                "unsound": warnings.in_words(warnings.notes(run, {**case, "seconds": []})),
                "reason": case["reason"],
            }
        )
    return pd.DataFrame(rows)


def _first(values: np.ndarray, reached: np.ndarray) -> float:
    return float(values[int(np.argmax(reached))]) if reached.any() else np.nan


def agreement(run: Run) -> pd.DataFrame:
    """Error and computed bound of each quantity, where the error is the largest share of the bound."""
    rows = []
    for case in run.cases[run.cases.work == "agreement"].to_dict("records"):
        common = {key: case[key] for key in ("dtype", "batch", "inputs", "hidden", "outputs", "backend", "status")}
        for quantity, check in case["agreement"].items():
            rows.append({**common, "quantity": quantity, **check, "reason": case["reason"]})
        if not case["agreement"]:
            rows.append({**common, "quantity": None, "reason": case["reason"]})
    return pd.DataFrame(rows, columns=[*AGREEMENT_COLUMNS])


def trajectory(run: Run) -> pd.DataFrame:
    """Single steps as a share of their bound; of the free run, when signs first differ and when it has parted."""
    rows = []
    for case in run.cases[run.cases.work == "trajectory"].to_dict("records"):
        seen = case["status"] in statuses(has_numbers=True) and len(case["step"]) > 0
        steps, distances, flips = (np.asarray(case[k] if seen else [np.nan]) for k in ("step", "distance", "flips"))
        differs, parted = flips > 0, distances > PARTED
        rows.append(
            {
                **{key: case[key] for key in ("target", "optimizer", "scheme", "dtype", "hidden", "backend", "status")},
                "share": _worst_share(case["agreement"]),
                "first_flip_step": _first(steps, differs),
                "first_flip_distance": _first(distances, differs),
                "parted_step": _first(steps, parted),
                "parted_flips": _first(flips, parted),
                "flips_until_parted": _first(np.cumsum(flips), parted),
                "pairs": case["pairs"],
                "steps": steps[-1],
                "distance": distances[-1],
                "order": case["order"],
                "reason": case["reason"],
            }
        )
    return pd.DataFrame(rows, columns=[*TRAJECTORY_COLUMNS])


def memory(run: Run) -> pd.DataFrame:
    """Peak bytes of one gradient beyond its inputs."""
    cases = run.cases[run.cases.work == "memory"]
    columns = ["dtype", "hidden", "batch", "backend", "status", "peak_bytes", "method", "reason"]
    return cases[columns].reset_index(drop=True)


def backends(run: Run) -> pd.DataFrame:
    """Every backend and recipe: whether it ran, or why not, and what it is."""
    rows = []
    for name, state in run.header["backends"].items():
        facts = ", ".join(f"{key} {value}" for key, value in state["facts"].items())
        rows.append({"backend": name, "state": absence(run, name) or "ran", "facts": facts})
    return pd.DataFrame(rows, columns=["backend", "state", "facts"])


def focus(run: Run) -> tuple[int, str]:
    """The width and dtype that the main table and the figures show: 512 and float32, or the most frequent ones."""
    counts = run.cases.groupby(["hidden", "dtype"]).size()
    hidden, dtype = (512, "float32") if (512, "float32") in counts.index else counts.idxmax()
    return int(hidden), str(dtype)


def in_order(run: Run) -> list[str]:
    """Every backend of the run: first those that could run, in the order of the journal's first line."""
    names = dict.fromkeys([*run.header["backends"], *run.cases.backend])
    return sorted(names, key=lambda name: absence(run, name) is not None)


def absent(run: Run) -> list[str]:
    """The backends that could not run on this machine."""
    return [name for name in in_order(run) if absence(run, name) is not None]


def sorted_by_backend(run: Run, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows in the order of `in_order`, otherwise as they were."""
    places = {name: place for place, name in enumerate(in_order(run))}
    return frame.sort_values("backend", key=lambda names: names.map(places), kind="stable")


def absence(run: Run, backend: str) -> str | None:
    """Why a backend could not run on this machine; None where it could."""
    reason = run.header["backends"].get(backend, {}).get("reason")
    return str(reason) if reason else None
