"""The search alone, with ratios that are given and not timed: what it looks at, and what it concludes."""

from collections.abc import Callable
from itertools import pairwise
from math import exp, log

import numpy as np
import pytest

from bench.statistics.bisection import CLOSE, Ended, Measured, choose_next, find_crossings, longest_table, scan, search
from bench.statistics.intervals import compare_pairs
from bench.statistics.verdicts import MARGIN, Pair, judge


class Arena:
    """Knows how many times faster A is at each size, and cannot tell less than 1 % from nothing."""

    def __init__(self, ratio: Callable[[int], float], last: int = 10**9) -> None:
        self.ratio, self.last, self.looked = ratio, last, list[int]()

    def look(self, size: int) -> list[Measured]:
        if size > self.last:
            raise Ended
        assert size not in self.looked, "a size is measured once"
        self.looked.append(size)
        return self.known()

    def known(self) -> list[Measured]:
        ratios = {size: self.ratio(size) for size in sorted(self.looked)}
        words = {size: "FASTER" if r > 1.01 else "SLOWER" if r < 1 / 1.01 else "UNSURE" for size, r in ratios.items()}
        return [Measured(size, ratios[size], words[size]) for size in ratios]


def crossing_at(size: float, steepness: float = 0.5) -> Callable[[int], float]:
    """A is the faster below the size, B above."""
    return lambda n: float((size / n) ** steepness)


@pytest.mark.parametrize("true", [2.5, 9, 77, 1000, 3100, 30_000, 60_000])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_monotone_ratio_is_bisected(true: float, sign: int) -> None:
    """Whoever leads at first, few sizes lead to a crossover with ends that are close, or neighbours."""
    arena = Arena(crossing_at(true, 0.5 * sign))
    search(arena.look, 1, 65536, 100)
    (found,) = find_crossings(arena.known())
    assert found.word == ("FASTER" if sign > 0 else "SLOWER")
    assert found.low < true < found.high
    assert found.size == pytest.approx(true, rel=1e-9)
    # Sizes that are too close to be told apart lie between: 1 % of the ratio is 2 % of the size on either side.
    assert found.high - found.low <= 2 or found.high / found.low < CLOSE**2 * 1.02**4
    assert len(arena.looked) <= 7 + 9


@pytest.mark.parametrize(("ratio", "word"), [(2.0, "FASTER"), (0.5, "SLOWER"), (1.0, "UNSURE")])
def test_without_a_crossover_only_the_scan_is_measured(ratio: float, word: str) -> None:
    """Without a crossover the sizes are those of the scan: upwards by eight, then the last size itself."""
    arena = Arena(lambda _: ratio)
    search(arena.look, 1, 65536, 100)
    assert arena.looked == [1, 8, 64, 512, 4096, 32768, 65536]
    assert {point.word for point in arena.known()} == {word}
    assert find_crossings(arena.known()) == []


@pytest.mark.parametrize(("true", "low", "high"), [(1.5, 1, 2), (999.5, 999, 1000)])
def test_a_crossover_at_an_end_is_found(true: float, low: int, high: int) -> None:
    """A crossover between the first two sizes or before the last one is found."""
    arena = Arena(crossing_at(true, 30))  # so steep that every size is decided
    search(arena.look, 1, 1000, 100)
    (found,) = find_crossings(arena.known())
    assert low <= found.low < true < found.high <= high or found.high / found.low <= CLOSE


def test_of_several_crossovers_the_first_is_narrowed_down() -> None:
    """The others are seen by the scan, which a single look at both ends would not do: A wins at both."""
    arena = Arena(lambda n: 0.5 if 50 < n < 5000 else 2.0)
    search(arena.look, 1, 65536, 100)
    first, second = find_crossings(arena.known())
    assert (first.word, second.word) == ("FASTER", "SLOWER")
    assert first.low <= 50 < first.high <= CLOSE * first.low
    assert (second.low, second.high) == (4096, 32768)


def test_the_first_crossover_comes_before_the_rest_of_the_scan() -> None:
    """Large sizes take long: where the time ends at one of them, the crossover below it is known."""
    arena = Arena(crossing_at(30), last=1000)
    search(arena.look, 1, 65536, 100)
    (found,) = find_crossings(arena.known())
    assert found.high / found.low < 1.3
    assert max(arena.looked) == 512


