"""Times, rates and ratios of what was timed: throughput, scaling with the samples, many networks at once.

Each function takes a Run and returns a frame in long form, which is what goes into the .csv.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis import roofline, warnings
from bench.analysis.frames import Run, in_order, records, worst_share
from bench.analysis.spread import spread
from bench.grid.case import Case
from bench.grid.cost import is_hinge
from bench.grid.workloads import named
from bench.journal.status import Status
from bench.statistics.intervals import median_interval, reach
from relufit.network.precision import PRECISIONS

# Of each device what most people use, the first of which that a run has timed is its baseline.
MOST_USED = {
    "cpu": ("torch-cpu", "numpy", "jax-cpu", "torch-compile", "numba"),
    "cuda": ("torch-cuda", "jax-cuda", "cupy"),
}
BASELINE = MOST_USED["cpu"][0]
# What people write on a CPU. Where the baseline is slower than it by more than this, beyond both intervals, no ratio to
# the baseline is published. Where it is faster, since it has no data loader, ratios are too low rather than too high.
BASELINE_PEER, SLOWER_BY = "torch-recipe", 1.05
# What a difference of two rows does not have.
NOT_SUBTRACTED = ("between_low_us", "between_high_us", "calls_per_round", "minor_faults_per_call", "share_of_roof",
                  "share_of_copy", "build_seconds", "first_call_seconds")  # fmt: skip
ENSEMBLE_STEPS = 25_000  # of one network: a thousand epochs of 800 samples


@lru_cache
def baselines(*runs: Run) -> dict[str, str]:
    """The baseline of each device, which all of these runs have timed: the one asked for, or the most used one."""
    asked, found = runs[0].baseline, dict[str, str]()
    timed = [run.cases[(run.cases.status == Status.OK) & run.cases.work.isin(named(timed=True))] for run in runs]
    for device in dict.fromkeys(timed[0].device):
        common = set.intersection(*(set(cases.backend[cases.device == device]) for cases in timed))
        if all((cases.backend == asked).any() for cases in timed):
            common.add(asked)
        wanted = [asked, *_most_used(device), *in_order(runs[0])]
        if usable := [name for name in wanted if name in common]:
            found[device] = usable[0]
    return found


def baseline_in_words(run: Run) -> str:
    """Which baseline a run has, where it is neither the usual one nor asked for; else empty."""
    unusual = {
        used[0]: name
        for device, name in baselines(run).items()
        if (used := _most_used(device)) and name not in (used[0], run.baseline)
    }
    parts = [f"The baseline is {name}, for {usual} has no time in this run" for usual, name in unusual.items()]
    return " ".join(f"{part}; --baseline takes another." for part in parts)


def _most_used(device: str) -> list[str]:
    """The names of MOST_USED of a device, "torch-cuda:1" for "cuda:1"; none of a device that is not in it."""
    kind, mark, index = device.partition(":")
    return [name + mark + index for name in MOST_USED.get(kind, ())]


@lru_cache
def throughput(run: Run) -> pd.DataFrame:
    """Times and rates of forward, gradient, their difference, step, latency and transfer, without reduced precision."""
    frame = _timed(run, "throughput")
    if frame.empty or (frame := frame[~frame.dtype.isin(PRECISIONS)]).empty:
        return frame
    frame = pd.concat([frame, _backward(frame)], ignore_index=True)
    frame["baseline"] = frame.device.map(baselines(run))
    base = _beside(frame, frame.baseline)
    peer = _beside(frame, frame.baseline.where(frame.baseline != BASELINE, BASELINE_PEER))
    frame["baseline_over_recipe"] = (base.median_us / peer.median_us).mask(frame.baseline != BASELINE)
    slower = base.low_us.fillna(base.median_us) > SLOWER_BY * peer.high_us.fillna(peer.median_us)
    frame["times_faster_than_baseline"] = (base.median_us / frame.median_us).mask(slower)
    return frame


@lru_cache
def reduced(run: Run) -> pd.DataFrame:
    """Times with products in reduced precision, and their ratio to the float32 rows of the same backend."""
    frame = _timed(run, "throughput")
    if frame.empty or (own := frame[frame.dtype.isin(PRECISIONS)]).empty:
        return pd.DataFrame()
    keys = ["work", "batch", "hidden", "inputs", "outputs", "optimizer", "target", "scheme", "backend"]
    full = frame[frame.dtype == "float32"].drop_duplicates(keys).set_index(keys)
    beside = full.reindex(pd.MultiIndex.from_frame(own[keys])).set_index(own.index)
    formats = [PRECISIONS[name] for name in own.dtype]
    return own.assign(
        stored=[found.stored for found in formats],
        accumulated=[found.accumulated for found in formats],
        float32_us=beside.median_us,
        times_faster_than_float32=beside.median_us / own.median_us,
    )


def _beside(frame: pd.DataFrame, names: pd.Series) -> pd.DataFrame:
    """For each row, the value of the backend named beside it in the same case; nan if that is missing."""
    keys = ["work", "batch", "hidden", "dtype", "optimizer"]
    rows = frame.drop_duplicates([*keys, "backend"]).set_index([*keys, "backend"])
    at = pd.MultiIndex.from_frame(frame[keys].assign(backend=names))
    return rows.reindex(at).set_index(frame.index)


@lru_cache
def _timed(run: Run, table: str) -> pd.DataFrame:
    """A row of times for each case of the kinds of work of this table."""
    cases = records(run.cases[run.cases.work.isin(named(table=table))])
    return pd.DataFrame([_timed_row(run, case) for case in cases])


def _timed_row(run: Run, case: dict[str, Any]) -> dict[str, Any]:
    """One row of times; where the algorithm is hinge its samples per second are effective ones."""
    timed = case["status"] == Status.OK and len(case["seconds"]) > 0
    steps = 1 if np.isnan(case["steps"]) else case["steps"]
    median, low, high = median_interval(case["seconds"]) if timed else (np.nan,) * 3
    apart = spread(run, case)
    device = np.median(case["device_seconds"]) if case["device_seconds"] else np.nan
    return {
        **case,  # so that a table can show any field of the journal
        "samples": Case(case["work"], case["batch"]).samples,
        "median_us": median / steps * 1e6,
        "low_us": low / steps * 1e6,
        "high_us": high / steps * 1e6,
        "device_us": device / steps * 1e6,
        "between": apart.between,
        "between_low_us": apart.low * 1e6,
        "between_high_us": apart.high * 1e6,
        # Share of the wall time in which the device waited for the host.
        "launch_bound_share": float(np.maximum(0.0, 1 - device / median)),
        "samples_per_second": case["batch"] * steps / median if timed else np.nan,
        **roofline.shares(run.header, case, median / steps),
        "error_share_of_bound": worst_share(case["agreement"]),
        "gradient_error": case["agreement"].get("gradient", {}).get("error", np.nan) if timed else np.nan,
        "rounds": len(case["seconds"]) if timed else 0,
        "calls_per_round": case["iterations"],
        "unsound": warnings.in_words(warnings.notes(run.header, case), case["work"]),
        "under_load": warnings.under_load(run.header, case),
    }


def _backward(frame: pd.DataFrame) -> pd.DataFrame:
    """Gradient minus forward: a difference of two measurements, with the noise of both.

    Its interval reaches from the least to the largest that their intervals allow; where it holds 0 there is no number.
    None of hinge, whose forward is no part of its gradient.
    """
    keys = ["batch", "hidden", "dtype", "backend"]
    frame = frame[~frame.algorithm.map(is_hinge)].drop_duplicates(["work", *keys])
    forward, gradient = (frame[frame.work == work].set_index(keys) for work in ("forward", "gradient"))
    both = gradient.index.intersection(forward.index)
    gradient, forward = gradient.loc[both], forward.loc[both]
    rows = gradient.assign(
        work="backward",
        rounds=0,
        between="",
        **dict.fromkeys(NOT_SUBTRACTED, np.nan),
        status=np.where(gradient.status == Status.OK, forward.status, gradient.status),
        unsound=(gradient.unsound + warnings.SEPARATOR + forward.unsound).str.strip(warnings.SEPARATOR),
        under_load=(gradient.under_load + warnings.SEPARATOR + forward.under_load).str.strip(warnings.SEPARATOR),
    )
    rows[["median_us", "low_us", "high_us"]] = _differences(gradient.seconds, forward.seconds) * 1e6
    rows["device_us"] = _differences(gradient.device_seconds, forward.device_seconds)[:, 0] * 1e6
    lost = (rows.status == Status.OK) & rows.median_us.isna()
    rows["reason"] = rows.reason.mask(lost, "below noise: by their intervals, gradient is no slower than forward")
    rows["samples_per_second"] = rows.index.get_level_values("batch") / rows.median_us * 1e6
    return rows.reset_index()[frame.columns]


def _differences(seconds: pd.Series, others: pd.Series) -> np.ndarray:
    """The difference of the medians of each pair of rows, and the ends of its interval, (rows, 3)."""
    return np.reshape([_difference(*pair) for pair in zip(seconds, others, strict=True)], (-1, 3))


def _difference(seconds: list[float], others: list[float]) -> tuple[float, float, float]:
    """A median minus another, and the least and the largest that their intervals allow; nan unless all are above 0."""
    if not seconds or not others:
        return (np.nan,) * 3
    (median, low, high), (other, other_low, other_high) = reach(seconds), reach(others)
    found = median - other, low - other_high, high - other_low
    return found if found[1] > 0 else (np.nan,) * 3  # below 0, which no part of a whole takes, forward was disturbed


@lru_cache
def scaling(run: Run) -> pd.DataFrame:
    """Seconds of one full-batch gradient against N, and what building the samples took."""
    frame = _timed(run, "scaling")
    if frame.empty:
        return frame
    seconds = {f"{end}_seconds": frame[f"{end}_us"] / 1e6 for end in ("median", "low", "high")}
    return frame.assign(**seconds).sort_values(["dtype", "hidden", "batch"], kind="stable", ignore_index=True)


@lru_cache
def ensembles(run: Run) -> pd.DataFrame:
    """Many networks trained at once: the time of one step of all of them, and networks trained in a second."""
    frame = _timed(run, "ensembles")
    if frame.empty:
        return frame
    frame = frame.assign(networks_per_second=frame.networks / (ENSEMBLE_STEPS * frame.median_us / 1e6))
    return frame.sort_values(["dtype", "hidden", "optimizer", "networks"], kind="stable")
