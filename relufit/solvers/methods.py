"""Solvers as values, with the options that only one of them has: relufit.fit(..., solver=GradientDescent(patience=20)).

The names "spline", "lbfgs", "sgd", "momentum" and "adam" stand for these with their defaults.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from relufit.errors import RelufitError, check_choice, check_count
from relufit.network.optim import Adam, Cosine, Optimizer, Schedule, Steps

SCHEDULES = ("constant", "cosine", "step")
STAGES = 3  # equal parts of the training in schedule "step", each at a tenth of the rate before

Callback = Callable[[int, float, float], object]


@dataclass(frozen=True)
class FreeKnotSpline:
    """The best linear spline found, for one input and one output.

    A `tolerance` in place of fit's `hidden` chooses the smallest number of units that reaches this mean squared error.
    """

    tolerance: float | None = None

    def options(self) -> tuple[str, dict[str, Any]]:
        """The name of the solver, and its options of `relufit.fit`."""
        return "spline", {"tolerance": self.tolerance}


@dataclass(frozen=True)
class LBFGS:
    """scipy's L-BFGS on all samples at once, at most `iterations` iterations."""

    iterations: int = 200

    def __post_init__(self) -> None:
        check_count("iterations", self.iterations)

    def options(self) -> tuple[str, dict[str, Any]]:
        """The name of the solver, and its options of `relufit.fit`."""
        return "lbfgs", {"epochs": self.iterations}


@dataclass(frozen=True)
class GradientDescent:
    """Training in minibatches by an optimizer.

    `schedule` is "constant"; "cosine", from the learning rate to 0 by half a cosine; or "step", which divides the rate
    by 10 after a third and after two thirds of the training. An optimizer with a schedule of its own keeps it.

    Between slices of training, of whole epochs and about 0.2 s or one epoch, `callback(epochs, loss, test_mse)` is
    called with the number of epochs done, the loss of the last one, and the error on the samples held out (nan without
    any). It ends the training by raising StopIteration.

    With a `patience` the training ends after so many epochs in which the error on the samples held out did not fall
    below the least so far, and the fit has the weights and the state of the least error at the end of a slice; the
    history goes on to the end. Without samples held out the loss counts.

    A training that either of them ended has metrics.status "stopped".
    """

    optimizer: Optimizer = Adam()  # noqa: RUF009  # a frozen value
    epochs: int = 200
    batch_size: int = 32
    schedule: str = "constant"
    callback: Callback | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        check_choice("schedule", self.schedule, SCHEDULES)
        if self.schedule != "constant" and getattr(self.optimizer, "schedule", None) is not None:
            raise RelufitError(f"{self.optimizer!r} has a schedule of its own; leave out schedule={self.schedule!r}")
        if self.callback is not None and not callable(self.callback):
            raise RelufitError(f"callback must be a function of epochs, loss and test_mse, not {self.callback!r}")
        if self.patience is not None:
            check_count("patience", self.patience)

    def options(self) -> tuple[str, dict[str, Any]]:
        """The name of the solver, that of the optimizer, and its options of `relufit.fit`."""
        return "auto", {"optimizer": self.optimizer, "epochs": self.epochs, "batch_size": self.batch_size}

    def scheduled(self, first: int, steps: int) -> Optimizer:
        """The optimizer with the schedule, for `steps` updates after the first ones."""
        if self.schedule == "constant":
            return self.optimizer
        falling: Schedule = Cosine(steps, first) if self.schedule == "cosine" else Steps(-(-steps // STAGES), first)
        return replace(self.optimizer, schedule=falling)


Solver = FreeKnotSpline | GradientDescent | LBFGS


def unpacked(solver: Any, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The name of a solver, and the options given with its own. Raises RelufitError for an option given twice."""
    if not isinstance(solver, Solver):
        return solver, given
    name, own = solver.options()
    twice = [option for option in own if given.get(option) is not None]
    if isinstance(solver, GradientDescent) and given.get("learning_rate") is not None:
        twice.append("learning_rate")
    if twice:
        raise RelufitError(f"give {twice[0]} to {type(solver).__name__}(...) or to fit, not to both")
    return name, given | own