def test_what_is_undecided_is_closed_in_from_both_sides() -> None:
    """A stretch without a verdict, from 90 to 1100, is closed in from both sides."""
    words = lambda n: "FASTER" if n < 90 else "SLOWER" if n > 1100 else "UNSURE"  # noqa: E731

    class Blurred(Arena):
        def known(self) -> list[Measured]:
            return [Measured(n, 2.0 if n < 300 else 0.5, words(n)) for n in sorted(self.looked)]

    arena = Blurred(lambda _: 1.0)
    search(arena.look, 1, 65536, 100)
    (found,) = find_crossings(arena.known())
    assert 90 / CLOSE < found.low < 90
    assert 1100 < found.high < 1100 * CLOSE
    assert 200 < found.size < 400  # by the ratios between the ends


def test_small_sizes_end_the_search_as_neighbours() -> None:
    """The search ends at adjacent sizes such as 3 and 4, since no integer lies between them."""
    assert choose_next([Measured(3, 2.0, "FASTER"), Measured(4, 0.5, "SLOWER")]) is None
    assert choose_next([Measured(3, 2.0, "FASTER"), Measured(5, 0.5, "SLOWER")]) == 4
    assert choose_next([Measured(3, 2.0, "FASTER"), Measured(5, 2.0, "FASTER")]) is None
    # The wider gap is that above the undecided size.
    row = [Measured(90, 2.0, "FASTER"), Measured(100, 1.0, "SAME"), Measured(400, 0.5, "SLOWER")]
    assert choose_next(row) == 200


def test_an_avoided_size_gives_way() -> None:
    """A size that is avoided is never measured, neither in the scan nor as a middle."""
    arena = Arena(crossing_at(31.5, 40))
    search(arena.look, 4, 256, 100, avoided=(32,))
    (found,) = find_crossings(arena.known())
    assert 32 not in arena.looked
    assert 33 in arena.looked
    assert found.low < 31.5 < found.high <= 36
    arena = Arena(lambda _: 2.0)
    search(arena.look, 32, 33, 100, avoided=(32,))
    assert arena.looked == [33]
    arena = Arena(lambda _: 2.0)
    search(arena.look, 4, 32, 100, avoided=(32,))
    assert arena.looked == [4, 31]  # and nothing above the most that was asked for


def test_no_more_sizes_than_the_passes_can_speak_for() -> None:
    """Ten passes of two backends that always differ hold in a table of 25, and in none of 26."""
    arena = Arena(crossing_at(3000))
    search(arena.look, 1, 65536, 9)
    assert len(arena.looked) == 9
    assert [longest_table(passes) for passes in (6, 10, 12)] == [1, 25, 102]
    for passes in (8, 10):
        pair = Pair(compare_pairs([1.0] * passes, [2.0] * passes, MARGIN))
        for length, word in ((longest_table(passes), "FASTER"), (longest_table(passes) + 1, "UNSURE")):
            assert {verdict.word for verdict in judge([pair] * length)} == {word}


def test_noise_widens_the_interval_and_keeps_the_crossover() -> None:
    """With blocks that scatter by 20 % nearly every interval still holds the true crossover."""
    held, widths = 0, []
    for seed in range(15):
        rng, pairs = np.random.default_rng(seed), dict[int, Pair]()

        def look(size: int, rng: np.random.Generator = rng, pairs: dict[int, Pair] = pairs) -> list[Measured]:
            a, b = np.exp(rng.normal(0, 0.2, (2, 12)))
            pairs[size] = Pair(compare_pairs(a, b * (1000 / size) ** 0.5, MARGIN))
            sizes = sorted(pairs)
            verdicts = judge([pairs[size] for size in sizes])
            rows = zip(sizes, verdicts, strict=True)
            return [Measured(size, pairs[size].comparison.ratio, verdict.word) for size, verdict in rows]

        search(look, 1, 65536, 100)
        (found,) = find_crossings(look(10**6))
        held += found.low < 1000 < found.high
        widths.append(log(found.high / found.low))
    assert held >= 14
    assert exp(np.median(widths)) < 4


@pytest.mark.parametrize(("least", "most"), [(1, 65536), (1, 2), (7, 50), (100, 10**8)])
def test_the_scan_reaches_from_end_to_end(least: int, most: int) -> None:
    """The scan goes upwards from end to end, with no step wider than eight."""
    sizes = list(scan(least, most))
    assert (sizes[0], sizes[-1]) == (least, most)
    assert all(1 < right / left <= 8 for left, right in pairwise(sizes))
