"""Statistics of a few numbers: intervals without assumptions on the distribution, and rank tests of two samples."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.stats import binom, mannwhitneyu, wilcoxon

CONFIDENCE = 0.95
# Pairs, and blocks of a group, up to which the distribution of the ranks is computed; above, its normal limit is close.
EXACT_PAIRS, EXACT_GROUPS = 50, 8


class Comparison(NamedTuple):
    """How many times faster A is than B, with the interval and the p-values."""

    ratio: float  # B's seconds over A's, the median
    low: float  # of its 95 % interval; nan where there are too few blocks for one
    high: float
    p_different: float  # p-value of the hypothesis that the ratio is 1
    p_same: float  # p-value of the hypothesis that it is outside 1 / (1 + margin) to 1 + margin
    blocks: int

    @property
    def difference(self) -> float:
        """By which share of the faster one's time the slower one takes longer."""
        return max(self.ratio, 1 / self.ratio) - 1


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Median and a 95 % interval for it from order statistics, which assume nothing of the distribution.

    The interval runs from the k-th smallest to the k-th largest value, k as large as the binomial distribution allows
    (David and Nagaraja, Order Statistics, 3rd ed., section 7.1); nan where fewer than six values allow none.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    k = _outermost(len(ordered))
    if k < 1:
        return float(np.median(ordered)), float("nan"), float("nan")
    return float(np.median(ordered)), float(ordered[k - 1]), float(ordered[-k])


@lru_cache
def _outermost(count: int) -> int:
    """The least k whose tail P(X <= k) exceeds 2.5 %: the k-th smallest value leaves out no more than that."""
    return int(binom.ppf((1 - CONFIDENCE) / 2, count, 0.5))


def compare_pairs(a: Sequence[float], b: Sequence[float], margin: float) -> Comparison:
    """Compare seconds that were measured in pairs, one soon after the other; a and b (blocks,).

    Wilcoxon's signed-rank test of the logarithms' differences, and for equality the same twice, against either end of
    the margin (two one-sided tests). What changes from block to block for both, as a machine's drift, cancels.
    """
    difference, limit = np.log(np.asarray(b)) - np.log(np.asarray(a)), np.log1p(margin)
    # Medians of rounded seconds may tie. The exact distribution leaves ties out of account, which changes p by a few
    # hundredths of itself; scipy's choice, the normal limit, would lose the small p-values that a long table needs.
    method = "exact" if len(difference) <= EXACT_PAIRS else "approx"

    def p(values: np.ndarray, alternative: str) -> float:
        found = wilcoxon(values, zero_method="zsplit", alternative=alternative, method=method)
        return float(found.pvalue)

    ratio, low, high = (float(np.exp(value)) for value in median_interval(difference))
    same = max(p(difference + limit, "greater"), p(difference - limit, "less"))
    return Comparison(ratio, low, high, p(difference, "two-sided"), same, len(difference))


def compare_groups(a: Sequence[float], b: Sequence[float], margin: float) -> Comparison:
    """Compare seconds that were measured apart, by Mann and Whitney's rank test; a (blocks,) and b (blocks,).

    The interval of the ratio reaches from the least to the largest that the two medians' own intervals allow.
    """
    x, y, limit = np.log(np.asarray(a)), np.log(np.asarray(b)), np.log1p(margin)
    (of_a, low_a, high_a), (of_b, low_b, high_b) = median_interval(a), median_interval(b)
    blocks = min(len(x), len(y))
    method = "exact" if blocks <= EXACT_GROUPS else "asymptotic"  # not "auto", which takes the limit where values tie

    def p(values: np.ndarray, alternative: str) -> float:
        return float(mannwhitneyu(values, x, alternative=alternative, method=method).pvalue)

    same = max(p(y + limit, "greater"), p(y - limit, "less"))
    return Comparison(of_b / of_a, low_b / high_a, high_b / low_a, p(y, "two-sided"), same, blocks)


def holm(p: Sequence[float]) -> list[float]:
    """The p-values of a table, adjusted so that one wrong claim in all of it is as rare as in one test (Holm 1979)."""
    order = np.argsort(p)
    raised = np.asarray(p, dtype=np.float64)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(raised))
    return [float(value) for value in adjusted]
