"""The choice among several backends: the order of "auto", what is passed over and why, and what stays an error."""

import csv
import json
import pickle
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relufit import BackendUnavailable, RelufitError, backends, fit, fit_many
from relufit.backend import Backend
from relufit.backends.numpy import NumpyBackend
from relufit.solvers.training import AUTO

PUBLISHED = Path(__file__).parents[3] / "results" / "tables" / "throughput.csv"
CASE = ("machine", "threads", "allocations", "run", "batch", "samples", "hidden", "dtype", "optimizer")
LITTLE: dict[str, Any] = {"hidden": 8, "epochs": 1, "n": 40, "progress": False}


def test_auto_has_the_order_of_the_published_times() -> None:
    """Each backend of AUTO takes less time for a step than the next; no other on the CPU is faster than the first."""
    cases: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    with PUBLISHED.open(newline="") as file:
        for row in csv.DictReader(file):
            if (row["work"], row["status"]) == ("step", "OK") and row["backend"] in backends.TABLE:
                cases[tuple(row[name] for name in CASE)][row["backend"]] = float(row["median_us"])
    assert len(cases) > 50
    for faster, slower in pairwise(AUTO):
        ratios = [case[faster] / case[slower] for case in cases.values() if {faster, slower} <= case.keys()]
        assert np.exp(np.mean(np.log(ratios))) < 1, (faster, slower)
    for case in cases.values():
        others = [microseconds for name, microseconds in case.items() if name not in AUTO]
        assert case[AUTO[0]] < min(others, default=np.inf)


def without(libraries: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let backends of these libraries be unavailable; return the list of names that `fit` will have loaded."""
    loaded: list[str] = []
    load = backends.load

    def limited(name: str) -> Backend:
        loaded.append(name)
        if backends.row(name).library in libraries:
            raise BackendUnavailable(f"no {backends.row(name).library}")
        return load(name)

    monkeypatch.setattr("relufit.solvers.training.load", limited)
    return loaded


def test_auto_takes_the_first_that_can_and_says_why_not_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without numba, numpy-hinge fits one input and numpy several; no GPU, torch or jax is tried."""
    loaded = without(("numba",), monkeypatch)
    one = fit("sin", backend="auto", **LITTLE).metrics
    assert (one["backend"], one["passed_over"]) == ("numpy-hinge", {"numba-hinge": "no numba", "numba": "no numba"})
    x = np.random.default_rng(0).uniform(-1, 1, (30, 2))
    two = fit(x, x[:, 0], backend="auto", hidden=8, epochs=1, progress=False).metrics
    assert two["backend"] == "numpy"
    assert list(two["passed_over"]) == ["numba-hinge", "numba", "numpy-hinge"]
    assert "needs one input (D = 1), not 2" in two["passed_over"]["numpy-hinge"]
    assert set(loaded) == set(AUTO)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_auto_stands_for_its_backends_in_a_list(solver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list may prefer a device and leave the rest to auto."""
    without(("numba", "cupy"), monkeypatch)
    metrics = fit("sin", solver=solver, backend=["cupy-train", "auto"], **LITTLE).metrics
    assert metrics["backend"] == "numpy-hinge"
    assert metrics["passed_over"] == {"cupy-train": "no cupy", "numba-hinge": "no numba", "numba": "no numba"}


def test_what_was_passed_over_survives_json_and_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The metrics are plain values, and each fit has its own."""
    without(("cupy",), monkeypatch)
    first, second = fit_many("sin", seeds=[0, 1], backend=["cupy", "numpy"], **LITTLE)
    for metrics in (json.loads(json.dumps(dict(first.metrics))), pickle.loads(pickle.dumps(first)).metrics):
        assert metrics["passed_over"] == {"cupy": "no cupy"}
    first.metrics["passed_over"].clear()
    assert second.metrics["passed_over"] == {"cupy": "no cupy"}
    assert fit("sin", **LITTLE).metrics["passed_over"] == {}


def test_a_single_backend_that_cannot_run_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """One name has nothing to fall back on, alone or in a list."""
    without(("cupy",), monkeypatch)
    for alone in ("cupy", ["cupy"]):
        with pytest.raises(BackendUnavailable, match=r"^no cupy$"):
            fit("sin", backend=alone, **LITTLE)
    with pytest.raises(RelufitError, match="none of these backends can do this: cupy: no cupy; cupy-train: no cupy"):
        fit("sin", backend=["cupy", "cupy-train"], **LITTLE)


class Failing(NumpyBackend):
    """Raises in the middle of a training, as a device may."""

    def train(self, *arguments: Any) -> Any:
        raise OSError("the device is lost")


def test_a_failure_during_training_is_no_reason_to_pass_over() -> None:
    """What fails while it trains is an error, although another backend is named."""
    with pytest.raises(OSError, match="the device is lost"):
        fit("sin", backend=[Failing("failing"), "numpy"], **LITTLE)
