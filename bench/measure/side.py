"""The process of one side of `bench.compare --commits`: it times the cases that its parent asks for.

A request is a tuple of arguments on the pipe whose file descriptor the command line names. `(names, threads)` is
answered by the first line of a journal, `(case, name, number)` by the row of that case. The process ends with the pipe.
"""

import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import relufit
from bench.grid import selection
from bench.hardware import machine
from bench.journal.status import status_of
from bench.measure import backends, timing
from bench.measure.crossover import time_block
from bench.measure.trial import Past


def serve(pipe: "Connection[dict[str, Any], tuple[Any, ...]]") -> None:
    """Answer every request until the parent closes the pipe."""
    machine.share_gpu_memory()
    past = Past()
    with suppress(EOFError):
        while request := pipe.recv():
            pipe.send(time_block(*request, past) if len(request) == 3 else introduce(*request))


def introduce(names: list[str], threads: int | None) -> dict[str, Any]:
    """The first line of a journal, with the state of each backend, and `relufit`: the folder that was imported."""
    return {
        "relufit": str(Path(relufit.__file__).resolve().parent),
        "machine": machine.describe(selection.device_index(names)),
        "code": {"content_hash": machine.content_hash()},
        "settings": {"profile": "commits", "threads": threads, "environment": machine.environment()},
        "backends": {name: _state(name) for name in names},
        "timer_seconds": timing.resolution(),
        "threads_in_force": machine.threads_in_force(),
    }


def _state(name: str) -> dict[str, Any]:
    """The state of a backend; one that this relufit does not know or cannot make is one with a reason."""
    try:
        return backends.state(name)
    except Exception as error:  # what another commit raises is not known here
        return {"reason": status_of(error)[1], "facts": {}}


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
