"""Learning curves: train in slices of whole epochs, and look at the network after each slice, off the clock.

`Convergence` trains for the case's epochs and looks at held-out samples; `Solving` solves until its seconds are spent
and looks at the function itself. The slices, the curves and the end in divergence are the same.
"""

import time
from collections.abc import Callable, Iterator
from math import log2
from typing import Any

import numpy as np

from bench.agreement import answers, gate
from bench.grid.case import ALONE, Case
from bench.grid.data import draw
from bench.hardware import interference
from bench.journal.status import Diverging
from bench.measure.trial import Trial, count_subnormals
from relufit import Backend, Params, Samples, State, draw_plan, init_params, sample, split, targets, theory
from relufit.fits.deviations import errors_against
from relufit.fits.problem import DIVERGED_LOSS, Problem, first_divergence
from relufit.network import dense
from relufit.network.optim import Optimizer, map_arrays
from relufit.network.scaling import Scaling
from relufit.solvers import lbfgs, slices, spline, training
from relufit.testing import error_bounds

SAMPLES = 1000  # that a target is sampled at; 800 of them are trained on
SLICES = 50  # of a convergence case
CURVE_POINTS = 101
ENDLESS = 10**9  # iterations: the seconds end it before
GROWTH = 4  # a slice has at most a quarter of the epochs done so far, which sets the distance of the looks
APART = 1.1  # least ratio of the seconds at a look at L-BFGS to those at the look before
ROUNDS = 7  # most solves of the spline within its seconds


Curves = dict[str, list[float]]  # what was seen: a value at each look
NextEpochs = Callable[[int, float, float], int]  # of epochs so far, seconds so far and seconds an epoch


def add_look(curves: Curves, *values: float) -> None:
    """Keep what was seen at a look, in the order of the curves."""
    for curve, value in zip(curves.values(), values, strict=True):
        curve.append(value)


def demand_finite(losses: Any, message: str) -> None:
    """Raise Diverging with this message where one of the losses, of standardised data, shows a divergence."""
    if first_divergence(np.asarray(losses)) is not None:
        raise Diverging(message)


def train(
    backend: Backend, state: State, samples: Samples, rule: Optimizer, batch: int, epochs: int, next_epochs: NextEpochs
) -> Iterator[slices.Slice]:
    """Train in slices; a slice's `seconds` are those of training since the start.

    The first slice has `epochs` epochs, each later one as many as `next_epochs` says, until that is 0. The order of
    minibatches is drawn off the clock.
    """
    done, seconds = 0, 0.0
    while epochs:
        plan = draw_plan(len(samples), batch=batch, epochs=epochs, first_epoch=done)
        (part,) = slices.train_in_slices(backend, state, samples, rule, plan, epochs_per_slice=epochs)
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

    def __init__(self, case: Case, backend: Backend, looks: int = SLICES) -> None:
        params, x, y = draw(case, SAMPLES)
        chosen, test = split(SAMPLES)
        rule = case.rule()
        assert rule is not None
        self.case, self.backend = case, backend
        self.x, self.y = x[test], y[test]
        self.state = rule.init(Params(*map(backend.to_device, params)))
        epochs = case.epochs // SLICES
        more = lambda done, *_: epochs if done < looks * epochs else 0  # noqa: E731
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
        return dense.forward(params, x.astype(np.float64), xp=np)

    def result(self) -> dict[str, Any]:
        """What the journal keeps: the curves, and the function that was learned."""
        grid = np.linspace(*targets.ZOO[self.case.target].domain, CURVE_POINTS)[:, None]
        with np.errstate(all="ignore"):
            curve = self.predict(grid)[:, 0]
        subnormals = count_subnormals(map(self.backend.to_host, self.state.params))
        return {**self.seen, "curve": curve.tolist(), "subnormals": subnormals}


