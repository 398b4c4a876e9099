"""A run beside float64's: what is wrong in one step disagrees, what adds up over steps is seen where it begins."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mutants import Planted, UncorrectedAdam

from bench.agreement import answers, trajectory
from bench.agreement.trajectory import STATES, exact_run, flips, forced_steps, free_run
from bench.analysis import learning
from bench.grid.case import Case
from bench.journal.status import Disagreement
from bench.recipes.textbook import TextbookNumpy
from relufit import Params
from relufit.backend import Backend, Samples
from relufit.backends.numpy import NumpyBackend
from relufit.network.data import Plan
from relufit.network.optim import Optimizer, State
from relufit.testing import error_bounds

CASE = Case("trajectory", 32, hidden=24, optimizer="adam", epochs=4)  # 100 steps
EXACT = replace(CASE, dtype="float64")


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_right_backend_agrees_in_every_step(optimizer: str, dtype: str) -> None:
    """A right backend agrees in a step from each of 32 states, each with the very next minibatch."""
    run = exact_run(replace(CASE, optimizer=optimizer, dtype=dtype))
    steps = [forced.state.step for forced in run.forced]
    assert len(set(steps)) == STATES
    assert (steps[0], steps[-1]) == (0, 99)
    for state, x, y, exact in run.forced:
        np.testing.assert_array_equal(exact.grads.w1, error_bounds.reference(state.params, x, y).grads.w1)
        assert {array.dtype.name for tree in (state.params, *state.moments, (x,)) for array in tree} == {dtype}
        assert run.plan.order is not None
        epoch, batch = divmod(state.step, 25)
        np.testing.assert_array_equal(x, run.x[run.plan.order[epoch, 32 * batch : 32 * batch + 32]])
    checks = forced_steps(NumpyBackend(), run)
    assert len(checks) == 4
    assert 0 < answers.worst(checks)[1].share <= 1


def uncorrected(train: Callable[..., Any], state: State, samples: Samples, rule: Any, *rest: Any) -> Any:
    """Adam without the correction of the bias."""
    return train(state, samples, UncorrectedAdam(rule.learning_rate), *rest)


def w2_stays(train: Callable[..., Any], state: State, *rest: Any) -> Any:
    """The 64th step does not update w2; all others are right."""
    after, losses = train(state, *rest)
    return (after if state.step != 63 else after._replace(params=after.params._replace(w2=state.params.w2))), losses


class OneElementOff(NumpyBackend):
    """One element of one gradient is a thousandth too large."""

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Any, Params]:
        loss, grads = super().loss_and_grads(params, samples)
        w1 = grads.w1.copy()
        w1[0, 7] *= w1.dtype.type(1.001)
        return loss, grads._replace(w1=w1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("mutant", "where"),
    [(Planted(uncorrected), "[wb][12] after"), (OneElementOff(), "w1 after"), (Planted(w2_stays), "w2 after 63 steps")],
)
def test_a_wrong_step_disagrees(mutant: Backend, where: str, dtype: str) -> None:
    """Another rule, a wrong element of a gradient and an update left out each disagree by their array."""
    with pytest.raises(Disagreement, match=f"^{where}"):
        answers.demand(forced_steps(mutant, exact_run(replace(CASE, dtype=dtype))))


def test_float64_numpy_never_parts_from_itself() -> None:
    """float64 numpy is at no distance from itself, though one run was made in steps and one in epochs."""
    found = free_run(NumpyBackend(), exact_run(EXACT))
    assert found["step"] == [25, 50, 75, 100]
    assert found["pairs"] == 800 * 24
    assert max(found["distance"]) < 1e-13
    assert found["flips"] == [0] * 4
    assert "status" not in found


class Nudged(NumpyBackend):
    """After the third epoch, one bias is moved by what is given."""

    unit, by = 5, 0.0

    def train(self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range) -> Any:
        after, losses = super().train(state, samples, optimizer, plan, epochs)
        if plan.order is None or epochs != range(2, 3):
            return after, losses
        b1 = after.params.b1.copy()
        b1[self.unit] += self.by
        return after._replace(params=after.params._replace(b1=b1)), losses


@pytest.mark.parametrize("by", [0.5, 1e-4])
def test_a_nudge_is_found_where_it_was_given(by: float) -> None:
    """The distance is the nudge over the way gone, the signs those of the samples between the old knot and the new."""
    run, backend = exact_run(EXACT), Nudged()
    backend.by = by
    found, at = free_run(backend, run), run.marks[2]
    way = np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(at, run.start.params, strict=True)))
    assert max(found["distance"][:2]) < 1e-13
    assert found["flips"][:2] == [0, 0]
    assert found["distance"][2] == pytest.approx(by / way, rel=1e-9)
    z = run.x[:, 0] * at.w1[0, 5] + at.b1[5]  # (N,)
    assert found["flips"][2] == np.count_nonzero((-by < z) & (z <= 0))
    assert (found["flips"][2] > 10) == (by == 0.5)
    assert found["distance"][3] > 0
    assert (found["distance"][2] > learning.PARTED) == (by == 0.5)


def test_signs_are_counted_one_by_one() -> None:
    """Signs are counted by z > 0, at knots on samples too, for any number of inputs and units."""
    rng = np.random.default_rng(0)
    x = np.round(rng.normal(size=(37, 2)), 1)
    first, second = (Params(*(np.round(rng.normal(size=s), 1) for s in ((2, 5), 5, (5, 1), 1))) for _ in range(2))
    first.b1[0], first.w1[:, 0] = -(x[3] @ np.ones(2)), 1.0
    on = [[[z > 0 for z in x[n] @ p.w1 + p.b1] for n in range(37)] for p in (first, second)]
    wanted = sum(a != b for rows in zip(*on, strict=True) for a, b in zip(*rows, strict=True))
    assert flips(first, second, x) == wanted
    assert flips(first, first, x) == 0


def test_an_order_of_its_own_has_no_free_run() -> None:
    """A recipe's single steps are gated like any other's; left to itself it goes another way from the first step."""
    run = exact_run(replace(CASE, optimizer="sgd"))
    answers.demand(forced_steps(TextbookNumpy(), run))
    assert free_run(TextbookNumpy(), run) == {}


def test_a_run_that_diverges_says_who() -> None:
    """The backend diverges after the epochs that it has; where float64 does, only the steps before are gated."""

    def breaks(train: Callable[..., Any], state: State, *rest: Any) -> Any:
        after, losses = train(state, *rest)
        broken = after.params._replace(b2=after.params.b2 * np.float32("nan"))
        return after._replace(params=broken) if after.step == 75 else after, losses

    found = free_run(Planted(breaks), exact_run(CASE))
    assert (found["status"], found["reason"]) == ("DIVERGED", "numpy diverged in epoch 3")
    assert found["step"] == [25, 50]
    hopeless = exact_run(Case("trajectory", 32, optimizer="sgd", epochs=2))
    answers.demand(forced_steps(NumpyBackend(), hopeless))
    found = free_run(NumpyBackend(), hopeless)
    assert (found["status"], found["reason"]) == ("DIVERGED", "float64 itself diverged in epoch 1")
    assert found["distance"] == []


def test_one_backend_cannot_spoil_the_run_of_the_next() -> None:
    """The float64 run is computed once for all; a backend that writes into what it is given has copies."""

    def writes_through(train: Callable[..., Any], state: State, *rest: Any) -> Any:
        after, losses = train(state, *rest)
        for old, new in zip(state.params, after.params, strict=True):
            old[...] = new
        return after, losses

    before = forced_steps(NumpyBackend(), exact_run(EXACT)), free_run(NumpyBackend(), exact_run(EXACT))
    forced_steps(Planted(writes_through), exact_run(EXACT))
    free_run(Planted(writes_through), exact_run(EXACT))
    assert (forced_steps(NumpyBackend(), exact_run(EXACT)), free_run(NumpyBackend(), exact_run(EXACT))) == before


def test_the_float64_run_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The float64 run is made once, and all backends of a case share it."""
    run = exact_run(CASE)
    monkeypatch.setattr(trajectory, "draw", lambda *_: pytest.fail("drawn again"))
    assert exact_run(replace(CASE)) is run
