"""SGD, Momentum and Adam as values: `init` makes the state, `update` returns the next one, nothing is modified.

The formulas are those of torch.optim (Adam: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1, epsilon outside the
root). They are written in plain operators, so they run on the arrays of any backend. A backend that compiles its own
training loop translates an optimizer by its type, takes the numbers that change with the step from `coefficients`,
and refuses the types that it does not know.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from relufit.errors import RelufitError
from relufit.params import Params


class State(NamedTuple):
    """All that training knows: to resume is to train again from a State."""

    params: Params
    moments: tuple[Params, ...]  # () for SGD, (velocity,) for Momentum, (first, second) for Adam
    step: int  # updates made so far


@dataclass(frozen=True)
class SGD:
    """p <- p - learning_rate * g."""

    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        _set_positive(self, "learning_rate")

    def init(self, params: Params) -> State:
        """The state before the first update."""
        return State(params, (), 0)

    def coefficients(self, first: int, last: int) -> np.ndarray:
        """One row (learning_rate,) for each of the updates first + 1 ... last: float64, (last - first, 1)."""
        return np.full((last - first, 1), self.learning_rate)

    def update(self, state: State, grads: Params) -> State:
        """The state after one update with gradients at `state.params`."""
        params = (p - self.learning_rate * g for p, g in zip(state.params, grads, strict=True))
        return State(Params(*params), (), state.step + 1)


@dataclass(frozen=True)
class Momentum:
    """v <- momentum * v + g;  p <- p - learning_rate * v   (torch.optim.SGD with momentum, no dampening)."""

    learning_rate: float = 1e-3
    momentum: float = 0.9

    def __post_init__(self) -> None:
        _set_positive(self, "learning_rate")
        _set_decay(self, "momentum")

    def init(self, params: Params) -> State:
        """The state before the first update: zero velocity."""
        return State(params, (_zeros(params),), 0)

    def coefficients(self, first: int, last: int) -> np.ndarray:
        """One row (learning_rate, momentum) for each of the updates first + 1 ... last: float64, (last - first, 2)."""
        return np.tile([self.learning_rate, self.momentum], (last - first, 1))

    def update(self, state: State, grads: Params) -> State:
        """The state after one update with gradients at `state.params`."""
        (velocity,) = state.moments
        velocity = Params(*(self.momentum * v + g for v, g in zip(velocity, grads, strict=True)))
        params = (p - self.learning_rate * v for p, v in zip(state.params, velocity, strict=True))
        return State(Params(*params), (velocity,), state.step + 1)


@dataclass(frozen=True)
class Adam:
    """m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2;  p <- p - learning_rate mhat / (sqrt(vhat) + eps).

    mhat = m / (1 - beta1^t) and vhat = v / (1 - beta2^t) undo the bias of the zero start at update t = 1, 2, ...
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        _set_positive(self, "learning_rate")
        _set_decay(self, "beta1")
        _set_decay(self, "beta2")
        _set_positive(self, "eps")

    def init(self, params: Params) -> State:
        """The state before the first update: zero moments."""
        return State(params, (_zeros(params), _zeros(params)), 0)

    def coefficients(self, first: int, last: int) -> np.ndarray:
        """Rows (learning_rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t)) for t = first + 1 ... last: float64."""
        t = np.arange(first + 1, last + 1, dtype=np.float64)
        return np.stack([self.learning_rate / (1 - self.beta1**t), 1 / np.sqrt(1 - self.beta2**t)], axis=1)

    def constants(self) -> np.ndarray:
        """What compiled loops need beside the coefficients: beta1, 1 - beta1, beta2, 1 - beta2, eps; float64, (5,).

        The differences are taken before anything is rounded to float32, where they would lose half of their digits.
        """
        return np.array([self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2, self.eps])

    def update(self, state: State, grads: Params) -> State:
        """The state after one update with gradients at `state.params`."""
        rate, root_scale = (float(value) for value in self.coefficients(state.step, state.step + 1)[0])
        first, second = state.moments
        first = Params(*(self.beta1 * m + (1 - self.beta1) * g for m, g in zip(first, grads, strict=True)))
        second = Params(*(self.beta2 * v + (1 - self.beta2) * (g * g) for v, g in zip(second, grads, strict=True)))
        params = (
            p - rate * m / (v**0.5 * root_scale + self.eps) for p, m, v in zip(state.params, first, second, strict=True)
        )
        return State(Params(*params), (first, second), state.step + 1)


Optimizer = SGD | Momentum | Adam


def uncompiled(name: str, optimizer: Optimizer | None) -> str | None:
    """Why the compiled loops of the backend `name` cannot take this optimizer; None where they can."""
    if optimizer is None or type(optimizer) in OPTIMIZERS.values():
        return None
    known = ", ".join(rule.__name__ for rule in OPTIMIZERS.values())
    return f"{name} has compiled updates for {known}, not for {type(optimizer).__name__}"


OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "momentum": Momentum, "adam": Adam}


def _zeros(params: Params) -> Params:
    return Params(*(p * 0 for p in params))


def _set_number(rule: object, name: str, valid: Callable[[float], bool], range_: str) -> None:
    """Make the setting a Python float: a numpy scalar would promote float32 arrays to its own dtype."""
    given = getattr(rule, name)
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = float("nan")
    if isinstance(given, str) or not valid(value):
        raise RelufitError(f"{name} must be {range_}, not {given!r}")
    object.__setattr__(rule, name, value)


def _set_positive(rule: object, name: str) -> None:
    _set_number(rule, name, lambda value: 0 < value < float("inf"), "a positive number")


def _set_decay(rule: object, name: str) -> None:
    _set_number(rule, name, lambda value: 0 <= value < 1, "at least 0 and below 1")
