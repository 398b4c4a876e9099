"""FASTER, SLOWER, SAME or UNSURE: each word where it is due, and no wrong one more often than is said."""

import numpy as np
import pytest

from bench.statistics.intervals import compare_groups, compare_pairs
from bench.statistics.verdicts import MARGIN, Pair, judge

RNG = np.random.default_rng(0)
STEADY = np.exp(RNG.normal(0, 0.005, 12))


def pair(ratio: float, noise: float = 0.005, blocks: int = 12, **limits: object) -> Pair:
    """A pair of which A is that many times faster."""
    b = ratio * STEADY[:blocks] * np.exp(RNG.normal(0, noise, blocks))
    return Pair(compare_pairs(STEADY[:blocks], b, MARGIN), **limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "word", "kind"),
    [
        (pair(1.3), "FASTER", ""),
        (pair(0.8), "SLOWER", ""),
        (pair(1.0), "SAME", ""),
        (pair(1.02), "FASTER", ""),  # small, and seen
        (pair(1.0, noise=0.5), "UNSURE", "wide"),
        (pair(1.3, blocks=5), "UNSURE", "few"),
        (pair(1.3, least=0.5, because="of drift"), "UNSURE", "drift"),
        (pair(1.0, least=0.5, because="of drift"), "UNSURE", "wide"),  # what cannot be told apart is not the same
        (pair(51.0, load="other processes had 0.8 cores"), "UNSURE", "loaded"),
        (Pair(compare_groups([3, 3.1, 3.2, 3.3, 3.4, 3.5], [3.6, 3.7, 3.8, 3.45, 3.9, 4], MARGIN)), "UNSURE", "wide"),
    ],
)
def test_words(given: Pair, word: str, kind: str) -> None:
    """Each verdict is given in a table of one; UNSURE has its kind."""
    (verdict,) = judge([given])
    assert (verdict.word, verdict.kind) == (word, kind)


def test_a_long_table_asks_for_more() -> None:
    """Seven pairs are evidence enough alone, and not among a hundred."""
    seven = pair(1.3, blocks=7)
    assert judge([seven])[0].word == "FASTER"
    assert (judge([seven] * 100)[0].word, judge([seven] * 100)[0].kind) == ("UNSURE", "weak")
    assert judge([pair(1.3)] * 100)[0].word == "FASTER"


@pytest.mark.parametrize("drift", [0.0, 0.05])
def test_a_table_of_equals_seldom_holds_a_claim(drift: float) -> None:
    """FASTER or SLOWER in at most 5 % of tables of twenty equal pairs (to sampling error), on a machine that drifts."""
    rng, wrong = np.random.default_rng(1), 0
    for _ in range(100):
        machine = np.cumsum(rng.normal(0, drift, (20, 12)), axis=1)
        a, b = (np.exp(machine + rng.normal(0, 0.05, (20, 12))) for _ in range(2))
        words = [v.word for v in judge([Pair(compare_pairs(x, y, MARGIN)) for x, y in zip(a, b, strict=True)])]
        wrong += bool({"FASTER", "SLOWER"} & set(words))
    assert wrong / 100 <= 0.1


def test_same_is_seldom_said_of_what_differs_by_more() -> None:
    """Pairs that differ by 6 % are called the SAME in 5 % of tables at most."""
    rng, wrong = np.random.default_rng(2), 0
    for _ in range(100):
        a, b = (np.exp(rng.normal(0, 0.03, (10, 12))) for _ in range(2))
        found = judge([Pair(compare_pairs(x, 1.06 * y, MARGIN)) for x, y in zip(a, b, strict=True)])
        wrong += any(v.word == "SAME" for v in found)
    assert wrong / 100 <= 0.1


def test_an_empty_table_has_no_verdicts() -> None:
    """An empty table has no verdicts, and is no error."""
    assert judge([]) == []
