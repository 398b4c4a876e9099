"""What becomes of a case: the statuses and what each means, and which of them an exception is.

Nobody else lists statuses: who needs some of them asks `statuses`.
"""

import time
from enum import StrEnum
from typing import Any, Self

from bench.grid.case import Case
from relufit.errors import RelufitError

PROCESS_ENDED = "its process ended in this case"  # the reason of a case that is CRASHED without an exception
# What libraries say that have no exception of their own for it, or more than one: jax, CUDA, cuBLAS, torch on a CPU.
OUT_OF_MEMORY = ("resource_exhausted", "out of memory", "memoryallocation", "out_of_memory", "alloc_failed",
                 "can't allocate memory")  # fmt: skip
MORE_TIME = "--seconds or --profile full gives more"  # what the reason ends with of a case SKIPPED for lack of time


class Status(StrEnum):
    """The word that a journal holds. An old or foreign journal may hold another one, which is shown as it stands."""

    meaning: str
    failed: bool  # the case fails in all passes, and a comparison with a run in which it had a time fails
    has_numbers: bool  # the row holds what was measured
    retried: bool  # --resume measures the case again

    def __new__(cls, word: str, means: str, failed: bool = False, numbers: bool = False, retried: bool = False) -> Self:
        """A member is the word itself, with its attributes."""
        status = str.__new__(cls, word)
        status._value_ = word
        status.meaning, status.failed, status.has_numbers, status.retried = means, failed, numbers, retried
        return status

    OK = "OK", "measured, and in agreement with float64", False, True
    SKIPPED = "SKIPPED", "not begun: the backend cannot run here or refuses the case, or time or memory is short"
    DISAGREES = "DISAGREES", "an answer is further from float64 numpy than rounding can explain: no time", True
    UNSOUND = "UNSOUND", "measured, but the time is not what it claims to be: it is not published", True
    DIVERGED = "DIVERGED", "the loss became nan, inf or too large; what was measured before it stands", True, True
    TIMEOUT = "TIMEOUT", "did not end within its time; its process was ended", True
    OOM = "OOM", "ran out of the memory of the machine or the device", True
    CRASHED = "CRASHED", "an exception, or the end of its process", True
    INTERRUPTED = "INTERRUPTED", "the user ended the run during this case", False, False, True


def statuses(**wanted: bool) -> list[str]:
    """The statuses with these attributes: `statuses(failed=True)`."""
    return [status for status in Status if all(getattr(status, key) is value for key, value in wanted.items())]


class Disagreement(RelufitError):
    """A backend's answer is further from float64 numpy than rounding can explain."""

    status = Status.DISAGREES


class Unsound(RelufitError):
    """A time that is not what it claims to be; the message is the reason that the tables give."""

    status = Status.UNSOUND


class Diverging(RelufitError):
    """A loss or an error became nan, inf or larger than relufit.fits.DIVERGED_LOSS."""

    status = Status.DIVERGED


def row(case: Case, backend: str, number: int = 0) -> dict[str, Any]:
    """The first fields of a case's line, whatever its status; usual values and the first pass are left out."""
    return {"kind": "case", "backend": backend, "at": round(time.time()), "pass": number or None, **case.unusual}


def status_of(error: BaseException) -> tuple[str, str]:
    """The status and the reason of a case that ended in an exception: its attribute `status`, or what it looks like."""
    lines = str(error).strip().splitlines()
    reason, name = lines[0][:300] if lines else type(error).__name__, type(error).__name__
    if isinstance(status := getattr(error, "status", None), Status):
        return status, reason
    if name == "Skipped":  # pytest's, which reports need not import
        return Status.SKIPPED, reason
    if isinstance(error, MemoryError) or "OutOfMemory" in name or any(map(reason.lower().__contains__, OUT_OF_MEMORY)):
        return Status.OOM, reason
    return Status.CRASHED, f"{name}: {reason}"
