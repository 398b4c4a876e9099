"""What a case must pass before it is timed: the limits of time and memory, and the gate, over many samples too."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mutants import Forgetful, Planted
from trials import make

from bench.agreement import gate as agreement_gate
from bench.agreement.gate import distinct_samples, gate_inputs
from bench.grid.case import Case
from bench.journal.status import Disagreement
from bench.measure import trial
from bench.measure.trial import Past, Unsuitable, demand_support, gate
from relufit import Params, Plan, Samples, State
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
    """Time is limited by the pace, memory by what a backend says that it needs: in blocks it needs little."""
    monkeypatch.setattr(trial.machine, "available_bytes", lambda: 8 * 2**30)
    whole, blocks = NumpyBackend(), NumpyBackend()
    whole.block_elements = None
    with pytest.raises(Unsuitable, match=r"needs up to 95.* GiB at once and 8.0 GiB are free"):
        demand_support(make(Case("scaling", 10**7), whole)[0])
    run, _ = make(Case("scaling", 10**7), blocks)
    demand_support(run)
    run.past.learn(blocks.name, Case("scaling", 10**6), 2.0)
    with pytest.raises(Unsuitable, match="about 20 s a call"):
        demand_support(run)


def test_memory_kept_by_earlier_cases_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that the C library was told to keep is given back, and is no reason to refuse a case."""
    free = [2 * 2**30]
    monkeypatch.setattr(trial.machine, "available_bytes", lambda: free[0])
    monkeypatch.setattr(trial.memory, "return_free_memory", lambda: free.append(free.pop() + 30 * 2**30))
    whole = NumpyBackend()
    whole.block_elements = None
    demand_support(make(Case("gradient", 2**20), whole)[0])
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
    monkeypatch.setattr(agreement_gate, "MANY_SAMPLES", 1000)
    case = Case("scaling", 20_000, 8)
    monkeypatch.setattr(agreement_gate, "DISTINCT_SAMPLES", range(100, 1001))
    _, x, y, exact = gate_inputs(case)
    assert (len(x), len(y), exact.repeats) == (20_000, 20_000, 20)
    np.testing.assert_array_equal(x[:1000], x[1000:2000])
    gate(make(case, NumpyBackend())[0])
    with pytest.raises(Disagreement):
        gate(make(case, Forgetful(samples=500))[0])


def too_far(train: Callable[..., Any], state: State, *rest: Any) -> Any:
    """Right gradients, and weights that go a hundredth too far."""
    after, losses = train(state, *rest)
    far = (before + 1.01 * (p - before) for before, p in zip(state.params, after.params, strict=True))
    return after._replace(params=Params(*(p.astype(state.params.w1.dtype) for p in far))), losses


def first_batch_again(
    train: Callable[..., Any], state: State, samples: Samples, rule: Any, plan: Plan, epochs: range
) -> Any:
    """One step is right; of an epoch of several batches it trains the first again and again."""
    if plan.order is not None:
        plan = plan._replace(order=np.tile(plan.order[:, : plan.batch], plan.steps_per_epoch(len(samples))))
    return train(state, samples, rule, plan, epochs)


@pytest.mark.parametrize(("mistake", "batch", "what"), [(too_far, 40, "step "), (first_batch_again, 32, "trained ")])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_wrong_update_gets_no_time(mistake: Callable[..., Any], batch: int, what: str, optimizer: str) -> None:
    """A wrong update gets no time, by its own comparison or by training in float64, however right its gradients."""
    case, backend = Case("step", batch, 8, optimizer=optimizer), Planted(mistake)
    gate(make(case, NumpyBackend())[0])
    with pytest.raises(Disagreement, match=what):
        gate(make(case, backend)[0])
    gate(make(Case("gradient", batch, 8), backend)[0])
