"""FASTER, SLOWER, SAME or UNSURE: what the passes over two backends, or over two runs, can tell apart; never more.

A block is the median of one pass; passes alternate, so that a machine that drifts drifts for both. SAME needs evidence
as FASTER does: what is not seen to differ is UNSURE, with the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.reporting.number_format import digits
from bench.statistics.intervals import CONFIDENCE, Comparison, holm

MARGIN = 0.05  # SAME: seen to differ by less
LEAST_BLOCKS = 6  # for a 95 % interval of the median from order statistics
# Between two cases of one pass a shared machine was seen to move by so much within minutes; nothing smaller is claimed
# of a single pass.
DRIFT = 0.5


@dataclass(frozen=True)
class Pair:
    """Two rows of one case that are to be told apart."""

    comparison: Comparison
    least: float = 0.0  # the smallest difference that may be claimed, as a share
    because: str = ""  # what makes it so large, in words
    unsound: str = ""  # why one of the times says nothing, in words


@dataclass(frozen=True)
class Verdict:
    """What can be said of A against B, and why it is not more."""

    word: str
    kind: str = ""  # of UNSURE, in a word: unsound, few, drift, wide or weak
    reason: str = ""


def judge(pairs: Sequence[Pair]) -> list[Verdict]:
    """The verdicts of a whole table: both of its families of tests are corrected for its length."""
    different = holm([pair.comparison.p_different for pair in pairs])
    same = holm([pair.comparison.p_same for pair in pairs])
    return [_verdict(*row) for row in zip(pairs, different, same, strict=True)]


def _verdict(pair: Pair, p_different: float, p_same: float) -> Verdict:
    found, level = pair.comparison, 1 - CONFIDENCE
    if pair.unsound:
        return Verdict("UNSURE", "unsound", pair.unsound)
    if found.blocks < LEAST_BLOCKS:
        return Verdict("UNSURE", "few", f"{found.blocks} blocks of {LEAST_BLOCKS} that an interval needs")
    difference = max(found.ratio, 1 / found.ratio) - 1
    apart = p_different <= level and (found.low > 1 or found.high < 1)
    if apart and difference > pair.least:
        return Verdict("FASTER" if found.ratio > 1 else "SLOWER")
    within = found.low >= 1 / (1 + MARGIN) and found.high <= 1 + MARGIN
    if within and p_same <= level and pair.least <= MARGIN:
        return Verdict("SAME", reason=f"within {100 * MARGIN:g} %")
    if apart:
        reason = f"{digits(100 * difference)} % is within the {digits(100 * pair.least)} % {pair.because}"
        return Verdict("UNSURE", "drift", reason)
    if found.low <= 1 <= found.high:
        return Verdict("UNSURE", "wide", f"between {found.low:.3g} and {found.high:.3g} times")
    return Verdict(
        "UNSURE", "weak", f"ranks of {found.blocks} blocks, in a table of this length: p = {p_different:.2g}"
    )
