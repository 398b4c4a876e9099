"""Where one backend overtakes the other: which size to look at next, and between which sizes the crossover lies.

`search` is given the function that measures a size; nothing is timed here. Ratios of times need not be monotone in the
size. So the whole range is scanned in coarse steps, upwards, since small sizes cost little; the first crossover is
narrowed down as soon as it is seen, before the scan goes on.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from math import exp, log, sqrt
from typing import NamedTuple

from bench.statistics.intervals import CONFIDENCE

SCAN_FACTOR = 8  # between the sizes of the scan
CLOSE = 1.1  # neighbours are close enough within such a factor
DECIDED = ("FASTER", "SLOWER")


class Ended(Exception):
    """The search cannot go on; the reason is in the journal."""


class Measured(NamedTuple):
    """What is known at one size."""

    size: int
    ratio: float  # B's seconds over A's
    word: str  # the verdict on A


class Crossing(NamedTuple):
    """Between two sizes one backend is overtaken by the other."""

    low: int  # the largest size at which the one is clearly the faster
    high: int  # the smallest above it at which the other is
    size: float  # where the line between the measured ratios, both in logarithms, passes 1
    word: str  # the verdict on A at `low`: FASTER where B overtakes A


Look = Callable[[int], list[Measured]]  # measures a size and returns what is then known at all sizes, in order


def search(look: Look, least: int, most: int, longest: int, avoided: Sequence[int] = ()) -> None:
    """Scan the sizes from `least` to `most`, and narrow down the first crossover as soon as it is seen.

    The verdicts that `look` returns are corrected for all sizes so far: one that no longer holds in a longer table is
    looked into again. It may raise Ended. No more than `longest` sizes are looked at, and none that is avoided.
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
    """The most sizes at which so many passes can tell the backends apart: at more, no p-value would be small enough.

    The least of a signed-rank test of n pairs is 2 / 2^n, and Holm's correction multiplies it by the sizes.
    """
    return int((1 - CONFIDENCE) * 2.0 ** min(passes, 60) / 2)


def scan(least: int, most: int) -> Iterator[int]:
    """The sizes of the scan: steps of SCAN_FACTOR from the least, and the most."""
    while least < most:
        yield least
        least *= SCAN_FACTOR
    yield most


def find_crossings(row: Sequence[Measured]) -> list[Crossing]:
    """Every crossover between neighbours with a clear verdict; sizes without one may lie between them."""
    decided = [place for place, point in enumerate(row) if point.word in DECIDED]
    return [_crossing(row[i : j + 1]) for i, j in pairwise(decided) if row[i].word != row[j].word]


def _crossing(row: Sequence[Measured]) -> Crossing:
    """The crossover between the ends of a row; of several passages of its ratios through 1 the first counts."""
    before, after = next((p, q) for p, q in pairwise(row) if (p.ratio > 1) != (q.ratio > 1))
    share = log(before.ratio) / (log(before.ratio) - log(after.ratio))
    size = exp(log(before.size) + share * (log(after.size) - log(before.size)))
    return Crossing(row[0].size, row[-1].size, size, row[0].word)


def choose_next(row: Sequence[Measured], avoided: Sequence[int] = ()) -> int | None:
    """The size that narrows the first crossover down the most; None without a crossover, or if its ends are close.

    Without a verdict between its ends that is the middle, in logarithms. Where sizes between them are undecided, the
    crossover ends before the first of them or after the last: the wider of the two gaps is halved. An avoided size
    gives way to the next.
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
