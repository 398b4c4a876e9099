"""Backends that answer well when they are compared and otherwise when they are timed get no time."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_runs import bench, lines
from mutants import Planted
from trials import measured

from bench.grid.case import Case
from bench.journal.status import status_of
from bench.measure import throughput
from bench.measure.trial import Trial
from relufit import Params, Samples, State
from relufit.backends.numpy import NumpyBackend

HIDDEN = 16
FORWARD, GRADIENT = Case("forward", 800, HIDDEN), Case("gradient", 800, HIDDEN)
STEP = Case("step", 32, HIDDEN, optimizer="adam")
AFTER = 8  # calls, after which a backend that was compared believes to be timed


class Remembers(NumpyBackend):
    """Keeps the results of weights, by what `key` makes of them."""

    def __init__(self, key: Callable[[Params], Any]) -> None:
        super().__init__()
        self.key, self.kept = key, dict[Any, Any]()

    def loss_and_grads(self, params: Params, samples: Samples) -> Any:
        key = self.key(params), len(samples)
        if key not in self.kept:
            self.kept[key] = params, super().loss_and_grads(params, samples)
        return self.kept[key][1]

    def forward(self, params: Params, x: np.ndarray) -> Any:
        key = self.key(params), x.shape
        if key not in self.kept:
            self.kept[key] = params, super().forward(params, x)
        return self.kept[key][1]


class Late(NumpyBackend):
    """Answers well in its first calls, and then as `forward_later`, `gradient_later` and `train_later` do."""

    calls = 0

    def is_late(self) -> bool:
        self.calls += 1
        return self.calls > AFTER

    def forward(self, params: Params, x: np.ndarray) -> Any:
        return self.forward_later(params, x) if self.is_late() else super().forward(params, x)

    def loss_and_grads(self, params: Params, samples: Samples) -> Any:
        return self.gradient_later(params, samples) if self.is_late() else super().loss_and_grads(params, samples)

    def forward_later(self, params: Params, x: np.ndarray) -> Any:
        return super().forward(params, x)

    def gradient_later(self, params: Params, samples: Samples) -> Any:
        return super().loss_and_grads(params, samples)


class Zeros(Late):
    def forward_later(self, params: Params, x: np.ndarray) -> Any:
        return np.zeros((len(x), 1), x.dtype)

    def gradient_later(self, params: Params, samples: Samples) -> Any:
        return np.float32(0), Params(*map(np.zeros_like, params))


class Half(Late):
    def gradient_later(self, params: Params, samples: Samples) -> Any:
        return NumpyBackend.loss_and_grads(self, params, samples.take(slice(0, len(samples) // 2)))

    def forward_later(self, params: Params, x: np.ndarray) -> Any:
        y = NumpyBackend.forward(self, params, x)
        y[len(y) // 2 :] = 0
        return y


class Previous(NumpyBackend):
    """Gives the result of the call before, once it has been compared."""

    calls, before = 0, None

    def loss_and_grads(self, params: Params, samples: Samples) -> Any:
        self.calls += 1
        found, given = super().loss_and_grads(params, samples), self.before
        self.before = found
        return given if self.calls > AFTER else found


class Thread(Late):
    """Has a thread compute the result, and does not wait for it."""

    def gradient_later(self, params: Params, samples: Samples) -> Any:
        loss, grads = np.zeros((), "float32"), Params(*map(np.zeros_like, params))

        def compute() -> None:
            time.sleep(0.001)
            loss[...], right = NumpyBackend.loss_and_grads(NumpyBackend(), params, samples)
            for into, value in zip(grads, right, strict=True):
                into[...] = value

        threading.Thread(target=compute).start()
        return loss, grads


class Wide(NumpyBackend):
    """Computes in float64 whatever it is given."""

    def __init__(self, *verbs: str) -> None:
        super().__init__()
        self.verbs = verbs

    def forward(self, params: Params, x: np.ndarray) -> Any:
        return super().forward(params, x).astype("float64" if "forward" in self.verbs else x.dtype)

    def loss_and_grads(self, params: Params, samples: Samples) -> Any:
        loss, grads = super().loss_and_grads(params, samples)
        dtype = "float64" if "gradient" in self.verbs else params.w1.dtype
        return loss, Params(*(g.astype(dtype) for g in grads))


class WideStates(NumpyBackend):
    def train(self, *arguments: Any) -> Any:
        state, losses = super().train(*arguments)
        return state._replace(params=Params(*(p.astype("float64") for p in state.params))), losses


class WidensLater(Late):
    def gradient_later(self, params: Params, samples: Samples) -> Any:
        loss, grads = NumpyBackend.loss_and_grads(self, params, samples)
        return loss, Params(*(g.astype("float64") for g in grads))


class Idle(NumpyBackend):
    """Returns the state that it is given, once it has been compared."""

    calls = 0

    def train(self, state: State, *rest: Any) -> Any:
        self.calls += 1
        after, losses = super().train(state, *rest)
        return (state._replace(step=after.step) if self.calls > 12 else after), losses


class Transfers(NumpyBackend):
    """Gives the copy that it has made before."""

    kept: Any = None

    def to_device(self, array: Any) -> Any:
        if np.shape(array) == (65536, 1):
            self.kept = np.array(array) if self.kept is None else self.kept
            return self.kept
        return super().to_device(array)


class Zeroed(NumpyBackend):
    def to_host(self, array: Any) -> Any:
        return np.zeros_like(array) if np.shape(array) == (65536, 1) else super().to_host(array)


def diverges(train: Callable[..., Any], *arguments: Any) -> Any:
    state, losses = train(*arguments)
    return state, losses * np.float32("nan")


ELSE, REMEMBERS = "the timed calls return something else", "remembers results"
BAD = {
    "by identity": (GRADIENT, lambda: Remembers(id), "UNSOUND", REMEMBERS),
    "by identity, forward": (FORWARD, lambda: Remembers(id), "UNSOUND", REMEMBERS),
    "by value": (GRADIENT, lambda: Remembers(lambda p: p.b2.tobytes() + p.w2.tobytes()), "UNSOUND", REMEMBERS),
    "by shape": (GRADIENT, lambda: Remembers(lambda p: p.w1.shape), "UNSOUND", ELSE),
    "zeros": (GRADIENT, Zeros, "UNSOUND", ELSE),
    "zeros, forward": (FORWARD, Zeros, "UNSOUND", ELSE + ": output"),
    "zeros, latency": (Case("latency", 800, HIDDEN), Zeros, "UNSOUND", ELSE + ": output"),
    "the previous": (GRADIENT, Previous, "UNSOUND", ELSE),
    "half of the batch": (GRADIENT, Half, "UNSOUND", ELSE),
    "half of the batch, forward": (FORWARD, Half, "UNSOUND", ELSE),
    "a thread": (GRADIENT, Thread, "UNSOUND", ELSE),
    "float64 output": (FORWARD, lambda: Wide("forward"), "DISAGREES", "output has the dtype float64"),
    "float64 gradients": (GRADIENT, lambda: Wide("gradient"), "DISAGREES", "w1 has the dtype float64"),
    "float64 weights": (STEP, WideStates, "DISAGREES", "w1 has the dtype float64"),
    "float64 later": (GRADIENT, WidensLater, "UNSOUND", ELSE + ": w1 has the dtype float64"),
    "no step": (STEP, Idle, "UNSOUND", ELSE + ": the weights have not moved"),
    "a kept array": (Case("to_device", 65536), Transfers, "UNSOUND", ELSE + ": the copy holds other values"),
    "an empty array": (Case("to_host", 65536), Zeroed, "UNSOUND", ELSE + ": the copy holds other values"),
    "diverging": (STEP, lambda: Planted(diverges), "DIVERGED", "the loss of the timed steps became nan"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_backend_gets_no_time(name: str) -> None:
    """What is wrong is the status and the reason, and neither the journal nor pytest-benchmark has a time."""
    case, make, status, reason = BAD[name]
    found, why, _ = measured(case, make())
    assert (found, why[: len(reason)]) == (status, reason)


@pytest.mark.parametrize("batch", [1000, 4000])
def test_large_batches_are_compared_as_a_whole(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the bounds of every element are out of reach, loss and gradient as one vector are compared."""
    monkeypatch.setattr("bench.agreement.timed.FULL_PAIRS", 100)
    monkeypatch.setattr("bench.agreement.timed.PIECE", 1500)  # in pieces, the last of which is smaller
    case = Case("scaling", batch, HIDDEN)
    assert gradient_of(case, NumpyBackend())[0] == "OK"
    for bad in (Zeros, Half, Previous):
        status, reason = gradient_of(case, bad())
        assert (status, reason.partition(":")[0]) == ("UNSOUND", "the timed calls return something else")


