"""Honest backends get their times on a loaded machine too, and what was not right about a time is in the row."""

import time

import pytest
from trials import measured

from bench.grid.case import Case
from bench.hardware import interference
from bench.journal.status import Unsound
from bench.measure import backends, rounds
from relufit.backends.numpy import NumpyBackend

HIDDEN = 16
FORWARD, GRADIENT = Case("forward", 800, HIDDEN), Case("gradient", 800, HIDDEN)


@pytest.mark.parametrize("pace", [0.5, 0.9])
def test_a_clock_that_runs_slow_is_seen(pace: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in may replace the clock of the rounds; another one was kept when the harness was loaded."""
    right = time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: pace * right())
    status, reason, _ = measured(GRADIENT, NumpyBackend())
    assert (status, reason.partition(":")[0]) == ("UNSOUND", "the clock runs slow")


def test_threads_left_running_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process does while nothing is timed stands in the row of whoever is measured then."""
    monkeypatch.setattr(interference, "idle_cores", lambda: 0.75)
    assert measured(GRADIENT, NumpyBackend())[2]["cores_idle"] == 0.75


HONEST = ("numpy", "numpy-hinge", "numba", "numba-hinge", "torch-cpu", "jax-cpu", "textbook-numpy", "sklearn-recipe",
          "torch-recipe")  # fmt: skip
SLOW = ("jax-cpu", "sklearn-recipe", "torch-recipe")  # whose calls may not fit into a second on a loaded machine
CASES = (FORWARD, GRADIENT, Case("step", 32, HIDDEN, optimizer="sgd"), Case("latency", 1, HIDDEN),
         Case("to_device", 65536), Case("to_host", 65536))  # fmt: skip


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_backend_gets_its_time(name: str) -> None:
    """Each kind of work is OK; a fresh call is timed beside each round, of latency beside every eighth call.

    As in bench.compare, what a loaded machine has made look unsound is measured again, up to three times.
    """
    if reason := backends.unavailable(name):
        pytest.skip(reason)
    backend = backends.load(name)
    with backend.pinned():
        for case in CASES:
            for _ in range(3):
                status, reason, line = measured(case, backend)
                if status != "UNSOUND":
                    break
            assert (status, reason) == ("OK", ""), case.work
            rounds, fresh = len(line["seconds"]), len(line["fresh_seconds"])
            # A loaded machine can make calls so slow that every third round alone has a fresh one.
            assert fresh == rounds or case.work == "latency" or max(line["seconds"]) > 0.02
            assert fresh >= 3
            assert rounds >= (200 if case.work == "latency" and name not in SLOW else 7)


def test_load_on_some_fresh_calls_is_no_memory() -> None:
    """A call that has to compute what the others remember is long every time; load lengthens some calls."""
    calls = rounds.Calls(run=lambda inputs: None)
    rounds.Sample(1, [1e-3] * 9, [1e-3] * 2 + [5e-3] * 7).demand_sound(calls, keeps_models=False)
    with pytest.raises(Unsound, match="remembers results: a call takes 5 times"):
        rounds.Sample(1, [1e-3] * 9, [5e-3] * 9).demand_sound(calls, keeps_models=False)
