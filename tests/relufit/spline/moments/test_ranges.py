"""Moments of runs of samples, against sums in extended precision."""

import numpy as np
import pytest

from relufit.spline.moments.ranges import BLOCK, RangeMoments


def samples(n: int, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Weight, x, y of single samples, and three rows of zeros, (6, n)."""
    x = {
        "even": np.linspace(-1, 1, n),
        "clusters": np.sort(rng.choice([0, 1, 1e-6, 1e-12], n) * rng.uniform(0, 1, n) + rng.choice([0.0, 1.0], n)),
        "far": 1e9 + np.sort(rng.uniform(0, 1e-3, n)),
    }[kind]
    weight = 10 ** rng.uniform(-4.5, 4.5, n) if kind == "clusters" else np.ones(n)
    return np.stack([weight, x, rng.normal(size=n), *np.zeros((3, n))])


def summed(table: np.ndarray, begin: int, end: int) -> np.ndarray:
    """The moments of a run, sample by sample."""
    weight, x, y = table[:3, begin:end].astype(np.longdouble)
    mass = weight.sum()
    dx, dy = x - (weight @ x) / mass, y - (weight @ y) / mass
    return np.array(
        [mass, weight @ x / mass, weight @ y / mass, weight @ (dx * dx), weight @ (dx * dy), weight @ (dy * dy)]
    )


@pytest.mark.parametrize("kind", ["even", "clusters", "far"])
@pytest.mark.parametrize("n", [2, 3, BLOCK - 1, BLOCK, BLOCK + 1, 200, 1023, 1024, 5000])
def test_any_run_has_the_moments_of_its_samples(n: int, kind: str) -> None:
    """Moments are accurate for runs that are narrow beside their distance from the other samples."""
    rng = np.random.default_rng(n)
    table = samples(n, kind, rng)
    begin = rng.integers(0, n - 1, 200)
    end = np.minimum(begin + 1 + rng.integers(0, np.where(rng.random(200) < 0.5, 2 * BLOCK, n)), n)
    for k, found in enumerate(RangeMoments(table).runs(begin, end).T):
        wanted = summed(table, begin[k], end[k])
        # A mean is as good as x itself; sums of products are as good as the product of their deviations.
        scale = np.abs(wanted) + np.array([0, np.abs(table[1]).max(), 1, 0, np.sqrt(wanted[3] * wanted[5]), 0])
        # x itself is rounded: that much of the deviations of a run is open.
        rounding = np.finfo(float).eps * np.abs(table[1]).max() * np.sqrt(wanted[0] / (wanted[3] + 1e-300))
        assert (np.abs(found - wanted) <= (1e-6 + 10 * rounding) * scale + 1e-300).all(), (begin[k], end[k])


def test_a_run_of_no_samples_is_empty() -> None:
    """The mass and all sums of a run of no samples are 0."""
    table = RangeMoments(samples(100, "even", np.random.default_rng(0)))
    places = np.array([0, 1, 50, 100])
    assert not table.runs(places, places)[[0, 3, 4, 5]].any()


def test_neighbouring_ranks_bound_runs() -> None:
    """`between` returns the moments of the runs from each rank to the next, also for splines side by side."""
    table = RangeMoments(samples(300, "even", np.random.default_rng(0)))
    ranks = np.array([[0, 0, 7, 150, 300], [0, 1, 2, 3, 300]])
    np.testing.assert_array_equal(table.between(ranks), table.runs(ranks[:, :-1], ranks[:, 1:]))
