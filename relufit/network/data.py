"""Sampling of a target, the split into train and test, and the order of every minibatch, all from a seed.

Drawn once on the host and outside every clock, so that each backend trains on the same samples in the same order.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from relufit.errors import RelufitError, check_count, check_seed
from relufit.network.params import Array
from relufit.network.values import by_value, one_line
from relufit.reading.columns import NUMBER, Columns, convert, names_of
from relufit.targets import Target, resolve

SAMPLES = 1000  # of a function, by default


@by_value
class Plan(NamedTuple):
    """The minibatches of a run: row e of `order` lists the samples of epoch e, cut into pieces of `batch`.

    The last piece of an epoch is shorter where `batch` does not divide N. `order` None means full batch: every epoch
    is one step on all samples.
    """

    order: np.ndarray | None  # (epochs, N) integers
    batch: int
    epochs: int

    def __repr__(self) -> str:
        return one_line(self)

    def steps_per_epoch(self, samples: int) -> int:
        """Number of updates in one epoch over `samples` samples."""
        return 1 if self.order is None else -(-samples // self.batch)

    def slices(self, samples: int) -> list[slice]:
        """The pieces of one epoch, the ragged last one included."""
        batch = samples if self.order is None else self.batch
        return [slice(start, min(start + batch, samples)) for start in range(0, samples, batch)]


def draw_plan(samples: int, *, batch: int = 32, epochs: int = 1, seed: int = 0, first_epoch: int = 0) -> Plan:
    """Draw the order of `epochs` epochs over N = `samples` samples; a batch of N or more is the full batch.

    Each epoch has a separate generator, seeded by (seed, epoch), so a longer run begins with the order of a shorter
    one, and `first_epoch` continues a run where it stopped. Raises RelufitError for a count below 1.
    """
    check_count("samples", samples)
    check_count("batch size", batch)
    check_count("epochs", epochs)
    check_count("first_epoch", first_epoch, least=0)
    check_seed(seed)
    if batch >= samples:
        return Plan(None, samples, epochs)
    # 32 bits if they suffice: the order of a long run is the largest array that training needs.
    try:
        order = np.empty((epochs, samples), np.int32 if samples < 2**31 else np.int64)
    except (MemoryError, ValueError):  # numpy raises ValueError where not even the size can be expressed
        raise RelufitError(f"the order of {samples} samples in {epochs} epochs does not fit in memory") from None
    for row, epoch in zip(order, range(first_epoch, first_epoch + epochs), strict=True):
        row[:] = np.random.default_rng([seed, epoch]).permutation(samples)
    return Plan(order, batch, epochs)


def sample(target: Target | str | Any, n: int = SAMPLES, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sample a target: x and y, float64, both (n, 1); x is `linspace` over the domain, shuffled.

    The seed drives the shuffle and the target's noise only. Raises RelufitError for n below 1, an unknown target, or
    a function that is not finite somewhere on the samples.
    """
    target = resolve(target)
    rng = np.random.default_rng(check_seed(seed))
    try:
        x = rng.permutation(np.linspace(*target.domain, check_count("n", n)))[:, None]  # (n, 1)
    except (MemoryError, ValueError):  # numpy raises ValueError where not even the size can be expressed
        raise RelufitError(f"{n} samples do not fit in memory") from None
    y = target(x)
    return x, y + rng.normal(0, target.noise, y.shape) if target.noise else y