def gradient_of(case: Case, backend: Any) -> tuple[str, str]:
    """The status and the reason of a gradient at many samples."""
    trial = Trial(case, backend, None, lambda line: None, 0.1)
    try:
        throughput.gradient(trial)
    except Exception as error:
        return status_of(error)
    return "OK", ""


PLUGIN = """
import numpy as np
from relufit import backends, Params
from relufit.backends import Row
from relufit.backends.numpy import NumpyBackend

class Remembers(NumpyBackend):
    kept = {}

    def loss_and_grads(self, params, samples):
        if id(params) not in self.kept:
            self.kept[id(params)] = params, super().loss_and_grads(params, samples)
        return self.kept[id(params)][1]

class Zeros(NumpyBackend):
    calls = 0

    def loss_and_grads(self, params, samples):
        self.calls += 1
        found = super().loss_and_grads(params, samples)
        return found if self.calls < 60 else (found[0], Params(*(0 * g for g in found[1])))

for made in (Remembers, Zeros):
    backends.TABLE[made.__name__.lower()] = Row(f"bad:{made.__name__}", "cpu", "numpy", "-")
"""


def test_a_run_with_bad_backends_fails(tmp_path: Path) -> None:
    """The rows say what is wrong, pytest-benchmark shows the honest backend alone, and the run ends with 1."""
    (tmp_path / "bad.py").write_text(PLUGIN)
    words = ["--benchmark-only", "-p", "bad", "-k", "test_gradient", "--backend", "remembers,zeros,numpy", "--batch",
             "800", "--hidden", "16", "--seconds", "5", "--benchmark-json", str(tmp_path / "times.json")]  # fmt: skip
    done = bench(tmp_path, *words, PYTHONPATH=f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    assert done.returncode == 1, done.stdout + done.stderr
    rows = {row["backend"]: row for row in lines(tmp_path) if row["kind"] == "case"}
    assert rows["remembers"]["status"] == rows["zeros"]["status"] == "UNSOUND"
    assert str(rows["remembers"]["reason"]).startswith(REMEMBERS)
    assert str(rows["zeros"]["reason"]).startswith(ELSE)
    assert "seconds" not in rows["remembers"]
    assert rows["numpy"]["status"] == "OK"
    shown = (tmp_path / "times.json").read_text()
    assert "remembers" not in shown.partition('"benchmarks"')[2]
    assert "batch=800,hidden=16-numpy" in shown
