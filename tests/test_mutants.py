"""A suite that cannot fail proves nothing: backends with one planted mistake each, all of which it must catch."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mutants import UncorrectedAdam

from bench.agreement import answers
from bench.grid.case import Case
from bench.grid.data import draw
from bench.journal.status import Disagreement
from relufit import Params, State
from relufit.backend import Backend, Samples
from relufit.backends.numpy import NumpyBackend
from relufit.network import optim
from relufit.network.data import draw_plan
from relufit.testing import REQUIREMENTS, error_bounds


class ScaledGradient(NumpyBackend):
    """Every gradient is 1.001 times too large."""

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Any, Params]:
        loss, grads = super().loss_and_grads(params, samples)
        return loss, Params(*(g * g.dtype.type(1.001) for g in grads))


class ActiveAtTheKink(NumpyBackend):
    """relu'(0) = 1."""

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Any, Params]:
        x, y = samples.x, samples.y
        z = x @ params.w1 + params.b1
        error = np.maximum(z, 0) @ params.w2 + params.b2 - y
        dy = error * (2 / error.size)
        dz = np.where(z >= 0, dy @ params.w2.T, 0)
        return np.mean(error**2), Params(x.T @ dz, dz.sum(0), np.maximum(z, 0).T @ dy, dy.sum(0))


class SummedLoss(NumpyBackend):
    """The loss, and so its gradients, is a sum over the samples."""

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Any, Params]:
        loss, grads = super().loss_and_grads(params, samples)
        return loss * len(samples), Params(*(g * len(samples) for g in grads))


class WritesThrough(NumpyBackend):
    """The update is written into the weights that were given."""

    def to_device(self, array: Any) -> Any:
        return np.array(array)

    def train(self, state: State, samples: Samples, *rest: Any) -> Any:
        after, losses = super().train(state, samples, *rest)
        for old, new in zip(state.params, after.params, strict=True):
            old[...] = new
        return after, losses


class Double(NumpyBackend):
    """Everything is computed in float64, whatever came in."""

    def forward(self, params: Params, x: Any) -> Any:
        return super().forward(Params(*(p.astype(np.float64) for p in params)), x)


class LosesTheDtypeOfNothing(NumpyBackend):
    """An output joined from a list of blocks, which is empty without samples."""

    def forward(self, params: Params, x: Any) -> Any:
        return np.reshape([*super().forward(params, x)], (-1, params.b2.size)).astype(x.dtype if len(x) else None)


class FailsAtNothing(NumpyBackend):
    """Its forward joins one block for each row, which fails for a batch of 0 rows."""

    def forward(self, params: Params, x: Any) -> Any:
        return np.concatenate([super(FailsAtNothing, self).forward(params, row) for row in x[:, None]])


