"""Statistics of a few numbers: intervals without assumptions on the distribution, and comparisons of two samples."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import ceil
from statistics import median as median_of
from typing import NamedTuple

import numpy as np
from scipy.special import bdtr

from bench.statistics.rank_tests import rank_sum, signed_rank

CONFIDENCE = 0.95


class Comparison(NamedTuple):
    """How many times faster A is than B, with the interval and the p-values."""

    ratio: float  # B's seconds over A's, the median
    low: float  # of its 95 % interval; nan where there are too few blocks for one
    high: float
    p_different: float  # p-value of the hypothesis that the ratio is 1
    p_same: float  # p-value of the hypothesis that it is outside 1 / (1 + margin) to 1 + margin
    blocks: int


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Median and a 95 % interval for it from order statistics, which assume nothing of the distribution.

    The interval runs from the k-th smallest to the k-th largest value, k as large as the binomial distribution allows
    (David and Nagaraja, Order Statistics, 3rd ed., section 7.1); nan where fewer than six values allow none.
    """
    ordered = sorted(map(float, values))
    median, k = median_of(ordered), _outermost(len(ordered))
    return (median, ordered[k - 1], ordered[-k]) if k else (median, np.nan, np.nan)


def half_width(values: Sequence[float]) -> float:
    """Half the width of the median's interval, relative to the median; inf where too few values give no interval."""
    median, low, high = median_interval(values)
    return (high - low) / 2 / median if high >= low else np.inf


def reach(values: Sequence[float]) -> tuple[float, float, float]:
    """Median and its interval; of fewer values than an interval needs, the least and the largest of them."""
    median, low, high = median_interval(values)
    return (median, low, high) if np.isfinite(low) else (median, min(values), max(values))


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies, interpolated: that of np.quantile, in a tenth of its time."""
    ordered, place = sorted(values), share * (len(values) - 1)
    below, above = ordered[int(place)], ordered[ceil(place)]
    return below + (above - below) * (place % 1)


@lru_cache
def _outermost(count: int) -> int:
    """The least k whose tail P(X <= k) exceeds 2.5 %: the k-th smallest value leaves out no more than that."""
    return int(np.searchsorted(bdtr(np.arange(count), count, 0.5), (1 - CONFIDENCE) / 2))


def compare_pairs(a: Sequence[float], b: Sequence[float], margin: float) -> Comparison:
    """Compare seconds that were measured in pairs, one soon after the other; a and b (blocks,).

    Wilcoxon's signed-rank test of the logarithms' differences. What changes from block to block for both, as a
    machine's drift, cancels.
    """
    difference = np.log(np.asarray(b)) - np.log(np.asarray(a))
    ratio, low, high = (float(np.exp(value)) for value in median_interval(difference))
    p_values = _p_values(lambda sign, shift: signed_rank(sign * difference + shift), margin)
    return Comparison(ratio, low, high, *p_values, len(difference))


def compare_groups(a: Sequence[float], b: Sequence[float], margin: float) -> Comparison:
    """Compare seconds that were measured apart, by Mann and Whitney's rank test; a (blocks,) and b (blocks,).

    The interval of the ratio reaches from the least to the largest that the two medians' own intervals allow.
    """
    (of_a, low_a, high_a), (of_b, low_b, high_b) = median_interval(a), median_interval(b)
    log_a, log_b = np.log(a), np.log(b)
    p_values = _p_values(lambda sign, shift: rank_sum(sign * log_b + shift, sign * log_a), margin)
    return Comparison(of_b / of_a, low_b / high_a, high_b / low_a, *p_values, min(len(a), len(b)))


def _p_values(test: Callable[[int, float], float], margin: float) -> tuple[float, float]:
    """`p_different` and `p_same` by one-sided tests of B - A, with this sign, plus a shift, in logarithms.

    For equality there is a test against either end of the margin.
    """
    more, less, above, below = (test(sign, shift) for shift in (0.0, np.log1p(margin)) for sign in (1, -1))
    return min(1.0, 2 * min(more, less)), max(above, below)


def holm(p: Sequence[float]) -> list[float]:
    """The p-values of a table, adjusted so that one wrong claim in all of it is as rare as in one test (Holm 1979)."""
    order = np.argsort(p)
    raised = np.maximum.accumulate(np.asarray(p, np.float64)[order] * np.arange(len(p), 0, -1))
    return np.minimum(1, raised)[np.argsort(order)].tolist()  # back in the order of the table
