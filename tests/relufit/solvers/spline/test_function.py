"""fit(..., solver="spline") of functions themselves, not of their samples."""

from typing import Any

import numpy as np
import pytest

from relufit import fit, targets
from relufit.solvers.spline import function
from relufit.spline import selection


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


@pytest.mark.parametrize("hidden", [1, 3, 5, 8])
def test_a_function_that_turns_faster_than_it_is_sampled_is_no_worse_than_its_mean(hidden: int) -> None:
    """300 periods, of which integrals by few points are wrong by percents: seen, and made again with more."""
    assert spline("sin(300*x)", domain=(0, 6.283), hidden=hidden).metrics["mse"] < 0.50003


def test_a_function_that_is_fitted_itself_only_keeps_samples() -> None:
    """The Fit keeps n samples, and its test_mse is that of the held-out ones."""
    assert np.isnan(spline("sin", hidden=4, test_fraction=0.0).metrics["test_mse"])
    assert len(spline("sin", hidden=4, n=50).x) == 50


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

    monkeypatch.setattr(function, "SURPRISE", 0.0)  # so that finer integrals are always asked for
    monkeypatch.setattr(function, "choose_spline", choose)
    found = spline("sin(x)", hidden=400, domain=(-500.0, 500.0))
    assert len(given) == 2
    assert (found.metrics["status"], found.metrics["hidden"]) == ("interrupted", units)
