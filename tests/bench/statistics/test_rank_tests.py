"""The rank tests against those of scipy, and against counting."""

from itertools import combinations, product

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, wilcoxon

from bench.statistics.rank_tests import rank_sum, signed_rank

# Values that hardly tie, and values of which many do.
DRAWS = {"distinct": lambda rng, n: rng.normal(0.3, 1, n), "tied": lambda rng, n: np.round(rng.normal(0.3, 1, n))}


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("count", [1, 6, 12, 50, 51, 200])
def test_signed_ranks_are_those_of_scipy(draw: str, count: int) -> None:
    """The p-value is scipy's, exact up to 50 pairs and by the normal limit above, with ties and zeros too."""
    for seed in range(5):
        differences = DRAWS[draw](np.random.default_rng(seed), count)
        method = "exact" if count <= 50 else "asymptotic"
        expected = wilcoxon(differences, zero_method="zsplit", method=method, alternative="greater").pvalue
        assert signed_rank(differences) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 8), (8, 3), (8, 30), (9, 9), (40, 25)])
def test_rank_sums_are_those_of_scipy(draw: str, m: int, n: int) -> None:
    """The p-value is scipy's, exact where a sample has up to eight values and by the normal limit above."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x, y = DRAWS[draw](rng, m), DRAWS[draw](rng, n)
        method = "exact" if min(m, n) <= 8 else "asymptotic"
        expected = mannwhitneyu(x, y, method=method, alternative="greater").pvalue
        assert rank_sum(x, y) == pytest.approx(expected, rel=1e-9)


def test_the_limit_knows_of_ties() -> None:
    """Short samples have scipy's own choice if asked to: with ties the normal limit, without ties the exact one."""
    tied, distinct, others = [1.0, 2.0, 2.0, 5.0], [1.0, 2.0, 4.0, 5.0], [0.0, 0.5, 1.5, 3.0]
    for x in (tied, distinct):
        expected = mannwhitneyu(x, others, alternative="greater").pvalue
        assert rank_sum(x, others, limit_of_ties=True) == pytest.approx(expected, rel=1e-9)


def test_p_values_are_shares_of_all_orders() -> None:
    """By counting: of all signs, and of all ways to choose the values of x, the share that gives as much or more."""
    ranks, positive = np.arange(1, 8), np.array([1, -1, 1, -1, 1, 1, 1])
    sums = [(ranks * (np.array(signs) > 0)).sum() for signs in product((1, -1), repeat=7)]
    assert signed_rank(ranks * positive) == np.mean(np.array(sums) >= (ranks * (positive > 0)).sum())
    chosen = [sum(found) for found in combinations(range(9), 4)]
    assert rank_sum(np.array([8, 6, 5, 2]), np.array([0, 1, 3, 4, 7])) == np.mean(np.array(chosen) >= 21)


def test_equal_values_are_no_evidence() -> None:
    """Samples of one value have p-values of a half and more, of whatever length."""
    for count in (4, 60):
        assert signed_rank(np.zeros(count)) >= 0.5
        assert rank_sum(np.ones(count), np.ones(count)) >= 0.5


def test_a_long_sample_beside_a_short_one_takes_no_time() -> None:
    """The exact distribution of 8 and 2000 values, whose counts exceed 64 bits, is a distribution."""
    x, y = np.arange(8.0) + 1996.5, np.arange(2000.0)
    assert 0 < rank_sum(x, y) < 1e-15
    assert rank_sum(-x, y) == 1
