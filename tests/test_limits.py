"""What `relufit limit` says: values that are there, and sentences for those that are not."""

import numpy as np
import pytest

from relufit import Target
from relufit.limits import limits


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
