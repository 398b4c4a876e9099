"""The asymptotic error of splines: known integrals, and none where f'' does not exist."""

import numpy as np
import pytest

from bench.asymptotic import asymptotic_mse
from relufit.targets import ABS, EXP, NOISY_SINE, SIN, SQUARE, STEP, Target


def test_known_integrals() -> None:
    """x^2: 2^2 (b - a)^4 / (720 H^4); e^x: (5/2 (e^(2b/5) - e^(2a/5)))^5; of sin the beta function's."""
    length = 4 * np.pi
    assert asymptotic_mse(SQUARE, 512) == pytest.approx(4 * length**4 / (720 * 512**4), rel=1e-6)
    integral = 2.5 * (np.exp(0.8 * np.pi) - np.exp(-0.8 * np.pi))
    assert asymptotic_mse(EXP, 64) == pytest.approx(integral**5 / (720 * 64**4 * length), rel=1e-4)
    assert asymptotic_mse(SIN, 512) == pytest.approx(1.6271e-10, rel=1e-4)


@pytest.mark.parametrize("target", [ABS, STEP, NOISY_SINE, Target("line", lambda x: 2 * x)])
def test_there_is_none_without_a_second_derivative(target: Target) -> None:
    """Kinks, jumps and noise; of a line there is nothing to divide by."""
    assert asymptotic_mse(target, 512) is None


def test_a_function_is_not_asked_beyond_its_domain() -> None:
    """The root of 1 - x^2 has no value there, and no f'' at the ends."""
    found = asymptotic_mse(Target("circle", lambda x: np.sqrt(4 - x * x), (-1.0, 1.0)), 10)
    assert found is not None
    assert found > 0
