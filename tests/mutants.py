"""Planted mistakes that several tests must catch."""

from dataclasses import dataclass

import numpy as np

from relufit.optim import Adam


@dataclass(frozen=True)
class UncorrectedAdam(Adam):
    """Adam without the correction of the bias."""

    def coefficients(self, first: int, last: int) -> np.ndarray:
        row = [self.learning_rate, 1.0, self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2, self.eps]
        return np.tile(row, (last - first, 1))
