"""Statistics of a few numbers: intervals without assumptions on the distribution, and rank tests of two samples."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

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


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Median and a 95 % interval for it from order statistics, which assume nothing of the distribution.

    The interval runs from the k-th smallest to the k-th largest value, k as large as the binomial distribution allows
    (David and Nagaraja, Order Statistics, 3rd ed., section 7.1); nan where fewer than six values allow none.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    median, k = float(np.median(ordered)), _outermost(len(ordered))
    return (median, float(ordered[k - 1]), float(ordered[-k])) if k else (median, np.nan, np.nan)


def half_width(values: Sequence[float]) -> float:
    """Half the width of the median's interval, relative to the median; inf where too few values give no interval."""
    median, low, high = median_interval(values)
    return (high - low) / 2 / median if high >= low else np.inf


def reach(values: Sequence[float]) -> tuple[float, float, float]:
    """Median and its interval; of fewer values than an interval needs, the least and the largest of them."""
    median, low, high = median_interval(values)
    return (median, low, high) if np.isfinite(low) else (median, min(values), max(values))


@lru_cache
def _outermost(count: int) -> int:
    """The least k whose tail P(X <= k) exceeds 2.5 %: the k-th smallest value leaves out no more than that."""
    return int(binom.ppf((1 - CONFIDENCE) / 2, count, 0.5))


def compare_pairs(a: Sequence[float], b: Sequence[float], margin: float) -> Comparison:
    """Compare seconds that were measured in pairs, one soon after the other; a and b (blocks,).

    Wilcoxon's signed-rank test of the logarithms' differences. What changes from block to block for both, as a
    machine's drift, cancels.
    """
    difference = np.log(np.asarray(b)) - np.log(np.asarray(a))
    # Medians of rounded seconds may tie. The exact distribution leaves ties out of account, which changes p by a few
    # hundredths of itself; scipy's choice, the normal limit, would lose the small p-values that a long table needs.
    test = partial(wilcoxon, zero_method="zsplit", method="exact" if len(difference) <= EXACT_PAIRS else "approx")
    ratio, low, high = (float(np.exp(value)) for value in median_interval(difference))
    return Comparison(ratio, low, high, *_p_values(test, difference, margin), len(difference))


def compare_groups(a: Sequence[float], b: Sequence[float], margin: float) -> Comparison:
    """Compare seconds that were measured apart, by Mann and Whitney's rank test; a (blocks,) and b (blocks,).

    The interval of the ratio reaches from the least to the largest that the two medians' own intervals allow.
    """
    (of_a, low_a, high_a), (of_b, low_b, high_b) = median_interval(a), median_interval(b)
    blocks = min(len(a), len(b))
    # Not "auto", which takes the limit where values tie.
    test = partial(mannwhitneyu, y=np.log(a), method="exact" if blocks <= EXACT_GROUPS else "asymptotic")
    return Comparison(of_b / of_a, low_b / high_a, high_b / low_a, *_p_values(test, np.log(b), margin), blocks)


def _p_values(test: Callable[..., Any], logarithms: np.ndarray, margin: float) -> tuple[float, float]:
    """`p_different` and `p_same` by a rank test; for equality, two one-sided tests against either end of the margin."""

    def p(shift: float, alternative: str) -> float:
        return float(test(logarithms + shift, alternative=alternative).pvalue)

    limit = np.log1p(margin)
    return p(0, "two-sided"), max(p(limit, "greater"), p(-limit, "less"))


def holm(p: Sequence[float]) -> list[float]:
    """The p-values of a table, adjusted so that one wrong claim in all of it is as rare as in one test (Holm 1979)."""
    order = np.argsort(p)
    raised = np.maximum.accumulate(np.asarray(p, np.float64)[order] * np.arange(len(p), 0, -1))
    return np.minimum(1, raised)[np.argsort(order)].tolist()  # back in the order of the table
