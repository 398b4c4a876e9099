"""How fast it learns: loss against steps and seconds, from the same weights over the same minibatches.

    pytest bench/test_convergence.py --benchmark-only --target sin

Inside the clock: `train`, in slices of a few epochs, the same for all. Off the clock: a first slice, dropped, in which
compiled libraries compile; between slices, the test error.
A recipe shuffles for itself; its rows say "own order".
"""

from typing import Any

import numpy as np
import pytest

from bench.grid.case import TRAIN_SAMPLES
from bench.grid.data import draw
from bench.journal.status import Status
from bench.measure.trial import Trial, count_subnormals
from relufit import Params, backprop, targets
from relufit.data import split
from relufit.fits import first_divergence
from relufit.optim import State
from relufit.solvers.slices import Slice, train_in_slices

SLICES = 50
CURVE_POINTS = 101


class Diverging(Exception):
    """The loss left the finite numbers."""


@pytest.mark.work("convergence")
def test_convergence(trial: Trial) -> None:
    """Train 800 of 1000 samples in batches of 32, and look at the 200 others after every slice."""
    trial.gate()
    run = Run(trial)
    status, reason = Status.OK, None
    try:
        trial.benchmark.pedantic(run.train_slice, setup=run.look, rounds=SLICES if trial.benchmark.enabled else 1)
        run.look()
    except Diverging as error:
        trial.benchmark.has_error = False
        status, reason = Status.DIVERGED, str(error)
    trial.record(status=status, reason=reason, **run.result())


class Run:
    """One training run in slices: the state reached, and what was seen at each look."""

    def __init__(self, trial: Trial) -> None:
        case, self.backend = trial.case, trial.backend
        params, self.x, self.y = draw(case, 1000)
        train, self.test = split(1000)
        assert len(train) == TRAIN_SAMPLES
        rule = case.rule()
        assert rule is not None
        state = rule.init(Params(*map(self.backend.to_device, params)))
        samples = self.backend.samples(self.x[train], self.y[train])
        self.case, self.plan = case, trial.plan()
        epochs_per_slice = self.plan.epochs // SLICES
        # What a library compiles at its first call is no part of the curve: one slice is trained and dropped.
        self.backend.train(state, samples, rule, self.plan, range(epochs_per_slice))
        self.slices = train_in_slices(self.backend, state, samples, rule, self.plan, epochs_per_slice=epochs_per_slice)
        self.last: Slice | None = None
        self.seen: dict[str, list[Any]] = {"step": [], "train_seconds": [], "loss": [], "test_mse": []}

    def train_slice(self) -> None:
        """The timed part."""
        self.last = next(self.slices)

    def look(self) -> None:
        """Off the clock: test error, divergence. Raises Diverging."""
        if self.last is None:
            return
        seconds = self.last.seconds + (self.seen["train_seconds"][-1] if self.seen["train_seconds"] else 0.0)
        loss, error = float(self.last.losses[-1]), self.test_mse(self.last.state)
        for name, value in zip(self.seen, (self.last.state.step, seconds, loss, error), strict=True):
            self.seen[name].append(value)
        # The losses were taken before each update; what the last update did shows in the test error.
        if first_divergence(np.append(self.last.losses, error)) is not None:
            raise Diverging(
                f"the loss was {loss:.3g} and the test error {error:.3g} after {self.last.epochs.stop} epochs"
            )

    def test_mse(self, state: State) -> float:
        """Mean squared error on the held-out samples, evaluated in float64 by numpy for every backend."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.mean((self.predict(state, self.x[self.test]) - self.y[self.test]) ** 2))

    def predict(self, state: State, x: np.ndarray) -> np.ndarray:
        """The network's output in float64."""
        params = Params(*(self.backend.to_host(p).astype(np.float64) for p in state.params))
        return backprop.forward(params, x.astype(np.float64), xp=np)

    def result(self) -> dict[str, Any]:
        """What the journal keeps: the curves, and the function that was learned."""
        assert self.last is not None
        grid = np.linspace(*targets.ZOO[self.case.target].domain, CURVE_POINTS)[:, None]
        with np.errstate(all="ignore"):
            curve = self.predict(self.last.state, grid)[:, 0]
        subnormal = count_subnormals(self.backend.to_host(p) for p in self.last.state.params)
        return {**self.seen, "curve": curve.tolist(), "subnormals": subnormal}
