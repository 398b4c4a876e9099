"""One function solved by one solver within a limit of seconds, and the errors on the way.

Solvers get what `relufit.fit` gives them where it holds out test samples: 1000 samples of which 800 are trained on,
standardised, spread weights, minibatches of 32 at a rate of 1e-3. Unlike there they continue until their seconds are
spent: `train` in slices of whole epochs, of 0.2 s at most; L-BFGS on all samples at once in float64, until it gains no
more. The spline solves the function itself in one call, which is repeated. Errors are those of the network against the
function over its domain, in float64 (`relufit.fits.errors_against`), and are computed off the clock.
"""

import time
from math import log2
from typing import Any

import numpy as np

from bench.agreement import comparison, error_bounds
from bench.agreement.gate import stable
from bench.grid.case import ALONE, Case
from bench.hardware import interference
from bench.measure import learning
from bench.measure.learning import SAMPLES, demand_finite
from bench.measure.recording import count_subnormals
from relufit.backend import Backend
from relufit.data import draw_plan, sample, split
from relufit.fits import DIVERGED_LOSS, Problem, errors_against
from relufit.optim import Optimizer, map_arrays
from relufit.params import Params, init_params
from relufit.scaling import Scaling
from relufit.solvers import lbfgs, spline
from relufit.solvers.slices import SLICE_SECONDS
from relufit.solvers.training import default_box
from relufit.targets import ZOO
from relufit.theory import asymptotic_mse

ENDLESS = 10**9  # iterations: the seconds end it before
GROWTH = 4  # a slice has at most a quarter of the epochs done so far, which sets the distance of the looks
APART = 1.1  # least ratio of the seconds at a look at L-BFGS to those at the look before
ROUNDS = 7  # most solves of the spline within its seconds


class Solving:
    """A case on a backend: the network reached, and the curves of what was seen on the way."""

    def __init__(self, case: Case, backend: Backend, budget_seconds: float) -> None:
        self.case, self.backend, self.budget_seconds = case, backend, budget_seconds
        self.target, self.rule = ZOO[case.target], case.rule()
        x, y = sample(self.target, SAMPLES)
        self.problem = Problem(x, y, self.target, Scaling.of(x, y), *split(SAMPLES), case.optimizer, backend.name)
        box = default_box(self.problem.scaling.scale_x(x))
        self.params = init_params(case.hidden, scheme=case.scheme, domain=box, dtype=case.dtype)  # standardised
        self.seen: learning.Curves = {"step": [], "train_seconds": [], "mse": [], "max_error": []}
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
        learning.add_look(self.seen, step, seconds, mse, largest)
        self.params = params

    def _train(self, rule: Optimizer) -> None:
        state = map_arrays(self.backend.to_device, rule.init(self.params))
        samples = self.problem.samples(self.backend, self.case.dtype)
        for part in learning.train(self.backend, state, samples, rule, self.case.batch, 1, self._next_length):
            step = part.state.step
            demand_finite(part.losses, f"the loss became nan, inf or larger than {DIVERGED_LOSS:g} before step {step}")
            self.look(Params(*map(self.backend.to_host, part.state.params)), step, part.seconds)

    def _next_length(self, done: int, seconds: float, pace: float) -> int:
        """Epochs of the next slice, a power of two, so that few lengths are compiled; 0 when the seconds are spent."""
        left = self.budget_seconds - seconds
        most = min(done / GROWTH, min(SLICE_SECONDS, left) / pace)
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

    def gate(self) -> comparison.Checks:
        """Before the clock starts: compile, and compare the first epoch, or the first gradient, with float64.

        Raises Disagreement.
        """
        if self.rule is None:
            return self.gate_end()
        x, y = self._samples()
        rule, plan = stable(self.rule, self.case.hidden), draw_plan(len(x), batch=self.case.batch)
        return comparison.demand(comparison.compare_training(self.backend, self.params, x, y, rule, plan))

    def gate_end(self) -> comparison.Checks:
        """Output, loss and gradients of the network reached against float64. Raises Disagreement."""
        x, y = self._samples()
        exact = error_bounds.reference(self.params, x, y)
        return comparison.demand(comparison.compare(self.backend, self.params, x, y, exact))

    def _samples(self) -> tuple[np.ndarray, np.ndarray]:
        """The training samples, standardised: x and y (N, 1) on the host in the dtype of the case."""
        scaling, train = self.problem.scaling, self.problem.train_index
        x, y = scaling.scale_x(self.problem.x[train]), scaling.scale_y(self.problem.y[train])
        return x.astype(self.case.dtype), y.astype(self.case.dtype)

    def result(self) -> dict[str, Any]:
        """What the journal keeps: the curves, the seconds of each solve, and what else went on."""
        own = {"algorithm": ALONE} if self.case.optimizer == "spline" else {}  # the backend has checked it
        return {
            **self.seen,
            **self.interference,
            **own,
            "seconds": self.seconds,
            "subnormals": count_subnormals(self.params),
            "iterations": 1,
            "steps": 1,  # a whole solve is what was timed
            "budget_seconds": self.budget_seconds,
            "asymptotic_mse": asymptotic_mse(self.target, self.case.hidden).value,
        }