class DropsTheRaggedBatch(NumpyBackend):
    """The last, shorter batch of an epoch is left out."""

    def train(self, state: State, samples: Samples, optimizer: Any, plan: Any, epochs: range) -> Any:
        if plan.order is None:
            return super().train(state, samples, optimizer, plan, epochs)
        losses = []
        for epoch in epochs:
            chosen = samples.take(plan.order[epoch, : len(samples) // plan.batch * plan.batch])
            in_turn = plan._replace(order=np.arange(len(chosen))[None])
            state, loss = super().train(state, chosen, optimizer, in_turn, range(1))
            losses.append(loss[0])
        return state, np.asarray(losses)


def caught(backend: Backend, by: str = "") -> list[str]:
    """The requirements that the backend fails, of those whose names begin so."""
    failed = []
    for name, requirement in REQUIREMENTS.items():
        if not name.startswith(by):
            continue
        try:
            with np.errstate(all="ignore"):  # a mutant may well overflow on its way to being caught
                requirement(backend)
        except pytest.skip.Exception:
            continue
        except (Exception, pytest.fail.Exception):  # whatever a mutant ends in, it has not met the requirement
            failed.append(name)
    return failed


def test_the_real_backend_passes() -> None:
    """The backend that the mutants are derived from fails no requirement."""
    assert caught(NumpyBackend()) == []


@pytest.mark.parametrize(
    ("mutant", "by"),
    [
        (ScaledGradient, "agrees_with_the_definition"),
        (ScaledGradient, "agrees_with_finite_differences(Sizes(samples=20, inputs=1, hidden=9, outputs=1)"),
        (ScaledGradient, "agrees_with_finite_differences(Sizes(samples=20, inputs=2, hidden=9, outputs=2)"),
        (ScaledGradient, "agrees_with_float64(Sizes(samples=800, inputs=1, hidden=512, outputs=1), 'float32')"),
        (ActiveAtTheKink, "is_zero_at_the_kink"),
        (SummedLoss, "agrees_with_float64"),
        (WritesThrough, "leaves_inputs_unchanged"),
        (Double, "keeps_dtypes"),
        (LosesTheDtypeOfNothing, "takes_no_rows(Sizes(samples=4, inputs=1, hidden=6, outputs=1), 'float32'"),
        (FailsAtNothing, "takes_no_rows"),
        (DropsTheRaggedBatch, "trains_as_the_formulas_say"),
    ],
)
def test_a_mutant_is_caught(mutant: type[NumpyBackend], by: str) -> None:
    """The planted mistake fails the requirement that is meant for it."""
    assert caught(mutant(), by)


def test_adam_without_bias_correction_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted in the optimizer itself, it fails the training requirement of every backend that uses it."""
    monkeypatch.setattr(optim.Adam, "coefficients", UncorrectedAdam.coefficients)
    assert caught(NumpyBackend(), "trains_as_the_formulas_say(Adam")


@pytest.mark.parametrize("batch", [32, 800, 8192, 65536])
def test_the_gate_catches_a_mutant_at_every_size_of_the_grid(batch: int) -> None:
    """The bound grows with the reduction length, and stays below a thousandth."""
    params, x, y = draw(Case("gradient", batch))
    exact = error_bounds.reference(params, x, y)
    answers.demand(answers.compare(NumpyBackend(), params, x, y, exact))
    for mutant in (ScaledGradient(), SummedLoss()):
        with pytest.raises(Disagreement):
            answers.demand(answers.compare(mutant, params, x, y, exact))


@pytest.mark.parametrize("rule", [optim.SGD(), optim.Momentum(), optim.Adam()])
def test_the_gate_of_a_step_catches_a_wrong_update(rule: optim.Optimizer) -> None:
    """A rate that is off by a thousandth is seen, and gradients that are N times too large, by Adam too."""

    class WrongRate(NumpyBackend):
        def train(self, state: State, samples: Samples, optimizer: Any, plan: Any, epochs: range) -> Any:
            wrong = replace(optimizer, learning_rate=optimizer.learning_rate * 1.001)
            return super().train(state, samples, wrong, plan, epochs)

    class SummedGradients(NumpyBackend):
        def train(self, state: State, samples: Samples, optimizer: Any, plan: Any, epochs: range) -> Any:
            _, grads = self.loss_and_grads(state.params, samples)
            return optimizer.update(state, Params(*(g * np.float32(len(samples)) for g in grads))), np.zeros(1)

    params, x, y = draw(Case("step", 32, optimizer="adam"))
    exact = error_bounds.reference(params, x, y)
    answers.demand(answers.compare_step(NumpyBackend(), params, x, y, exact, rule))
    for mutant in (WrongRate(), SummedGradients()):
        with pytest.raises(Disagreement):
            answers.demand(answers.compare_step(mutant, params, x, y, exact, rule))


class TakesBatchesInTurn(NumpyBackend):
    """The order of the plan is not looked at."""

    def train(self, state: State, samples: Samples, optimizer: Any, plan: Any, epochs: range) -> Any:
        in_turn = np.tile(np.arange(len(samples)), (plan.epochs, 1))
        return super().train(state, samples, optimizer, plan._replace(order=in_turn), epochs)


class LearnsNothing(NumpyBackend):
    """It shuffles for itself, and gives the weights back as they were."""

    order = "own"

    def train(self, state: State, *rest: Any) -> Any:
        return state, super().train(state, *rest)[1]


class Recipe(TakesBatchesInTurn):
    """The order is its own, and it says so."""

    order = "own"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", [optim.SGD(4e-5), optim.Adam(1e-3)])
def test_the_gate_of_training_catches_another_path(rule: optim.Optimizer, dtype: str) -> None:
    """An epoch of minibatches ends where float64 does: not if a batch is left out, or the order is another one."""
    params, x, y = draw(Case("step", 48, optimizer="adam", dtype=dtype), 800)
    plan = draw_plan(800, batch=48, epochs=1)
    for sound in (NumpyBackend(), Recipe()):
        answers.demand(answers.compare_training(sound, params, x, y, rule, plan))
    for mutant in (DropsTheRaggedBatch(), TakesBatchesInTurn(), LearnsNothing()):
        with pytest.raises(Disagreement, match="trained"):
            answers.demand(answers.compare_training(mutant, params, x, y, rule, plan))
