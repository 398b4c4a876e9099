"""The theorem and its numbers: networks that keep their bounds, and asymptotic errors known by hand."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from relufit import RelufitError, theory
from relufit.backends.evaluation import evaluate
from relufit.network import dense
from relufit.targets import resolve
from relufit.theory import smoothness

PI2 = (-2 * math.pi, 2 * math.pi)


def largest_error(target: object, hidden: int, domain: tuple[float, float] | None = None) -> float:
    """The largest error of the interpolating network on a fine grid."""
    found = resolve(target, domain)
    x = np.linspace(*found.domain, 20_011)
    return float(
        np.abs(evaluate(theory.interpolating_network(target, hidden, domain), x[:, None])[:, 0] - found(x)).max()
    )


@pytest.mark.parametrize("hidden", [1, 2, 3, 4, 7, 64, 4096])
@pytest.mark.parametrize("target", ["sin", "exp", "sines", "abs"])
def test_the_network_interpolates(target: str, hidden: int) -> None:
    """The network equals the target at all its knots, by segments and in the dense form, to rounding of the sums."""
    params, domain = theory.interpolating_network(target, hidden), resolve(target).domain
    assert [p.shape for p in params] == [(1, hidden), (hidden,), (hidden, 1), (1,)]
    assert all(p.dtype == np.float64 for p in params)
    assert set(np.abs(params.w1[0])) == {1.0}
    knots = np.linspace(*domain, hidden + 1)
    wanted = resolve(target)(knots)
    for found in (evaluate(params, knots[:, None]), dense.forward(params, knots[:, None], xp=np)):
        np.testing.assert_allclose(found[:, 0], wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())


def test_it_has_the_knots_that_it_says() -> None:
    """The network has one knot at each inner point and two in the middle, and continues as lines outside."""
    params = theory.interpolating_network("square", 6, (0, 6))
    np.testing.assert_array_equal(np.sort(-params.b1 / params.w1[0]), [1, 2, 3, 3, 4, 5])
    np.testing.assert_allclose(evaluate(params, np.array([[-2.0], [8.0]]))[:, 0], [-2, 36 + 2 * 11])
    one = theory.interpolating_network("square", 1, (0, 6))
    np.testing.assert_allclose(evaluate(one, np.array([[-2.0], [0.0], [6.0]]))[:, 0], [0, 0, 36])


@pytest.mark.parametrize("hidden", [1, 5, 32, 100])
@pytest.mark.parametrize(
    ("target", "domain", "kind"),
    [
        ("sin", None, theory.CURVATURE), ("exp", None, theory.CURVATURE), ("runge", None, theory.CURVATURE),
        ("sines", None, theory.CURVATURE), ("x*abs(x)", None, theory.CURVATURE), (np.cos, None, theory.CURVATURE),
        ("sqrt(x)", (0, 4), theory.MODULUS), ("abs", None, theory.MODULUS), ("cbrt(x - 0.1)", None, theory.MODULUS),
        ("abs(x - 0.3) + sin(x)", None, theory.MODULUS), (np.sqrt, (0, 4), theory.MODULUS),
    ],
)  # fmt: skip
def test_the_network_stays_within_its_bound(target: Any, domain: Any, kind: str, hidden: int) -> None:
    """The error on a fine grid is within the bound, whose kind depends on the target; few units use the modulus."""
    bound = theory.sup_error_bound(target, hidden, domain)
    kind = theory.MODULUS if hidden < 32 and bound.kind == theory.MODULUS else kind
    assert bound.kind == kind
    assert bound.exact == (kind == theory.CURVATURE and isinstance(target, str))
    assert bool(bound.reason) == (kind != theory.CURVATURE)
    assert largest_error(target, hidden, domain) <= bound.value * (1 + 1e-9)


def test_bounds_known_by_hand() -> None:
    """x^2 attains its bound in the middle of each piece; omega is sqrt(h) for sqrt and h for |x|."""
    h = 4 * math.pi / 50
    assert theory.sup_error_bound("square", 50).value == pytest.approx(h * h / 4, rel=1e-12)
    assert largest_error("square", 50) > 0.999 * h * h / 4
    assert theory.sup_error_bound("sin", 50).value == pytest.approx(h * h / 8, rel=1e-8)
    assert theory.sup_error_bound("abs", 50).value == pytest.approx(h, rel=1e-6)
    assert theory.sup_error_bound("sqrt(x)", 50, (0, 4)).value == pytest.approx(math.sqrt(4 / 50), rel=1e-6)
    for target in ("step", np.sign, "floor(x)"):
        assert theory.sup_error_bound(target, 50)[:2] == (math.inf, theory.NO_BOUND)


def test_of_two_bounds_the_smaller_is_given() -> None:
    """A sine of 200 periods is off by 2 at most, whatever its curvature says; and units are counted by it."""
    bound = theory.sup_error_bound("sin(100*x)", 100)
    assert bound.kind == theory.MODULUS
    assert bound.value == pytest.approx(2, rel=1e-6)
    assert "h^2 max|f''| / 8 is more: 19.7" in bound.reason
    assert theory.units_for("sin(100*x)", max_error=2.01) == 1
    assert theory.units_for("sin(100*x)", max_error=1) == 445  # by f''
    assert theory.units_for("log(x)", max_error=7, domain=(1e-4, 1)) < 20  # by f'': 4 226
    assert theory.sup_error_bound("sin", 2**21).kind == theory.CURVATURE


@pytest.mark.parametrize("h", [1e-4, 0.01, 0.37, 1.0, 3.0, 40.0])
def test_the_modulus_of_continuity(h: float) -> None:
    """Known moduli of continuity are approximated from below and closely."""
    for target, wanted in {
        "3*x": 3 * min(h, 4), "sqrt(x)": math.sqrt(min(h, 4)), "sqrt(4 - x)": math.sqrt(min(h, 4)),
        "x**2": 16 - max(4 - h, 0) ** 2, "step(x - 1)": 1.0, "7": 0.0,
    }.items():  # fmt: skip
        found = theory.modulus_of_continuity(target, h, (0, 4))
        assert found <= wanted * (1 + 1e-9)  # but for the rounding of x
        assert found == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("h", [0, -1, float("nan"), float("inf"), "1", 1e-9])
def test_an_h_that_is_none_is_refused(h: Any) -> None:
    """An h that is not a positive number, or too small for a grid, is refused."""
    with pytest.raises(RelufitError, match="h"):
        theory.modulus_of_continuity("sin", h)


def test_asymptotic_errors_known_by_hand() -> None:
    """Asymptotic errors equal those from integrals in closed form."""
    integral = 4 * math.sqrt(math.pi) * math.gamma(0.7) / math.gamma(1.2)  # |sin|^0.4 over two periods
    sine = integral**5 / (720 * 512**4 * 4 * math.pi)
    assert sine == pytest.approx(1.63e-10, rel=5e-3)
    assert theory.asymptotic_mse("sin", 512).value == pytest.approx(sine, rel=1e-8)
    assert theory.asymptotic_mse("square", 512).value == pytest.approx(2.02e-9, rel=5e-3)
    assert theory.asymptotic_mse("square", 512).value == pytest.approx((4 * math.pi) ** 4 * 4 / 720 / 512**4, rel=1e-12)
    growth = (math.exp(0.4) - 1) / 0.4
    assert theory.asymptotic_mse("exp", 10, (0, 1)).value == pytest.approx(growth**5 / 720 / 10**4, rel=1e-9)
    cubic = 2 * 6**0.4 / 1.4
    assert theory.asymptotic_mse("x**3", 10, (-1, 1)).value == pytest.approx(cubic**5 / 1440 / 10**4, rel=1e-9)
    for text in ("3*x + 1", "7", "runge"):
        found = theory.asymptotic_mse(text, 16)
        assert found.exact
        assert not found.reason
        assert found.value == 0 or text == "runge"


@pytest.mark.parametrize(
    ("function", "text", "domain"),
    [
        (np.sin, "sin", PI2), (math.exp, "exp", PI2), (lambda x: 1 / (1 + 25 * x * x), "runge", (-1, 1)),
        (lambda x: np.sin(200 * x), "sin(200*x)", PI2), (lambda x: 2 - 5 * x, "2 - 5*x", PI2),
        (lambda x: 1e-9 * x**3, "1e-9*x**3", (-1, 3)),
    ],
)  # fmt: skip
def test_differences_come_close_to_sympy(function: Any, text: str, domain: tuple[float, float]) -> None:
    """Functions without an expression get nearly the same value as by sympy, and the result says which was used."""
    numerical, exact = theory.asymptotic_mse(function, 64, domain), theory.asymptotic_mse(text, 64, domain)
    assert (numerical.exact, exact.exact) == (False, True)
    assert numerical.value == pytest.approx(exact.value, rel=1e-4)


def test_where_there_is_no_asymptotic_error_it_says_why() -> None:
    """Targets with jumps, kinks, noise or roots have no asymptotic error, and the result says why."""
    for target, domain, reason in (
        ("step", None, "jump"), ("abs", None, "kink"), ("noisy_sine", None, "noisy"), ("sqrt(x)", (0, 4), "unbounded"),
        (np.sqrt, (0, 4), "unbounded"), (np.abs, None, "kink"), (np.sign, None, "f''"), ("relu(x - 1)", None, "kink"),
        ("x % 3", None, "jump"), ("sqrt(sin(x)**2)", None, "kink"), (lambda x: np.abs(x - 0.1), None, "kink"),
    ):  # fmt: skip
        found = theory.asymptotic_mse(target, 512, domain)
        assert found.value is None
        assert reason in found.reason
    assert theory.asymptotic_mse("abs", 512, (1, 2)).value == 0  # without its kink it is a line


def test_units_for_a_tolerance() -> None:
    """units_for returns the smallest number whose bound, or asymptotic error, is within the tolerance."""
    for target, domain in (("sin", None), ("abs", None), ("sqrt(x)", (0, 4)), (np.exp, None)):
        for tolerance in (0.3, 0.01 if target != "sqrt(x)" else 0.1):
            units = theory.units_for(target, max_error=tolerance, domain=domain)
            assert theory.sup_error_bound(target, units, domain).value <= tolerance * (1 + 1e-9)
            if units > 1:
                assert theory.sup_error_bound(target, units - 1, domain).value > tolerance
    value = theory.asymptotic_mse("sin", 512).value
    assert value is not None
    assert theory.units_for("sin", mse=value) == 512
    assert theory.units_for("sin", mse=1e9) == theory.units_for("3*x", mse=1e-9, max_error=1e-9) == 1
    assert theory.units_for("sin", mse=value, max_error=1e-5) == theory.units_for("sin", max_error=1e-5) > 512


@pytest.mark.parametrize(
    ("target", "max_error", "domain", "units"),
    [("sqrt(x)", 0.01, (0, 3), 30_000), ("abs(sin(3*x))", 1e-3, (-3, 3), 18_000), ("abs(x)**0.3", 0.1, (0, 1), 2155)],
)
def test_few_looks_find_the_units(
    target: str, max_error: float, domain: tuple[float, float], units: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """units_for evaluates the modulus at most 14 times, where doubling and bisection take thirty."""
    looks: list[int] = []

    def counted(found: object, h: float) -> float:
        looks.append(1)
        return smoothness.modulus_of_continuity(found, h)

    monkeypatch.setattr(theory, "modulus_of_continuity", counted)
    assert theory.units_for(target, max_error=max_error, domain=domain) == units
    assert len(looks) <= 14


def test_the_smallest_units_of_any_falling_modulus() -> None:
    """For powers, plateaus and steps, the number found suffices, and one less does not."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        at, power = int(np.exp(rng.uniform(0, 12))), rng.uniform(0.1, 1)
        for modulus in (
            lambda u, at=at, power=power: (at / u) ** power,
            lambda u, at=at: 1.01 if u < at else 0.99,
            lambda u, at=at: 0.0 if u >= at else 1.5 - 0.4 * u / at,
        ):
            found = theory._smallest_units(modulus, 1.0)
            assert modulus(found) <= 1
            assert found == 1 or modulus(found - 1) > 1


