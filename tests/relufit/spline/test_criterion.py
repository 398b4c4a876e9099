"""Which of the splines of a table is worth its units."""

import numpy as np
import pytest

from relufit.network.scaling import Scaling
from relufit.spline.criterion import Criterion, has_lone_peak, overshoots, price
from relufit.spline.moments.cells import join_evenly, merge_sorted
from relufit.spline.moments.samples import DataPieces
from relufit.spline.search import best_spline
from relufit.spline.selection import data_pieces


def judged(x: np.ndarray, y: np.ndarray, most: int) -> tuple[Criterion, DataPieces]:
    """The criterion of a table in at most `most` cells, and that table."""
    scaling = Scaling.of(x[:, None], y[:, None])
    cells = join_evenly(merge_sorted(x, y), most)
    pieces = data_pieces(cells, scaling)
    return Criterion.of(pieces), pieces


@pytest.mark.parametrize("samples", [32, 80, 240])
def test_noise_is_not_worth_a_unit(samples: int) -> None:
    """The best splines of noise gain less than the price of their units, however many those are."""
    for seed in range(2):
        rng = np.random.default_rng([samples, seed])
        x, y = np.sort(rng.uniform(0, 1, samples)), rng.normal(size=samples)
        criterion, pieces = judged(x, y, samples)
        line, *others = (
            criterion.score(best_spline(pieces, units).spline, units) for units in (1, 2, samples // 4, criterion.most)
        )
        assert line < min(others)


def test_a_unit_costs_less_than_smoothness_gains() -> None:
    """Twice as many units gain 4 log 2 for each sample of a smooth function, and that pays up to a third of them."""
    for samples in (30, 300, 3000):
        units = samples // 6
        assert price(2 * units, samples) - price(units, samples) < 4 * np.log(2) * samples


def test_what_no_spline_avoids_is_not_scored() -> None:
    """The spread of samples of one x, and the slope of those that share a cell, change a score by a constant."""
    x, y = np.linspace(-3, 3, 4000), np.sin(2 * np.linspace(-3, 3, 4000))
    noise = np.random.default_rng(0).normal(size=4000)
    tables = (x, y, 4000), (x, y, 1000), (np.tile(x, 2), np.concatenate([y + noise, y - noise]), 4000)
    gains = []
    for table in tables:
        criterion, pieces = judged(*table)
        few, many = (criterion.score(best_spline(pieces, units).spline, units) for units in (4, 8))
        gains.append((few - many + price(8, len(pieces.x)) - price(4, len(pieces.x))) / len(pieces.x))
    assert gains == pytest.approx([gains[0]] * 3, rel=0.01)


KNOTS = np.array([0.0, 40, 41, 42, 99])


@pytest.mark.parametrize(
    ("knots", "values", "is_lone"),
    [
        (KNOTS, [0, 0.1, 5, 0.2, 0.3], True),  # one sample off
        (KNOTS, [0, 0.1, -5, 0.2, 0.3], True),
        (KNOTS, [0, 6, 8, 5, 0], False),  # a cusp
        ([0.0, 30, 41, 52, 99], [0, 0, 5, 0, 0], False),  # a tent over many samples
        ([0.0, 6, 7, 13, 14, 16, 17, 99], [0, 6, 0, 6, 0, 6, 0, 1], False),  # a saw with a tooth of three samples
        ([0.0, 50, 99], [0, 5, 0], False),
        ([0.0, 1, 2], [0, 5, 0], False),  # too few pieces for one to stand out
        ([0.0, 40, 41, 99], [0, 0, 5, 5], False),  # a step
        ([0.0, 40, 41, 42, 44, 45, 46, 99], [0, 0, 9, 0, 0, 9, 0, 0], True),  # two samples off
        ([0.0, 99], [0, 1], False),
    ],
)
def test_a_peak_with_few_samples_is_lone(knots: list[float], values: list[float], is_lone: bool) -> None:
    """A peak that stands out and has one sample is an outlier; a cusp, a tent, a tooth and a step are not."""
    assert has_lone_peak(np.asarray(knots), np.asarray(values, float), np.arange(100.0)) == is_lone


@pytest.mark.parametrize(("height", "does"), [(1.0, False), (1.2, False), (8.0, True), (-8.0, True)])
def test_a_value_far_off_the_samples_nearby_overshoots(height: float, does: bool) -> None:
    """A knot in a gap may be a little off the samples on both sides, and not many times their range."""
    x = np.concatenate([np.linspace(0, 1, 20), np.linspace(5, 6, 20)])
    knots, values = np.array([0.0, 0.9, 3.0, 5.1, 6.0]), np.array([0.0, 1.0, height, 1.0, 0.0])
    assert overshoots(knots, values, x, np.interp(x, knots, np.clip(values, 0, 1))) == does