class Solving:
    """A function solved by one solver within a limit of seconds: the network reached, and the errors on the way.

    Solvers get what `relufit.fit` gives them where it holds out test samples: 1000 samples of which 800 are trained on,
    standardised, spread weights, minibatches of 32 at a rate of 1e-3. Unlike there they continue until their seconds
    are spent: `train` in slices of whole epochs, of 0.2 s at most; L-BFGS on all samples at once in float64, until it
    gains no more. The spline solves the function itself in one call, which is repeated. Errors are those of the network
    against the function over its domain, in float64 (relufit/fits/deviations.py), and are computed off the clock.
    """

    def __init__(self, case: Case, backend: Backend, budget_seconds: float) -> None:
        self.case, self.backend, self.budget_seconds = case, backend, budget_seconds
        self.target, self.rule = targets.ZOO[case.target], case.rule()
        x, y = sample(self.target, SAMPLES)
        self.problem = Problem(x, y, self.target, Scaling.of(x, y), *split(SAMPLES), case.optimizer, backend.name)
        box = training.default_box(self.problem.scaling.scale_x(x))
        self.params = init_params(case.hidden, scheme=case.scheme, domain=box, dtype=case.dtype)  # standardised
        self.seen: Curves = {"step": [], "train_seconds": [], "mse": [], "max_error": []}
        self.interference: dict[str, Any] = {}
        self.seconds: list[float] = []  # of each solve

    def solve(self) -> None:
        """Solve for `budget_seconds`. Raises Diverging; what was reached before is kept."""
        before = interference.read()
        try:
            if self.case.optimizer == "spline":
                self._fit_spline()
            else:
                self.look(self.params, 0, 0.0)
                if self.rule is None:
                    self._minimize()
                else:
                    self._train(self.rule)
        finally:
            self.seconds = self.seconds or self.seen["train_seconds"][-1:]
            self.interference = interference.between(before, interference.read(), 1)

    def look(self, params: Params, step: int, seconds: float) -> None:
        """Off the clock: the error against the function of weights on the host. Raises Diverging."""
        mse, largest = errors_against(self.target, self.problem.scaling.unscale(params))
        loss = mse / self.problem.scaling.loss_unit
        demand_finite([loss], f"the mean squared error was {mse:.3g} after {step} steps")
        add_look(self.seen, step, seconds, mse, largest)
        self.params = params

    def _train(self, rule: Optimizer) -> None:
        state = map_arrays(self.backend.to_device, rule.init(self.params))
        samples = self.problem.samples(self.backend, self.case.dtype)
        for part in train(self.backend, state, samples, rule, self.case.batch, 1, self._next_length):
            step = part.state.step
            demand_finite(part.losses, f"the loss became nan, inf or larger than {DIVERGED_LOSS:g} before step {step}")
            self.look(Params(*map(self.backend.to_host, part.state.params)), step, part.seconds)

    def _next_length(self, done: int, seconds: float, pace: float) -> int:
        """Epochs of the next slice, a power of two, so that few lengths are compiled; 0 when the seconds are spent."""
        left = self.budget_seconds - seconds
        most = min(done / GROWTH, min(slices.SLICE_SECONDS, left) / pace)
        return 0 if left <= 0 else 2 ** int(log2(max(1, most)))

    def _minimize(self) -> None:
        def watch(params: Params, gradients: int, seconds: float) -> None:
            spent = seconds >= self.budget_seconds
            if spent or seconds >= APART * self.seen["train_seconds"][-1]:
                self.look(params, gradients, seconds)
            if spent:
                raise StopIteration

        fit = lbfgs.minimize(self.problem, self.backend, self.params, ENDLESS, lambda *_: None, watch)
        if fit.metrics["status"] == "interrupted":  # it would end a fit; here it ends the run
            raise KeyboardInterrupt
        if fit.metrics["steps"] > self.seen["step"][-1]:
            self.look(fit.state.params, fit.metrics["steps"], fit.metrics["seconds"])

    def _fit_spline(self) -> None:
        """Repeat the solve; the first one, which finds cold caches, is dropped."""
        start = time.perf_counter()
        while len(self.seconds) <= ROUNDS:
            fit = spline.fit_problem(self.problem, self.case.hidden, None)
            self.seconds.append(fit.metrics["seconds"])
            if time.perf_counter() - start >= self.budget_seconds and len(self.seconds) > 1:
                break
        del self.seconds[0]
        self.look(fit.state.params, 0, float(np.median(self.seconds)))

    def gate(self) -> answers.Checks:
        """Before the clock starts: compile, and compare the first epoch, or the first gradient, with float64.

        Raises Disagreement.
        """
        if self.rule is None:
            return self.gate_end()
        x, y = self._samples()
        rule, plan = gate.stable(self.rule, self.case.hidden), draw_plan(len(x), batch=self.case.batch)
        return answers.demand(answers.compare_training(self.backend, self.params, x, y, rule, plan))

    def gate_end(self) -> answers.Checks:
        """Output, loss and gradients of the network reached against float64. Raises Disagreement."""
        x, y = self._samples()
        exact = error_bounds.reference(self.params, x, y)
        return answers.demand(answers.compare(self.backend, self.params, x, y, exact))

    def _samples(self) -> tuple[np.ndarray, np.ndarray]:
        """The training samples, standardised: x and y (N, 1) on the host in the dtype of the case."""
        scaling, index = self.problem.scaling, self.problem.train_index
        x, y = scaling.scale_x(self.problem.x[index]), scaling.scale_y(self.problem.y[index])
        return x.astype(self.case.dtype), y.astype(self.case.dtype)

    def result(self) -> dict[str, Any]:
        """What the journal keeps: the curves, the seconds of each solve, and what else went on."""
        own = {"algorithm": ALONE} if self.case.optimizer == "spline" else {}  # the backend has checked it
        best = theory.asymptotic_mse(self.target, self.case.hidden).value
        found = {"seconds": self.seconds, "subnormals": count_subnormals(self.params), "asymptotic_mse": best}
        whole = {"iterations": 1, "steps": 1, "budget_seconds": self.budget_seconds}  # a whole solve is what was timed
        return {**self.seen, **self.interference, **own, **found, **whole}
