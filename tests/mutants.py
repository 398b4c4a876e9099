"""Planted mistakes that several tests must catch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from relufit import Adam, Params, Plan, Samples, State
from relufit.backends.numpy import NumpyBackend


@dataclass(frozen=True)
class UncorrectedAdam(Adam):
    """Adam without the correction of the bias."""

    def coefficients(self, first: int, last: int) -> np.ndarray:
        row = [self.learning_rate, 1.0, self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2, self.eps]
        return np.tile(row, (last - first, 1))


class Planted(NumpyBackend):
    """Trains by what was planted, a function of the right `train` and its arguments."""

    def __init__(self, mistake: Callable[..., Any]) -> None:
        super().__init__()
        self.mistake = mistake

    def train(self, state: State, samples: Samples, optimizer: Any, plan: Plan, epochs: range) -> Any:
        return self.mistake(super().train, state, samples, optimizer, plan, epochs)


class Forgetful(NumpyBackend):
    """A mutant that leaves out the last samples, as a loop over whole blocks would, or a thousandth of the output."""

    def __init__(self, samples: int = 0, output: int = 0) -> None:
        super().__init__()
        self.samples_left_out, self.output_left_out = samples, output

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[object, Params]:
        return super().loss_and_grads(params, samples.take(slice(0, len(samples) - self.samples_left_out)))

    def forward(self, params: Params, x: np.ndarray) -> np.ndarray:
        y = super().forward(params, x)
        y[len(y) - self.output_left_out :] = 0
        return y
