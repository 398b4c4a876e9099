"""Random networks of one input whose knots coincide, nearly coincide, or make steps; and their exact outputs."""

from fractions import Fraction

import numpy as np

from relufit import Params

DOMAIN = (-6.5, 6.0)
EPS = float(np.finfo(np.float64).eps)


def random_network(rng: np.random.Generator, outputs: int = 1) -> Params:
    """1 to 30 units: a third share a knot, some do nothing, and one pair makes a step between neighbouring floats."""
    h = int(rng.integers(1, 31))
    knots = rng.uniform(DOMAIN[0], DOMAIN[1], h)
    knots[rng.random(h) < 0.3] = knots[0]
    w1, w2 = rng.normal(size=h) * 10.0 ** rng.integers(-2, 3, h), rng.normal(size=(h, outputs))
    w1[rng.random(h) < 0.05] = 0.0
    w2[rng.random(h) < 0.1] = 0.0
    b1 = np.where(w1 == 0, rng.normal(size=h), -w1 * knots)
    if h > 4:  # a step of about 1 at a knot and the next float
        w1[1:3], w2[1], w2[2] = (1.0, 1.0), 2.0**50, -(2.0**50)
        b1[1:3] = -knots[3], -np.nextafter(knots[3], 9)
    return Params(w1[None], b1, w2, rng.normal(size=outputs))


def exact_outputs(params: Params, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The outputs at x (n,) rounded once, and the sums of |w2 relu(z)| + |b2|: (n, O) each."""
    w1, b1, w2, b2 = (np.vectorize(Fraction, otypes=[object])(array) for array in params)
    hidden = np.maximum(np.vectorize(Fraction, otypes=[object])(x)[:, None] * w1 + b1, Fraction(0))  # (n, H)
    return (hidden @ w2 + b2).astype(np.float64), (hidden @ np.abs(w2) + np.abs(b2)).astype(np.float64)


def rounding_of(params: Params, terms: np.ndarray) -> np.ndarray:
    """How far a piecewise-linear function may be from the network, (O,): 8 eps of its largest terms (n, O).

    A knot is rounded to a float, which moves the unit's line by up to half a spacing.
    """
    return 8 * EPS * terms.max(axis=0) + EPS * (np.abs(params.b1) @ np.abs(params.w2))
