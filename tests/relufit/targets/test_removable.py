"""Limits at removable singularities: found to 1e-8, and none where there is a pole, a jump or an oscillation."""

import numpy as np
import pytest

from relufit import RelufitError, fit, theory
from relufit.spline.moments.breaks import demand_no_pole
from relufit.targets import parse


@pytest.mark.parametrize(
    ("text", "domain", "place", "value"),
    [
        ("sin(x)/x", (-6, 6), 0, 1),
        ("sin(x)/x", (-1000, 1000), 0, 1),
        ("sin(100*x)/x", (-1, 1), 0, 100),
        ("x*log(x)", (0, 1), 0, 0),
        ("x*log(x)", (0, 1e-100), 0, 0),
        ("x*log(x)", (0, 1e100), 0, 0),
        ("x**2*log(x)**2", (0, 1), 0, 0),
        ("abs(x)*log(abs(x))", (-2, 2), 0, 0),
        ("(x-1)*log(x-1)", (1, 5), 1, 0),
        ("sqrt(x-1)*log(x-1)", (1, 2), 1, 0),
        ("log(4-x)*(4-x)", (3, 4), 4, 0),
        ("x*sin(1/x)", (-1, 1), 0, 0),
        ("exp(-1/x)/x", (0, 1), 0, 0),
        ("(1-cos(x))/x**2", (-6, 6), 0, 0.5),
        ("(exp(x)-1)/x", (-1, 3), 0, 1),
        ("(sin(x)-x)/x**3", (-3, 3), 0, -1 / 6),
        ("(cos(x)-1+x**2/2)/x**4", (-3, 3), 0, 1 / 24),
        ("1e6 + sin(x)/x", (-1, 1), 0, 1e6 + 1),
        ("(x**2-1)/(x-1)", (-3, 5), 1, 2),
        ("1 + 0/x", (-1, 1), 0, 1),
    ],
)
def test_limits_are_found(text: str, domain: tuple[float, float], place: float, value: float) -> None:
    """A function has its limit as value, in the middle and at an end of its domain, and the place is named."""
    target = parse(text, domain)
    assert target.removable() == {place: pytest.approx(value, rel=1e-8, abs=1e-12)}
    at = np.array([[place, place], [np.mean(domain), place]])
    np.testing.assert_allclose(target(at)[0], value, rtol=1e-8, atol=1e-12)
    demand_no_pole(target)


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("1/x", (-1, 1)),
        ("1/x", (0, 1)),
        ("1/x**2", (-1, 1)),
        ("log(x)", (0, 1)),
        ("log(x)**2", (0, 1)),
        ("log(-log(x))", (0, 0.5)),
        ("abs(x)**-0.01", (-1, 1)),
        ("x**-0.5", (0, 1)),
        ("abs(x)/x", (-1, 1)),
        ("sin(1/x)", (-1, 1)),
        ("sqrt(x)", (-1, 1)),
        ("x*log(x)", (-1, 1)),
        ("0/0*x", (-1, 1)),
    ],
)
def test_what_has_no_limit_is_an_error(text: str, domain: tuple[float, float]) -> None:
    """A pole, a jump, an oscillation and a stretch without values are refused with the place."""
    for act in (lambda: parse(text, domain).removable(), lambda: fit(text, domain=domain, n=5, solver="spline")):
        with pytest.raises(RelufitError, match=r"is not a finite real number at x = |grows without bound"):
            act()


def test_a_removable_singularity_costs_nothing() -> None:
    """The spline of sin(x)/x is as good as the asymptotic value, whose f'' is by differences."""
    target = parse("sin(x)/x")
    known = theory.asymptotic_mse(target, 64)
    assert (known.exact, known.reason) == (False, "")
    assert known.value is not None
    assert 0.7 < fit(target, hidden=64, solver="spline").metrics["mse"] / known.value < 1


def test_a_callable_has_limits_too() -> None:
    """A vectorised function that gives nan at 0 is fitted by its limit; complex values stay an error."""
    found = fit(lambda x: np.sin(x) / x, domain=(0, 3), hidden=32, solver="spline")
    assert found.metrics["max_error"] < 1e-3
    with pytest.raises(RelufitError, match="finite real number"):
        fit(lambda x: np.sin(x) / x + 0j, domain=(0, 3), hidden=32, solver="spline")
