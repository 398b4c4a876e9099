"""What a handful of rounds say: the median and an interval for it that assumes nothing of the distribution."""

import numpy as np
from scipy.stats import binom

CONFIDENCE = 0.95


def median_interval(values: list[float]) -> tuple[float, float, float]:
    """Median and a 95 % interval for it from order statistics, which assume nothing of the distribution.

    The interval runs from the k-th smallest to the k-th largest value, k as large as the binomial distribution allows
    (David and Nagaraja, Order Statistics, 3rd ed., section 7.1); nan where fewer than six values allow none.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    # The least k whose tail P(X <= k) exceeds 2.5 %: the k-th smallest value leaves out no more than that.
    k = int(binom.ppf((1 - CONFIDENCE) / 2, len(ordered), 0.5))
    if k < 1:
        return float(np.median(ordered)), float("nan"), float("nan")
    return float(np.median(ordered)), float(ordered[k - 1]), float(ordered[-k])
