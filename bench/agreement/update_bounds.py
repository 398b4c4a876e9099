"""How far one update may take each weight from where the optimizer's formula in float64 takes it.

A right gradient lies in an interval around the exact one (relufit/testing/error_bounds.py). SGD and Momentum are
monotone in it, so the ends of the interval give those of the weight. Adam is not: with

    m' = beta1 m + (1 - beta1) g    v' = beta2 v + (1 - beta2) g^2    p' = p - rate m' / (sqrt(v') scale + eps)

the quotient rises with g only up to (1 - beta1) beta2 v / ((1 - beta2) beta1 m) (for eps = 0), and falls beyond. But m'
is monotone in g, v' is monotone in |g|, and the quotient is monotone in each of m' and v' alone: whatever g of the
interval it comes from, p' lies between the least and the largest of the four corners. They belong to different g, so
this is wider than need be, most of all from moments of zero, where m' and sqrt(v') move together.

Rounding comes on top, of the weight and of the terms of its update. Those are taken by their magnitudes: where beta1 m
and (1 - beta1) g cancel, their rounding does not.
"""

import numpy as np

from relufit import Adam, Params, State
from relufit.network.optim import Optimizer, map_arrays

# Of a weight, in Adam's formula: 3 of m' (a coefficient, a product, the sum), half of the 4 of v' (whose g is squared
# first), 5 more of the divisor (root, scale, product, eps, sum), 4 of rate, product, quotient and difference; 2 spare.
ROUNDINGS = 16


def bound_update(rule: Optimizer, state: State, grads: Params, errors: Params, unit: float) -> tuple[Params, Params]:
    """The weights after one update in float64, and how far from them a right backend may be, element by element.

    `state` holds float64 arrays, `grads` the exact gradients at its weights, `errors` how far a right gradient may be
    from them; `unit` is the unit of rounding of the dtype under test.
    """
    centre = rule.update(state, grads).params
    low, high = (Params(*(g + side * e for g, e in zip(grads, errors, strict=True))) for side in (-1, 1))
    ends, sizes = (_adam_corners if isinstance(rule, Adam) else _monotone_ends)(rule, state, low, high)
    bounds = [
        np.max([np.abs(end - middle) for end in own], axis=0) + ROUNDINGS * unit * (np.abs(p) + size)
        for p, middle, size, *own in zip(state.params, centre, sizes, *ends, strict=True)
    ]
    return centre, Params(*bounds)


def _monotone_ends(rule: Optimizer, state: State, low: Params, high: Params) -> tuple[list[Params], Params]:
    """The weights at either end of the gradients' interval, and the magnitudes of their updates' terms."""
    from_nothing = map_arrays(np.abs, state._replace(params=Params(*(p * 0 for p in state.params))))
    largest = Params(*(np.maximum(np.abs(a), np.abs(b)) for a, b in zip(low, high, strict=True)))
    sizes = Params(*map(np.abs, rule.update(from_nothing, largest).params))  # terms of one sign cannot cancel
    return [rule.update(state, g).params for g in (low, high)], sizes


def _adam_corners(rule: Optimizer, state: State, low: Params, high: Params) -> tuple[list[Params], Params]:
    """The same of Adam: the weights at the four corners of m' and v'."""
    rate, scale, beta1, rest1, beta2, rest2, eps = rule.coefficients(state.step, state.step + 1)[0]
    found = []
    for p, m, v, a, b in zip(state.params, *state.moments, low, high, strict=True):
        least, largest = np.clip(0, a, b), np.maximum(np.abs(a), np.abs(b))  # of |g|
        divisors = [np.sqrt(beta2 * v + rest2 * g * g) * scale + eps for g in (least, largest)]
        corners = [p - rate * (beta1 * m + rest1 * g) / divisor for g in (a, b) for divisor in divisors]
        found.append((*corners, rate * (beta1 * np.abs(m) + rest1 * largest) / divisors[0]))
    *ends, sizes = (Params(*arrays) for arrays in zip(*found, strict=True))
    return ends, sizes