def split(samples: int, *, test_fraction: float = 0.2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Indices (train, test) of a random split; at least one sample stays in train, and test may be empty.

    Raises RelufitError where test_fraction is not in [0, 1).
    """
    check_count("samples", samples)
    if not isinstance(test_fraction, (int, float, np.number)) or not 0 <= test_fraction < 1:
        raise RelufitError(f"test_fraction must be at least 0 and below 1, not {test_fraction!r}")
    tests = min(round(samples * test_fraction), samples - 1)
    shuffled = np.random.default_rng(check_seed(seed)).permutation(samples)
    return shuffled[tests:], shuffled[:tests]


def check_table(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return data as float64 x (N, D) and y (N, O); vectors become one column, and times in x seconds since 1970 UTC.

    Raises RelufitError where a column does not hold real numbers, has nan, NaT or inf, or is empty; where the lengths
    differ; for times in y; and where two different integers or times in x are equal in float64. In y they are rounded.
    """
    return check_columns(x, y)[:2]


def check_columns(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray, Columns]:
    """Return x and y as `check_table` does, and the names and types of the columns."""
    inputs, types = _as_columns("x", x, distinct=True)
    outputs = _as_numbers("y", y)
    if len(inputs) != len(outputs):
        raise RelufitError(f"x has {len(inputs)} samples and y has {len(outputs)}; they must be equally long")
    return inputs, outputs, Columns(names_of(x), names_of(y), types)


def check_weight(weight: Any, samples: int) -> np.ndarray:
    """Return the weights of samples as float64 (N,). Raises RelufitError for negative ones, and if all are 0."""
    column = _as_numbers("weight", weight)
    if column.shape != (samples, 1):
        raise RelufitError(f"weight must have one number for each of {samples} samples, not shape {column.shape}")
    if (column < 0).any() or not column.any():
        raise RelufitError("weights must be at least 0, and not all zero")
    return column[:, 0]


def weigh(x: np.ndarray, y: np.ndarray, weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leave out samples of negligible weight; return x (n, D), y (n, O) and weights (n,), the largest in [1, 2).

    A weight is negligible below 2^-52 of the largest. The values of such samples have no influence, however large.
    Raises RelufitError as `check_weight` does.
    """
    weight = check_weight(weight, len(x))
    # By a power of two, which is exact, so that no product of weights under- or overflows.
    weight = np.ldexp(weight, 1 - int(np.frexp(weight.max())[1]))
    counts = weight > np.finfo(np.float64).eps
    return x[counts], y[counts], weight[counts]


def _as_numbers(name: str, values: Any) -> np.ndarray:
    """Convert numbers to float64 (N, columns). Raises RelufitError for times, which are allowed in x only."""
    table, types = _as_columns(name, values)
    if set(types) != {NUMBER}:
        raise RelufitError(
            f"{name} holds times, which are allowed in x only; give numbers, such as seconds since the first time"
        )
    return table


def _as_columns(name: str, values: Any, distinct: bool = False) -> tuple[np.ndarray, tuple[str, ...]]:
    """Convert numbers or times to finite float64 (N, columns); return them and the types, as `columns.convert` does."""
    table, types = convert(name, values, distinct)
    table = np.array(table[:, None] if table.ndim == 1 else table)  # a copy: the user may change x later
    if table.ndim != 2:
        raise RelufitError(f"{name} must have shape (N,) or (N, columns), not {table.shape}")
    if 0 in table.shape:
        raise RelufitError(f"{name} is empty: shape {table.shape}")
    bad = ~np.isfinite(table)
    if bad.any():
        place, column = np.argwhere(bad)[0]
        what = "nan or inf" if types[column] == NUMBER else "NaT"
        raise RelufitError(f"{name} holds {what} at row {place} ({bad.sum()} in all); remove or replace them")
    return table, types


@dataclass(frozen=True, eq=False)  # compared by identity: == of arrays gives an array, not a bool
class Samples:
    """Data on a backend's device, x (N, D) and y (N, O); a subclass may add what it precomputes from them."""

    x: Array  # (N, D)
    y: Array  # (N, O)

    def __len__(self) -> int:
        return int(self.x.shape[0])

    def __repr__(self) -> str:
        return one_line(self)

    def take(self, index: Any) -> "Samples":
        """The samples at `index`: a slice, or a 1-d array of integers on the device."""
        return Samples(self.x[index], self.y[index])
