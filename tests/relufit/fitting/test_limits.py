"""What `relufit limit` says: values that are there, and sentences for those that are not."""

import numpy as np
import pytest

from relufit import RelufitError, Target, fit, theory
from relufit.fitting.limits import limits


@pytest.mark.parametrize(("target", "hidden"), [("5", 512), ("x", 1), ("2 - 3*x", 2), (lambda x: 2 - 3 * x, 7)])
def test_a_straight_line_has_an_asymptotic_error_of_0(target: object, hidden: int) -> None:
    """A straight line has an MSE* of 0, and nothing to compare the best spline with."""
    found = limits(target, hidden, mse=1e-6, max_error=1e-3)
    assert (found.asymptotic_mse, found.ratio, found.reason) == (0, None, None)
    assert found.mse < 1e-20
    assert "mean square 0: a straight line" in found.in_words()
    assert (found.units_for_mse, found.units_for_max_error) == (1, 1)


def test_noise_is_left_out() -> None:
    """The limits of a noisy function are those of the function without its noise."""
    noisy, plain = limits(Target("noisy", np.sin, noise=0.1, expression="sin(x)"), 64), limits("sin", 64)
    assert noisy.target == "noisy without its noise"
    assert noisy[4:6] == plain[4:6]
    assert noisy[7:] == plain[7:]


@pytest.mark.parametrize(
    ("target", "domain", "hidden", "error", "units", "enough"),
    [
        ("log(x)", (0.001, 1), 512, 1e-3, 137, 11170),  # the bound on interpolation is far above
        ("tanh(x)", (0, 4), 6, 0.0184, 4, 10),
        ("sin", None, 8, 0.08, 8, 16),  # 9 units leave more than 8
        ("floor(x)", (-3.2, 3.3), 8, 0.51, 14, None),
        ("abs", None, 512, 1e-9, 2, None),
    ],
)
def test_units_for_a_largest_error_are_those_of_the_best_spline(
    target: str, domain: tuple[float, float] | None, hidden: int, error: float, units: int, enough: int | None
) -> None:
    """No fewer units reach the error; the bound is printed apart, as a number that suffices."""
    found = limits(target, hidden, domain=domain, max_error=error)
    assert (found.units_for_max_error, found.units_by_bound) == (units, enough)
    assert fit(target, domain=domain, hidden=units, solver="spline").metrics["max_error"] <= error
    below = range(max(1, units - 6), units)
    assert all(fit(target, domain=domain, hidden=h, solver="spline").metrics["max_error"] > error for h in below)
    lines = found.in_words().splitlines()
    assert f"largest error {error:.4g}" in lines[-1 if enough is None else -2]
    assert f"{units} units, the fewest found" in lines[-1 if enough is None else -2]
    assert enough is None or lines[-1].split(maxsplit=2)[:2] == [str(enough), "units,"]


def test_units_for_a_mean_square_are_those_of_the_best_spline() -> None:
    """MSE* is printed as an estimate; where it does not exist, units are found all the same."""
    found = limits("tanh(x)", 6, domain=(0, 4), mse=5e-6)
    units = fit("tanh(x)", domain=(0, 4), solver="spline", tolerance=5e-6).metrics["hidden"]
    assert (found.units_for_mse, found.units_by_asymptotic_mse) == (units, 7)
    assert found.mse <= 5e-6
    assert found.units_for_mse == 6
    assert found.in_words().splitlines()[-1].strip() == "7 units, an estimate by MSE*"
    found = limits("step", 4, mse=1e-3)
    assert (found.units_for_mse, found.units_by_asymptotic_mse) == (2, None)
    assert found.in_words().splitlines()[-1].startswith("mean square 0.001       2 units, the fewest found")


@pytest.mark.parametrize("target", ["sin", "abs(x) + sin(x)"])
def test_the_lines_do_not_contradict_each_other(target: str) -> None:
    """For the error of the best spline of H units, no more than H units are found."""
    for hidden in (1, 9):
        best = limits(target, hidden)
        found = limits(target, hidden, mse=best.mse * (1 + 1e-9), max_error=best.max_error)
        assert found.units_for_mse is not None
        assert found.units_for_max_error is not None
        assert max(found.units_for_mse, found.units_for_max_error) <= hidden


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        (
            "step",
            0.1,
            "keeps 'step' within 0.1 everywhere: it jumps by 1 at x = 0, .* at least 0.5;",
        ),
        ("3*step(x - 1.25)", 1.4, "jumps by 3 at x = 1.25"),
        (lambda x: np.where(x > 2, 7.0, np.sin(x)), 1.0, "jumps by .* at x = 2,"),
        (
            "step",
            0.503,
            "fits 'step' with a maximum error of 0.503: with 64 units, the largest number, it is 0.5",
        ),
        ("sin", 1e-12, "fits 'sin' with a maximum error of 1e-12"),
        ("tan(x)", 0.1, "grows without bound"),
        ("sin", 0.0, "max_error must be a positive number"),
        ("sin", float("nan"), "max_error must be a positive number"),
    ],
)
def test_an_error_that_no_number_of_units_reaches_is_a_sentence(
    target: object, error: float, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A jump is reported at once; else the error names the most units tried and their error."""
    monkeypatch.setattr("relufit.fitting.limits.MOST_UNITS", 64)
    with pytest.raises(RelufitError, match=message):
        limits(target, 4, max_error=error)


def test_the_search_shows_the_units_tried(capsys: pytest.CaptureFixture[str]) -> None:
    """The units tried are shown on stderr with progress=True; by default only on a terminal."""
    limits("sin", 4, max_error=0.1)
    assert capsys.readouterr().err == ""
    limits("sin", 4, max_error=0.1, mse=0.1, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "\r1 unit: " in captured.err
    assert "\r2 units: " in captured.err


def test_theory_says_enough() -> None:
    """units_for is the bound on interpolation, and its network reaches the error."""
    assert theory.units_for("tanh(x)", domain=(0, 4), max_error=0.0184) == 10
