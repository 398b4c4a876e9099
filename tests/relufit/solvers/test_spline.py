"""fit(..., solver="spline"): functions themselves, tables as they come, and the network that comes of it."""

import time
from typing import Any

import numpy as np
import pytest

from relufit import Adam, RelufitError, Target, fit, sample, split, targets
from relufit.solvers import spline as splines
from relufit.solvers.spline import fit_cells
from relufit.spline import selection
from relufit.spline.cells import merge_sorted


def spline(*data: Any, **options: Any) -> Any:
    return fit(*data, solver="spline", progress=False, **options)


def test_a_function_is_fitted_itself() -> None:
    """The function is fitted itself: 512 units reach 1.6e-10 from n = 50, and predict bears the metrics out."""
    found = spline("sin", hidden=512, n=50)
    assert found.metrics["mse"] < 0.995 * 1.6273e-10
    x = np.linspace(-2 * np.pi, 2 * np.pi, 1_000_001)
    error = found.predict(x) - np.sin(x)
    assert np.mean(error**2) == pytest.approx(found.metrics["mse"], rel=1e-3)
    assert np.abs(error).max() == pytest.approx(found.metrics["max_error"], rel=0.02)
    assert (found.metrics["solver"], found.metrics["hidden"], found.params.b1.shape) == ("spline", 512, (512,))
    assert found.params.w1.dtype == np.float64


def test_a_callable_with_a_kink_is_exact_with_two_units() -> None:
    """A callable with a kink is exact with two units, wherever the kink and the domain are."""
    found = spline(lambda x: 3 - np.abs(x - 0.37), hidden=2, domain=(-1, 4))
    assert found.metrics["mse"] < 1e-20


def test_a_jump_is_one_steep_piece() -> None:
    """A jump has no knots between its two sides, where steeper units would only lose digits."""
    found = spline(lambda x: 1.0 if x > 0.3 else -1.0, hidden=8)
    assert found.metrics["mse"] < 1e-8
    assert np.abs(found.params.w2).max() < 10 / (1e-9 * 4 * np.pi)
    x = np.array([-6.0, 0.29, 0.31, 6.0])
    np.testing.assert_allclose(found.predict(x), [-1, -1, 1, 1], atol=1e-6)


@pytest.mark.parametrize(("text", "domain"), [("sin(x)", (-1e4, 1e4)), ("exp(-1e6*(x - 0.3)**2)", (-1, 1))])
def test_a_function_with_more_turns_than_points_is_seen(text: str, domain: tuple[float, float]) -> None:
    """Functions of 3 183 periods, or with a peak of a thousandth, have the error that a grid says."""
    found = spline(text, hidden=64, domain=domain)
    x = np.linspace(*domain, 1_000_001)
    y = targets.parse(text)(x)
    error = np.mean((found.predict(x) - y) ** 2)
    assert error <= np.var(y) * 1.001
    assert error == pytest.approx(found.metrics["mse"], rel=0.05)


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("sqrt(x - 4)", (4, 5.506)), ("sqrt(1.58 - x)", (1.37, 1.58)), ("sqrt(x)", (0, 1e-6)), ("log(x)", (1e-17, 1)),
    ],
)  # fmt: skip
def test_a_function_that_ends_where_its_domain_does(text: str, domain: tuple[float, float]) -> None:
    """A function is not asked for a value one rounding outside its domain."""
    found = spline(text, hidden=16, domain=domain)
    assert found.metrics["mse"] < 1e-4 * np.var(found.y)


@pytest.mark.parametrize("hidden", [2, 16, 100])
@pytest.mark.parametrize("centre", [0.0, 0.1234567])
def test_a_peak_between_the_samples_is_fitted(centre: float, hidden: int) -> None:
    """A peak of a width of 3e-5 between samples 2e-3 apart is fitted, and nothing overflows."""
    found = spline(f"exp(-1e9*(x - {centre})**2)", hidden=hidden, domain=(-1, 1))
    assert np.ptp(found.y) < 1e-3
    mean_square = np.sqrt(np.pi / 2e9) / 2  # of the function, and of the best constant to 1e-5 of it
    assert found.metrics["mse"] < {2: 1, 16: 0.05, 100: 1e-4}[hidden] * mean_square


