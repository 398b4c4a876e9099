"""What a run writes into its journal: the first line, a row for each finished case, a row for each case that failed."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from bench.agreement.gate import recorded
from bench.grid.case import Case
from bench.hardware import cpu_peaks, gpu_peaks, machine
from bench.journal.status import Status, row
from bench.measure import timing
from bench.measure.backends import load, state, unavailable
from bench.measure.trial import Trial, Write
from bench.recipes import order_of


def first_line(names: list[str], settings: dict[str, Any]) -> dict[str, Any]:
    """All that holds for the whole run of these backends: machine, code, settings, backends; measures the ceilings.

    `settings` are those of the command; `threads` must be among them: a number, or None for "as installed". Takes some
    seconds.
    """
    on_cuda = any(unavailable(name) is None and load(name).device == "cuda" for name in names)
    return {
        "machine": machine.describe(),
        "code": machine.commit(),
        "settings": {
            **settings,
            "garbage_collector": "off while timing",
            "environment": machine.environment(),
        },
        "backends": {name: state(name) for name in names},
        "timer_seconds": timing.resolution(),
        "threads_in_force": machine.threads_in_force(),
        "ceilings": cpu_peaks.measure(settings["threads"]),
        "device_ceilings": gpu_peaks.measure() if on_cuda else {},
    }


def record(trial: Trial, **measured: Any) -> None:
    """Write the row of a finished case, unless timing is disabled; `measured` may say that it diverged."""
    if not trial.benchmark.disabled:
        trial.write(
            {
                **row(trial.case, trial.backend.name, trial.number),
                "device": trial.backend.device,
                "algorithm": trial.algorithm,
                "order": order_of(trial.backend),
                "status": Status.OK,
                "agreement": recorded(trial.case, trial.checks),
                "load_average": machine.load_average(),
                **trial.noted,
                **measured,
            }
        )


def record_failure(write: Write, case: Case, name: str, number: int, status: str, reason: str) -> None:
    """Write the row of a case that has no result, and why: skipped, in disagreement, out of memory, crashed."""
    write({**row(case, name, number), "status": status, "reason": reason})


def count_subnormals(weights: Iterable[np.ndarray]) -> int:
    """How many weights are subnormal: not 0, but below the least normal number of their dtype. Most CPUs slow down."""
    return sum(int(np.count_nonzero((w != 0) & (np.abs(w) < np.finfo(w.dtype).tiny))) for w in weights)
