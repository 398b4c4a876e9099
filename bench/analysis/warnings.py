"""Warnings on a time: what its rounds, and what was watched beside them, say against it.

Each rule is one function of a row and the first line of its run, and returns a note or None. After a *grave* note the
time is that of something else than the row says: `judged` makes the row UNSOUND. The others say how far to trust it.
"""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from bench.analysis import roofline
from bench.grid.workloads import workload
from bench.hardware.identity import KERNEL_VARIABLES
from bench.journal.schema import MEASURED, UNSYNCHRONIZED
from bench.journal.status import Status, statuses

NOISY = 0.1  # the middle half of the rounds, over their median
DRIFTING = 0.1  # the last third of the rounds against the first
TICKS_SECONDS = 0.05  # five ticks of the system's counters: less cannot be told from nothing
# Of other processes or guests, on average while the rounds lasted: on a large shared host a tenth of a core is no load.
CORES, CORES_SHARE = 0.1, 0.05  # the larger one of these cores, and this share of all logical ones
READINGS = 100  # resolutions of the timer that a round lasts at least
FAULT_SECONDS = 2.5e-7  # of one page fault at least; with zeroing, or in a guest, several times as many
FAULTS_SHARE = 0.1
SEPARATOR = "; "
OWN_CORES = 0.25  # beyond the threads that were asked for
# The largest share of a roof that an honest row was seen to reach is 1.11: ceilings are measured with an error too.
ROOF_LIMIT = 1.25
# What an unsound row does not show: its times, of whatever part of the work.
TIMES = ("seconds", "device_seconds", "train_seconds", "build_seconds", "first_call_seconds")

HAVE_NUMBERS = statuses(has_numbers=True)

Header = dict[str, Any]  # the first line of a journal
Case = dict[str, Any]  # a row of a journal
# How to measure better, by the word of a note.
REMEDIES = {
    "unsynchronized": "`synchronize` of the backend must wait for every call",
    "above the measured ceilings": "look for work that a call leaves out, or does after the clock has stopped",
    "TF32": "switch it off in `pinned` of the backend, and unset NVIDIA_TF32_OVERRIDE",
    "threads not as asked": "set OMP_NUM_THREADS (torch), OPENBLAS_NUM_THREADS or MKL_NUM_THREADS (numpy), "
                            "NUMBA_NUM_THREADS (numba) or PJRT_NPROC (jax) before Python starts",
    "thread beside": "--isolate gives each backend a process of its own",
    "throttled": "raise the quota of the container, or let the GPU cool, and measure again",
    "shared GPU": "end the other processes that nvidia-smi lists, and measure again",
    "loaded machine": "end the processes that top shows, or wait, and measure again",
    "other kernels": "unset the variable, and measure again",
    "drifting": "--passes 12, on an idle machine",
    "noisy": "--passes 12",
    "too short for the timer": "measure at a larger N, or without --seconds, where rounds are longer",
    "page faults": "set MALLOC_MMAP_THRESHOLD_ and MALLOC_TRIM_THRESHOLD_ to 34359738368, which keeps freed memory",
    "subnormals": "measure in float64, in which these weights are normal numbers",
}  # fmt: skip
# The same of work that is measured once, whatever the number of passes.
REMEDIES_ONCE = {"drifting": "measure on an idle machine", "noisy": "measure on an idle machine"}


class Note(NamedTuple):
    """One warning on a time."""

    word: str
    detail: str


def judged(header: Header, row: Case) -> Case:
    """The row of a journal; where a grave note is on its time it is UNSOUND, for that reason and without a time."""
    has_time = row["status"] in HAVE_NUMBERS and (row["seconds"] or row["train_seconds"])
    found = in_words(_found(GRAVE, header, row), row["work"]) if has_time else ""
    if not found and row["status"] != Status.UNSOUND:
        return row
    without = {name: MEASURED[name].absent for name in TIMES}
    return {
        **row,
        **without,
        "passes": {},
        "status": Status.UNSOUND.value,
        "reason": SEPARATOR.join(filter(None, (found, row["reason"]))),
    }


