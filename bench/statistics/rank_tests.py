"""Rank tests of two samples: p-values that assume nothing of the distribution.

scipy.stats has both tests, and the tests compare these with them. A report makes ten thousand of them: each call of
scipy's takes half a millisecond to check its arguments, and the import a second.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from math import sqrt

import numpy as np
from scipy.special import ndtr

# Pairs, and values of the smaller sample, up to which the distribution of the ranks is computed, which leaves ties out
# of account; above, its normal limit is close. Ties change p by a few hundredths of itself, where the normal limit
# would lose the small p-values that a long table needs.
EXACT_PAIRS, EXACT_VALUES = 50, 8

Values = Sequence[float] | np.ndarray


def signed_rank(differences: np.ndarray) -> float:
    """The p-value of differences (n,) as large as these where they are symmetric about 0 (Wilcoxon 1945).

    Of a difference of 0 half of the rank counts as that of a positive one.
    """
    sizes, count = np.abs(differences), len(differences)
    ordered = np.sort(sizes)
    ranks = (np.searchsorted(ordered, sizes, "left") + np.searchsorted(ordered, sizes, "right") + 1) / 2
    statistic = float(ranks @ (np.sign(differences) + 1)) / 2
    if count <= EXACT_PAIRS:
        return float(_signed_rank_tail(count)[int(statistic)])
    variance = (count * (count + 1) * (2 * count + 1) - _ties(sizes) / 2) / 24
    return float(ndtr((count * (count + 1) / 4 - statistic) / sqrt(variance)))


def rank_sum(x: Values, y: Values, limit_of_ties: bool = False) -> float:
    """The p-value of x (m,) as far above y (n,) as these where both are of one distribution (Mann and Whitney 1947).

    `limit_of_ties` takes the normal limit, which knows of ties, of short samples with ties too.
    """
    ordered, (m, n) = np.sort(y), (len(x), len(y))
    # The pairs in which x is larger; a tie counts as half of one.
    statistic = float(np.searchsorted(ordered, x, "left").sum() + np.searchsorted(ordered, x, "right").sum()) / 2
    both, ties = m + n, _ties(np.concatenate((x, y)))
    if min(m, n) <= EXACT_VALUES and not (limit_of_ties and ties):
        return float(_rank_sum_tail(min(m, n), max(m, n))[int(statistic)])
    variance = m * n / 12 * (both + 1 - ties / (both * (both - 1)))
    # Less 1/2, since the statistic is a whole number; where all values tie nothing is seen.
    return float(ndtr((m * n / 2 + 0.5 - statistic) / sqrt(variance))) if variance > 0 else 1.0


def _ties(values: np.ndarray) -> float:
    """The sum of t^3 - t over the values, each of which occurs t times: what ties take from a variance of ranks."""
    return float(sum(times**3 - times for times in Counter(values.tolist()).values()))


@lru_cache
def _signed_rank_tail(count: int) -> np.ndarray:
    """P(W >= w) of the sum W of the ranks of positive differences, for w from 0 on."""
    ways = _one_way(count * (count + 1) // 2)
    for rank in range(1, count + 1):  # times 1 + x^rank
        ways[rank:] += ways[:-rank].copy()
    return _tail(ways)


@lru_cache
def _rank_sum_tail(m: int, n: int) -> np.ndarray:
    """P(U >= u) of the number U of pairs in which x is larger, for u from 0 on.

    The ways to each U are the coefficients of the product of (1 - x^(n + i)) / (1 - x^i) for i up to m (Mann and
    Whitney 1947, section 4).
    """
    ways = _one_way(m * n)
    for i in range(1, m + 1):
        ways[n + i :] -= ways[: -n - i].copy()
        for first in range(i):  # a division by 1 - x^i adds up every i-th coefficient
            ways[first::i] = np.cumsum(ways[first::i])
    return _tail(ways)


def _one_way(largest: int) -> np.ndarray:
    """The ways to 0, 1, ... `largest`: one to 0, and none to others; Python's integers, which do not overflow."""
    return np.array([1] + [0] * largest, dtype=object)


def _tail(ways: np.ndarray) -> np.ndarray:
    """The share of ways that lead to each number or a larger one."""
    return (np.cumsum(ways[::-1])[::-1] / ways.sum()).astype(np.float64)
