"""What a run writes into its journal: the first line, a row for each finished case, a row for each case that failed."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from bench.agreement import gate
from bench.agreement.comparison import Checks
from bench.grid.case import Case
from bench.hardware import cpu_peaks, gpu_peaks, machine
from bench.journal.status import row
from bench.measure import timing
from bench.measure.backends import state, uses_cuda
from relufit.backend import Backend


def first_line(names: list[str], settings: dict[str, Any]) -> dict[str, Any]:
    """All that holds for the whole run of these backends: machine, code, settings, backends; measures the ceilings.

    `settings` are those of whoever measures; `threads` must be among them: a number, or None for "as installed".
    Takes some seconds.
    """
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
        "device_ceilings": gpu_peaks.measure() if uses_cuda(names) else {},
    }


def finished_row(
    case: Case, backend: Backend, number: int, algorithm: str, checks: Checks, **measured: Any
) -> dict[str, Any]:
    """The row of a case that came to its end in pass `number`; `measured` may say that it diverged."""
    return {
        **row(case, backend.name, number),
        "device": backend.device,
        "algorithm": algorithm,
        "order": getattr(backend, "order", "shared"),
        "status": "OK",
        "agreement": gate.recorded(case, checks),
        "load_average": machine.load_average(),
        **measured,
    }


def failed_row(case: Case, name: str, number: int, status: str, reason: str) -> dict[str, Any]:
    """The row of a case that has no result, and why."""
    return {**row(case, name, number), "status": status, "reason": reason}


def count_subnormals(weights: Iterable[np.ndarray]) -> int:
    """How many weights are subnormal: not 0, but below the least normal number of their dtype. Most CPUs slow down."""
    return sum(int(np.count_nonzero((w != 0) & (np.abs(w) < np.finfo(w.dtype).tiny))) for w in weights)
