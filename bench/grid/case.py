"""A case: one kind of work at one size. It names no backend; every backend is measured on every case."""

from dataclasses import dataclass, fields, replace
from typing import Any

from bench.grid.workloads import workload
from relufit.network.optim import OPTIMIZERS, SGD, Adam, Optimizer
from relufit.network.params import Sizes
from relufit.network.precision import PRECISIONS

MINIBATCH = 32
TRAIN_SAMPLES = 800  # of the 1000 that a target is sampled at
RULES = {"adam": Adam(1e-3), "sgd": SGD(1e-3)}  # the usual rates; SGD diverges from some schemes (status DIVERGED)
STABLE_RATE = 0.02  # this over H is a stable rate of gradient descent from initial weights
SOLVERS = ("spline", "lbfgs", "adam", "momentum", "sgd")  # values of `optimizer` for the workload solving
ALONE = "numpy alone"  # the library that solves a spline, whichever backend checks its network


@dataclass(frozen=True)
class Case:
    """One workload at one size. The journal holds every field under its own name."""

    work: str  # a name of grid/workloads.py
    batch: int  # N of one call, or of one minibatch if the workload trains on minibatches
    hidden: int = 512
    dtype: str = "float32"  # of the arrays, or the reduced precision of the products of float32 arrays
    inputs: int = 1
    outputs: int = 1
    optimizer: str = ""  # of workloads that train; for solving, the solver
    target: str = "sin"
    scheme: str = "spread"
    epochs: int = 0  # trajectory, convergence
    networks: int = 1  # ensemble: networks trained at once

    @property
    def unusual(self) -> dict[str, Any]:
        """The fields without a default, and every other field that differs from its default."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) != field.default}

    @property
    def id(self) -> str:
        """The case in a test's name: only the fields that differ from the usual case."""
        return ",".join(f"{name}={value}" for name, value in self.unusual.items() if name != "work")

    @property
    def precision(self) -> str:
        """The reduced precision of the products (network/precision.py); empty where they are in the arrays' own."""
        return self.dtype if self.dtype in PRECISIONS else ""

    @property
    def stored(self) -> str:
        """The dtype of weights, data, losses and gradients."""
        return "float32" if self.precision else self.dtype

    @property
    def samples(self) -> int:
        """N of the data behind the case: minibatch work runs over the 800 training samples."""
        kind = workload(self.work)
        minibatch = kind.minibatches or (kind.cost == "step" and self.batch == MINIBATCH)
        return TRAIN_SAMPLES if minibatch else self.batch

    @property
    def sizes(self) -> Sizes:
        """(N, D, H, O) of one call of the backend."""
        return Sizes(self.batch, self.inputs, self.hidden, self.outputs)

    def rule(self) -> Optimizer | None:
        """The optimizer of the case, at a rate that cannot diverge within a timed call of `train`."""
        if not self.optimizer:
            return None
        if self.work == "solving":  # the defaults of `relufit.fit`; L-BFGS and the spline have no optimizer
            return OPTIMIZERS[self.optimizer]() if self.optimizer in OPTIMIZERS else None
        rule: Any = RULES[self.optimizer]
        return rule if workload(self.work).learns else replace(rule, learning_rate=1e-6)
