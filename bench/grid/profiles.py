"""The cases of each profile, the most valuable first.

Every case is run with every backend, one after the other, so that drift of the machine affects all backends.
"""

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

from bench.grid.case import MINIBATCH, RULES, SOLVERS, TRAIN_SAMPLES, Case
from relufit.errors import RelufitError
from relufit.network.optim import OPTIMIZERS
from relufit.network.params import DTYPES, SCHEMES
from relufit.network.precision import PRECISIONS

QUICK = "quick"  # the default profile
BATCHES = (800, 32, 8192, 65536)
HIDDEN = (512, 64, 2048)
TRANSFERS = {"work": ("to_device", "to_host"), "batch": 65536}
LATENCY_BATCHES = (1, 800)
ENSEMBLE = 64  # networks that a CPU trains at once
GPU_NETWORKS = (1, 132, 1056, 4224)  # one; then 1, 8 and 32 per multiprocessor of an H200
SCALING_BATCHES = tuple(10**power for power in range(2, 9))
SCHEDULE = {"quick": 100, "full": 400}  # epochs of a convergence case
# Epochs of a trajectory, of 25 steps each. With Adam, float32 diverges from float64 after about 2 500 steps, and two
# float64 backends from each other after about 7 000 (on a CPU, H = 512).
TRAJECTORY = {"quick": 20, "full": 400, "gpu": 120}
LEARNED = ("sin", "square")  # the functions of the trainings
SOLVED = ("sin", "square", "exp", "runge", "abs", "step")  # smooth ones, a kink and a jump


def grid(profile: str) -> list[Case]:
    """The cases of a profile, most valuable first. Raises RelufitError for an unknown profile."""
    if profile not in PROFILES:
        *others, last = PROFILES
        raise RelufitError(f"unknown profile {profile!r}; choose {', '.join(others)} or {last}")
    return list(dict.fromkeys(PROFILES[profile]()))


def _each(**values: Any) -> Iterable[Case]:
    """A case for each combination of values; a tuple gives several values of a field, and the last varies fastest."""
    choices = [value if isinstance(value, tuple) else (value,) for value in values.values()]
    return (Case(**dict(zip(values, chosen, strict=True))) for chosen in product(*choices))


def _headline() -> Iterable[Case]:
    """The cases of the headline ratios; the large sizes are within the limits of bench/measure/trial.py."""
    yield from _each(work="step", batch=MINIBATCH, optimizer=("sgd", "adam"))
    yield from _each(work="gradient", batch=(800, 65536, 2**20, 10**7))


def _solvers() -> Iterable[Case]:
    """Every function by every solver; the spline first, because the errors of the others are divided by its error."""
    for target, solver in product(SOLVED, SOLVERS):
        batch, dtype = (MINIBATCH, "float32") if solver in OPTIMIZERS else (TRAIN_SAMPLES, "float64")
        yield Case("solving", batch, dtype=dtype, optimizer=solver, target=target)


def _aa() -> Iterable[Case]:
    """Cases of each length for an A/A run: differences of a backend from itself are what the machine cannot resolve."""
    yield Case("step", MINIBATCH, optimizer="adam")
    yield from _each(work="gradient", batch=(800, 65536))


def _gpu() -> Iterable[Case]:
    """Cases for a GPU, within a time limit: few samples, limited by launches, and many, limited by the roofline."""
    yield from _each(work="step", batch=MINIBATCH, optimizer=("sgd", "adam"))
    yield from _each(work="gradient", batch=(2**22, 800))
    yield Case("ensemble", MINIBATCH, optimizer="adam", networks=GPU_NETWORKS[-1])
    yield Case("step", 800, optimizer="adam")
    yield from _each(work="convergence", batch=MINIBATCH, optimizer="adam", target=LEARNED, epochs=SCHEDULE["full"])
    yield from _each(work="gradient", batch=(65536, 2**20))
    yield from _each(work="forward", batch=(800, 65536, 2**22))
    yield from _each(work="ensemble", batch=MINIBATCH, optimizer="adam", networks=GPU_NETWORKS[:-1])
    yield Case("agreement", 800)
    yield Case("agreement", 800, hidden=64, inputs=3, outputs=2)
    yield Case("trajectory", MINIBATCH, optimizer="adam", epochs=TRAJECTORY["gpu"])
    yield from _each(work="scaling", batch=SCALING_BATCHES)
    yield Case("step", 65536, optimizer="adam")
    yield from _each(work="latency", batch=LATENCY_BATCHES)
    yield from _each(**TRANSFERS)
    yield from _each(work="memory", batch=(800, 65536))
    for hidden in (64, 1024, 2048):
        yield Case("gradient", 800, hidden)
        yield Case("step", MINIBATCH, hidden, optimizer="adam")
    yield from _each(work="gradient", batch=(800, 65536), dtype="float64")
    for precision in PRECISIONS:
        yield from _each(work="gradient", batch=(65536, 2**20), dtype=precision)
        yield from _each(work="step", batch=(MINIBATCH, 65536), dtype=precision, optimizer="adam")


