"""One case with one backend: what is paid once, limits of time and memory, and the gate over many samples."""

from typing import Any

import numpy as np
import pytest
from trials import make

from bench.agreement import inputs
from bench.agreement.inputs import distinct_samples, gate_inputs
from bench.grid.case import Case
from bench.journal.status import Disagreement
from bench.measure import gating, throughput, timing
from bench.measure.budget import Past, Unsuitable
from bench.measure.drawing import draw_samples
from bench.measure.gating import demand_support, gate
from relufit import Params
from relufit.backend import Samples
from relufit.backends.numpy import NumpyBackend


class Slow(NumpyBackend):
    """A backend on a clock of its own: building, the first call and later calls take known seconds."""

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


def test_what_is_paid_once_is_measured_before_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Building the samples and the first call are timed by the same clock, apart from the steady state."""
    backend = Slow(build=3.0, first=7.0)
    monkeypatch.setattr(timing.time, "perf_counter", lambda: backend.now)
    run, lines = make(Case("gradient", 20, 4), backend)
    params, samples = draw_samples(run)
    throughput.measure(run, lambda: backend.loss_and_grads(params, samples))
    (line,) = lines
    assert (line["build_seconds"], line["first_call_seconds"]) == (3.0, 7.0)
    assert set(line["seconds"]) == {0.5}
    assert line["agreement"]


def test_a_gradient_that_would_take_too_long_is_not_begun() -> None:
    """A gradient is foretold from the backend's own last size; others and other widths are not concerned."""
    past = Past()
    past.learn("numpy", Case("scaling", 10**6), 4.0)
    with pytest.raises(Unsuitable, match=r"about 40 s a call, the limit is 10 s"):
        make(Case("scaling", 10**7), NumpyBackend(), past)[0].past.demand("numpy", Case("scaling", 10**7))
    past.demand("numpy", Case("scaling", 2 * 10**6))
    past.demand("torch-cpu", Case("scaling", 10**7))
    past.demand("numpy", Case("scaling", 10**7, hidden=64))


def test_the_limits_are_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is limited by the pace, memory by what the algorithm keeps: a fused backend goes further."""
    monkeypatch.setattr(gating.machine, "available_bytes", lambda: 8 * 2**30)
    unfused, fused = NumpyBackend(), NumpyBackend()
    fused.algorithm = "dense, fused"
    with pytest.raises(Unsuitable, match=r"needs up to .* GiB at once and 8.0 GiB are free"):
        demand_support(make(Case("scaling", 10**7), unfused)[0])
    run, _ = make(Case("scaling", 10**7), fused)
    demand_support(run)
    run.past.learn(fused.name, Case("scaling", 10**6), 2.0)
    with pytest.raises(Unsuitable, match="about 20 s a call"):
        demand_support(run)


def test_memory_kept_by_earlier_cases_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that the C library was told to keep is given back, and is no reason to refuse a case."""
    free = [2 * 2**30]
    monkeypatch.setattr(gating.machine, "available_bytes", lambda: free[0])
    monkeypatch.setattr(gating.memory, "return_free_memory", lambda: free.append(free.pop() + 30 * 2**30))
    demand_support(make(Case("gradient", 2**20), NumpyBackend())[0])
    assert free == [32 * 2**30]


def test_a_timed_gradient_teaches_the_pace() -> None:
    """A timed gradient sets the pace that the next size is judged by."""
    run, _ = make(Case("scaling", 20, 4), Slow())
    params, samples = draw_samples(run)
    throughput.measure(run, lambda: run.backend.loss_and_grads(params, samples))
    with pytest.raises(Unsuitable, match="about 50 s a call"):
        run.past.demand(run.backend.name, Case("scaling", 2000, 4))


@pytest.mark.parametrize(
    ("samples", "distinct"),
    [(800, 800), (10**6, 10**6), (2**20, 131_072), (10**7, 250_000), (10**8, 250_000), (1_000_003, 1_000_003)],
)
def test_the_gate_repeats_samples_above_a_million(samples: int, distinct: int) -> None:
    """The gate takes as many distinct samples as divide N; a prime number is gated in full."""
    assert distinct_samples(samples) == distinct


def test_the_gate_of_many_samples_catches_a_mutant(monkeypatch: pytest.MonkeyPatch) -> None:
    """The right backend passes at N samples; one that leaves out half of the last repetition does not."""
    monkeypatch.setattr(inputs, "MANY_SAMPLES", 1000)
    case = Case("scaling", 20_000, 8)
    monkeypatch.setattr(inputs, "DISTINCT_SAMPLES", range(100, 1001))
    _, x, y, exact = gate_inputs(case)
    assert (len(x), len(y), exact.repeats) == (20_000, 20_000, 20)
    np.testing.assert_array_equal(x[:1000], x[1000:2000])
    gate(make(case, NumpyBackend())[0])

    class Short(NumpyBackend):
        def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Any, Params]:
            return super().loss_and_grads(params, samples.take(slice(0, len(samples) - 500)))

    with pytest.raises(Disagreement):
        gate(make(case, Short())[0])


class PerStep(NumpyBackend):
    """A backend on a clock of its own, with a known time for each call of `train` and each step in it."""

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
    samples = draw_samples(run)[1]
    plan = throughput.lengthen(run, lambda plan: backend.train(None, samples, None, plan, range(plan.epochs)))
    assert (plan.batch, plan.epochs) == (32, epochs)
    assert run.noted["first_call_seconds"] == pytest.approx(1e-4 + 25 * step_seconds)


class Hasty(NumpyBackend):
    """Right gradients, and weights that go a hundredth too far."""

    def train(self, state: Any, samples: Samples, optimizer: Any, plan: Any, epochs: range) -> Any:
        after, losses = super().train(state, samples, optimizer, plan, epochs)
        far = (before + 1.01 * (p - before) for before, p in zip(state.params, after.params, strict=True))
        return after._replace(params=Params(*(p.astype(state.params.w1.dtype) for p in far))), losses


class Forgetful(NumpyBackend):
    """One step is right; of an epoch of several batches it trains the first again and again."""

    def train(self, state: Any, samples: Samples, optimizer: Any, plan: Any, epochs: range) -> Any:
        if plan.order is not None:
            plan = plan._replace(order=np.tile(plan.order[:, : plan.batch], plan.steps_per_epoch(len(samples))))
        return super().train(state, samples, optimizer, plan, epochs)


@pytest.mark.parametrize(("backend", "batch", "what"), [(Hasty, 40, "step "), (Forgetful, 32, "trained ")])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_wrong_update_gets_no_time(backend: type[NumpyBackend], batch: int, what: str, optimizer: str) -> None:
    """A wrong update gets no time, by its own comparison or by training in float64, however right its gradients."""
    case = Case("step", batch, 8, optimizer=optimizer)
    gate(make(case, NumpyBackend())[0])
    with pytest.raises(Disagreement, match=what):
        gate(make(case, backend())[0])
    gate(make(Case("gradient", batch, 8), backend())[0])