def notes(header: Header, row: Case) -> list[Note]:
    """All warnings on the time of a row; none where it has no time."""
    return _found(RULES, header, row) if row["status"] == Status.OK else []


def under_load(header: Header, row: Case) -> str:
    """What else held the machine or the device back while the row was measured: "other processes had 0.8 cores"."""
    found = _found(OF_LOAD, header, row) if row["status"] in HAVE_NUMBERS else []
    return SEPARATOR.join(note.detail for note in found)


def _found(rules: Sequence["Rule"], header: Header, row: Case) -> list[Note]:
    timed = [rule for rule in rules if row["seconds"] or rule in OF_ALL]
    return [note for rule in timed if (note := rule(header, row)) is not None]


def in_words(found: list[Note], work: str) -> str:
    """For a cell: "noisy: ... (--passes 12)", one after the other."""
    return SEPARATOR.join(f"{note.word}: {note.detail} ({remedy(note.word, work)})" for note in found)


def remedy(word: str, work: str) -> str:
    """How to measure better after a note on this kind of work, which passes may not repeat."""
    kind = workload(work)  # backward is neither timed nor learns: it is a difference of two kinds that are repeated
    is_once = kind.learns or (kind.timed and not kind.repeated)
    return REMEDIES_ONCE.get(word, REMEDIES[word]) if is_once else REMEDIES[word]


def words(text: str) -> list[str]:
    """The first words of such a cell: ["noisy", "drifting"]."""
    return [part.partition(":")[0] for part in text.split(SEPARATOR) if part]


def unsynchronized(header: Header, row: Case) -> Note | None:
    """A call whose result is read back takes many times as long as the clock said."""
    times = row["read_back_seconds"] / np.median(row["seconds"])
    detail = f"{times:.3g} times as long when results are read back"
    return Note("unsynchronized", detail) if times > UNSYNCHRONIZED else None


def above_roof(header: Header, row: Case) -> Note | None:
    """A call took less time than the ceilings of its machine allow."""
    steps = 1 if np.isnan(row["steps"]) else row["steps"]
    share = roofline.shares(header, row, float(np.median(row["seconds"])) / steps)["share_of_roof"]
    return (
        Note("above the measured ceilings", f"{share:.3g} times as fast as they allow") if share > ROOF_LIMIT else None
    )


def tf32(header: Header, row: Case) -> Note | None:
    """A row of float32 was computed with products of 10 bits."""
    mode = header["backends"].get(row["backend"], {}).get("facts", {}).get("tf32")
    is_on = mode == "on" and row["dtype"] == "float32"
    return Note("TF32", "products of float32 are rounded to 10 bits") if is_on else None


def threads(header: Header, row: Case) -> Note | None:
    """More cores worked than --threads allows."""
    asked, used = header["settings"]["threads"], row["cores_used"]
    is_above = asked and used > asked + OWN_CORES and _is_long(row)
    return Note("threads not as asked", f"{used:.2g} cores at work, {asked} asked") if is_above else None


def busy_beside(header: Header, row: Case) -> Note | None:
    """A thread of the run's own process was at work while nothing was timed, just before the rounds."""
    cores = row["cores_idle"]
    loaded = [name for name, state in header["backends"].items() if not state.get("reason")]
    names = ", ".join(loaded[:6]) + (", ..." if len(loaded) > 6 else "")
    detail = (
        f"a thread of this process ran beside the rounds, on {cores:.2g} cores, left by a backend that was loaded "
        f"before ({names})"
    )
    return Note("thread beside", detail) if cores > OWN_CORES else None


def noisy(header: Header, row: Case) -> Note | None:
    """The rounds spread widely."""
    low, median, high = np.quantile(row["seconds"], (0.25, 0.5, 0.75))
    spread = (high - low) / median
    return Note("noisy", f"the middle half of the rounds spreads by {100 * spread:.0f} %") if spread > NOISY else None