def test_noise_means_samples() -> None:
    """A target with noise is fitted by its samples: held-out ones are no better than the noise, and not much worse."""
    found = spline(Target("noisy", np.sin, noise=0.3), hidden=12, n=4000)
    assert found.metrics["test_mse"] == pytest.approx(0.09, rel=0.15)
    assert found.metrics["mse"] < 2e-3


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (1.7e9, 1e5), (-3e-4, 1e-6)])
def test_raw_numbers_of_any_size(shift: float, scale: float) -> None:
    """Timestamps, and y near a million, have the same relative error as numbers near 1."""
    x = np.linspace(-3, 3, 500)
    found = spline(x * scale + shift, np.sin(x) * 1e3 + 1e6, hidden=40)
    assert found.metrics["mse"] / 1e6 < 1e-6
    assert found.metrics["test_mse"] / 1e6 < 1e-6


def test_tables_as_people_have_them() -> None:
    """An unsorted table whose duplicates in x disagree is fitted at their mean, and the rest stays as error."""
    rng = np.random.default_rng(0)
    x = np.repeat(np.linspace(0, 1, 51), 4)
    y = np.abs(x - 0.5) + np.tile([0.1, -0.1, 0.1, -0.1], 51)
    order = rng.permutation(204)
    found = spline(x[order], y[order], hidden=3, test_fraction=0)
    np.testing.assert_allclose(found.predict([0.0, 0.5, 1.0]), [0.5, 0, 0.5], atol=1e-9)
    assert found.metrics["mse"] == pytest.approx(0.01, rel=1e-9)
    assert np.isnan(found.metrics["test_mse"])


@pytest.mark.parametrize("name", ["square", "sin", "sines", "runge"])
@pytest.mark.parametrize("hidden", [300, 512, 600])
@pytest.mark.parametrize("seed", [0, 1])
def test_between_samples_a_close_fit_is_close_too(name: str, hidden: int, seed: int) -> None:
    """A fit with few samples a piece is as near to what is held out as joining samples."""
    x, y = sample(targets.ZOO[name], 1000)
    found = spline(x, y, hidden=hidden, seed=seed)
    train, test = (np.sort(part) for part in split(1000, seed=seed))
    inside = test[(test > train[0]) & (test < train[-1])]
    x, y = found.x[:, 0], found.y[:, 0]
    joined = np.mean((np.interp(x[inside], x[train], y[train]) - y[inside]) ** 2)
    error = np.mean((found.predict(x[inside, None])[:, 0] - y[inside]) ** 2)
    assert error < 50 * (joined + found.metrics["train_mse"])


def test_weights_count() -> None:
    """A sample of weight 3 is three samples, one of weight 0 is none; mse is weighted too."""
    rng = np.random.default_rng(0)
    x, y, weight = rng.uniform(-1, 1, 80), rng.normal(size=80), rng.integers(0, 4, 80)
    weighted = spline(x, y, weight=weight, hidden=5, test_fraction=0)
    repeated = spline(np.repeat(x, weight), np.repeat(y, weight), hidden=5, test_fraction=0)
    assert weighted.metrics["mse"] == pytest.approx(repeated.metrics["mse"], rel=1e-6)
    grid = np.linspace(-0.9, 0.9, 50)
    np.testing.assert_allclose(weighted.predict(grid), repeated.predict(grid), atol=1e-3)


def test_it_is_a_start_for_training() -> None:
    """The state of a spline is one of plain gradient descent in float64."""
    first = spline("sin", hidden=16)
    further = fit("sin", hidden=16, solver="sgd", learning_rate=1e-6, dtype="float64", state=first.state, epochs=1)
    assert further.metrics["mse"] == pytest.approx(first.metrics["mse"], rel=0.05)


def test_a_tolerance_is_of_what_is_fitted() -> None:
    """A tolerance is of the function where it has no noise, else of the training samples."""
    function, samples = spline("sin", tolerance=1e-4), spline("noisy_sine", tolerance=5e-3, n=200)
    assert function.metrics["mse"] <= 1e-4
    assert samples.metrics["train_mse"] <= 5e-3
    assert spline(np.ones(9), np.arange(9.0), tolerance=9).metrics["train_mse"] <= 9


