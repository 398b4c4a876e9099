"""Warnings on a time: what its rounds, and what was watched beside them, say against it.

Each rule is one function of a row and its run that returns a note or None. After a *grave* note the time is that of
something else than the row says: it is given no ratio and no verdict. The others say how far to trust it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import mannwhitneyu

from bench.analysis.frames import Run
from bench.journal.schema import UNSYNCHRONIZED
from bench.journal.status import Status

NOISY = 0.1  # the middle half of the rounds, over their median
DRIFTING = 0.1  # the last third of the rounds against the first
TICKS_SECONDS = 0.05  # five ticks of the system's counters: less cannot be told from nothing
CORES = 0.1  # of other processes or guests, on average while the rounds lasted
READINGS = 100  # resolutions of the timer that a round lasts at least
FAULT_SECONDS = 2.5e-7  # of one page fault at least; with zeroing, or in a guest, several times as many
FAULTS_SHARE = 0.1
SEPARATOR = "; "
OWN_CORES = 0.25  # beyond the threads that were asked for


class Note(NamedTuple):
    """One warning on a time."""

    word: str
    detail: str


def notes(run: Run, case: dict[str, Any]) -> list[Note]:
    """All warnings on the time of a case (a row of `run.cases`); none where it has no time."""
    rules = (*OF_ALL, *(OF_ROUNDS if case["seconds"] else ())) if case["status"] == Status.OK else ()
    return [note for rule in rules if (note := rule(run, case)) is not None]


def grave(run: Run, case: dict[str, Any]) -> list[Note]:
    """The warnings that leave the time without a ratio and a verdict."""
    return [note for rule in GRAVE if case["status"] == Status.OK and (note := rule(run, case)) is not None]


def in_words(found: list[Note]) -> str:
    """For a cell: "noisy: ...; drifting: ..."."""
    return SEPARATOR.join(f"{note.word}: {note.detail}" for note in found)


def words(text: str) -> list[str]:
    """The first words of such a cell: ["noisy", "drifting"]."""
    return [part.partition(":")[0] for part in text.split(SEPARATOR) if part]


def unsynchronized(run: Run, case: dict[str, Any]) -> Note | None:
    """A call whose result is read back takes many times as long as the clock said."""
    times = case["read_back_seconds"] / np.median(case["seconds"])
    detail = f"{times:.3g} times as long when results are read back"
    return Note("unsynchronized", detail) if times > UNSYNCHRONIZED else None


def tf32(run: Run, case: dict[str, Any]) -> Note | None:
    """A row of float32 was computed with products of 10 bits."""
    mode = run.header["backends"].get(case["backend"], {}).get("facts", {}).get("tf32")
    is_on = mode == "on" and case["dtype"] == "float32"
    return Note("TF32", "products of float32 are rounded to 10 bits") if is_on else None


def threads(run: Run, case: dict[str, Any]) -> Note | None:
    """More cores worked than --threads allows."""
    asked, used = run.header["settings"]["threads"], case["cores_used"]
    is_above = asked and used > asked + OWN_CORES and _is_long(case)
    return Note("threads not as asked", f"{used:.2g} cores at work, {asked} asked") if is_above else None


def busy_beside(run: Run, case: dict[str, Any]) -> Note | None:
    """A thread of the run's own process was at work while nothing was timed, just before the rounds."""
    cores = case["cores_idle"]
    loaded = [name for name, state in run.header["backends"].items() if not state.get("reason")]
    names = ", ".join(loaded[:6]) + (", ..." if len(loaded) > 6 else "")
    detail = (
        f"a thread of this process ran beside the rounds, on {cores:.2g} cores, left by a backend that was loaded "
        f"before ({names}), --isolate gives each a process of its own"
    )
    return Note("thread beside", detail) if cores > OWN_CORES else None


def noisy(run: Run, case: dict[str, Any]) -> Note | None:
    """The rounds spread widely."""
    low, median, high = np.quantile(case["seconds"], (0.25, 0.5, 0.75))
    spread = (high - low) / median
    return Note("noisy", f"the middle half of the rounds spreads by {100 * spread:.0f} %") if spread > NOISY else None


def drifting(run: Run, case: dict[str, Any]) -> Note | None:
    """The last third of a pass differs from the first, by more than chance."""
    blocks = (case["passes"] or {0: case["seconds"]}).values()
    found = [_drift(block) for block in blocks if len(block) >= 9]
    by, p = max(found, key=lambda item: abs(item[0]), default=(0.0, 1.0))
    detail = f"the last third of the rounds took {100 * by:+.0f} % of the first"
    return Note("drifting", detail) if abs(by) > DRIFTING and p < 0.01 / len(found) else None


def _drift(block: list[float]) -> tuple[float, float]:
    first, last = block[: len(block) // 3], block[-(len(block) // 3) :]
    return float(np.median(last) / np.median(first) - 1), float(mannwhitneyu(first, last).pvalue)


def too_short(run: Run, case: dict[str, Any]) -> Note | None:
    """A round lasts only a few resolutions of the clock."""
    readings = np.median(case["seconds"]) * case["iterations"] / run.header["timer_seconds"]
    detail = f"a round lasts {readings:.2g} times the resolution of the clock"
    return Note("too short for the timer", detail) if readings < READINGS else None


def throttled(run: Run, case: dict[str, Any]) -> Note | None:
    """A container's quota or the GPU's own limits held it back."""
    share = case["throttled_share"]
    if share * case["watched_seconds"] > TICKS_SECONDS / 10:  # this counter has no ticks
        return Note("throttled", f"by the container's quota, {100 * share:.2g} % of the time")
    return Note("throttled", case["gpu_throttled"]) if case["gpu_throttled"] else None


def loaded(run: Run, case: dict[str, Any]) -> Note | None:
    """Other processes, or other guests of the same host, used the cores."""
    kinds = {"other processes": case["cores_of_others"], "other guests of the host": case["cores_stolen"]}
    by, cores = max(kinds.items(), key=lambda item: np.nan_to_num(item[1]))
    return Note("loaded machine", f"{by} had {cores:.2g} cores") if cores > CORES and _is_long(case, cores) else None


def shared_gpu(run: Run, case: dict[str, Any]) -> Note | None:
    """Another process had the GPU too."""
    count = case["gpu_processes"]
    return Note("shared GPU", f"{count:.0f} processes on it") if count > 1 else None


def subnormals(run: Run, case: dict[str, Any]) -> Note | None:
    """Weights are subnormal, which many CPUs compute slowly with."""
    count = case["subnormals"]
    return Note("subnormals", f"{count:.0f} weights") if count > 0 else None


def page_faults(run: Run, case: dict[str, Any]) -> Note | None:
    """Page faults of memory that is allocated in each call take a large share of the time."""
    faults = case["minor_faults_per_call"]
    is_large = faults * FAULT_SECONDS > FAULTS_SHARE * np.median(case["seconds"])
    return Note("page faults", f"{faults:.0f} a call") if is_large else None


def _is_long(case: dict[str, Any], cores: float = 1.0) -> bool:
    """Whether the work of that many cores during the rounds is long enough for the system's counters."""
    return bool(cores * case["watched_seconds"] > TICKS_SECONDS)


Rule = Callable[[Run, dict[str, Any]], Note | None]
GRAVE: tuple[Rule, ...] = (unsynchronized, tf32, threads)
OF_ROUNDS: tuple[Rule, ...] = (
    unsynchronized, threads, busy_beside, throttled, shared_gpu, loaded, drifting, noisy, too_short, page_faults,
)  # fmt: skip
OF_ALL: tuple[Rule, ...] = (tf32, subnormals)
