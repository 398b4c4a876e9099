"""Training by scipy's L-BFGS: all samples at once, the gradient from any backend."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from relufit.backends.base import Backend
from relufit.fits.problem import Problem
from relufit.fits.result import Fit, History
from relufit.network.optim import State
from relufit.network.params import Params
from relufit.solvers.lifting import lifted, lifted_samples, lowered

MEMORY = 20  # pairs of steps and gradients that approximate the Hessian

Watch = Callable[[Params, int, float], None]


def minimize(
    problem: Problem,
    backend: Backend,
    start: Params,
    iterations: int,
    show: Callable[[int, float], None],
    watch: Watch | None = None,
    penalty: float = 0.0,
) -> Fit:
    """Train from `start` until the loss stops falling, or for `iterations` iterations.

    `penalty` times the sum of squares of w1 and w2 is added to the mean square of standardised samples. It is computed
    here in float64, not by the backend, and the history does not include it.

    Training also ends when the errors are as small as rounding: of y, or of standardised y in the dtype of `start`.

    After each iteration, off the clock, `watch` is called with the weights, the number of gradients computed and the
    seconds so far. It may end the training by raising StopIteration, as scipy's callbacks do.

    Ctrl-C ends the training with the best weights so far. Source: Liu and Nocedal (1989), Mathematical Programming 45,
    503-528.
    """
    from scipy import optimize

    search, status = _Search(problem, backend, start, show, watch, penalty), "finished"
    options = {"maxiter": iterations, "maxfun": 3 * iterations + 100, "maxcor": MEMORY, "ftol": 0.0, "gtol": 0.0}
    try:
        optimize.minimize(
            search.loss_and_gradient, search.pack(start), jac=True, method="L-BFGS-B", callback=search.look,
            options=options,
        )  # fmt: skip
    except KeyboardInterrupt:
        status = "interrupted"
    return problem.fit(State(search.best, (), search.calls), search.history, status)


class _Search:
    """The loss and its gradient as functions of one vector, for scipy, and the history of the training."""

    def __init__(
        self,
        problem: Problem,
        backend: Backend,
        start: Params,
        show: Callable[[int, float], None],
        watch: Watch | None = None,
        penalty: float = 0.0,
    ) -> None:
        self.problem, self.backend, self.show, self.watch = problem, backend, show, watch
        self.shapes, self.dtype = [p.shape for p in start], start.w1.dtype
        self.ends = np.cumsum([p.size for p in start])[:-1]
        is_weight = Params(*(np.full(p.shape, float(p.ndim == 2)) for p in start))  # biases have no penalty
        self.penalties = penalty * self.pack(is_weight)
        self.weighted = problem.weight is not None
        self.samples = (lifted_samples if self.weighted else Problem.samples)(problem, backend, self.dtype)
        least = np.sqrt(np.finfo(np.float64).tiny)  # the smallest number whose square does not underflow
        of_y = max(least, np.spacing(np.abs(problem.y).max(axis=0).min()) / 2)  # of the output with the finest rounding
        self.rounding = max(float(np.finfo(self.dtype).eps), float(of_y) / problem.scaling.y_scale)
        self.history, self.best, self.calls = History(), start, 0
        self.since = time.perf_counter()

    def pack(self, params: Params) -> np.ndarray:
        """All weights or gradients one after the other, in float64."""
        return np.concatenate([np.ravel(p).astype(np.float64) for p in params])

    def unpack(self, vector: np.ndarray) -> Params:
        """The weights of a vector, in their shapes and dtype."""
        parts = np.split(vector, self.ends)
        return Params(*(p.reshape(shape).astype(self.dtype) for p, shape in zip(parts, self.shapes, strict=True)))

    def penalty(self, vector: np.ndarray) -> float:
        """The penalty that is added to the loss."""
        return float(self.penalties @ vector**2)

    def loss_and_gradient(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss and gradient: mean square over the standardised training samples, plus the penalty."""
        params = lifted(self.unpack(vector)) if self.weighted else self.unpack(vector)
        loss, grads = self.backend.loss_and_grads(Params(*map(self.backend.to_device, params)), self.samples)
        self.calls += 1
        on_host = Params(*map(self.backend.to_host, grads))
        gradient = self.pack(lowered(on_host) if self.weighted else on_host)
        return float(self.backend.to_host(loss)) + self.penalty(vector), gradient + 2 * self.penalties * vector

    def look(self, intermediate_result: Any) -> None:  # scipy requires this name of the argument
        """Record an iteration, off the clock. Raises StopIteration if the errors are as small as rounding."""
        seconds = time.perf_counter() - self.since
        loss = max(intermediate_result.fun - self.penalty(intermediate_result.x), 0.0)
        self.best = self.unpack(intermediate_result.x)
        error = self.problem.mse(self.problem.scaling.unscale(self.best), self.problem.test_index)
        iteration = len(self.history.loss) + 1
        self.history.record(np.array([loss * self.problem.scaling.loss_unit]), iteration, seconds, error)
        self.show(iteration, self.history.loss[-1])
        if self.watch is not None:
            self.watch(self.best, self.calls, self.history.seconds[-1])
        if loss < self.rounding**2:  # the loss of a constant would fall further
            raise StopIteration
        self.since = time.perf_counter()
