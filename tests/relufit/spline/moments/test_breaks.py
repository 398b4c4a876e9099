"""Kinks and jumps are found where they are, and nowhere else."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import gamma

from relufit import RelufitError, fit, theory
from relufit.spline.moments.breaks import NARROWEST, find_pole, jumps, kinks, singularities
from relufit.targets import parse

ENDS = -2 * np.pi, 2 * np.pi


@pytest.mark.parametrize(
    ("function", "kinks"),
    [
        (np.abs, [0.0]),
        (lambda x: np.abs(x - 0.3) + x, [0.3]),
        (lambda x: np.sin(x) + 0.1 * np.maximum(x, 1.7), [1.7]),
        (lambda x: np.abs(np.sin(x)), [-np.pi, 0.0, np.pi]),
        (lambda x: np.sqrt(np.abs(x + 1)), [-1.0]),
    ],
)
def test_kinks_are_found(function: Callable[[np.ndarray], np.ndarray], kinks: list[float]) -> None:
    """Kinks are located to 1e-9 of the interval; the ends of the interval do not count."""
    np.testing.assert_allclose(singularities(function, *ENDS), kinks, atol=1e-8)


@pytest.mark.parametrize("place", [0.0, 0.7, -np.e])
def test_a_jump_has_two_sides(place: float) -> None:
    """A jump is reported by two places, half the narrowest piece on either side of it."""
    left, right = singularities(lambda x: np.heaviside(x - place, 1.0) + np.cos(x), *ENDS)
    assert left < place < right
    assert right - left == pytest.approx(NARROWEST * (ENDS[1] - ENDS[0]), rel=1e-3)


def test_a_jump_may_have_a_value_of_its_own() -> None:
    """A jump of sign, whose value at 0 is half-way, is found although only the cells on both sides of it bend."""
    left, right = singularities(np.sign, -1.0, 1.0)
    assert left < 0 < right
    assert right - left < 4 * NARROWEST


@pytest.mark.parametrize("function", [np.tan, lambda x: 1 / (x - 0.123), lambda x: np.log(np.abs(x + 0.777))])
def test_poles_are_found(function: Callable[[np.ndarray], np.ndarray]) -> None:
    """Poles between samples are found, with either sign, and as slow as a logarithm."""
    with np.errstate(all="ignore"):
        place = find_pole(function, *ENDS)
        assert place is not None
        assert abs(function(np.array(place))) > 2 * abs(function(np.array(place + 0.01)))


@pytest.mark.parametrize(
    "function", [np.sin, np.abs, np.floor, np.exp, lambda x: np.exp(-1e6 * (x - 0.1234567) ** 2), np.cbrt]
)
def test_what_is_bounded_has_no_pole(function: Callable[[np.ndarray], np.ndarray]) -> None:
    """Jumps, kinks, infinite slopes and narrow peaks are not poles."""
    assert find_pole(function, *ENDS) is None


DOMAINS = [(-1, 1), (-1, 2), (-0.3, 0.777), (-1.3034, 1.2189), ENDS]


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize(
    "text",
    [
        "1/x", "1/abs(x)", "1/x**2", "1/sqrt(abs(x))", "abs(x)**-0.1", "1/cbrt(x)", "log(abs(x))", "1/sin(x)",
        "1e6 + 1/x", "1/(x - 0.123)", "step(x)/x", "tan(x + pi/2)", "x/(x**2 - 0.01)",
    ],
)  # fmt: skip
def test_what_grows_for_ever_is_a_pole(text: str, domain: tuple[float, float]) -> None:
    """Powers and logarithms have poles, one-sided or not, also if the function raises there."""
    try:
        found = find_pole(parse(text), *domain) is not None
    except RelufitError as error:
        found = "not a finite real number" in str(error)
    assert found


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize(
    "text",
    [
        "exp(-abs(x)*1e5)", "exp(-abs(x)*1e7) + sin(x)", "1/(1e-5 + abs(x))", "1/(1e-8 + abs(x))", "1/(1e-10 + x**2)",
        "log(abs(x) + 1e-8)", "log(abs(x) + 1e-10)", "log(x**2 + 1e-12)", "exp(-1e8*x**2)", "1 - abs(x)**0.05",
        "exp(-sqrt(abs(x)))",
    ],
)  # fmt: skip
def test_a_narrow_peak_is_no_pole(text: str, domain: tuple[float, float]) -> None:
    """A narrow peak of any height is not a pole."""
    assert find_pole(parse(text), *domain) is None


def test_a_pole_at_a_floating_point_number_is_one() -> None:
    """The pole of the tangent is found although a grid point is at the float nearest to it."""
    assert find_pole(np.tan, 0, np.pi) == np.pi / 2
    assert find_pole(gamma, -2.5, 2.0) is not None


@pytest.mark.parametrize(
    ("text", "domain", "place"),
    [
        ("tan(x)", (-np.pi / 2, np.pi / 2), -np.pi / 2), ("tan(x)", (0, np.pi / 2), np.pi / 2),
        ("1/cos(x)", (0, np.pi / 2), np.pi / 2), ("1/cos(x)**2", (0.3, np.pi / 2), np.pi / 2),
        ("1e3 + 1/sqrt(abs(cos(x)))", (1, np.pi / 2), np.pi / 2), ("log(cos(x))", (0, np.pi / 2), np.pi / 2),
        ("1/sin(x)", (1, np.pi), np.pi), ("1/sin(x)", (np.pi, 4), np.pi), ("tan(x + pi/2)", (0, 1), 0.0),
        ("tan(x + pi/2)", (-1, 0), 0.0), ("tan(x)", (np.pi / 2, 2), np.pi / 2),
    ],
)  # fmt: skip
def test_an_end_may_be_a_pole(text: str, domain: tuple[float, float], place: float) -> None:
    """A pole at an end is found although rounding makes the function finite there; theory gives no bound."""
    assert find_pole(parse(text), *domain) == place
    with pytest.raises(RelufitError, match=f"grows without bound near x = {place:.6g}"):
        fit(text, domain=domain, solver="spline", hidden=4)
    assert theory.sup_error_bound(text, 4, domain).value == np.inf


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("sqrt(x)", (0, 1)), ("1 - x**0.05", (0, 1)), ("x**0.1", (0, 1)), ("5 - x**0.01", (0, 1)), ("-x**0.02", (0, 1)),
        ("asin(x)", (-1, 1)), ("acos(x)", (-1, 1)), ("exp(x)", (-50, 50)), ("exp(x)", (0, 700)), ("x**9", (-9, 9)),
        *(("log(x)", (low, 1)) for low in (1e-3, 1e-9, 1e-14, 1e-20, 1e-60)),
        *(("1/x", (low, 1)) for low in (1e-3, 1e-9)), ("log(x + 1e-10)", (0, 1)), ("exp(-1e4*x)", (0, 1)),
        ("exp(-1e9*x)", (0, 1)), ("1/(1e-6 + x**2)", (0, 1)), ("floor(x)", (0, 1)), ("step(x - 1)", (0, 1)),
        ("tan(x)", (0, 1.57)), ("x*log(x + 1e-300)", (0, 1)), ("tanh(1e6*(1 - x))", (0, 1)), ("0*x", (0, 1)),
    ],
)  # fmt: skip
def test_an_end_may_be_steep(text: str, domain: tuple[float, float]) -> None:
    """An infinite slope or a high peak at an end is not a pole."""
    low, high = domain
    assert find_pole(parse(text), low, high) is None
    assert find_pole(parse(re.sub(r"\bx\b", "(-x)", text)), -high, -low) is None


def test_a_function_is_not_asked_outside_its_interval() -> None:
    """A function is never evaluated outside its interval, where a root has no value."""
    rng = np.random.default_rng(0)
    for low, length in zip(rng.uniform(-9, 9, 100), rng.uniform(0.1, 5, 100), strict=True):
        high = low + length
        for root in (lambda x, end=low: np.sqrt(x - end), lambda x, end=high: np.sqrt(end - x)):
            assert np.isfinite(singularities(root, low, high)).all()  # and nothing warns


def test_floor_has_all_its_jumps() -> None:
    """All thirteen jumps of floor inside the interval are found."""
    assert len(singularities(np.floor, -6.5, 6.5)) == 2 * 13


@pytest.mark.parametrize(
    "function",
    [
        np.sin, np.exp, lambda x: 0 * x, lambda x: 3 * x + 1, lambda x: np.sin(300 * x), lambda x: 1 / (1 + 25 * x * x),
        lambda x: np.tanh(500 * x), lambda x: np.abs(x) ** 3, lambda x: 1e9 + 1e-5 * np.sin(x),
    ],
)  # fmt: skip
def test_smooth_functions_have_none(function: Callable[[np.ndarray], np.ndarray]) -> None:
    """Smooth functions have no breaks, also if they are steep or dominated by rounding."""
    assert len(singularities(function, *ENDS)) == 0


def test_jumps_of_a_table_are_between_two_samples() -> None:
    """A jump of a table is between the last sample below and the first above, evenly spaced or not."""
    for x in (np.linspace(-1, 1, 1000), np.sort(np.random.default_rng(0).uniform(-1, 1, 1000))):
        y = np.heaviside(x - 0.123, 1.0)
        first = np.argmax(y)
        assert jumps(x, y).tolist() == [first - 1]


@pytest.mark.parametrize("samples", [1000, 1001])
def test_kinks_of_a_table_lie_between_the_places_found(samples: int) -> None:
    """The kink of |x| plus a smooth function is found with a sample on it, and between two samples."""
    x = np.linspace(-1, 1, samples)
    found = kinks(x, np.abs(x) + x**2)
    spacing = x[1] - x[0]
    assert 2 <= len(found) <= 3
    assert np.abs(found).max() < 1.1 * spacing
    assert found.min() < 0.6 * spacing
    assert found.max() > -0.6 * spacing
    assert len(kinks(x, np.exp(x))) == 0


def test_noise_gaps_and_short_tables_are_no_jumps() -> None:
    """Noise, a gap in the samples and a table of five samples have no jumps."""
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(-3, 3, 3000))
    assert len(jumps(x, rng.normal(size=3000))) == 0
    assert len(kinks(np.linspace(-3, 3, 3000), rng.normal(size=3000))) <= 2
    holed = x[(x < 0.2) | (x > 1.1)]
    assert len(jumps(holed, np.exp(holed))) == 0
    assert len(jumps(x[:5], np.array([0.0, 0, 1, 1, 1]))) == 0
