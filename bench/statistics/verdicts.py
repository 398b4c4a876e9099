"""Verdicts on two backends, or two runs, from the passes over them: FASTER, SLOWER, SAME or UNSURE.

A block is the median of one pass; passes alternate, so that drift of the machine affects both. SAME needs evidence, as
FASTER does: a difference that is not detected is UNSURE, with the reason.
"""

from collections.abc import Sequence
from typing import NamedTuple

from bench.statistics.intervals import CONFIDENCE, Comparison, holm

MARGIN = 0.05  # a difference shown to be smaller is SAME
LEAST_BLOCKS = 6  # for a 95 % interval of the median from order statistics
# The speed of a shared machine changed by this share between two cases of one pass, within minutes, so no smaller
# difference is claimed from a single pass.
DRIFT = 0.5


class Pair(NamedTuple):
    """Two rows of one case to compare."""

    comparison: Comparison
    least: float = 0.0  # the smallest difference that may be claimed, as a share
    because: str = ""  # why it is so large, in words
    load: str = ""  # other load during one of the measurements, in words


class Verdict(NamedTuple):
    """The verdict on A compared with B, and the reason of UNSURE."""

    word: str
    kind: str = ""  # the reason of UNSURE: loaded, few, drift, wide or weak
    p_different: float = 1.0  # corrected for the length of the table


def judge(pairs: Sequence[Pair]) -> list[Verdict]:
    """The verdicts of a whole table; the tests for a difference and for equality are corrected for its length."""
    different = holm([pair.comparison.p_different for pair in pairs])
    same = holm([pair.comparison.p_same for pair in pairs])
    return [Verdict(*_verdict(*row), row[1]) for row in zip(pairs, different, same, strict=True)]


def _verdict(pair: Pair, p_different: float, p_same: float) -> tuple[str, str]:
    """The word, and the kind if it is UNSURE."""
    found, level = pair.comparison, 1 - CONFIDENCE
    if pair.load:
        return "UNSURE", "loaded"
    if found.blocks < LEAST_BLOCKS:
        return "UNSURE", "few"
    apart = p_different <= level and (found.low > 1 or found.high < 1)
    # The difference is how much longer the slower one takes, as a share of the faster one's time.
    if apart and max(found.ratio, 1 / found.ratio) - 1 > pair.least:
        return "FASTER" if found.ratio > 1 else "SLOWER", ""
    within = found.low >= 1 / (1 + MARGIN) and found.high <= 1 + MARGIN
    if within and p_same <= level and pair.least <= MARGIN:
        return "SAME", ""
    if apart:
        return "UNSURE", "drift"
    return "UNSURE", "wide" if found.low <= 1 <= found.high else "weak"