def _quick(profile: str = QUICK) -> Iterable[Case]:
    """The cases of the main table first. The full profile begins with the same cases, but longer trainings."""
    epochs = SCHEDULE[profile]
    for batch in BATCHES[:2]:
        yield Case("gradient", batch)
        yield from _each(work="step", batch=batch, optimizer=("adam", "sgd"))
        yield Case("forward", batch)
    yield from _each(work="convergence", batch=MINIBATCH, optimizer="adam", target=LEARNED, epochs=epochs)
    yield Case("gradient", BATCHES[3])
    yield from _each(work="agreement", batch=BATCHES[:2])
    yield Case("agreement", 800, hidden=64, inputs=3, outputs=2)
    yield Case("latency", 1)
    yield from _each(**TRANSFERS)
    yield Case("memory", 800)
    yield Case("trajectory", MINIBATCH, optimizer="adam", epochs=TRAJECTORY[profile])
    yield Case("convergence", MINIBATCH, optimizer="sgd", scheme="torch", epochs=epochs)
    yield from _each(work="gradient", batch=800, hidden=HIDDEN[1:])
    for batch in BATCHES[2:]:
        yield from _each(work=("gradient", "forward"), batch=batch)
        yield Case("step", batch, optimizer="adam")
    yield Case("memory", 65536)
    yield from _each(work="agreement", batch=BATCHES[:2], dtype="float64")  # last: another dtype compiles again
    yield Case("gradient", 800, dtype="bfloat16")
    yield Case("step", MINIBATCH, dtype="bfloat16", optimizer="adam")


def _full() -> Iterable[Case]:
    """Every width, dtype, optimizer and initialisation; last, a gradient of up to 10^8 samples."""
    yield from _quick("full")
    yield Case("trajectory", MINIBATCH, dtype="float64", optimizer="adam", epochs=TRAJECTORY["full"])
    # From spread weights SGD diverges.
    yield Case("trajectory", MINIBATCH, optimizer="sgd", scheme="torch", epochs=TRAJECTORY["full"])
    trained = {"epochs": SCHEDULE["full"], "target": LEARNED, "optimizer": tuple(RULES), "scheme": tuple(SCHEMES)}
    yield from _each(work="convergence", batch=MINIBATCH, **trained)
    for dtype in DTYPES:
        for hidden in HIDDEN:
            for batch in BATCHES:
                size = {"batch": batch, "hidden": hidden, "dtype": dtype}
                yield from _each(work=("agreement", "gradient", "forward", "memory"), **size)
                yield from _each(work="step", **size, optimizer=tuple(RULES))
            yield from _each(work="latency", batch=LATENCY_BATCHES, hidden=hidden, dtype=dtype)
        yield from _each(**TRANSFERS, dtype=dtype)
    for precision in ("bfloat16", "float16"):  # on a CPU without such instructions, torch takes a second at 65 536
        yield from _each(work=("agreement", "gradient", "forward"), batch=(800, 65536), dtype=precision)
        yield from _each(work="step", batch=(MINIBATCH, 800), dtype=precision, optimizer="adam")
    yield Case("ensemble", MINIBATCH, optimizer="adam", networks=ENSEMBLE)
    yield from _each(work="scaling", batch=SCALING_BATCHES)


PROFILES: dict[str, Callable[[], Iterable[Case]]] = {
    QUICK: _quick, "full": _full, "headline": _headline, "solvers": _solvers, "gpu": _gpu, "aa": _aa,
}  # fmt: skip
