"""Pack values for the kernels: batches in groups of a warp, an optimizer as numbers, a state as flat vectors."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from relufit.network.data import Plan
from relufit.network.optim import Adam, Optimizer, State
from relufit.network.params import Array, Params

LANES = 32  # threads of a warp


@dataclass(frozen=True)
class Batches:
    """The batches of some epochs, in the order of the steps."""

    order: np.ndarray  # (rows, groups, 32) int32 indices: a row per step, in groups of 32 samples, padded with -1
    steps: int  # per epoch
    batch: int
    last_batch: int  # samples in the last batch of each epoch

    @classmethod
    def of(cls, plan: Plan, samples: int, epochs: range) -> "Batches":
        """The batches of a plan; full batches have one row for all steps."""
        if plan.order is None:
            order, batch = np.arange(samples)[None], samples
        else:
            order, batch = plan.order[epochs.start : epochs.stop], min(plan.batch, samples)
        steps, whole = -(-samples // batch), samples // batch
        batches = np.full((len(order), steps, whole_warps(batch)), -1, np.int32)
        batches[:, :whole, :batch] = order[:, : whole * batch].reshape(-1, whole, batch)
        if whole < steps:
            batches[:, whole, : samples - whole * batch] = order[:, whole * batch :]
        return cls(batches.reshape(len(order) * steps, -1, LANES), steps, batch, samples - (steps - 1) * batch)

    @property
    def numbers(self) -> tuple[np.int32, ...]:
        """Rows, groups, steps per epoch, samples per batch and in the last batch of an epoch."""
        rows, groups, _ = self.order.shape
        return tuple(map(np.int32, (rows, groups, self.steps, self.batch, self.last_batch)))


def whole_warps(count: int) -> int:
    """`count`, rounded up to a multiple of 32."""
    return -(-count // LANES) * LANES


def step_coefficients(optimizer: Optimizer, step: int, steps: int) -> np.ndarray:
    """The optimizer's coefficients that change with the step, (steps, 2) float32, padded with 0."""
    table = optimizer.coefficients(step, step + steps)[:, :2]
    return np.pad(table, ((0, 0), (0, 2 - table.shape[1]))).astype(np.float32)


def constants(optimizer: Optimizer) -> tuple[np.float32, ...]:
    """The five coefficients of Adam that do not change with the step; zeros for other optimizers."""
    values = optimizer.coefficients(0, 1)[0, 2:] if isinstance(optimizer, Adam) else np.zeros(5)
    return tuple(np.float32(value) for value in values)


def flatten(xp: Any, states: State) -> Array:
    """Parameters and moments of M networks as vectors: (M, 1 + moments, 3 H + 1)."""
    count, trees = states.params.w1.shape[0], (states.params, *states.moments)
    return xp.stack([xp.concatenate([a.reshape(count, -1) for a in tree], axis=1) for tree in trees], axis=1)


def unflatten(flat: Array) -> Params:
    """The arrays of flat vectors (..., 3 H + 1), as views."""
    h = flat.shape[-1] // 3
    return Params(flat[..., None, :h], flat[..., h : 2 * h], flat[..., 2 * h : 3 * h, None], flat[..., 3 * h :])


def unflatten_state(flat: Array, step: int) -> State:
    """The state of vectors (..., 1 + moments, 3 H + 1); its arrays are views."""
    params, *moments = (unflatten(flat[..., row, :]) for row in range(flat.shape[-2]))
    return State(params, tuple(moments), step)
