"""Learning curves: train in slices of whole epochs, and look at the network after each slice, off the clock.

`convergence` trains for the case's epochs and looks at held-out samples; `solving` (bench/measure/solving.py) trains
until its seconds are spent and looks at the function itself. The slices, the curves and the end in divergence are the
same.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.grid.case import TRAIN_SAMPLES, Case
from bench.grid.data import draw
from bench.journal.status import Status
from bench.measure.drawing import put
from bench.measure.recording import count_subnormals
from bench.measure.trial import Trial
from relufit import backprop, targets
from relufit.backend import Backend, Samples
from relufit.data import draw_plan, split
from relufit.fits import first_divergence
from relufit.optim import Optimizer, State
from relufit.params import Params
from relufit.solvers.slices import Slice, train_in_slices

SAMPLES = 1000  # that a target is sampled at; TRAIN_SAMPLES of them are trained on
SLICES = 50  # of a convergence case
CURVE_POINTS = 101


class Diverging(Exception):
    """A loss or an error became nan, inf or larger than relufit.fits.DIVERGED_LOSS."""

    status = Status.DIVERGED


Curves = dict[str, list[float]]  # what was seen: a value at each look


def add_look(curves: Curves, *values: float) -> None:
    """Keep what was seen at a look, in the order of the curves."""
    for curve, value in zip(curves.values(), values, strict=True):
        curve.append(value)


def demand_finite(losses: Any, message: str) -> None:
    """Raise Diverging with this message where one of the losses, of standardised data, shows a divergence."""
    if first_divergence(np.asarray(losses)) is not None:
        raise Diverging(message)


def train(
    backend: Backend,
    state: State,
    samples: Samples,
    rule: Optimizer,
    batch: int,
    epochs: int,
    next_epochs: Callable[[int, float, float], int],
) -> Iterator[Slice]:
    """Train in slices; a slice's `seconds` are those of training since the start.

    The first slice has `epochs` epochs, each later one `next_epochs(epochs so far, seconds so far, seconds an epoch)`,
    until that is 0. The order of minibatches is drawn off the clock.
    """
    done, seconds = 0, 0.0
    while epochs:
        plan = draw_plan(len(samples), batch=batch, epochs=epochs, first_epoch=done)
        (part,) = train_in_slices(backend, state, samples, rule, plan, epochs_per_slice=epochs)
        state, done, seconds = part.state, done + epochs, seconds + part.seconds
        yield part._replace(epochs=range(done - epochs, done), seconds=seconds)
        epochs = next_epochs(done, seconds, part.seconds / epochs)


def time_learning(trial: Trial, learn: Callable[[], None]) -> dict[str, str]:
    """Train under the benchmark's clock. Returns status and reason if it diverges; the curves stay as they are."""
    try:
        trial.benchmark.pedantic(learn)
    except Diverging as error:
        trial.benchmark.has_error = False
        return {"status": error.status, "reason": str(error)}
    return {}


class Convergence:
    """One training of a case: the state reached, and the test error on 200 held-out samples after each slice."""

    def __init__(self, case: Case, backend: Backend, slices: int = SLICES) -> None:
        params, x, y = draw(case, SAMPLES)
        chosen, test = split(SAMPLES)
        assert len(chosen) == TRAIN_SAMPLES
        rule = case.rule()
        assert rule is not None
        self.case, self.backend = case, backend
        self.x, self.y = x[test], y[test]
        self.state = rule.init(put(backend, params))
        epochs = case.epochs // SLICES
        more = lambda done, *_: epochs if done < slices * epochs else 0  # noqa: E731
        arguments = backend, self.state, backend.samples(x[chosen], y[chosen]), rule, case.batch, epochs, more
        next(train(*arguments))  # what a library compiles at its first call is no part of the curve
        self.slices = train(*arguments)
        self.seen: Curves = {"step": [], "train_seconds": [], "loss": [], "test_mse": []}

    def learn(self) -> None:
        """Train to the end. Raises Diverging after the look that shows it."""
        for part in self.slices:
            self.state, loss = part.state, float(part.losses[-1])
            with np.errstate(over="ignore", invalid="ignore"):
                error = float(np.mean((self.predict(self.x) - self.y) ** 2))
            add_look(self.seen, part.state.step, part.seconds, loss, error)
            # The losses were taken before each update; what the last update did shows in the test error.
            message = f"the loss was {loss:.3g} and the test error {error:.3g} after {part.epochs.stop} epochs"
            demand_finite([*part.losses, error], message)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The network's output, evaluated in float64 by numpy for every backend."""
        params = Params(*(self.backend.to_host(p).astype(np.float64) for p in self.state.params))
        return backprop.forward(params, x.astype(np.float64), xp=np)

    def result(self) -> dict[str, Any]:
        """What the journal keeps: the curves, and the function that was learned."""
        grid = np.linspace(*targets.ZOO[self.case.target].domain, CURVE_POINTS)[:, None]
        with np.errstate(all="ignore"):
            curve = self.predict(grid)[:, 0]
        subnormals = count_subnormals(map(self.backend.to_host, self.state.params))
        return {**self.seen, "curve": curve.tolist(), "subnormals": subnormals}
