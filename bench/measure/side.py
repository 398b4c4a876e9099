"""The process of one side of `bench.compare --commits`: it times the cases that its parent asks for.

A request is one line of JSON on stdin, the reply one line on stdout. `{"backends": [...], "threads": ...}` is answered
by the first line of a journal, `{"backend": ..., "pass": ..., "case": {...}}` by the row of that case. The process ends
with its stdin. Whatever libraries print goes to stderr.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import relufit
from bench.grid.case import Case
from bench.hardware import machine
from bench.journal.status import row, status_of
from bench.measure import backends, throughput, timing
from bench.measure.trial import Past, Trial, demand_support

BLOCK_SECONDS = 0.1  # for the rounds of a block and what comes before them, where calls are short


def serve() -> None:
    """Answer every request until stdin ends."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    machine.share_gpu_memory()
    past = Past()
    for line in sys.stdin:
        request = json.loads(line)
        if "case" in request:
            reply = time_case(Case(**request["case"]), request["backend"], request["pass"], past)
        else:
            reply = introduce(request["backends"], request["threads"])
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def introduce(names: list[str], threads: int | None) -> dict[str, Any]:
    """The first line of a journal, with the state of each backend, and `relufit`: the folder that was imported."""
    found = {name: _state(name) for name in names}
    return {
        "relufit": str(Path(relufit.__file__).resolve().parent),
        "machine": machine.describe(),
        "code": {"content_hash": machine.content_hash()},
        "settings": {"profile": "commits", "threads": threads, "environment": machine.environment()},
        "backends": found,
        "timer_seconds": timing.resolution(),
        "threads_in_force": machine.threads_in_force(),
    }


def _state(name: str) -> dict[str, Any]:
    """The state of a backend; one that this relufit does not know or cannot make is one with a reason."""
    try:
        return backends.state(name)
    except Exception as error:  # what another commit raises is not known here
        return {"reason": status_of(error)[1], "facts": {}}


def time_case(case: Case, name: str, number: int, past: Past) -> dict[str, Any]:
    """The row of a case, gated at its first pass; with the status and the reason where it has no time."""
    rows = [row(case, name, number)]
    try:
        backend = backends.load(name)
        rounds = timing.Rounds(timing.synchronized_clock(backend))
        trial = Trial(case, backend, rounds, rows.append, BLOCK_SECONDS, past, number=number)
        with backend.pinned():
            demand_support(trial)
            getattr(throughput, case.work)(trial)
        backend.memory()  # gives what its allocator keeps back to the device, where the other side finds it
    except Exception as error:  # each library has errors of its own
        status, reason = status_of(error)
        return {**rows[0], "status": status, "reason": reason}
    return rows[-1]


if __name__ == "__main__":
    serve()
