"""Second derivatives where they are steep, or narrow, or do not exist: what the theory's numbers are made of."""

import numpy as np
import pytest

from relufit import RelufitError, Target, theory
from relufit.targets import SIN, parse
from relufit.theory.smoothness import second_derivative


@pytest.mark.parametrize("low", [1e-9, 1e-6, 1e-3, 0.5])
def test_a_steep_end_is_integrated(low: float) -> None:
    """MSE* of log, of which most lies within a millionth of the domain, is that of its closed form."""
    wanted = (5 * (1 - low**0.2)) ** 5 / (720 * 512**4 * (1 - low))
    assert theory.asymptotic_mse("log(x)", 512, (low, 1)).value == pytest.approx(wanted, rel=1e-8)
    found = theory.asymptotic_mse(np.log, 512, (low, 1))
    assert (found.value is None) == (low < 1e-5)
    assert found.value is None or found.value == pytest.approx(wanted, rel=1e-4)


def test_a_narrow_peak_is_integrated() -> None:
    """MSE* goes with the fourth power of the width of a peak, which is that of a wide one otherwise."""
    wide, narrow = (theory.asymptotic_mse(f"exp(-{a!r}*x**2)", 64, (-1, 1)).value for a in (1e3, 1e9))
    assert narrow == pytest.approx(wide * (1e3 / 1e9) ** 0.5, rel=1e-6)


def test_what_cannot_be_integrated_has_no_asymptotic_error() -> None:
    """A function of ten million turns, and one without a finite mean square, have no MSE*."""
    assert "does not converge" in theory.asymptotic_mse("sin(1e7*x)", 512).reason
    assert "beyond floating point" in theory.asymptotic_mse("1e200*x**2", 512).reason


@pytest.mark.parametrize("text", ["tan(x)", "1/(x - 0.123)", "log(abs(x - 0.123))"])
def test_a_pole_is_called_one(text: str) -> None:
    """A pole is called neither a kink nor a jump."""
    with pytest.raises(RelufitError, match=r"everywhere: it grows without bound near x = "):
        theory.units_for(text, max_error=0.1, domain=(0, 3))
    for found in (theory.sup_error_bound(text, 8, (0, 3)), theory.asymptotic_mse(text, 8, (0, 3))):
        assert found.reason.startswith("it grows without bound near x = ")


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("tanh(200*(x - 1))", (-2, 3)), ("tanh(1600*(x - 1))", (-2, 3)), ("1000 + tanh(20*x)", (-6, 6)),
        ("exp(-x**2)", (-20, 20)), ("exp(x)", (-20, 20)), ("1/(1 + 1e4*x*x)", (-2, 3)), ("log(1 + exp(30*x))", (-2, 2)),
    ],
)  # fmt: skip
def test_flat_stretches_add_no_rounding(text: str, domain: tuple[float, float]) -> None:
    """A flat function without an expression has the value by sympy to half a percent."""
    exact, found = theory.asymptotic_mse(text, 512, domain), theory.asymptotic_mse(parse(text).function, 512, domain)
    assert exact.exact
    assert not found.exact
    assert found.value == pytest.approx(exact.value, rel=5e-3)


@pytest.mark.parametrize("hidden", [10**15, 2**63 - 1, 10**100])
def test_any_number_of_units_has_an_answer(hidden: int) -> None:
    """Any number of units gives a value, or a sentence if it does not fit into 64 bits."""
    if hidden < 2**63:
        assert 0 < theory.sup_error_bound("sin", hidden).value < 1e-25
        assert theory.asymptotic_mse("sin", hidden).value < 1e-50
        return
    for question in (theory.sup_error_bound, theory.asymptotic_mse):
        with pytest.raises(RelufitError, match="64 bits"):
            question("sin", hidden)


def test_a_second_derivative_that_grows_with_the_grid_is_none() -> None:
    """A path that is nowhere smooth has no second derivative."""
    rough = Target("rough", lambda x: sum(0.5**k * np.sin(3.0**k * x) for k in range(1, 30)))
    assert second_derivative(rough).values is None
    assert second_derivative(SIN).exact
