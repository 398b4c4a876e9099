"""Intervals and rank tests by simulation: what is claimed to be rare is rare, and what is there is found."""

import subprocess
import sys
from collections.abc import Callable
from itertools import accumulate
from math import comb

import numpy as np
import pytest
from bench_runs import ROOT

from bench.statistics.intervals import (
    Comparison,
    _outermost,
    compare_groups,
    compare_pairs,
    half_width,
    holm,
    median_interval,
)

MARGIN = 0.05
BLOCKS, TIMES = 12, 400

Draw = Callable[[np.random.Generator, int], np.ndarray]
NOISE: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(0, 0.05, n),
    "heavy tails": lambda rng, n: 0.03 * rng.standard_t(2, n),
    "skewed": lambda rng, n: rng.exponential(0.05, n),
}


def simulate(draw: Draw, ratio: float, drift: float, times: int = TIMES, seed: int = 0) -> list[Comparison]:
    """Pairs of blocks of a machine that drifts by steps, with B `ratio` times as slow as A."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(times):
        machine = np.cumsum(rng.normal(0, drift, BLOCKS))
        a, b = (np.exp(machine + draw(rng, BLOCKS)) for _ in range(2))
        found.append(compare_pairs(a, ratio * b, MARGIN))
    return found


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("drift", [0.0, 0.1])
def test_the_interval_of_a_ratio_covers_it(noise: str, drift: float) -> None:
    """The interval covers in 95 % of runs at least (to sampling error), whatever the noise and the drift."""
    inside = np.mean([found.low <= 1.3 <= found.high for found in simulate(NOISE[noise], 1.3, drift)])
    assert inside > 0.93


@pytest.mark.parametrize("noise", NOISE)
def test_equal_backends_are_seldom_told_apart(noise: str) -> None:
    """At most 5 % of single tests are wrong (to sampling error), under any noise and a drift beyond it."""
    wrong = np.mean([found.p_different <= 0.05 for found in simulate(NOISE[noise], 1.0, 0.1)])
    assert wrong < 0.075


def test_what_differs_is_found() -> None:
    """A difference of 10 % under 5 % of noise and 10 % of drift is found by pairs, and hardly ever without."""
    assert np.mean([found.p_different <= 0.05 for found in simulate(NOISE["normal"], 1.1, 0.1)]) > 0.9
    rng, missed = np.random.default_rng(1), []
    for _ in range(100):
        a, b = (np.exp(np.cumsum(rng.normal(0, 0.1, BLOCKS))) for _ in range(2))
        missed.append(compare_groups(a, 1.1 * b, MARGIN).p_different)
    assert np.mean(np.array(missed) <= 0.05) > 0.2  # that is what drift does to blocks that do not alternate


@pytest.mark.parametrize("compare", [compare_pairs, compare_groups])
def test_equality_needs_evidence(compare: Callable[..., Comparison]) -> None:
    """Equality is claimed in 5 % of runs at the margin's end at most, mostly well within it, never of few blocks."""
    rng = np.random.default_rng(2)
    draw = lambda scale, ratio: [  # noqa: E731
        compare(np.exp(rng.normal(0, scale, BLOCKS)), ratio * np.exp(rng.normal(0, scale, BLOCKS)), MARGIN).p_same
        for _ in range(TIMES)
    ]
    assert np.mean(np.array(draw(0.02, 1 + MARGIN)) <= 0.05) < 0.075
    assert np.mean(np.array(draw(0.02, 1.0)) <= 0.05) > 0.9
    assert compare([1, 1, 1], [1, 1, 1], MARGIN).p_same >= 0.05


@pytest.mark.parametrize("compare", [compare_pairs, compare_groups])
def test_the_ratio_is_how_many_times_faster_a_is(compare: Callable[..., Comparison]) -> None:
    """The ratio is the same from either side."""
    a, b = [1.0, 1.01, 0.99, 1.02, 0.98, 1.0], [2.0, 2.02, 1.98, 2.04, 1.96, 2.0]
    found, turned = compare(a, b, MARGIN), compare(b, a, MARGIN)
    assert found.ratio == pytest.approx(2)
    assert found.low <= 2 <= found.high
    assert (turned.ratio, turned.low, turned.high) == pytest.approx((1 / found.ratio, 1 / found.high, 1 / found.low))
    assert turned.p_different == pytest.approx(found.p_different)
    assert found.blocks == 6


