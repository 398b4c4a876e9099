"""numba on the CPU: compiled loops that keep hidden values in registers and run a whole slice of training in one call.

The first call of each loop in a process loads it from a cache on disk, or compiles it (seconds) and stores it there.
"""

from pathlib import Path

import numba
import numpy as np

from relufit.backend import Backend, Samples, check_input, check_plan, check_shapes
from relufit.backends.numba import dense, training
from relufit.data import Plan
from relufit.optim import Optimizer, State
from relufit.params import Array, Params, Sizes

ELEMENTS_PER_THREAD = 2**19  # samples times units below which to wake a thread costs more than it saves


class NumbaBackend(Backend):
    """Fused loops over samples and units; on all of numba's threads where a batch is large."""

    algorithm = "dense, fused"

    def __init__(self, name: str = "numba", device: str = "cpu") -> None:
        self.name, self.device = name, device
        forget_outdated_loops()

    def supports(
        self, sizes: Sizes, dtype: str, optimizer: Optimizer | None = None, plan: Plan | None = None
    ) -> str | None:
        if optimizer is not None and type(optimizer) not in training.RULES:
            known = ", ".join(rule.__name__ for rule in training.RULES)
            return f"{self.name} has compiled updates for {known}, not for {type(optimizer).__name__}"
        return super().supports(sizes, dtype, optimizer, plan)

    def to_device(self, array: np.ndarray) -> Array:
        # One layout, and writable: numba compiles a loop anew for each kind of array.
        return np.require(array, requirements=["C", "W"]) if np.ndim(array) else np.array(array)

    def to_host(self, array: Array) -> np.ndarray:
        return np.asarray(array)

    def forward(self, params: Params, x: Array) -> Array:
        check_input(params, x)
        d, h, o = sizes_of(params)
        y = np.empty((len(x), o), x.dtype)
        dense.forward(self.to_device(x), d, h, o, flatten(params), y, threads_for(len(x) * h))
        return y

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        check_shapes(params, samples)
        d, h, o = sizes_of(params)
        x, y, flat = self.to_device(samples.x), self.to_device(samples.y), flatten(params)
        grads = np.empty_like(flat)
        loss = dense.gradient(x, y, d, h, o, flat, grads, threads_for(len(x) * h))
        return np.asarray(loss, flat.dtype), unflatten(grads, d, h, o)

    def train(
        self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range
    ) -> tuple[State, Array]:
        check_shapes(state.params, samples)
        check_plan(plan, len(samples), epochs)
        d, h, o = sizes_of(state.params)
        x, y, flat, moments = self.to_device(samples.x), self.to_device(samples.y), *flatten_state(state)
        batch, order = (
            (len(x), NO_ORDER)
            if plan.order is None
            else (plan.batch, self.to_device(plan.order[epochs.start : epochs.stop]))
        )
        steps = len(epochs) * plan.steps_per_epoch(len(x))
        rule = training.compiled(optimizer, state.step, steps, flat.dtype)
        losses = np.empty(len(epochs))
        training.train(x, y, order, batch, losses, *rule, d, h, o, flat, moments, threads_for(batch * h))
        return unflatten_state(flat, moments, state.step + steps, d, h, o), losses.astype(flat.dtype)

    def facts(self) -> dict[str, str]:
        return {"numba": numba.__version__, "threads": str(numba.get_num_threads())}


NO_ORDER = np.zeros((0, 0), np.int32)


def threads_for(elements: int) -> int:
    """How many of numba's threads a batch of so many samples times units is worth."""
    return max(1, min(int(numba.get_num_threads()), elements // ELEMENTS_PER_THREAD))


def sizes_of(params: Params) -> tuple[int, int, int]:
    """D, H, O."""
    return *params.w1.shape, params.w2.shape[1]


def flatten(params: Params) -> np.ndarray:
    """One vector: W1, b1, W2 transposed, b2."""
    return np.concatenate([params.w1.ravel(), params.b1, params.w2.T.ravel(), params.b2])


def unflatten(flat: np.ndarray, d: int, h: int, o: int) -> Params:
    """The arrays again, as views of the vector."""
    w1, b1, w2, b2 = np.split(flat, np.cumsum([d * h, h, h * o]))
    return Params(w1.reshape(d, h), b1, w2.reshape(o, h).T, b2)


def flatten_state(state: State) -> tuple[np.ndarray, np.ndarray]:
    """Parameters (P,) and moments (number, P)."""
    flat = flatten(state.params)
    return flat, np.array([flatten(moment) for moment in state.moments], flat.dtype).reshape(-1, len(flat))


def unflatten_state(flat: np.ndarray, moments: np.ndarray, step: int, d: int, h: int, o: int) -> State:
    """The state again, its arrays views of the vectors."""
    return State(unflatten(flat, d, h, o), tuple(unflatten(moment, d, h, o) for moment in moments), step)


def forget_outdated_loops() -> None:
    """Drop compiled loops that are older than one of our files.

    numba looks at the file of the loop that is called, and not at those of the loops that it calls.
    """
    newest = max(file.stat().st_mtime for file in Path(__file__).parent.glob("*.py"))
    for index in Path(dense.gradient.stats.cache_path).glob("*.nbi"):
        if index.stat().st_mtime < newest:
            index.unlink(missing_ok=True)
