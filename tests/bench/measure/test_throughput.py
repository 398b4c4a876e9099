"""What is timed, by backends on their own clocks: the first call apart, and calls of `train` that are long enough."""

from typing import Any

import numpy as np
import pytest
from trials import make

from bench.grid.case import Case
from bench.measure import rounds, throughput, timing
from bench.measure.trial import Unsuitable, demand_support
from relufit import Params
from relufit.backend import Samples
from relufit.backends.numpy import NumpyBackend


class Slow(NumpyBackend):
    """A backend on its own clock: building, the first call and later calls take known seconds."""

    def __init__(self, build: float = 0.0, first: float = 0.0) -> None:
        super().__init__()
        self.build, self.first, self.calls, self.now = build, first, 0, 0.0

    def samples(self, x: Any, y: Any) -> Samples:
        self.now += self.build
        return super().samples(x, y)

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Any, Params]:
        self.now += self.first if self.calls == 0 else 0.5
        self.calls += 1
        return super().loss_and_grads(params, samples)


def test_the_first_call_is_measured_apart_before_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Building the samples and the first call are timed by the same clock, apart from the steady state."""
    backend = Slow(build=3.0, first=7.0)
    monkeypatch.setattr(timing.time, "perf_counter", lambda: backend.now)
    run, lines = make(Case("gradient", 20, 4), backend)
    params, samples = throughput.draw_samples(run)
    rounds.measure(run, lambda: backend.loss_and_grads(params, samples))
    (line,) = lines
    assert (line["build_seconds"], line["first_call_seconds"]) == (3.0, 7.0)
    assert set(line["seconds"]) == {0.5}
    assert line["agreement"]


def test_a_timed_gradient_teaches_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timed gradient sets the pace that the next size is judged by."""
    backend = Slow()
    monkeypatch.setattr(timing.time, "perf_counter", lambda: backend.now)
    run, _ = make(Case("scaling", 20, 4), backend)
    params, samples = throughput.draw_samples(run)
    rounds.measure(run, lambda: run.backend.loss_and_grads(params, samples))
    with pytest.raises(Unsuitable, match="about 50 s a call"):
        run.past.demand(run.backend.name, Case("scaling", 2000, 4))


@pytest.mark.parametrize("work", ["step", "gradient"])
def test_slow_calls_are_not_made_where_time_is_short(work: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two gradients show that the case takes too long, and of a later case nothing is called."""
    backend = Slow(first=7.0)  # as if it compiled
    monkeypatch.setattr(timing.time, "perf_counter", lambda: backend.now)
    run, lines = make(Case(work, 32, 4, optimizer="adam" if work == "step" else ""), backend)
    run.limit_seconds = 4.0
    predicted = 12 * 0.5 * (25 if work == "step" else 1)
    with pytest.raises(Unsuitable, match=f"would take about {predicted:g} s, and numpy has 4 s for all its cases"):
        getattr(throughput, work)(run)
    assert (backend.calls, lines) == (2, [])
    with pytest.raises(Unsuitable, match=f"would take about {predicted:g} s"):
        demand_support(run)
    assert backend.calls == 2


class PerStep(NumpyBackend):
    """A backend on its own clock, with a known time for each call of `train` and each step in it."""

    now, call_seconds, step_seconds = 0.0, 1e-4, 1e-5

    def train(self, state: Any, samples: Samples, optimizer: Any, plan: Any, epochs: range) -> Any:
        self.now += self.call_seconds + self.step_seconds * len(epochs) * plan.steps_per_epoch(len(samples))
        return state, np.zeros(len(epochs))


@pytest.mark.parametrize(("step_seconds", "epochs"), [(1e-5, 16), (1e-3, 1), (1e-9, 64), (1e-3 / 25, 8)])
def test_a_timed_call_of_train_is_long(step_seconds: float, epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timed call has a power of two of epochs and lasts 5 ms; the first call is kept apart."""
    backend = PerStep()
    backend.step_seconds = step_seconds
    monkeypatch.setattr(timing.time, "perf_counter", lambda: backend.now)
    run, _ = make(Case("step", 32, 4, optimizer="sgd"), backend)
    samples = throughput.draw_samples(run)[1]
    plan = throughput.lengthen(run, lambda plan: backend.train(None, samples, None, plan, range(plan.epochs)))
    assert (plan.batch, plan.epochs) == (32, epochs)
    assert run.noted["first_call_seconds"] == pytest.approx(1e-4 + 25 * step_seconds)
