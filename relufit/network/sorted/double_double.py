"""Numbers of 106 bits, as the sum of two float64 arrays: for sums whose terms cancel.

The formulas are those of Dekker (1971, Numer. Math. 18, 224-242) and Knuth (The Art of Computer Programming, vol. 2,
section 4.2.2). They need nothing but correctly rounded additions and products.
"""

from typing import NamedTuple

import numpy as np

SPLITTER = 2.0**27 + 1  # Dekker's constant, which splits 53 bits into two halves


class DoubleDouble(NamedTuple):
    """The unevaluated sum `high` + `low` of two arrays of one shape; `high` is the sum rounded to float64."""

    high: np.ndarray
    low: np.ndarray

    def plus(self, other: "DoubleDouble") -> "DoubleDouble":
        """The sum of two numbers, within 2^-103 of the sum of their magnitudes."""
        total, error = _add(self.high, other.high)
        return _renormalised(total, error + (self.low + other.low))

    def times(self, factor: np.ndarray) -> "DoubleDouble":
        """The product with a float64 array."""
        total = product(self.high, factor)
        return _renormalised(total.high, total.low + self.low * factor)

    def at(self, rows: slice | np.ndarray) -> "DoubleDouble":
        """Some of the rows."""
        return DoubleDouble(self.high[rows], self.low[rows])


def product(a: np.ndarray, b: np.ndarray) -> DoubleDouble:
    """The exact product of two float64 arrays; factors near the largest float do not overflow on the way."""
    (a, a_exponent), (b, b_exponent) = np.frexp(a), np.frexp(b)
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    high = a * b
    low = a_low * b_low - (((high - a_high * b_high) - a_low * b_high) - a_high * b_low)
    exponent = a_exponent + b_exponent
    return DoubleDouble(np.ldexp(high, exponent), np.ldexp(low, exponent))


def running_sums(terms: DoubleDouble) -> DoubleDouble:
    """The sums of the first 0, 1, ... n rows of terms (n, O): (n + 1, O).

    Each of log2 n passes adds the sum that ends a power of two earlier (Hillis and Steele 1986, CACM 29(12), 1170).
    """
    zero = np.zeros((1, *terms.high.shape[1:]))
    sums = DoubleDouble(*(np.concatenate([zero, part]) for part in terms))
    step = 1
    while step < len(sums.high):
        added = sums.at(slice(step, None)).plus(sums.at(slice(-step)))
        sums = DoubleDouble(*(np.concatenate([part[:step], more]) for part, more in zip(sums, added, strict=True)))
        step *= 2
    return sums


def _add(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rounded sum, and its rounding error."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


def _renormalised(high: np.ndarray, low: np.ndarray) -> DoubleDouble:
    """The same sum with a `low` that does not overlap `high`; |high| >= |low| is given."""
    total = high + low
    return DoubleDouble(total, low - (total - high))


def _halves(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The upper and the lower 26 bits."""
    shifted = a * SPLITTER
    upper = shifted - (shifted - a)
    return upper, a - upper
