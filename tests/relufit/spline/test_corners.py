"""Fits by splines where floating point, weights or the shape of the data are extreme."""

import itertools
from typing import Any

import numpy as np
import pytest

from relufit import Target, fit, split
from relufit.solvers.spline import solution
from relufit.spline.closing import Found
from relufit.spline.closing import placed as really_placed
from relufit.spline.search import best_spline


def spline(x: Any, y: Any = None, **options: Any) -> Any:
    return fit(x, y, solver="spline", **options)


def all_rows(x: np.ndarray, y: np.ndarray, **options: Any) -> Any:
    return spline(x, y, test_fraction=0, **options)


def two_clusters() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return np.concatenate([rng.uniform(0, 1e-6, 200), rng.uniform(1, 2, 200)]), rng.normal(size=400)


def bursts() -> tuple[np.ndarray, np.ndarray]:
    """A year of timestamps in bursts of a second."""
    rng = np.random.default_rng(1)
    begins = 1.7e9 + np.sort(rng.uniform(0, 3.15e7, 40))
    return (begins[:, None] + rng.uniform(0, 1, (40, 10))).ravel(), rng.normal(size=400)


@pytest.mark.parametrize(("data", "plain"), [(two_clusters(), 0.9732), (bursts(), 0.976)])
def test_clusters_are_fitted_as_claimed(data: tuple[np.ndarray, np.ndarray], plain: float) -> None:
    """Clusters that are narrow beside their distance are fitted, better than by equidistant knots."""
    found = all_rows(*data, hidden=20)
    error = np.mean((found.predict(data[0]) - data[1]) ** 2)
    assert found.history.loss[-1] == pytest.approx(error, rel=1e-9)
    assert found.metrics["status"] == "finished"
    assert error < plain


def overrated(found: Found, wrong: itertools.count) -> Found:
    """The placed spline, which reports half its error once `wrong` has counted up to 0."""
    spline, left = really_placed(found)
    if next(wrong) < 0:
        return Found(spline, left)
    spline.__dict__["squares"] = spline.squares / 2  # where the cached property stands
    return Found(spline, left)


def test_a_spline_that_claims_too_little_is_not_returned_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no spline has the error that it reports, the best is returned with status "inexact"."""
    monkeypatch.setattr(solution, "placed", lambda found: overrated(found, itertools.count()))
    x = np.linspace(0, 1, 50)
    y = np.sin(9 * x) + np.random.default_rng(0).normal(0, 0.1, 50)
    found = all_rows(x, y, hidden=5)
    assert found.metrics["status"] == "inexact"
    assert found.history.loss[-1] == pytest.approx(np.mean((found.predict(x) - y) ** 2))


def test_another_spline_takes_the_place_of_a_wrong_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain spline is returned if its network is better than that of a wrong one."""

    def ruined(pieces: Any, hidden: int) -> Found:
        spline, left = best_spline(pieces, hidden)
        spline.values[1:-1] += 5.0  # behind the back of what it claims
        spline.__dict__["squares"] = 0.0
        return Found(spline, left)

    x = np.linspace(0, 1, 50)
    y = np.sin(9 * x) + np.random.default_rng(0).normal(0, 0.1, 50)
    monkeypatch.setattr("relufit.spline.selection.best_spline", ruined)
    monkeypatch.setattr(solution, "placed", lambda found: found)
    found = all_rows(x, y, hidden=5)
    assert found.metrics["status"] == "finished"
    assert found.metrics["mse"] < 0.2


@pytest.mark.parametrize(
    ("text", "domain", "hidden", "largest"),
    [
        ("step(x - 1700000000 - 40000)", (1.7e9, 1.7e9 + 86400), 8, 1e-10),
        ("x % 1", (1e6, 1e6 + 1), 2, 1e-10),
        ("step(x - 1e12 - 40000)", (1e12, 1e12 + 86400), 8, 1e-7),
        ("step(x + 1e9 - 0.25) + step(x + 1e9 - 0.5)", (-1e9, -1e9 + 1), 8, 1e-5),
        ("sign(x - 100.3) * (x - 100)", (100, 101), 16, 1e-9),
    ],
)
def test_jumps_far_from_zero_are_kept(text: str, domain: tuple[float, float], hidden: int, largest: float) -> None:
    """Knots are rounded to floats before the slopes beside them are computed."""
    found = spline(text, domain=domain, hidden=hidden)
    assert found.metrics["mse"] < largest
    x = np.linspace(*domain, 10001)
    target = found.target(x)
    far = np.abs(np.append(np.diff(target), 0)) < 0.1  # not at a jump
    far &= np.abs(np.append(0, np.diff(target))) < 0.1
    assert np.mean((found.predict(x) - target)[far] ** 2) < largest


def test_outer_pieces_go_on_on_both_sides() -> None:
    """A spline continues straight on both sides; only a line of one unit is constant far to the left."""
    x = np.linspace(0, 10, 200)
    for hidden in (2, 3, 20, 150):
        found = all_rows(x, 3 * x + 1, hidden=hidden)
        np.testing.assert_allclose(found.predict([-50.0, -1000.0, 1000.0]), [-149, -2999, 3001], rtol=1e-9)
    alone = all_rows(x, 3 * x + 1, hidden=1)
    np.testing.assert_allclose(alone.predict([-50.0, -1000.0, 1000.0]), [-149, -2999, 3001], rtol=1e-9)
    assert alone.predict(-1e6) == alone.predict(-1e7)


