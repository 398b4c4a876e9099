"""Runs of bench that are killed at random moments, each a fork of one process that has made the same run before.

    python -m tests.killed_runs FOLDER COUNT SEED

So each takes a second or less. Run n has FOLDER/n for its results, and run 0 goes to its end. For each a line of JSON
is printed: its number, the signal that ended it, and the cases that had finished, told through a pipe as each ended.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.hardware import machine
from tests.bench_runs import SHORT

SECONDS = 2.0  # that the cases of a run take, about
GRID = ["bench", "--benchmark-only", "-q", *SHORT, "--backend", "numpy", "--batch", "16", "--hidden", "4",
        "--seconds", "1"]  # fmt: skip


class Teller:
    """A plugin that writes to a pipe when the run begins, and after the line of each benchmark is on disk."""

    def __init__(self, pipe: int) -> None:
        self.pipe, self.names = pipe, dict[str, str]()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        every: list[Any] = session.items
        keys = {item.nodeid: item.callspec.params["key"] for item in every}
        self.names = {node: f"{case.work} {case.id} {name}" for node, (case, name, _) in keys.items()}
        os.write(self.pipe, b"begins\n")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            os.write(self.pipe, f"{self.names[report.nodeid]}\n".encode())


def run(results: Path, pipe: int) -> int:
    """A whole run in this process."""
    return int(pytest.main([*GRID, "--results", str(results)], plugins=[Teller(pipe)]))


def killed_run(results: Path, before: bool, seconds: float) -> tuple[int, float, list[str]]:
    """Fork a run and kill it so many seconds after it began its cases, or after it was forked.

    Returns the signal that ended it or 0, how long it lasted from there, and what had finished.
    """
    told, tells = os.pipe()
    start, child = time.monotonic(), os.fork()
    if child == 0:
        os.close(told)
        os._exit(run(results, tells))
    os.close(tells)
    with os.fdopen(told) as pipe:
        if not before:
            assert pipe.readline() == "begins\n"
            start = time.monotonic()
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        lasted = time.monotonic() - start
        finished = [line for line in pipe.read().splitlines() if line != "begins"]
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, lasted, finished


def keep(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with what it returns now, whenever it is called."""
    found = function()
    return lambda *given: found


def main() -> None:
    """One whole run here, so that all is imported; then the others, most of them killed at one of their cases."""
    folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    # What takes seconds and writes nothing is done once.
    machine.describe, machine.commit = keep(machine.describe), keep(machine.commit)
    say = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what pytest prints
    told, tells = os.pipe()
    assert run(folder / "0", tells) == 0
    os.close(tells)
    with os.fdopen(told) as pipe:
        every = pipe.read().splitlines()[1:]
    say.write(json.dumps([0, 0, every]) + "\n")
    rng, whole = random.Random(seed), SECONDS
    for number in range(1, count + 1):
        before = number % 5 == 0
        ended, lasted, finished = killed_run(folder / str(number), before, rng.uniform(0, 1 if before else whole))
        whole = min(whole, lasted) if ended == 0 else whole
        say.write(json.dumps([number, ended, finished]) + "\n")


if __name__ == "__main__":
    main()
