"""Activation functions: right to a few units in the last place, and silent, for every finite x."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from relufit.targets import activations

mpmath = pytest.importorskip("mpmath")
MP = mpmath.mp.clone()
MP.dps = 60
RNG = np.random.default_rng(0)
LARGE_AND_SMALL = 10.0 ** RNG.uniform(-300, 300, 40)
ENDS = [-1.7e308, -745.0, -710.0, 0.0, 710.0, 1.7e308]
POINTS = np.concatenate([np.linspace(-40, 40, 401), RNG.normal(0, 1, 200), LARGE_AND_SMALL, -LARGE_AND_SMALL, ENDS])


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + MP.exp(-x))


def _gelu(x: Any) -> Any:
    return x * MP.erfc(-x / MP.sqrt(2)) / 2 if abs(x) < 60 else MP.mpf(x > 0) * x  # mpmath has no erfc(1e300)


EXACT: dict[str, Callable[[Any], Any]] = {
    "erf": MP.erf,
    "sigmoid": _sigmoid,
    "softplus": lambda x: MP.log1p(MP.exp(x)),
    "silu": lambda x: x * _sigmoid(x),
    "hardswish": lambda x: x * min(max(x + 3, 0), 6) / 6,
    "gelu": _gelu,
    "gelu_tanh": lambda x: x * _sigmoid(2 * MP.sqrt(2 / MP.pi) * (x + MP.mpf("0.044715") * x**3)),
}


@pytest.mark.parametrize("name", EXACT)
def test_values_are_right_to_a_few_ulp(name: str) -> None:
    """Each value is within 6 ulp of mpmath's, or below 1e-300; gelu_tanh within 6 |x|^3 ulp below -1."""
    with np.errstate(all="raise", under="ignore"):
        found = getattr(activations, name)(POINTS)
    assert np.isfinite(found).all()
    for x, y in zip(POINTS.tolist(), found.tolist(), strict=True):
        wanted = EXACT[name](MP.mpf(x))
        allowed = 6 * max(1.0, abs(min(x, 0.0)) ** 3 if name == "gelu_tanh" and x > -100 else 1.0)
        assert abs(MP.mpf(y) - wanted) <= allowed * MP.mpf(float(np.spacing(abs(float(wanted))))) + MP.mpf("1e-300"), x


@pytest.mark.parametrize("name", EXACT)
def test_limits_at_infinity(name: str) -> None:
    """An argument that overflowed gives the limit, not nan."""
    with np.errstate(all="raise", under="ignore"):
        below, above = getattr(activations, name)(np.array([-np.inf, np.inf]))
    assert below == (-1 if name == "erf" else 0)
    assert above == (1 if name in ("erf", "sigmoid") else np.inf)
