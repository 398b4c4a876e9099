"""The options of `pytest bench`; what is wrong with one is a sentence, before any work."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench.grid.case import Case
from bench.grid.selection import select
from bench.journal.writer import RESULTS
from bench.measure.budget import QUICK_SECONDS
from relufit.errors import RelufitError


def add(parser: pytest.Parser) -> None:
    """Add the options of the harness; all selections are comma-separated lists."""
    group = parser.getgroup("relufit bench")
    group.addoption("--profile", default="quick", help="quick (default), full, headline or solvers")
    whole, real = partial(_number, kind=int), partial(_number, kind=float)
    seconds = f"time budget; quick: {QUICK_SECONDS:g}, others: none"
    group.addoption("--seconds", type=partial(real, "seconds"), help=seconds)
    group.addoption("--backend", help="only these backends and recipes")
    group.addoption("--target", help="only these functions, for trajectory, convergence and solvers")
    group.addoption("--batch", help="only these batch sizes; an own size is added to the grid")
    group.addoption("--hidden", help="only these widths; an own width is added to the grid")
    group.addoption("--dtype", help="only float32 or float64")
    threads = "threads of the CPU libraries; default: as installed"
    group.addoption("--threads", type=partial(whole, "threads"), help=threads)
    passes = "times to go over the timed cases, for bench.compare; 1"
    group.addoption("--passes", type=partial(whole, "passes"), default=1, help=passes)
    group.addoption("--isolate", action="store_true", help="each backend and pass in a process of its own, watched")
    group.addoption("--resume", type=Path, help="go on with this journal: what stands in it is not measured again")
    group.addoption("--results", default=str(RESULTS), help="folder for the journal")


def _number(option: str, text: str, kind: type[int] | type[float]) -> float:
    """The number that an option was given. Raises UsageError, a sentence, where argparse would print its usage."""
    try:
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise pytest.UsageError(f"--{option} takes {what}, not {text!r}") from None


def choose(option: Any) -> tuple[list[Case], list[str]]:
    """The cases and backends of the run; every option is checked before any work."""
    try:
        for name, least in (("threads", 1), ("passes", 1)):
            if (value := getattr(option, name)) is not None and value < least:
                raise RelufitError(f"--{name} must be at least {least}, not {value}")
        if option.seconds is not None and not option.seconds > 0:
            raise RelufitError(f"--seconds must be positive, not {option.seconds}")
        return select(option)
    except RelufitError as error:
        raise pytest.UsageError(str(error)) from None
