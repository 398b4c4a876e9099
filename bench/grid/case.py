"""The grid: what is measured, at which sizes, in which order. The most valuable cases come first.

A case says nothing of a backend; every case is run with every backend, one after the other, so that a machine that
drifts drifts for all.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np

from relufit import init_params, sample, targets
from relufit.errors import RelufitError
from relufit.optim import OPTIMIZERS, SGD, Adam, Optimizer
from relufit.params import DTYPES, SCHEMES, Params, Sizes

PROFILES = ("quick", "full", "headline", "solvers", "gpu", "aa")
BATCHES = (800, 32, 8192, 65536)
HIDDEN = (512, 64, 2048)
LATENCY_BATCHES = (1, 800)
TRANSFER_BATCH = 65536
MINIBATCH = 32
ENSEMBLE = 64  # networks that a CPU trains at once
GPU_NETWORKS = (1, 132, 1056, 4224)  # one, one and eight for each multiprocessor of an H200, and thousands
SCALING_BATCHES = tuple(10**power for power in range(2, 9))
HEADLINE_BATCHES = (800, 65536, 2**20, 10**7)
MANY_SAMPLES = 10**6  # above it data are drawn in pieces, and the gate takes the cheap way of bench/measure/trial.py
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
PIECE = 2**20  # samples drawn at once
TRAIN_SAMPLES = 800  # of the 1000 that a target is sampled at
SCHEDULE = {"quick": 100, "full": 400}  # epochs of a convergence case
# Epochs of a trajectory, of 25 steps. By Adam float32 parts from float64 after some 2 500 steps, and one float64 from
# another after some 7 000 (on a CPU, H = 512).
TRAJECTORY = {"quick": 20, "full": 400, "gpu": 120}
RULES = {
    "adam": Adam(1e-3),
    "sgd": SGD(1e-3),
}  # the usual rates; SGD diverges from some of the schemes, and rows say so
GRADIENTS = ("gradient", "scaling")  # work of which a call is one gradient
STABLE_RATE = 0.02  # of gradient descent over H, from weights as they are drawn
SOLVERS = ("spline", "lbfgs", "adam", "momentum", "sgd")  # what stands for the optimizer where a function is solved
ALONE = "numpy alone"  # what a spline is solved by, whichever backend checks its network
SOLVED = ("sin", "square", "exp", "runge", "abs", "step")  # smooth ones, a kink and a jump


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


def draw(case: Case, samples: int | None = None) -> tuple[Params, np.ndarray, np.ndarray]:
    """Weights, x (N, D) and y (N, O) of a case on the host, in its dtype: a function of the case alone."""
    n = case.batch if samples is None else samples
    params = init_params(
        case.hidden,
        case.inputs,
        case.outputs,
        scheme=case.scheme,
        domain=targets.ZOO[case.target].domain,
        dtype=case.dtype,
    )
    draw_columns = _many_columns if n > MANY_SAMPLES else _columns
    return params, *draw_columns(case.target, n, case.inputs, case.outputs, case.dtype)


def _columns(target: str, n: int, inputs: int, outputs: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Sample x (n, inputs) and y (n, outputs); column k with seed k."""
    columns = [sample(targets.ZOO[target], n, seed) for seed in range(max(inputs, outputs))]
    x = np.concatenate([x for x, _ in columns[:inputs]], axis=1)
    y = np.concatenate([y for _, y in columns[:outputs]], axis=1)
    return x.astype(dtype), y.astype(dtype)


