"""Activation functions of neural networks, and erf, as functions of float64 arrays; expressions offer them by name.

Each is finite and silent for every finite x, and accurate to a few units in the last place (ulp), also where it is
close to 0. The exception is `gelu_tanh`: below -1 the rounding of the argument of its exponential makes up to
6 |x|^3 ulp.

Definitions as in torch.nn.functional; GELU is from Hendrycks and Gimpel (2016), arXiv:1606.08415.
"""

from typing import Any

import numpy as np

SPLIT = 2.0**27 + 1  # Dekker's (1971) constant: it splits a float64 into halves whose squares are exact
BEYOND = 64.0  # distance from 0 at which the normal tail, exp(-x^2/2), is 0 in float64
SATURATED = -1e3  # below this x sigmoid(x) is 0 in float64; x itself may be -inf, and -inf * 0 is nan


def erf(x: Any) -> Any:
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    from scipy import special  # imported here, because `import relufit` needs numpy alone

    return special.erf(x)


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    small = np.exp(-np.abs(x))
    return np.where(np.asarray(x) >= 0, 1.0, small) / (1.0 + small)


def softplus(x: Any) -> Any:
    """log(1 + exp(x)), a smooth form of relu."""
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def silu(x: Any) -> Any:
    """Return x sigmoid(x), also called swish."""
    return np.maximum(x, SATURATED) * sigmoid(x)


def hardswish(x: Any) -> Any:
    """Return x min(max(x + 3, 0), 6) / 6, which has no exponential."""
    x = np.maximum(x, -3.0)
    return x * (np.minimum(x + 3.0, 6.0) / 6.0)


def gelu(x: Any) -> Any:
    """Return x Phi(x), where Phi is the distribution function of the standard normal distribution."""
    x = np.asarray(x, np.float64)
    tail = _normal_tail(np.minimum(np.abs(x), BEYOND))
    return np.maximum(x, -BEYOND) * np.where(x > 0, 1.0 - tail, tail)


def gelu_tanh(x: Any) -> Any:
    """Return x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, an approximation of gelu."""
    near = np.clip(x, -BEYOND, BEYOND)  # further out the sigmoid is 0 or 1 in float64
    return np.maximum(x, -BEYOND) * sigmoid(np.sqrt(8 / np.pi) * (near + 0.044715 * near**3))


def _normal_tail(a: np.ndarray) -> np.ndarray:
    """The probability that a standard normal variable exceeds a, for a from 0 to BEYOND.

    erfc(z) = exp(-z^2) erfcx(z). The exponential would magnify the rounding of z^2 by z^2, so the square is split into
    an exact part and a small rest.
    """
    from scipy import special

    scaled = SPLIT * a
    high = scaled - (scaled - a)
    square = np.exp(-high * high / 2) * np.exp(-(a - high) * (a + high) / 2)
    tail: np.ndarray = square * special.erfcx(a / np.sqrt(2)) / 2
    return tail
