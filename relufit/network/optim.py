"""SGD, Momentum and Adam as values: `init` makes the state, `update` returns the next one, nothing is modified.

The formulas are those of torch.optim (Adam: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1, epsilon outside the
root). They are written in plain operators, so they run on the arrays of any backend. A backend that compiles its own
training loop translates an optimizer by its type, takes the numbers that change with the step from `coefficients`,
and refuses the types that it does not know.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from relufit.errors import RelufitError, check_count
from relufit.network.params import Params
from relufit.network.values import one_line


class State(NamedTuple):
    """The complete state of a training: training from a State resumes it."""

    params: Params
    moments: tuple[Params, ...]  # () for SGD, (velocity,) for Momentum, (first, second) for Adam
    step: int  # updates made so far

    def __repr__(self) -> str:
        return one_line(self)


def map_arrays(function: Callable[[Any], Any], state: State) -> State:
    """A State with `function` applied to each of its arrays: to move it to a device, or to the host."""
    params, *moments = (Params(*map(function, tree)) for tree in (state.params, *state.moments))
    return State(params, tuple(moments), state.step)


def stack_states(stack: Callable[[list[Any]], Any], states: Sequence[State]) -> State:
    """Stack the states of M networks at one step into a State with a leading axis M, by the library's `stack`."""

    def stacked(trees: Iterable[Params]) -> Params:
        return Params(*(stack(list(arrays)) for arrays in zip(*trees, strict=True)))

    moments = zip(*(state.moments for state in states), strict=True)
    return State(stacked(state.params for state in states), tuple(map(stacked, moments)), states[0].step)


@dataclass(frozen=True)
class Cosine:
    """The learning rate falls to 0 by half a cosine over `steps` updates after the first ones, and stays 0.

    Source: Loshchilov and Hutter (2017), arXiv:1608.03983, without restarts.
    """

    steps: int
    first: int = 0

    def __post_init__(self) -> None:
        check_count("steps", self.steps)

    def factors(self, first: int, last: int) -> np.ndarray:
        """The factors of the learning rate for updates first + 1 ... last: float64, (last - first,)."""
        done = np.clip((np.arange(first, last) - self.first) / self.steps, 0.0, 1.0)
        return (1 + np.cos(np.pi * done)) / 2


