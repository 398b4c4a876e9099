"""The learning loop that convergence and solving share: slices, seconds, curves, and the end in divergence."""

from dataclasses import replace

import numpy as np
import pytest
from trials import make

from bench.grid.case import Case
from bench.journal.status import Status
from bench.measure import learning
from bench.measure.learning import SLICES, Convergence, Diverging, time_learning
from relufit import SGD
from relufit.backends.numpy import NumpyBackend
from relufit.data import draw_plan

CASE = Case("convergence", 32, 8, optimizer="adam", epochs=100)


def test_slices_are_a_run_in_pieces() -> None:
    """Slices of any length take the minibatches that one run takes, bit by bit, and their seconds add up."""
    backend, rule = NumpyBackend(), SGD(1e-2)
    params, x, y = learning.draw(CASE, 800)
    samples, state = backend.samples(x, y), rule.init(params)
    lengths = iter([2, 4, 0])
    parts = list(learning.train(backend, state, samples, rule, 32, 1, lambda *_: next(lengths)))
    whole, losses = backend.train(state, samples, rule, draw_plan(800, batch=32, epochs=7), range(7))
    assert [part.epochs for part in parts] == [range(1), range(1, 3), range(3, 7)]
    assert parts[0].seconds < parts[1].seconds < parts[2].seconds
    np.testing.assert_array_equal(np.concatenate([part.losses for part in parts]), losses)
    np.testing.assert_array_equal(parts[-1].state.params.w1, whole.params.w1)


def test_a_convergence_has_a_look_after_each_slice() -> None:
    """A case of 100 epochs has 50 looks two epochs apart, the same with and without a clock on the first."""
    run = Convergence(CASE, NumpyBackend())
    run.learn()
    result = run.result()
    assert result["step"] == [50.0 * look for look in range(1, SLICES + 1)]
    assert {len(result[name]) for name in ("step", "train_seconds", "loss", "test_mse")} == {SLICES}
    assert result["test_mse"][-1] < result["test_mse"][0]
    short = Convergence(CASE, NumpyBackend(), slices=1)
    short.learn()
    assert short.seen["test_mse"] == run.seen["test_mse"][:1]


def test_a_divergence_is_a_status_and_keeps_its_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it diverges the look that shows it is the last one, and the row says DIVERGED and why."""
    monkeypatch.setattr(Case, "rule", lambda self: SGD(1e6))
    run = Convergence(replace(CASE, optimizer="sgd"), NumpyBackend())
    trial, _ = make(CASE, NumpyBackend())
    ended = time_learning(trial, run.learn)
    assert ended["status"] == Status.DIVERGED
    assert "after 2 epochs" in ended["reason"]
    assert run.seen["step"] == [50]
    with pytest.raises(Diverging, match="too large"):
        learning.demand_finite([1.0, 1e9], "too large")
