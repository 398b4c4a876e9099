"""What each profile measures: its cases, the most valuable first.

Every case is run with every backend, one after the other, so that a machine that drifts drifts for all.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from bench.grid.case import MINIBATCH, RULES, SOLVERS, TRAIN_SAMPLES, Case
from relufit.errors import RelufitError
from relufit.optim import OPTIMIZERS
from relufit.params import DTYPES, SCHEMES

QUICK = "quick"  # the profile of a run that names none
BATCHES = (800, 32, 8192, 65536)
HIDDEN = (512, 64, 2048)
LATENCY_BATCHES = (1, 800)
TRANSFER_BATCH = 65536
ENSEMBLE = 64  # networks that a CPU trains at once
GPU_NETWORKS = (1, 132, 1056, 4224)  # one, one and eight for each multiprocessor of an H200, and thousands
SCALING_BATCHES = tuple(10**power for power in range(2, 9))
HEADLINE_BATCHES = (800, 65536, 2**20, 10**7)
SCHEDULE = {"quick": 100, "full": 400}  # epochs of a convergence case
# Epochs of a trajectory, of 25 steps. By Adam float32 parts from float64 after some 2 500 steps, and one float64 from
# another after some 7 000 (on a CPU, H = 512).
TRAJECTORY = {"quick": 20, "full": 400, "gpu": 120}
SOLVED = ("sin", "square", "exp", "runge", "abs", "step")  # smooth ones, a kink and a jump


def grid(profile: str) -> list[Case]:
    """The cases of a profile, most valuable first. Raises RelufitError for an unknown profile."""
    if profile not in PROFILES:
        *others, last = PROFILES
        raise RelufitError(f"unknown profile {profile!r}; choose {', '.join(others)} or {last}")
    return list(dict.fromkeys(PROFILES[profile]()))


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


def _quick(profile: str = QUICK) -> Iterable[Case]:
    """First what the main table shows. The full profile begins with the same, at longer trainings."""
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


def _full() -> Iterable[Case]:
    """Every width, dtype, optimizer and initialisation; last, a gradient of up to 10^8 samples."""
    yield from _quick("full")
    followed = Case("trajectory", MINIBATCH, optimizer="adam", epochs=TRAJECTORY["full"])
    yield replace(followed, dtype="float64")
    yield replace(followed, optimizer="sgd", scheme="torch")  # from spread weights it diverges
    learned = Case("convergence", MINIBATCH, epochs=SCHEDULE["full"])
    for target in ("sin", "square"):
        for optimizer in RULES:
            yield from (replace(learned, optimizer=optimizer, target=target, scheme=scheme) for scheme in SCHEMES)
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


PROFILES: dict[str, Callable[[], Iterable[Case]]] = {
    QUICK: _quick, "full": _full, "headline": _headline, "solvers": _solvers, "gpu": _gpu, "aa": _aa,
}  # fmt: skip