def test_a_tolerance_may_be_any_number() -> None:
    """A tolerance may be a number of numpy or a Fraction."""
    for value in (np.float32(1e-6), np.float64(np.float32(1e-6))):
        assert theory.units_for("sin", mse=value) == theory.units_for("sin", mse=float(value))
    assert theory.units_for("sin", mse=Fraction(1, 10)) == theory.units_for("sin", mse=0.1)
    assert theory.units_for("sin", max_error=np.int64(1)) == theory.units_for("sin", max_error=1)
    assert theory.modulus_of_continuity("abs", np.float32(0.5)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("target", "tolerances", "match"),
    [
        ("sin", {}, "give a tolerance"), ("sin", {"mse": 0}, "positive"), ("sin", {"max_error": -1}, "positive"),
        ("sin", {"mse": float("nan")}, "positive"), ("sin", {"mse": "1"}, "positive"),
        ("sin", {"mse": True}, "positive"), ("sin", {"max_error": 10**400}, "positive"),
        ("step", {"mse": 1}, "no asympt"),
        ("noisy_sine", {"mse": 1}, "noisy"), ("step", {"max_error": 0.1}, "jumps"),
        ("sin", {"mse": 1e-40}, "more than"),
        ("abs", {"max_error": 1e-9}, "more than"), ("sin", {"max_error": 1e-300}, "more than"),
    ],
)  # fmt: skip
def test_tolerances_that_nothing_meets(target: str, tolerances: Any, match: str) -> None:
    """An invalid or unreachable tolerance is refused with one sentence."""
    with pytest.raises(RelufitError, match=match):
        theory.units_for(target, **tolerances)


def test_sizes_are_checked() -> None:
    """A number of units below 1, or not an integer, is refused."""
    for act in (theory.interpolating_network, theory.sup_error_bound, theory.asymptotic_mse):
        for hidden in (0, 2.5, "8"):
            with pytest.raises(RelufitError, match="hidden"):
                act("sin", hidden)


def test_a_domain_holds_the_points_of_a_network() -> None:
    """More points than floats in the domain, or than memory allows, are refused with a sentence."""
    narrow = (1.0, 1.0 + 2.0**-34)  # 2^18 numbers
    assert np.isfinite(theory.interpolating_network("x", 1000, narrow).w2).all()
    for hidden in (2**19, 10**15):
        with pytest.raises(RelufitError):
            theory.interpolating_network("x", hidden, narrow)
    with pytest.raises(RelufitError, match="floating-point numbers"):
        theory.interpolating_network("x", 8, (1, np.nextafter(1, 2)))
