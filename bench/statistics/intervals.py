"""Statistics of a few numbers: intervals without assumptions on the distribution, and rank tests of two samples."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import binom, mannwhitneyu, wilcoxon

CONFIDENCE = 0.95
# Pairs, and blocks of a group, up to which the exact distribution of ranks is used; above, the normal limit is close.
EXACT_PAIRS, EXACT_GROUPS = 50, 8


class Comparison(NamedTuple):
    """The ratio of the seconds of B to those of A, with its interval and p-values."""

    ratio: float  # B's seconds over A's, the median
    low: float  # lower end of its 95 % interval; nan if there are too few blocks
    high: float
    p_different: float  # p-value of the hypothesis that the ratio is 1
    p_same: float  # p-value of the hypothesis that it is outside 1 / (1 + margin) to 1 + margin
    blocks: int


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Median and its 95 % interval from order statistics, without assumptions on the distribution.

    The interval runs from the k-th smallest to the k-th largest value, k as large as the binomial distribution allows
    (David and Nagaraja, Order Statistics, 3rd ed., section 7.1); nan for fewer than six values.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    median, k = float(np.median(ordered)), _outermost(len(ordered))
    return (median, float(ordered[k - 1]), float(ordered[-k])) if k else (median, np.nan, np.nan)


def half_width(values: Sequence[float]) -> float:
    """Half the width of the median's interval, relative to the median; inf for too few values."""
    median, low, high = median_interval(values)
    return (high - low) / 2 / median if high >= low else np.inf


def reach(values: Sequence[float]) -> tuple[float, float, float]:
    """Median and its interval; for too few values, the smallest and the largest of them."""
    median, low, high = median_interval(values)
    return (median, low, high) if np.isfinite(low) else (median, min(values), max(values))


@lru_cache
def _outermost(count: int) -> int:
    """The least k with P(X <= k) >= 2.5 %: the k-th smallest value excludes at most this probability."""
    return int(binom.ppf((1 - CONFIDENCE) / 2, count, 0.5))


def compare_pairs(a: Sequence[float], b: Sequence[float], margin: float) -> Comparison:
    """Compare seconds that were measured in pairs, one soon after the other; a and b (blocks,).

    By Wilcoxon's signed-rank test of the differences of logarithms. Changes from block to block that affect both, such
    as drift of the machine, cancel.
    """
    difference = np.log(np.asarray(b)) - np.log(np.asarray(a))
    # Medians of rounded seconds may tie. The exact distribution ignores ties, which changes p by some percent; the
    # normal limit, which scipy chooses then, would lose the small p-values that a long table needs.
    test = partial(wilcoxon, zero_method="zsplit", method="exact" if len(difference) <= EXACT_PAIRS else "approx")
    ratio, low, high = (float(np.exp(value)) for value in median_interval(difference))
    return Comparison(ratio, low, high, *_p_values(test, difference, margin), len(difference))


def compare_groups(a: Sequence[float], b: Sequence[float], margin: float) -> Comparison:
    """Compare seconds that were measured separately, by Mann and Whitney's rank test; a (blocks,) and b (blocks,).

    The interval of the ratio runs from the smallest to the largest ratio within the intervals of both medians.
    """
    (of_a, low_a, high_a), (of_b, low_b, high_b) = median_interval(a), median_interval(b)
    blocks = min(len(a), len(b))
    # Not "auto", which uses the normal limit for ties.
    test = partial(mannwhitneyu, y=np.log(a), method="exact" if blocks <= EXACT_GROUPS else "asymptotic")
    return Comparison(of_b / of_a, low_b / high_a, high_b / low_a, *_p_values(test, np.log(b), margin), blocks)


def _p_values(test: Callable[..., Any], logarithms: np.ndarray, margin: float) -> tuple[float, float]:
    """`p_different` and `p_same` by a rank test; for equality, two one-sided tests against either end of the margin."""

    def p(shift: float, alternative: str) -> float:
        return float(test(logarithms + shift, alternative=alternative).pvalue)

    limit = np.log1p(margin)
    return p(0, "two-sided"), max(p(limit, "greater"), p(-limit, "less"))


def holm(p: Sequence[float]) -> list[float]:
    """Adjust the p-values of a table so that the level holds for all its tests together (Holm 1979)."""
    order = np.argsort(p)
    raised = np.maximum.accumulate(np.asarray(p, np.float64)[order] * np.arange(len(p), 0, -1))
    return np.minimum(1, raised)[np.argsort(order)].tolist()  # back in the order of the table