@pytest.mark.parametrize("solver_name", ["spline", "lbfgs"])
def test_all_samples_are_fitted_and_some_are_held_out_for_the_score(solver_name: str) -> None:
    """The network fits all samples; test_mse is the error on the held-out samples of a second fit without them."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (150, 1))
    y = np.sin(3 * x) + rng.normal(0, 0.1, (150, 1))
    options = {"solver": solver_name, "hidden": 9} | ({"epochs": 20} if solver_name == "lbfgs" else {})
    found, whole = fit(x, y, **options), fit(x, y, test_fraction=0, **options)
    np.testing.assert_array_equal(found.predict(x), whole.predict(x))
    train, test = split(150)
    assert found.metrics["train_mse"] == pytest.approx(np.mean((found.predict(x) - y) ** 2))
    if solver_name == "spline":  # L-BFGS begins at weights that depend on all samples
        without = fit(x[train], y[train], test_fraction=0, **options)
        error = np.mean((without.predict(x[test]) - y[test]) ** 2)
        assert found.metrics["test_mse"] == pytest.approx(error, rel=1e-6)
    assert found.metrics["test_mse"] > found.metrics["train_mse"]
    assert found.history.test_mse[-1] == found.metrics["test_mse"]


def test_three_points_are_joined() -> None:
    """The returned fit of three points uses all of them."""
    found = spline([0.0, 1.0, 2.0], [0.0, 1.0, 1.5], hidden=2)
    np.testing.assert_allclose(found.predict([0.0, 1.0, 2.0]), [0, 1, 1.5], atol=1e-12)
    x = np.linspace(0, 1, 200)
    assert spline(x, np.sqrt(x), hidden=100).metrics["max_error"] < 2e-5


@pytest.mark.parametrize(
    ("length", "hidden", "reachable"),
    [(200 * np.pi, 100, 0.262), (200 * np.pi, 128, 0.19), (754, 120, 0.265), (2000, 512, 0.11)],
)
def test_a_wave_of_more_turns_than_pieces_is_followed_in_part(length: float, hidden: int, reachable: float) -> None:
    """A wave with too many turns is followed on a part of the domain, which halves the squares with half the turns."""
    assert spline(Target("wave", np.sin, (0.0, length)), hidden=hidden).metrics["mse"] < reachable


def test_square_waves_and_spikes_are_followed_in_part() -> None:
    """Square waves and spikes with too many turns are followed in part by 100 units and by more."""
    square = Target("square wave", lambda x: np.where(np.floor(x) % 2 == 0, 1.0, -1.0), (0.0, 200.0))
    spikes = Target("spikes", lambda x: np.maximum(0, 1 - 10 * np.abs(x % 2 - 1)), (0.0, 400.0))
    for target, units in ((square, (99, 100, 128)), (spikes, (99, 100, 400))):
        errors = [spline(target, hidden=hidden).metrics["mse"] for hidden in units]
        assert errors[1] < 1.02 * errors[0]
        assert errors[2] < 0.9 * errors[0]


def test_weights_over_nine_decades_count() -> None:
    """Weights over nine decades are fitted: one unit is better than the weighted line."""
    x = np.linspace(0, 1, 8)
    y, weight = np.abs(x - 0.5) * 1e6, np.array([1e-3, 1, 1e6, 1e-3, 1, 1e6, 1e-3, 1])
    line = np.polyval(np.polyfit(x, y, 1, w=np.sqrt(weight)), x)
    found = all_rows(x, y, hidden=1, weight=weight)
    assert found.metrics["mse"] < np.average((line - y) ** 2, weights=weight)


def best_hinge(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """The least weighted mean square of a line and of one unit, by ternary search of its knot between samples."""
    root = np.sqrt(weight)

    def error(columns: list[np.ndarray]) -> float:
        matrix = np.stack(columns, axis=1) * root[:, None]
        values = np.linalg.lstsq(matrix, y * root, rcond=None)[0]
        return float(((matrix @ values - y * root) ** 2).sum() / weight.sum())

    best = error([np.ones_like(x), x])
    for side, (low, high) in itertools.product((1, -1), itertools.pairwise(x)):
        for _ in range(25):
            first, second = low + (high - low) / 3, high - (high - low) / 3
            errors = [error([np.ones_like(x), np.maximum(side * (x - t), 0)]) for t in (first, second)]
            low, high = (low, second) if errors[0] < errors[1] else (first, high)
            best = min(best, *errors)
    return best


@pytest.mark.parametrize("seed", range(12))
def test_one_unit_of_a_weighted_table_is_the_best(seed: int) -> None:
    """One unit is the best to a millionth, although the error is not smooth at samples."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 15))
    x, y, weight = np.sort(rng.uniform(0, 1, n)), rng.normal(size=n), 10 ** rng.uniform(-2, 2, n)
    assert all_rows(x, y, hidden=1, weight=weight).metrics["mse"] < best_hinge(x, y, weight) * (1 + 1e-6)


@pytest.mark.parametrize("n", [3, 50, 2001])
def test_one_unit_less_than_samples_joins_them(n: int) -> None:
    """One unit less than samples joins all of them, for x^2 and for noise."""
    x, rng = np.arange(float(n)), np.random.default_rng(n)
    assert all_rows(x, x**2, hidden=n - 1).metrics["max_error"] < 1e-11 * n**2
    x = np.sort(rng.uniform(0, 1, n))
    assert all_rows(x, rng.normal(size=n), hidden=n - 1).metrics["max_error"] < 1e-5