@dataclass(frozen=True)
class Steps:
    """The learning rate is multiplied by `factor` after every `every` updates after the first ones."""

    every: int
    first: int = 0
    factor: float = 0.1

    def __post_init__(self) -> None:
        check_count("every", self.every)
        _set_positive(self, "factor")

    def factors(self, first: int, last: int) -> np.ndarray:
        """The factors of the learning rate for updates first + 1 ... last: float64, (last - first,)."""
        return self.factor ** (np.maximum(np.arange(first, last) - self.first, 0) // self.every).astype(np.float64)


Schedule = Cosine | Steps


class _Rule:
    """The base of the optimizers. Each defines its number of moments, its table of coefficients and its formula."""

    moments: ClassVar[int]
    learning_rate: float
    schedule: Schedule | None

    def rates(self, first: int, last: int) -> np.ndarray:
        """The learning rate of each of the updates first + 1 ... last, by the schedule: float64, (last - first,)."""
        factors = np.ones(last - first) if self.schedule is None else self.schedule.factors(first, last)
        return self.learning_rate * factors

    def init(self, params: Params) -> State:
        """The state before the first update: moments of zero."""
        return State(params, tuple(_zeros(params) for _ in range(self.moments)), 0)

    def coefficients(self, first: int, last: int) -> np.ndarray:
        """A row of numbers for `updated` for each of the updates first + 1 ... last: float64, (last - first, k)."""
        raise NotImplementedError

    @staticmethod
    def updated(
        params: Params, moments: tuple[Params, ...], grads: Params, row: Any
    ) -> tuple[Params, tuple[Params, ...]]:
        """The next parameters and moments; `row` is the step's row of coefficients, numbers or 0-d arrays."""
        raise NotImplementedError

    def update(self, state: State, grads: Params) -> State:
        """The state after one update with gradients at `state.params`."""
        row = [float(value) for value in self.coefficients(state.step, state.step + 1)[0]]
        return State(*self.updated(state.params, state.moments, grads, row), state.step + 1)


@dataclass(frozen=True)
class SGD(_Rule):
    """p <- p - learning_rate * g."""

    learning_rate: float = 1e-3
    schedule: Schedule | None = None
    moments: ClassVar[int] = 0

    def __post_init__(self) -> None:
        _set_positive(self, "learning_rate")

    def coefficients(self, first: int, last: int) -> np.ndarray:
        """Rows (learning_rate,)."""
        return self.rates(first, last)[:, None]

    @staticmethod
    def updated(
        params: Params, moments: tuple[Params, ...], grads: Params, row: Any
    ) -> tuple[Params, tuple[Params, ...]]:
        """The formula."""
        (rate,) = row
        return type(params)(*(p - rate * g for p, g in zip(params, grads, strict=True))), ()


@dataclass(frozen=True)
class Momentum(_Rule):
    """v <- momentum * v + g;  p <- p - learning_rate * v   (torch.optim.SGD with momentum, no dampening)."""

    learning_rate: float = 1e-3
    momentum: float = 0.9
    schedule: Schedule | None = None
    moments: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _set_positive(self, "learning_rate")
        _set_decay(self, "momentum")

    def coefficients(self, first: int, last: int) -> np.ndarray:
        """Rows (learning_rate, momentum)."""
        rates = self.rates(first, last)
        return np.stack([rates, np.full_like(rates, self.momentum)], axis=1)

    @staticmethod
    def updated(
        params: Params, moments: tuple[Params, ...], grads: Params, row: Any
    ) -> tuple[Params, tuple[Params, ...]]:
        """The formula."""
        rate, momentum = row
        velocity = type(params)(*(momentum * v + g for v, g in zip(moments[0], grads, strict=True)))
        return type(params)(*(p - rate * v for p, v in zip(params, velocity, strict=True))), (velocity,)


@dataclass(frozen=True)
class Adam(_Rule):
    """m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2;  p <- p - learning_rate mhat / (sqrt(vhat) + eps).

    mhat = m / (1 - beta1^t) and vhat = v / (1 - beta2^t) undo the bias of the zero start at update t = 1, 2, ...
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    schedule: Schedule | None = None
    moments: ClassVar[int] = 2

    def __post_init__(self) -> None:
        _set_positive(self, "learning_rate")
        _set_decay(self, "beta1")
        _set_decay(self, "beta2")
        _set_positive(self, "eps")

    def coefficients(self, first: int, last: int) -> np.ndarray:
        """Rows (learning_rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t), beta1, 1 - beta1, beta2, 1 - beta2, eps).

        t = first + 1 ... last. The differences are taken before anything is rounded to float32, where they would lose
        half of their digits.
        """
        table = np.empty((last - first, 7))
        t = np.arange(first + 1, last + 1, dtype=np.float64)
        table[:, 0], table[:, 1] = self.rates(first, last) / (1 - self.beta1**t), 1 / np.sqrt(1 - self.beta2**t)
        table[:, 2:] = self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2, self.eps
        return table

    @staticmethod
    def updated(
        params: Params, moments: tuple[Params, ...], grads: Params, row: Any
    ) -> tuple[Params, tuple[Params, ...]]:
        """The formula."""
        rate, root_scale, beta1, rest1, beta2, rest2, eps = row
        first, second = moments
        first = type(params)(*(beta1 * m + rest1 * g for m, g in zip(first, grads, strict=True)))
        second = type(params)(*(beta2 * v + rest2 * (g * g) for v, g in zip(second, grads, strict=True)))
        moved = (p - rate * m / (v**0.5 * root_scale + eps) for p, m, v in zip(params, first, second, strict=True))
        return type(params)(*moved), (first, second)


Optimizer = SGD | Momentum | Adam


def uncompiled(name: str, optimizer: Optimizer | None) -> str | None:
    """Why the compiled loops of the backend `name` do not support this optimizer; None if they do."""
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