@pytest.mark.parametrize("hidden", [1, 3, 5, 8])
def test_a_function_that_turns_faster_than_it_is_sampled_is_no_worse_than_its_mean(hidden: int) -> None:
    """300 periods, of which integrals by few points are wrong by percents: seen, and made again with more."""
    assert spline("sin(300*x)", domain=(0, 6.283), hidden=hidden).metrics["mse"] < 0.50003


def test_cells_of_a_table_give_what_the_table_gives() -> None:
    """Cells give the network of the table, and errors that count the spread within cells."""
    rng = np.random.default_rng(0)
    x = np.round(rng.uniform(-2, 2, 3000), 2)
    y = np.sin(2 * x) + rng.normal(0, 0.2, 3000)
    by_cells, by_rows = (
        fit_cells(merge_sorted(x, y), hidden=9, test_fraction=0),
        spline(x, y, hidden=9, test_fraction=0),
    )
    assert by_cells.metrics["mse"] == pytest.approx(by_rows.metrics["mse"], rel=1e-6)
    assert by_cells.metrics["train_mse"] == pytest.approx(by_rows.metrics["train_mse"], rel=1e-6)
    held = fit_cells(merge_sorted(x, y), hidden=9)
    assert held.metrics["test_mse"] == pytest.approx(0.04, rel=0.2)


def test_cells_of_one_x_are_a_constant_as_a_table_is() -> None:
    """Cells of one x are fitted by their mean, whose error is their spread."""
    x, y = np.full(9, 3.0), np.arange(9.0)
    for found in (spline(x, y, test_fraction=0), fit_cells(merge_sorted(x, y), test_fraction=0)):
        assert found.predict([-1.0, 3.0, 5.0]) == pytest.approx([4, 4, 4])
        assert found.metrics["train_mse"] == pytest.approx(np.var(y))
    half = fit_cells(merge_sorted(np.array([0.0, 1.0]), np.array([2.0, 5.0])), test_fraction=0.5)
    assert {half.metrics["train_mse"], half.metrics["test_mse"]} == {0.0, 9.0}
    with pytest.raises(RelufitError, match="one hidden unit"):
        fit_cells(merge_sorted(x, y), hidden=2)
    with pytest.raises(RelufitError, match="all samples share one x"):
        fit_cells(merge_sorted(x, y), tolerance=1.0)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ((np.ones((9, 2)), np.ones(9)), {}, "one input"),
        ((np.ones(9), np.ones((9, 2))), {}, "one output"),
        ((np.ones(9), np.arange(9)), {"hidden": 2}, "one x"),
        ((np.arange(50.0), np.arange(50.0)), {"hidden": 60}, "at most 49 hidden units, not 60"),
        (("sin",), {"hidden": "auto"}, "for data"),
        (("sin",), {"hidden": 3, "tolerance": 1e-3}, "not both"),
        (("sin",), {"tolerance": 0}, "positive"),
        (("sin",), {"tolerance": "small"}, "positive"),
        (("sin",), {"hidden": 0}, "at least 1"),
        (("sin",), {"hidden": 2_000_000}, "a function is fitted by at most 1048576 hidden units"),
        (("sin",), {"tolerance": True}, "positive"),
        ((np.repeat(np.arange(9.0), 2), np.arange(18.0)), {"tolerance": 1e-9}, "no mean squared error of 1e-09"),
        ((np.ones(9), np.arange(9.0)), {"tolerance": 1e-9}, "no mean squared error of 1e-09 is reached: all .* one x"),
        ((np.ones(9), np.arange(9.0)), {"tolerance": "small"}, "must be a positive number"),
        (("sin",), {"weight": np.ones(1000)}, "weight is a number for each row"),
        (("noisy_sine",), {"weight": np.ones(1000)}, "weight is a number for each row"),
        (("sin",), {"dtype": "int3"}, "does not use dtype"),
        ((np.arange(9.0), np.arange(9.0)), {"weight": np.ones(8)}, "each of 9 samples"),
        ((np.arange(9.0), np.arange(9.0)), {"weight": -np.ones(9)}, "at least 0"),
    ],
)
def test_bad_input_is_one_sentence(data: tuple[Any, ...], options: dict[str, Any], message: str) -> None:
    """Bad input is one sentence that says what was given and what is valid."""
    with pytest.raises(RelufitError, match=message):
        spline(*data, **options)


