"""CPU against GPU: which is faster at which N, how much of a GPU step is launching, and when its start is paid.

Of each case the best backend of either kind counts. One is faster where the intervals of the two medians do not meet.
"""

from functools import lru_cache
from math import ceil, inf, isnan
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench.analysis.frames import Run, matching, records
from bench.analysis.throughput import throughput
from bench.journal.status import Status
from bench.statistics.bisection import Crossing, Measured, find_crossings

WORKS = ("gradient", "step")  # whose N the question is about
CASE = ["work", "optimizer", "hidden", "dtype", "batch"]
VERDICTS = {"CPU": "FASTER", "GPU": "SLOWER"}  # on the CPU, as `find_crossings` reads them


def steps_to_pay(context: float, first_call: float, upload: float, cpu_seconds: float, gpu_seconds: float) -> float:
    """The least number of steps after which the GPU with its start has taken no longer than the CPU.

    All are seconds: the context, the first call and the upload once, the others for each step. inf where a step on the
    GPU gains nothing, nan where something was not measured.
    """
    gained, start = cpu_seconds - gpu_seconds, context + first_call + upload
    if isnan(gained) or isnan(start):
        return np.nan
    return ceil(start / gained) if gained > 0 else inf


@lru_cache
def cpu_gpu(run: Run) -> pd.DataFrame:
    """A row for each case that both a CPU and a GPU have timed: the best of each, and what the GPU's start takes."""
    frame = throughput(run)
    if frame.empty:
        return frame
    frame = frame[frame.work.isin(WORKS) & (frame.status == Status.OK) & frame.median_us.notna()]
    on = frame.device.map(lambda device: device.partition(":")[0])
    cpu, gpu = (_best(frame[on == kind]) for kind in ("cpu", "cuda"))
    shared = [case for case in gpu if case in cpu]
    return pd.DataFrame([_row(run, cpu[case], gpu[case]) for case in shared])


def _best(frame: pd.DataFrame) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The fastest row of each case, smallest N first."""
    fastest = frame.sort_values(["median_us", "backend"]).drop_duplicates(CASE).sort_values(CASE)
    return {tuple(row[name] for name in CASE): row for row in records(fastest)}


def _row(run: Run, cpu: dict[str, Any], gpu: dict[str, Any]) -> dict[str, Any]:
    start = run.header["backends"].get(gpu["backend"], {}).get("context_seconds", np.nan)
    first, upload = gpu["first_call_seconds"], gpu["build_seconds"]
    times = {
        f"{kind}_{end}_us": row[f"{end}_us"]
        for kind, row in (("cpu", cpu), ("gpu", gpu))
        for end in ("median", "low", "high")
    }
    # A comparison with nan, of an interval that is not known, is false.
    faster = "GPU" if gpu["high_us"] < cpu["low_us"] else "CPU" if cpu["high_us"] < gpu["low_us"] else ""
    return {
        **{name: gpu[name] for name in CASE},
        "cpu": cpu["backend"],
        "gpu": gpu["backend"],
        **times,
        "gpu_device_us": gpu["device_us"],
        "launch_bound_share": gpu["launch_bound_share"],
        "gpu_times_faster": cpu["median_us"] / gpu["median_us"],
        "faster": faster,
        "context_seconds": start,
        "first_call_seconds": first,
        "build_seconds": upload,
        "start_seconds": start + first + upload,
        "steps_to_pay": steps_to_pay(start, first, upload, cpu["median_us"] / 1e6, gpu["median_us"] / 1e6),
    }


class Side(NamedTuple):
    """What is known of one kind of work at one width and dtype."""

    work: str
    optimizer: str
    crossings: list[Crossing]  # of which the word FASTER says that the CPU is, below
    rows: list[dict[str, Any]]  # of `cpu_gpu`, smallest N first

    def last(self, faster: str) -> dict[str, Any] | None:
        """The row of the largest N at which that one is faster; None where it nowhere is."""
        return next((row for row in reversed(self.rows) if row["faster"] == faster), None)


def sides(frame: pd.DataFrame, hidden: int, dtype: str) -> list[Side]:
    """The rows of `cpu_gpu` at this width and dtype by kind of work and optimizer, with their crossovers over N."""
    found = []
    frame = matching(frame, hidden=hidden, dtype=dtype)
    for (work, optimizer), group in frame.groupby(["work", "optimizer"]) if len(frame) else ():
        rows = records(group.sort_values("batch"))
        points = [
            Measured(row["batch"], row["gpu_times_faster"] ** -1, VERDICTS.get(row["faster"], "")) for row in rows
        ]
        found.append(Side(str(work), str(optimizer), find_crossings(points), rows))
    return found


def has_gpu(run: Run) -> bool:
    """Whether a run has timed anything on a GPU."""
    return bool(((run.cases.status == Status.OK) & run.cases.device.str.startswith("cuda")).any())
