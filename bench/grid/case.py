"""A case: one kind of work at one size. It names no backend; every backend is measured on every case."""

from dataclasses import dataclass, fields, replace
from typing import Any

from relufit.optim import OPTIMIZERS, SGD, Adam, Optimizer
from relufit.params import Sizes

MINIBATCH = 32
TRAIN_SAMPLES = 800  # of the 1000 that a target is sampled at
SIZED_BY_BATCH = (
    "forward",
    "gradient",
    "step",
    "memory",
    "agreement",
    "scaling",
)  # work whose N is the grid's batch size
REPEATED = ("forward", "gradient", "step", "ensemble", "latency", "to_device", "to_host")  # in every pass
LEARNING = ("trajectory", "convergence", "solving")  # work that goes where the optimizer leads, at its usual rate
RULES = {
    "adam": Adam(1e-3),
    "sgd": SGD(1e-3),
}  # the usual rates; SGD diverges from some of the schemes, and rows say so
GRADIENTS = ("gradient", "scaling")  # work of which a call is one gradient
STABLE_RATE = 0.02  # of gradient descent over H, from weights as they are drawn
SOLVERS = ("spline", "lbfgs", "adam", "momentum", "sgd")  # what stands for the optimizer where a function is solved
ALONE = "numpy alone"  # what a spline is solved by, whichever backend checks its network


@dataclass(frozen=True)
class Case:
    """One piece of work at one size. Every field stands in the journal under its own name."""

    # forward, gradient, step, latency, to_device, to_host, memory, agreement, scaling, ensemble, and LEARNING.
    work: str
    batch: int  # N of one call; of one minibatch, for step and LEARNING
    hidden: int = 512
    dtype: str = "float32"
    inputs: int = 1
    outputs: int = 1
    optimizer: str = ""  # step, ensemble and LEARNING; of solving the solver
    target: str = "sin"
    scheme: str = "spread"
    epochs: int = 0  # trajectory, convergence
    networks: int = 1  # ensemble: trained at once

    @property
    def id(self) -> str:
        """The case in a test's name: only what differs from the usual case."""
        usual = Case(self.work, self.batch)
        parts = [
            f"{f.name}={getattr(self, f.name)}"
            for f in fields(self)[2:]
            if getattr(self, f.name) != getattr(usual, f.name)
        ]
        return ",".join([f"batch={self.batch}", *parts])

    @property
    def samples(self) -> int:
        """N of the data behind the case: minibatch work runs over the 800 training samples."""
        minibatch = self.work in (*LEARNING, "ensemble") or (self.work == "step" and self.batch == MINIBATCH)
        return TRAIN_SAMPLES if minibatch else self.batch

    @property
    def sizes(self) -> Sizes:
        """(N, D, H, O) of one call of the backend."""
        return Sizes(self.batch, self.inputs, self.hidden, self.outputs)

    def rule(self) -> Optimizer | None:
        """The optimizer of the case, at a rate that cannot diverge within a timed call of `train`."""
        if not self.optimizer:
            return None
        if self.work == "solving":  # as `relufit.fit` has it; L-BFGS and the spline have no rule
            return OPTIMIZERS[self.optimizer]() if self.optimizer in OPTIMIZERS else None
        rule: Any = RULES[self.optimizer]
        return rule if self.work in LEARNING else replace(rule, learning_rate=1e-6)