@lru_cache(maxsize=1)
def _many_columns(target: str, n: int, inputs: int, outputs: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """The same for many samples: x uniform over the domain and in pieces, so that no float64 array of n exists.

    Kept for the next backend of the same case; nobody may write into the arrays.
    """
    function = targets.ZOO[target]
    x, y = np.empty((n, inputs), dtype), np.empty((n, outputs), dtype)
    for column in range(max(inputs, outputs)):
        rng = np.random.default_rng(column)
        for start in range(0, n, PIECE):
            piece = slice(start, min(start + PIECE, n))
            values = rng.uniform(*function.domain, piece.stop - piece.start)
            noise = rng.normal(0, function.noise, values.shape) if function.noise else 0.0
            if column < inputs:
                x[piece, column] = values
            if column < outputs:
                y[piece, column] = function(values) + noise
    return x, y


def grid(profile: str) -> list[Case]:
    """The cases of a profile, most valuable first. Raises RelufitError for an unknown profile."""
    if profile not in PROFILES:
        raise RelufitError(f"unknown profile {profile!r}; choose {', '.join(PROFILES[:-1])} or {PROFILES[-1]}")
    if profile in (own := {"headline": _headline, "solvers": _solvers, "gpu": _gpu, "aa": _aa}):
        return list(own[profile]())
    return list(dict.fromkeys([*_quick(profile), *(_rest() if profile == "full" else ())]))


def _headline() -> Iterable[Case]:
    """What the ratios that people quote are made of; the large sizes under the limits of bench/measure/trial.py."""
    yield Case("step", MINIBATCH, optimizer="sgd")
    yield Case("step", MINIBATCH, optimizer="adam")
    for batch in HEADLINE_BATCHES:
        yield Case("gradient", batch)


def _solvers() -> Iterable[Case]:
    """Every function by every solver; the spline first, whose error the others' are divided by."""
    for target in SOLVED:
        for solver in SOLVERS:
            if solver in OPTIMIZERS:
                yield Case("solving", MINIBATCH, optimizer=solver, target=target)
            else:
                yield Case("solving", TRAIN_SAMPLES, dtype="float64", optimizer=solver, target=target)


def _aa() -> Iterable[Case]:
    """A few of each length: what they say of a backend against itself, the machine says of any two."""
    yield Case("step", MINIBATCH, optimizer="adam")
    yield Case("gradient", 800)
    yield Case("gradient", 65536)


def _gpu() -> Iterable[Case]:
    """What a GPU is asked, under a limit of time: few samples, where launches count, and many, where the roof does."""
    for optimizer in ("sgd", "adam"):
        yield Case("step", MINIBATCH, optimizer=optimizer)
    yield Case("gradient", 2**22)
    yield Case("gradient", 800)
    yield Case("ensemble", MINIBATCH, optimizer="adam", networks=GPU_NETWORKS[-1])
    yield Case("step", 800, optimizer="adam")
    for target in ("sin", "square"):
        yield Case("convergence", MINIBATCH, optimizer="adam", target=target, epochs=SCHEDULE["full"])
    for batch in (65536, 2**20):
        yield Case("gradient", batch)
    for batch in (800, 65536, 2**22):
        yield Case("forward", batch)
    for networks in GPU_NETWORKS[:-1]:
        yield Case("ensemble", MINIBATCH, optimizer="adam", networks=networks)
    yield Case("agreement", 800)
    yield Case("agreement", 800, hidden=64, inputs=3, outputs=2)
    yield Case("trajectory", MINIBATCH, optimizer="adam", epochs=TRAJECTORY["gpu"])
    for batch in SCALING_BATCHES:
        yield Case("scaling", batch)
    yield Case("step", 65536, optimizer="adam")
    for batch in LATENCY_BATCHES:
        yield Case("latency", batch)
    for work in ("to_device", "to_host"):
        yield Case(work, TRANSFER_BATCH)
    for batch in (800, 65536):
        yield Case("memory", batch)
    for hidden in (64, 1024, 2048):
        yield Case("gradient", 800, hidden)
        yield Case("step", MINIBATCH, hidden, optimizer="adam")
    for batch in (800, 65536):
        yield Case("gradient", batch, dtype="float64")


def _quick(profile: str) -> Iterable[Case]:
    """The quick profile: first what the main table shows. The full one begins with it, at longer trainings."""
    epochs = SCHEDULE[profile]
    for batch in BATCHES[:2]:
        yield Case("gradient", batch)
        yield Case("step", batch, optimizer="adam")
        yield Case("step", batch, optimizer="sgd")
        yield Case("forward", batch)
    for target in ("sin", "square"):
        yield Case("convergence", MINIBATCH, optimizer="adam", target=target, epochs=epochs)
    yield Case("gradient", BATCHES[3])
    for batch in BATCHES[:2]:
        yield Case("agreement", batch)
    yield Case("agreement", 800, hidden=64, inputs=3, outputs=2)
    yield Case("latency", 1)
    for work in ("to_device", "to_host"):
        yield Case(work, TRANSFER_BATCH)
    yield Case("memory", 800)
    yield Case("trajectory", MINIBATCH, optimizer="adam", epochs=TRAJECTORY[profile])
    yield Case("convergence", MINIBATCH, optimizer="sgd", scheme="torch", epochs=epochs)
    for hidden in HIDDEN[1:]:
        yield Case("gradient", 800, hidden)
    for batch in BATCHES[2:]:
        yield Case("gradient", batch)
        yield Case("forward", batch)
        yield Case("step", batch, optimizer="adam")
    yield Case("memory", 65536)
    for batch in BATCHES[:2]:  # last: another dtype is compiled anew
        yield Case("agreement", batch, dtype="float64")


def _rest() -> Iterable[Case]:
    """What the full profile adds: every width, dtype, optimizer and initialisation; last, a gradient up to 10^8."""
    followed = Case("trajectory", MINIBATCH, optimizer="adam", epochs=TRAJECTORY["full"])
    yield replace(followed, dtype="float64")
    yield replace(followed, optimizer="sgd", scheme="torch")  # from spread weights it diverges
    for target in ("sin", "square"):
        for optimizer in RULES:
            for scheme in SCHEMES:
                yield Case(
                    "convergence", MINIBATCH, optimizer=optimizer, target=target, scheme=scheme, epochs=SCHEDULE["full"]
                )
    for dtype in DTYPES:
        for hidden in HIDDEN:
            for batch in BATCHES:
                yield Case("agreement", batch, hidden, dtype)
                for work in ("gradient", "forward", "memory"):
                    yield Case(work, batch, hidden, dtype)
                for optimizer in RULES:
                    yield Case("step", batch, hidden, dtype, optimizer=optimizer)
            for batch in LATENCY_BATCHES:
                yield Case("latency", batch, hidden, dtype)
        for work in ("to_device", "to_host"):
            yield Case(work, TRANSFER_BATCH, dtype=dtype)
    yield Case("ensemble", MINIBATCH, optimizer="adam", networks=ENSEMBLE)
    for batch in SCALING_BATCHES:
        yield Case("scaling", batch)
