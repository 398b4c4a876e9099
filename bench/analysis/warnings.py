"""When a number says less than it seems to: what the rounds and their witnesses show, in words.

Every rule is one function of a row and its run that returns what it found, or nothing. The *grave* ones
say that the time is not of what it claims to be: such a row is given no ratio and no verdict. The others say how far to
trust it.
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
TICKS_SECONDS = 0.05  # five ticks of the system's counters of time: less of anything is not told from nothing
CORES = 0.1  # of other processes or guests, on average while the rounds lasted
READINGS = 100  # of the timer, that a round is to last at least
FAULT_SECONDS = 2.5e-7  # of a page fault, at the least; with zeroing and in a guest it is several times as much
FAULTS_SHARE = 0.1
SEPARATOR = "; "
OWN_CORES = 0.25  # beyond the threads that were asked for


class Note(NamedTuple):
    """One thing that is the matter with a time."""

    word: str
    detail: str


def notes(run: Run, case: dict[str, Any]) -> list[Note]:
    """All that is the matter with the time of a case (a row of `run.cases`); none where it has no time."""
    rules = (*OF_ALL, *(OF_ROUNDS if case["seconds"] else ())) if case["status"] == Status.OK else ()
    return [note for rule in rules if (note := rule(run, case)) is not None]


def grave(run: Run, case: dict[str, Any]) -> list[Note]:
    """Those of them for which the time is given no ratio and no verdict."""
    return [note for rule in GRAVE if case["status"] == Status.OK and (note := rule(run, case)) is not None]


def in_words(found: list[Note]) -> str:
    """For a cell: "noisy: ...; drifting: ..."."""
    return SEPARATOR.join(f"{note.word}: {note.detail}" for note in found)


def words(text: str) -> list[str]:
    """The first words of such a cell: ["noisy", "drifting"]."""
    return [part.partition(":")[0] for part in text.split(SEPARATOR) if part]


def unsynchronized(run: Run, case: dict[str, Any]) -> Note | None:
    """What a call takes whose result is read back is many times what the clock said."""
    median, read_back = np.median(case["seconds"]), case["read_back_seconds"]
    if not read_back > UNSYNCHRONIZED * median:
        return None
    return Note("unsynchronized", f"{read_back / median:.3g} times as long when results are read back")


def tf32(run: Run, case: dict[str, Any]) -> Note | None:
    """Products of 10 bits stand in a row of float32."""
    mode = run.header["backends"].get(case["backend"], {}).get("facts", {}).get("tf32")
    is_on = mode == "on" and case["dtype"] == "float32"
    return Note("TF32", "products of float32 are rounded to 10 bits") if is_on else None


def threads(run: Run, case: dict[str, Any]) -> Note | None:
    """More cores were at work than were asked for."""
    asked, used = run.header["settings"]["threads"], case["cores_used"]
    if not asked or not used > asked + OWN_CORES or _short(case):
        return None
    return Note("threads not as asked", f"{used:.2g} cores at work, {asked} asked")


def noisy(run: Run, case: dict[str, Any]) -> Note | None:
    """The rounds spread widely."""
    low, median, high = np.quantile(case["seconds"], (0.25, 0.5, 0.75))
    spread = (high - low) / median
    return Note("noisy", f"the middle half of the rounds spreads by {100 * spread:.0f} %") if spread > NOISY else None


def drifting(run: Run, case: dict[str, Any]) -> Note | None:
    """The last third of a pass differs from the first, by more than chance."""
    blocks = [block for block in (case["passes"] or {0: case["seconds"]}).values() if len(block) >= 9]
    found = [_drift(block) for block in blocks]
    by, p = max(found, key=lambda item: abs(item[0]), default=(0.0, 1.0))
    if not (abs(by) > DRIFTING and p < 0.01 / len(found)):
        return None
    return Note("drifting", f"the last third of the rounds took {100 * by:+.0f} % of the first")


def _drift(block: list[float]) -> tuple[float, float]:
    third = len(block) // 3
    first, last = block[:third], block[-third:]
    return float(np.median(last) / np.median(first) - 1), float(mannwhitneyu(first, last).pvalue)


def too_short(run: Run, case: dict[str, Any]) -> Note | None:
    """A round is but few readings of the clock long."""
    timer, seconds = run.header["timer_seconds"], np.median(case["seconds"]) * case["iterations"]
    if not seconds < READINGS * timer:
        return None
    return Note("too short for the timer", f"a round is {seconds / timer:.2g} times what the clock can tell")


def throttled(run: Run, case: dict[str, Any]) -> Note | None:
    """A container's quota or the GPU's own limits held it back."""
    share = case["throttled_share"]
    if share * case["watched_seconds"] > TICKS_SECONDS / 10:  # this counter has no ticks
        return Note("throttled", f"by the container's quota, {100 * share:.2g} % of the time")
    return Note("throttled", case["gpu_throttled"]) if case["gpu_throttled"] else None


def loaded(run: Run, case: dict[str, Any]) -> Note | None:
    """Other processes, or other guests of the same hardware, were at work."""
    kinds = {"other processes": case["cores_of_others"], "other guests of the host": case["cores_stolen"]}
    by, cores = max(kinds.items(), key=lambda item: item[1] if item[1] == item[1] else 0)
    if not (cores > CORES and not _short(case, cores)):
        return None
    return Note("loaded machine", f"{by} had {cores:.2g} cores")


def shared_gpu(run: Run, case: dict[str, Any]) -> Note | None:
    """Another process had the GPU too."""
    count = case["gpu_processes"]
    return Note("shared GPU", f"{count:.0f} processes on it") if count > 1 else None


def subnormals(run: Run, case: dict[str, Any]) -> Note | None:
    """Weights so small that a CPU takes its slow way with them."""
    count = case["subnormals"]
    return Note("subnormals", f"{count:.0f} weights") if count > 0 else None


def page_faults(run: Run, case: dict[str, Any]) -> Note | None:
    """Memory that comes and goes costs as much as the arithmetic."""
    faults = case["minor_faults_per_call"]
    if not faults * FAULT_SECONDS > FAULTS_SHARE * np.median(case["seconds"]):
        return None
    return Note("page faults", f"{faults:.0f} a call")


def _short(case: dict[str, Any], cores: float = 1.0) -> bool:
    """Whether what that many cores did while the rounds lasted is too little for the system's counters."""
    return not cores * case["watched_seconds"] > TICKS_SECONDS


Rule = Callable[[Run, dict[str, Any]], Note | None]
GRAVE: tuple[Rule, ...] = (unsynchronized, tf32, threads)
OF_ROUNDS: tuple[Rule, ...] = (
    unsynchronized, threads, throttled, shared_gpu, loaded, drifting, noisy, too_short, page_faults,
)  # fmt: skip
OF_ALL: tuple[Rule, ...] = (tf32, subnormals)