def test_what_only_splines_know_is_refused_elsewhere() -> None:
    """Weights, tolerances and a number of units to be chosen are refused by other solvers."""
    for options in ({"weight": np.ones(9)}, {"tolerance": 1e-3}, {"hidden": "auto"}):
        with pytest.raises(RelufitError, match=r"solver=.*'spline'"):
            fit(np.arange(9.0), np.arange(9.0), **options)


def test_what_only_training_knows_is_refused() -> None:
    """Options of training are refused, even at their default, and whether or not the backend runs here."""
    state = fit("sin", hidden=4, epochs=1).state
    for options in (
        {"learning_rate": 0.1}, {"state": state}, {"optimizer": Adam()}, {"epochs": 200}, {"batch_size": 32},
        {"dtype": "float32"}, {"scheme": "spread"}, {"backend": "numpy"}, {"backend": ("torch-mps", "nosuch")},
    ):  # fmt: skip
        with pytest.raises(RelufitError, match=f"solver='spline' does not use {next(iter(options))}; leave it out"):
            spline("sin", hidden=4, **options)


def test_a_function_that_is_fitted_itself_only_keeps_samples() -> None:
    """The Fit keeps n samples, and its test_mse is that of the held-out ones."""
    assert np.isnan(spline("sin", hidden=4, test_fraction=0.0).metrics["test_mse"])
    assert len(spline("sin", hidden=4, n=50).x) == 50


def test_a_million_samples_take_little_longer_than_a_thousand() -> None:
    """A million samples, once in totals, take little longer, for a piece costs the same."""
    from relufit.scaling import Scaling
    from relufit.spline.search import best_spline
    from relufit.spline.selection import data_pieces

    seconds = {}
    for n in (10**4, 10**6):
        x = np.linspace(-6, 6, n)[:, None]
        pieces = data_pieces(merge_sorted(x, np.sin(x)), Scaling.of(x, np.sin(x)))
        best_spline(pieces, 64)
        times = []
        for _ in range(3):
            start = time.process_time()  # what other processes take meanwhile is not counted
            best_spline(pieces, 64)
            times.append(time.process_time() - start)
        seconds[n] = min(times)
    assert seconds[10**6] < 10 * seconds[10**4]  # samples worked off one by one would take 100 times as long


def test_the_zoo_is_fitted() -> None:
    """Every function of the zoo is fitted, at a size that no one tuned."""
    for name, target in targets.ZOO.items():
        metrics = spline(target, hidden=37).metrics
        assert metrics["mse"] < {"noisy_sine": 5e-3, "exp": 3e-3}.get(name, 5e-4), name


@pytest.mark.parametrize(("reached", "units"), [(None, 400), (2, 400), (500, 500)])
def test_ctrl_c_during_finer_integrals_keeps_the_better_fit(
    monkeypatch: pytest.MonkeyPatch, reached: int | None, units: int
) -> None:
    """Ctrl-C during finer integrals keeps the better fit; one by coarse integrals has a true error too."""
    given: list[Any] = []

    def choose(pieces: Any, *others: Any) -> Any:
        given.append(pieces)
        if len(given) == 1:
            return selection.choose_spline(pieces, *others)
        if reached is None:
            raise KeyboardInterrupt
        return selection.Choice(selection.best_spline(pieces, reached), "interrupted")

    monkeypatch.setattr(splines, "SURPRISE", 0.0)  # so that finer integrals are always asked for
    monkeypatch.setattr(splines, "choose_spline", choose)
    found = spline("sin(x)", hidden=400, domain=(-500.0, 500.0))
    assert len(given) == 2
    assert (found.metrics["status"], found.metrics["hidden"]) == ("interrupted", units)


def test_ctrl_c_with_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C with cells keeps the best so far and what it leaves, as with arrays."""
    x = np.linspace(0, 1, 500)
    tried: list[int] = []

    def best(pieces: Any, hidden: int) -> Any:
        if len(tried) == 3:
            raise KeyboardInterrupt
        tried.append(hidden)
        return original(pieces, hidden)

    original = selection.best_spline
    monkeypatch.setattr(selection, "best_spline", best)
    found = fit_cells(merge_sorted(x, np.sqrt(x)), tolerance=1e-12)
    assert tried == [1, 2, 4]
    assert (found.metrics["status"], found.metrics["hidden"]) == ("interrupted", 4)
    assert 1e-12 < found.metrics["mse"] < 1e-4
