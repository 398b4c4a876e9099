"""What a fit says of itself: a table, its interval, and its state."""

import numpy as np
import pytest

from relufit import RelufitError, fit


def test_a_printed_fit_is_an_aligned_table() -> None:
    """print(fit) names what was fitted, the units, the solver, errors, R^2 and seconds, one in each line."""
    lines = str(fit("sin(x)", hidden=64)).splitlines()
    assert [line[:11].rstrip() for line in lines] == [
        "function", "hidden", "solver", "mse", "max error", "R^2", "seconds",
    ]  # fmt: skip
    assert lines[:3] == ["function   sin(x)", "hidden     64", "solver     spline"]
    assert lines[5] == "R^2        0.999999"
    assert str(fit(range(9), range(9))).startswith("data       9 samples\n")


def test_the_interval_of_a_fit() -> None:
    """The interval is the domain of a function, or that of the samples; several inputs have bounds instead."""
    x = np.array([[3.0, 1.0], [5.0, -2.0], [4.0, 0.0]])
    assert fit("sin(x)", domain=(1, 2), hidden=2).domain == (1.0, 2.0)
    assert fit(x[:, 0], x[:, 1], hidden=1).domain == (3.0, 5.0)
    both = fit(x, x[:, 0], hidden=2, epochs=1, progress=False)
    np.testing.assert_array_equal(both.bounds, [[3, -2], [5, 1]])
    with pytest.raises(RelufitError, match="a fit of 2 inputs has no interval"):
        both.domain  # noqa: B018
