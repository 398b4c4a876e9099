"""The training loop of the workloads convergence and solving, and the records of both.

The loop trains the same network as `relufit.fit`.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from trials import make

from bench.grid.case import SOLVERS, Case
from bench.grid.profiles import grid
from bench.journal.status import Disagreement, Status
from bench.measure import learning
from bench.measure.learning import SLICES, Convergence, Diverging, Solving, time_learning
from relufit import SGD, Params, fit
from relufit.backends.numpy import NumpyBackend
from relufit.fits.deviations import errors_against
from relufit.network.data import draw_plan
from relufit.solvers import lbfgs
from relufit.solvers.progress import silent
from relufit.targets import ZOO

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
    short = Convergence(CASE, NumpyBackend(), looks=1)
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


def case(solver: str, target: str = "sin", hidden: int = 16) -> Case:
    """As the profile has it, of few units."""
    found = next(c for c in grid("solvers") if (c.optimizer, c.target) == (solver, target))
    return Case(**{**vars(found), "hidden": hidden})


@pytest.mark.parametrize("solver", SOLVERS)
def test_each_solver_comes_nearer(solver: str) -> None:
    """Curves have one length and never go back in time; the last error is that of the network that is kept."""
    run = Solving(case(solver), NumpyBackend(), 0.15)
    assert all(check.share <= 1 for check in run.gate().values())
    run.solve()
    result = run.result()
    curves = [result[name] for name in ("step", "train_seconds", "mse", "max_error")]
    assert len({len(values) for values in curves}) == 1
    assert result["train_seconds"] == sorted(result["train_seconds"])
    assert (result["mse"][-1], result["max_error"][-1]) == errors_against(
        ZOO["sin"], run.problem.scaling.unscale(run.params)
    )
    assert result["mse"][-1] < (1e-2 if solver == "spline" else result["mse"][0])
    assert result["asymptotic_mse"] == pytest.approx(1.627e-10 * 32**4, rel=1e-3)
    assert all(check.share <= 1 for check in run.gate_end().values())
    assert sum(result["seconds"]) > 0


@pytest.mark.parametrize("solver", ["adam", "momentum", "sgd"])
def test_it_trains_what_fit_trains(solver: str) -> None:
    """After as many epochs the weights are those of fit, bit by bit."""
    run = Solving(case(solver), NumpyBackend(), 0.3)
    run.solve()
    ours = fit("sin", hidden=16, solver=solver, epochs=int(run.seen["step"][-1]) // 25, progress=False)
    for mine, theirs in zip(run.params, ours.state.params, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert run.seen["mse"][-1] == ours.metrics["mse"]


def test_slices_grow_and_end_with_the_seconds() -> None:
    """A slice is a quarter of what is done, a power of two, 0.2 s at the most, and no more than is left."""
    run = Solving(case("adam"), NumpyBackend(), 10.0)
    assert [run._next_length(done, 1.0, 1e-6) for done in (1, 7, 8, 100)] == [1, 1, 2, 16]
    assert run._next_length(10**6, 1.0, 1e-3) == 128
    assert run._next_length(10**6, 9.99, 1e-3) == 8
    assert run._next_length(10**6, 9.99, 1.0) == 1
    assert run._next_length(10**6, 10.0, 1e-3) == 0


def test_lbfgs_ends_where_the_solver_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """L-BFGS works in float64 on the samples that all solvers train on, and the last look is of its end."""
    monkeypatch.setattr(learning, "ENDLESS", 30)
    run = Solving(case("lbfgs"), NumpyBackend(), 60.0)
    run.solve()
    other = Solving(case("lbfgs"), NumpyBackend(), 60.0)
    ours = lbfgs.minimize(other.problem, other.backend, other.params, 30, silent)
    assert (run.seen["step"][-1], run.seen["mse"][-1]) == (ours.metrics["steps"], ours.metrics["mse"])


def test_lbfgs_ends_with_its_seconds() -> None:
    """L-BFGS ends with its seconds, where by itself it would go on."""
    run = Solving(case("lbfgs", hidden=64), NumpyBackend(), 0.05)
    run.solve()
    assert 0.05 <= run.seen["train_seconds"][-1] < 2


def test_ctrl_c_ends_the_run_and_not_the_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """L-BFGS returns what it has when it is interrupted: the harness goes no further."""
    run = Solving(case("lbfgs"), NumpyBackend(), 60.0)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "look", interrupt)
    run.seen["train_seconds"].append(0.0)
    with pytest.raises(KeyboardInterrupt):
        run._minimize()


def test_a_diverging_solver_keeps_what_it_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that diverges keeps every look before, and the last good network is gated."""
    run = Solving(case("sgd", hidden=64), NumpyBackend(), 60.0)
    monkeypatch.setattr(run, "rule", SGD(50.0))
    start = run.params
    with pytest.raises(Diverging, match="step"):
        run.solve()
    assert run.seen["step"] == [0]
    assert run.params is start
    assert all(np.isfinite(run.seen["mse"]))
    assert run.seconds == [0.0]
    run.gate_end()


class Wrong(NumpyBackend):
    """Off by a thousandth in its output."""

    def forward(self, params: Params, x: Any) -> Any:
        return super().forward(params, x) * x.dtype.type(1.001)


class Lazy(NumpyBackend):
    """Takes half a step."""

    def train(self, state: Any, samples: Any, optimizer: Any, plan: Any, epochs: range) -> Any:
        after, losses = super().train(state, samples, optimizer, plan, epochs)
        half = Params(*((a + b) / 2 for a, b in zip(state.params, after.params, strict=True)))
        return after._replace(params=half), losses


def test_a_wrong_backend_disagrees() -> None:
    """A wrong backend disagrees at the network reached; one whose training is wrong, before its clock starts."""
    for solver in ("spline", "adam"):
        run = Solving(case(solver), Wrong(), 0.0)
        run.solve()
        with pytest.raises(Disagreement, match="output"):
            run.gate_end()
    with pytest.raises(Disagreement, match="trained"):
        Solving(case("momentum"), Lazy(), 0.0).gate()
