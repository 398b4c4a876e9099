"""The search for the size at which one backend overtakes the other: the next size to measure, and the crossovers.

`search` takes a function that measures a size; nothing is timed here. Ratios of times need not be monotone in the size.
So the whole range is scanned upwards in coarse steps, because small sizes cost little; the first crossover is narrowed
down as soon as it is found, before the scan continues.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from math import exp, log, sqrt
from typing import NamedTuple

from bench.statistics.intervals import CONFIDENCE

SCAN_FACTOR = 8  # ratio of successive sizes of the scan
CLOSE = 1.1  # ratio of the ends of a crossover at which the search ends
DECIDED = ("FASTER", "SLOWER")


class Ended(Exception):
    """The search cannot continue; the reason is in the journal."""


class Measured(NamedTuple):
    """The result of a comparison of A and B at one size."""

    size: int
    ratio: float  # B's seconds over A's
    word: str  # the verdict on A


class Crossing(NamedTuple):
    """Two sizes between which one backend overtakes the other."""

    low: int  # the largest size at which the first is clearly faster
    high: int  # the smallest size above it at which the second is clearly faster
    size: float  # the size at which the ratio, interpolated in logarithms, is 1
    word: str  # the verdict on A at `low`: FASTER if B overtakes A


Look = Callable[[int], list[Measured]]  # measures a size and returns the results at all sizes so far, in order


def search(look: Look, least: int, most: int, longest: int, avoided: Sequence[int] = ()) -> None:
    """Scan the sizes from `least` to `most`, and narrow down the first crossover as soon as it is found.

    The verdicts that `look` returns are corrected for all sizes so far, so a crossover may vanish and be searched
    again. `look` may raise Ended. At most `longest` sizes are measured, and none of the `avoided` ones.
    """
    seen: set[int] = set()
    with suppress(Ended):
        for place in scan(least, most):
            size: int | None = place
            if place in avoided:  # the scan ends at `most`, not beyond it
                size = place + 1 if place < most else place - 1
            while size is not None and size not in seen and len(seen) < longest:
                seen.add(size)
                size = choose_next(look(size), avoided)


def longest_table(passes: int) -> int:
    """The largest number of sizes at which this number of passes can give a significant difference.

    The least p-value of a signed-rank test of n pairs is 2 / 2^n, and Holm's correction multiplies it by the number of
    sizes.
    """
    return int((1 - CONFIDENCE) * 2.0 ** min(passes, 60) / 2)


def scan(least: int, most: int) -> Iterator[int]:
    """The sizes of the scan: from `least` by factors of SCAN_FACTOR, and `most`."""
    while least < most:
        yield least
        least *= SCAN_FACTOR
    yield most


def find_crossings(row: Sequence[Measured]) -> list[Crossing]:
    """Every crossover between successive sizes with a clear verdict; undecided sizes may lie between them."""
    decided = [place for place, point in enumerate(row) if point.word in DECIDED]
    return [_crossing(row[i : j + 1]) for i, j in pairwise(decided) if row[i].word != row[j].word]


def _crossing(row: Sequence[Measured]) -> Crossing:
    """The crossover between the ends of a row, at the first size where the ratio passes 1."""
    before, after = next((p, q) for p, q in pairwise(row) if (p.ratio > 1) != (q.ratio > 1))
    share = log(before.ratio) / (log(before.ratio) - log(after.ratio))
    size = exp(log(before.size) + share * (log(after.size) - log(before.size)))
    return Crossing(row[0].size, row[-1].size, size, row[0].word)


def choose_next(row: Sequence[Measured], avoided: Sequence[int] = ()) -> int | None:
    """The size that narrows the first crossover down most; None without a crossover, or if its ends are close.

    This is the geometric mean of its ends. If sizes between the ends are undecided, the crossover may end before the
    first of them or after the last, and the wider of these two gaps is halved. An avoided size is replaced by the next.
    """
    crossings = find_crossings(row)
    if not crossings:
        return None
    low, high = crossings[0][:2]
    between = [point.size for point in row if low < point.size < high]
    gaps = [(low, between[0]), (between[-1], high)] if between else [(low, high)]
    wide = [(right / left, left, right) for left, right in gaps if right > CLOSE * left and right - left > 1]
    if not wide:
        return None
    _, left, right = max(wide)
    middle = round(sqrt(left * right))
    return middle + (middle in avoided)