def drifting(header: Header, row: Case) -> Note | None:
    """The last third of a pass differs from the first, by more than chance."""
    blocks = [block for block in (row["passes"] or {0: row["seconds"]}).values() if len(block) >= 9]
    thirds = [(block[: len(block) // 3], block[-(len(block) // 3) :]) for block in blocks]
    changes = [(median(last) / median(first) - 1, first, last) for first, last in thirds]
    by, first, last = max(changes, key=lambda change: abs(change[0]), default=(0.0, [], []))
    if abs(by) <= DRIFTING:
        return None
    from scipy.stats import mannwhitneyu  # here, since it takes as long to import as all else that reads journals

    if mannwhitneyu(first, last).pvalue >= 0.01 / len(blocks):
        return None
    return Note("drifting", f"the last third of the rounds took {100 * by:+.0f} % of the first")


def too_short(header: Header, row: Case) -> Note | None:
    """A round lasts only a few resolutions of the clock."""
    readings = np.median(row["seconds"]) * row["iterations"] / header["timer_seconds"]
    detail = f"a round lasts {readings:.2g} times the resolution of the clock"
    return Note("too short for the timer", detail) if readings < READINGS else None


def throttled(header: Header, row: Case) -> Note | None:
    """A container's quota or the GPU's own limits held it back."""
    share = row["throttled_share"]
    if share * row["watched_seconds"] > TICKS_SECONDS / 10:  # this counter has no ticks
        return Note("throttled", f"by the container's quota, {100 * share:.2g} % of the time")
    return Note("throttled", row["gpu_throttled"]) if row["gpu_throttled"] else None


def loaded(header: Header, row: Case) -> Note | None:
    """Other processes, or other guests of the same host, used the cores."""
    kinds = {"other processes": row["cores_of_others"], "other guests of the host": row["cores_stolen"]}
    by, cores = max(kinds.items(), key=lambda item: np.nan_to_num(item[1]))
    most = max(CORES, CORES_SHARE * header["machine"]["logical_cores"])
    return Note("loaded machine", f"{by} had {cores:.2g} cores") if cores > most and _is_long(row, cores) else None


def shared_gpu(header: Header, row: Case) -> Note | None:
    """Another process had the GPU too."""
    count = row["gpu_processes"]
    return Note("shared GPU", f"{count:.0f} processes on it") if count > 1 else None


def other_kernels(header: Header, row: Case) -> Note | None:
    """A variable of the environment made a library take other kernels than it would take as installed."""
    variables = header["settings"]["environment"]
    found = ", ".join(f"{name}={variables[name]}" for name in KERNEL_VARIABLES if name in variables)
    return Note("other kernels", found) if found else None


def subnormals(header: Header, row: Case) -> Note | None:
    """Weights are subnormal, which many CPUs compute slowly with."""
    count = row["subnormals"]
    return Note("subnormals", f"{count:.0f} weights") if count > 0 else None


def page_faults(header: Header, row: Case) -> Note | None:
    """Page faults of memory that is allocated in each call take a large share of the time."""
    faults = row["minor_faults_per_call"]
    is_large = faults * FAULT_SECONDS > FAULTS_SHARE * np.median(row["seconds"])
    return Note("page faults", f"{faults:.0f} a call") if is_large else None


def _is_long(row: Case, cores: float = 1.0) -> bool:
    """Whether the work of that many cores during the rounds is long enough for the system's counters."""
    return bool(cores * row["watched_seconds"] > TICKS_SECONDS)


Rule = Callable[[Header, Case], Note | None]
GRAVE: tuple[Rule, ...] = (unsynchronized, above_roof, tf32, threads)
OF_LOAD: tuple[Rule, ...] = (throttled, shared_gpu, loaded)
OF_ALL: tuple[Rule, ...] = (tf32, subnormals, other_kernels)  # of rows without rounds too
RULES: tuple[Rule, ...] = (*OF_LOAD, busy_beside, drifting, noisy, too_short, page_faults, subnormals, other_kernels)