def test_ties_are_no_trouble() -> None:
    """Rounded seconds tie; equal ones are no evidence of a difference, and all of equality."""
    found = compare_pairs([1.0] * 12, [1.0] * 12, MARGIN)
    assert found.p_different == 1
    assert found.p_same < 0.001


def test_holm_corrects_for_the_length_of_a_table() -> None:
    """Holm's k-th smallest of m is times m - k + 1, never falling, at most 1."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([]) == []
    rng = np.random.default_rng(3)
    wrong = np.mean([min(holm(rng.uniform(size=40))) <= 0.05 for _ in range(2000)])
    assert 0.03 < wrong < 0.065


@pytest.mark.parametrize("rounds", [6, 7, 20, 60])
@pytest.mark.parametrize("draw", ["normal", "lognormal", "exponential"])
def test_the_interval_covers_the_median(rounds: int, draw: str) -> None:
    """The interval covers the median in 95 % of 2000 cases at least, whatever the distribution."""
    rng = np.random.default_rng(rounds)
    true = {"normal": 0.0, "lognormal": 1.0, "exponential": np.log(2)}[draw]
    inside = 0
    for _ in range(2000):
        _, low, high = median_interval(getattr(rng, draw)(size=rounds).tolist())
        inside += low <= true <= high
    assert 0.935 < inside / 2000 <= 1
    if rounds >= 20:
        assert inside / 2000 < 0.985  # and it is no wider than it must be


@pytest.mark.parametrize("scale", [0.02, 0.05, 0.1, 0.2])
@pytest.mark.parametrize("draw", ["normal", "lognormal", "exponential"])
def test_the_interval_covers_where_sampling_ends_when_it_is_narrow(scale: float, draw: str) -> None:
    """To look at 25, 50 and 100 rounds and end at a narrow interval leaves its coverage at 95 %, to sampling error."""
    rng, inside, looks = np.random.default_rng(0), 0, (25, 50, 100)
    true = 1 + scale * {"normal": 0.0, "lognormal": 1.0, "exponential": np.log(2)}[draw]
    for _ in range(1000):
        rounds = (1 + scale * getattr(rng, draw)(size=looks[-1])).tolist()
        seen = next((rounds[:look] for look in looks if half_width(rounds[:look]) <= 0.03), rounds)
        _, low, high = median_interval(seen)
        inside += low <= true <= high
    assert 0.93 < inside / 1000 < 0.985


def test_half_the_width_is_relative_to_the_median() -> None:
    """Half of the interval over the median; without an interval it is infinite."""
    assert half_width([3, 1, 2, 6, 5, 4]) == pytest.approx(2.5 / 3.5)
    assert half_width([1, 1, 1, 1, 1, 1]) == 0
    assert half_width([1, 2, 3]) == np.inf


def test_the_interval_is_made_of_values() -> None:
    """The interval of 6 values is their range; of 11, the second value from each end; of 5, nan."""
    assert median_interval([3, 1, 2, 6, 5, 4]) == (3.5, 1, 6)
    assert median_interval(list(range(11))) == (5, 1, 9)
    median, low, high = median_interval([1, 2, 3, 4, 5])
    assert median == 3
    assert np.isnan(low)
    assert np.isnan(high)


@pytest.mark.parametrize("count", [1, 5, 6, 7, 12, 25, 50, 100, 999])
def test_the_place_of_the_interval_is_that_of_the_binomial_distribution(count: int) -> None:
    """The k-th smallest value leaves out at most 2.5 %, and the next one would leave out more; in whole numbers."""
    tails = list(accumulate(comb(count, k) for k in range(count + 1)))  # 2^count times P(X <= k)
    assert _outermost(count) == next(k for k, tail in enumerate(tails) if 40 * tail > 2**count)


def test_scipy_stats_is_not_loaded() -> None:
    """scipy.stats, whose import takes longer than all else that begins a run, is loaded by no measurement or report."""
    code = "import sys, bench.conftest, bench.measure.throughput, bench.measure.learning, bench.reporting.page; "
    code += "sys.exit('scipy.stats' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
