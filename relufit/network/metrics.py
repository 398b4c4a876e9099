"""The metrics of a fit: how good it is, what it cost, and how it was made."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from relufit.network.scaling import VARIES

NAN = float("nan")


@dataclass(frozen=True, eq=False)
class Metrics(Mapping[str, Any]):
    """The metrics of a fit, as attributes and by name: metrics.mse is metrics["mse"].

    As a mapping it holds only those that exist: a value of None is left out. Errors are in the units of y. For a
    function `mse`, `max_error` and `r2` are over its domain, without its noise; for data, over all samples.
    """

    hidden: int
    solver: str | None = None
    status: str | None = None  # "finished", "stopped", "interrupted", "inexact" or "diverged"
    mse: float = NAN
    max_error: float = NAN
    r2: float = NAN  # 1 - mse / variance: 1 is perfect, 0 as bad as the best constant; nan if y does not vary
    train_mse: float = NAN  # on the samples fitted
    test_mse: float = NAN  # on the samples held out; nan without any
    seconds: float = NAN  # of solving
    epochs: int | None = None
    steps: int | None = None
    backend: str | None = None
    passed_over: dict[str, str] = field(default_factory=dict)  # preferred backends, and why each was not taken
    alpha: float | None = None  # weight decay
    rows: int | None = None  # of a file
    dropped: int | None = None  # rows of a file that have a gap

    def __getitem__(self, name: str) -> Any:
        value = getattr(self, name) if name in self.__dataclass_fields__ else None
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (one.name for one in fields(self) if getattr(self, one.name) is not None)

    def __len__(self) -> int:
        return len(list(iter(self)))


def variance(y: np.ndarray, weight: np.ndarray | None = None) -> float:
    """The variance of y (N, O), with weights (N,): the mean over its columns; 0 where it is only rounding."""
    with np.errstate(over="ignore", invalid="ignore"):
        away = y - np.average(y, axis=0, weights=weight)
        found = float(np.average(away**2, axis=0, weights=weight).mean())
    return found if found > (VARIES * np.abs(y).max()) ** 2 else 0.0


def r_squared(mse: float, variance: float) -> float:
    """The coefficient of determination, 1 - mse / variance; nan for a variance of 0."""
    return 1 - mse / variance if variance else NAN
