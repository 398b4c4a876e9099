"""Random tables and functions that splines have been wrong about, by seed, and errors of splines without a search."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import solveh_banded

from relufit import Target


class Table(NamedTuple):
    """Samples, their weights, and a number of units that they support."""

    x: np.ndarray  # (N,)
    y: np.ndarray  # (N,)
    weight: np.ndarray | None  # (N,)
    hidden: int

    @property
    def weights(self) -> np.ndarray:
        """Those that count, (N,): `fit` leaves out what weighs nothing beside the heaviest sample."""
        if self.weight is None:
            return np.ones(len(self.x))
        return np.where(self.weight > np.finfo(float).eps * self.weight.max(), self.weight, 0.0)

    def mean_square(self, errors: np.ndarray) -> float:
        """Weighted, of errors (N,)."""
        return float(np.average(errors**2, weights=self.weights))

    @property
    def rounding(self) -> float:
        """The mean square below which an error counts as rounding, from the variance of y and its largest value."""
        variance = self.mean_square(self.y - np.average(self.y, weights=self.weights))
        return 1e-14 * variance + float(1e-15 * np.abs(self.y).max()) ** 2


def random_table(seed: int, decades: float) -> Table:
    """Of 1 to 10^decades samples: clusters, ties, far outliers, offsets up to 10^12, weights over nine decades."""
    rng = np.random.default_rng(seed)
    n = int(10 ** rng.uniform(0, decades))
    clusters = rng.integers(1, 6)
    member, width = rng.integers(clusters, size=n), 10 ** rng.uniform(-9, 0, clusters)
    x = [
        rng.uniform(-1, 1, n),
        rng.uniform(-1, 1, clusters)[member] + width[member] * rng.uniform(-1, 1, n),
        np.round(rng.uniform(-1, 1, n) * rng.integers(2, 50)) / 7,
        rng.standard_cauchy(n),
        np.exp(rng.uniform(-10, 10, n)),
    ][rng.integers(5)]
    x = x * 10 ** rng.uniform(-6, 6) + rng.choice([0, 0, 1, -1]) * 10 ** rng.uniform(0, 12)
    u = (x - x.mean()) / (x.std() or 1)
    shapes = np.sin(3 * u), np.abs(u), np.floor(2 * u), u, np.zeros(n), u * u, np.exp(-9 * u * u)
    noise = rng.standard_cauchy(n) if rng.random() < 0.3 else rng.normal(size=n)
    y = shapes[rng.integers(7)] + rng.choice([0, 0.01, 0.3, 1]) * noise
    if rng.random() < 0.3:
        y = y * 10 ** rng.uniform(-8, 8) + 10 ** rng.uniform(0, 8)
    weight = 10 ** rng.uniform(-4.5, 4.5, n) if rng.random() < 0.3 else None
    most = max(len(np.unique(x)) - 1, 1)
    return Table(x, y, weight, int(min(most, 10 ** rng.uniform(0, 1.9))))


def plain_error(table: Table) -> float:
    """The lesser mean square of the splines of as many pieces with equidistant knots and with knots at quantiles."""
    share = np.linspace(0, 1, table.hidden + 1)
    low, high = table.x.min(), table.x.max()
    return min(
        table.mean_square(_residuals(table, np.unique(knots)))
        for knots in (low + share * (high - low), np.quantile(table.x, share))
    )


def _residuals(table: Table, knots: np.ndarray) -> np.ndarray:
    """Of the least-squares values on these knots, (N,), by normal equations that are solved three times over."""
    x, weight = table.x, table.weights
    e = table.y - np.average(table.y, weights=weight)
    if len(knots) < 2:
        return e
    piece = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, len(knots) - 2)
    right = (x - knots[piece]) / np.diff(knots)[piece]
    left = 1 - right
    band = np.zeros((2, len(knots)))
    np.add.at(band[1], piece, weight * left**2)
    np.add.at(band[1], piece + 1, weight * right**2)
    np.add.at(band[0], piece + 1, weight * left * right)
    band[1] = band[1] * (1 + 1e-13) + (band[1] == 0)
    for _ in range(3):
        wanted = np.bincount(piece, weight * left * e, len(knots)) + np.bincount(
            piece + 1, weight * right * e, len(knots)
        )
        try:
            values = solveh_banded(band, wanted)
        except np.linalg.LinAlgError:
            return e
        e = e - left * values[piece] - right * values[piece + 1]
    return e


def random_function(seed: int) -> Target:
    """On [-1, 1]: waves, square waves, spikes, chirps and saws of up to a few hundred turns, kinks, steep steps."""
    rng = np.random.default_rng(seed)
    a, p = 10 ** rng.uniform(-0.5, 2.3), rng.uniform(0, 6)
    functions: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "wave": lambda x: np.sin(a * x + p),
        "square wave": lambda x: np.where(np.floor(a * x + p) % 2 == 0, 1.0, -1.0),
        "spikes": lambda x: np.maximum(0, 1 - 10 * np.abs((a * x + p) % 2 - 1)),
        "chirp": lambda x: np.sin(a * x * x),
        "two waves": lambda x: np.sin(3 * x) + 0.3 * np.sin(a * x),
        "saw": lambda x: (a * x + p) % 1,
        "growing wave": lambda x: np.exp(3 * x) * np.cos(a * x),
        "kinks": lambda x: np.abs(np.sin(a * x + p)),
        "step": lambda x: np.tanh(a * (x - 0.3)) + 0.1 * np.abs(x + 0.5),
    }
    name = str(rng.choice(list(functions)))
    return Target(f"{name} of {a:.4g}", functions[name], (-1.0, 1.0))


def sampled(target: Target, seed: int, decades: float) -> tuple[np.ndarray, np.ndarray]:
    """30 to 10^decades samples of a target, evenly or at random, without noise or with: x and y (N,)."""
    rng = np.random.default_rng(seed)
    n = int(10 ** rng.uniform(1.5, decades))
    x = np.sort(rng.uniform(-1, 1, n)) if rng.random() < 0.5 else np.linspace(-1, 1, n)
    return x, target(x) + rng.choice([0, 0, 0.01, 0.3]) * rng.normal(size=n)
