"""What the least mean squared error of a spline tends to as pieces become many: an asymptotic value, not a bound.

    MSE*(H) = (integral |f''|^(2/5) dx)^5 / (720 H^4 (b - a))

de Boor (1973), "Good approximation by splines with variable knots". Where f'' does not exist there is none.
"""

import numpy as np

from relufit.breaks import singularities
from relufit.targets import Target

CELLS = 2**14  # for four digits: twice as many change the value by less than 1e-4 of it, for all of the zoo
LINE = 1e-14  # second differences of a line, of its largest value: rounding


def asymptotic_mse(target: Target, hidden: int) -> float | None:
    """MSE* of a function at H units; None for one with a kink, a jump or noise, and for a straight line."""
    low, high = target.domain
    if target.noise or len(singularities(target, low, high)):
        return None
    h, y = (high - low) / CELLS, target(np.linspace(low, high, CELLS + 1))
    bend = np.abs(np.diff(y, 2))
    if bend.max() < LINE * np.abs(y).max():
        return None
    density = (bend / h**2) ** 0.4  # at the inner places
    ends = 2 * density[[0, -1]] - density[[1, -2]]
    return float((h * (density.sum() + ends.sum() / 2)) ** 5 / (720 * hidden**4 * (high - low)))
