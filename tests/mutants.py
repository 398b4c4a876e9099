"""Planted mistakes that several tests must catch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from relufit import Adam, Params, Plan, Samples, State
from relufit.backends.numpy import NumpyBackend
from relufit.testing.rounded import RoundedBackend


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


class Reduced(NumpyBackend):
    """A backend with products in bfloat16, honest unless a mistake is planted.

    `weight_bits` of w1 and w2 are kept in place of 8, `forward_bits` in the output alone; `narrow_update` stores the
    trained weights in bfloat16.
    """

    def __init__(self, *, weight_bits: int = 8, forward_bits: int = 8, narrow_update: bool = False) -> None:
        super().__init__()
        self.precision, self.narrow_update = "bfloat16", narrow_update
        self.weight_bits, self.forward_bits = weight_bits, forward_bits
        self.model = RoundedBackend("bfloat16", True)

    def forward(self, params: Params, x: np.ndarray) -> np.ndarray:
        bits = min(self.weight_bits, self.forward_bits)
        return self.model.forward(self._rough(params, bits), x.astype(np.float64)).astype(np.float32)

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[object, Params]:
        wide = Samples(samples.x.astype(np.float64), samples.y.astype(np.float64))
        loss, grads = self.model.loss_and_grads(self._rough(params, self.weight_bits), wide)
        return loss.astype(np.float32)[()], Params(*(g.astype(np.float32) for g in grads))

    def train(self, state: State, samples: Samples, optimizer: Any, plan: Plan, epochs: range) -> Any:
        state, losses = super().train(state, samples, optimizer, plan, epochs)
        if self.narrow_update:
            state = state._replace(params=Params(*(kept_bits(p, 8) for p in state.params)))
        return state, losses

    def _rough(self, params: Params, bits: int) -> Params:
        w1, b1, w2, b2 = (p.astype(np.float64) for p in params)
        return Params(kept_bits(w1, bits), b1, kept_bits(w2, bits), b2)


def kept_bits(values: np.ndarray, bits: int) -> np.ndarray:
    """The values rounded to so many bits, in their dtype."""
    mantissas, exponents = np.frexp(values)
    return np.ldexp(np.rint(mantissas * 2**bits), exponents - bits).astype(values.dtype)
