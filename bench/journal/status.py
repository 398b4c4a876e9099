"""What every line of a case begins with, whatever became of it, and which status and reason an exception is."""

import time
from dataclasses import asdict
from typing import Any

import pytest

from bench.grid.case import Case
from relufit.errors import RelufitError


class Disagreement(RelufitError):
    """A backend's answer is further from float64 numpy than rounding can explain."""


def row(case: Case, backend: str, number: int = 0) -> dict[str, Any]:
    """What every line of a case begins with, whatever became of it; the first pass and usual fields are left out."""
    unusual = {name: value for name, value in asdict(case).items() if value != getattr(Case("", 0), name)}
    return {"kind": "case", "backend": backend, "at": round(time.time()), "pass": number or None, **unusual}


def status_of(error: BaseException) -> tuple[str, str]:
    """The status and the reason of a case that ended in an exception."""
    lines = str(error).strip().splitlines()
    reason = lines[0][:300] if lines else type(error).__name__
    if isinstance(error, pytest.skip.Exception):
        return "SKIPPED", reason
    if isinstance(error, Disagreement):
        return "DISAGREES", reason
    # jax has no type of its own for it.
    if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__ or "RESOURCE_EXHAUSTED" in reason:
        return "OOM", reason
    return "CRASHED", f"{type(error).__name__}: {reason}"
