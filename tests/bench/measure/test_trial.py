"""What a case must pass before it is timed: the limits of time and memory, and the gate, over many samples too."""

from typing import Any

import numpy as np
import pytest
from trials import make

from bench.agreement import inputs
from bench.agreement.inputs import distinct_samples, gate_inputs
from bench.grid.case import Case
from bench.journal.status import Disagreement
from bench.measure import trial
from bench.measure.trial import Past, Unsuitable, demand_support, gate
from relufit import Params
from relufit.backend import Samples
from relufit.backends.numpy import NumpyBackend


def test_a_gradient_that_would_take_too_long_is_skipped() -> None:
    """The time is predicted from the backend's own last size; other backends and widths are not concerned."""
    past = Past()
    past.learn("numpy", Case("scaling", 10**6), 4.0)
    with pytest.raises(Unsuitable, match=r"about 40 s a call, the limit is 10 s"):
        make(Case("scaling", 10**7), NumpyBackend(), past)[0].past.demand("numpy", Case("scaling", 10**7))
    past.demand("numpy", Case("scaling", 2 * 10**6))
    past.demand("torch-cpu", Case("scaling", 10**7))
    past.demand("numpy", Case("scaling", 10**7, hidden=64))


def test_the_limits_are_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is limited by the pace, memory by what the algorithm keeps: a fused backend goes further."""
    monkeypatch.setattr(trial.machine, "available_bytes", lambda: 8 * 2**30)
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
    monkeypatch.setattr(trial.machine, "available_bytes", lambda: free[0])
    monkeypatch.setattr(trial.memory, "return_free_memory", lambda: free.append(free.pop() + 30 * 2**30))
    demand_support(make(Case("gradient", 2**20), NumpyBackend())[0])
    assert free == [32 * 2**30]


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
