"""numba on the CPU: compiled loops that keep hidden values in registers and run a whole slice of training in one call.

The first call of each loop in a process loads it from a cache on disk, or compiles it (seconds) and stores it there.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np

from relufit.backend import Backend, Samples, check_input, check_plan, check_samples, check_shapes
from relufit.backends.numba import dense, hinge, knots, training
from relufit.backends.sorted import SortedSamples, demand_one_input, index_type, refusal, sort_samples
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
        array = np.asarray(array)
        return array if array.flags.carray else array.copy(order="C")

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
        batch, order = batches(plan, len(x), epochs)
        steps = len(epochs) * plan.steps_per_epoch(len(x))
        rule = training.compiled(optimizer, state.step, steps, flat.dtype)
        losses = np.empty(len(epochs))
        training.train(x, y, order, batch, losses, *rule, d, h, o, flat, moments, threads_for(batch * h))
        return unflatten_state(flat, moments, state.step + steps, d, h, o), losses.astype(flat.dtype)

    def facts(self) -> dict[str, str]:
        return {"numba": numba.__version__, "threads": str(numba.get_num_threads())}


@dataclass(frozen=True)
class GuidedSamples(SortedSamples):
    """Sorted samples with the guide that the compiled search begins from; see knots.make_guide."""

    guide: np.ndarray | None = None

    def arguments(self) -> tuple[Any, ...]:
        """The table as the compiled loops take it, and the places of the samples in it: none for all of them."""
        places = self.places if self.chosen is not None else self.places[:0]
        return *self.table, self.guide, places


class NumbaHingeBackend(NumbaBackend):
    """relufit/hinge.py in compiled loops, on one core; small batches in the dense form, which is faster for them."""

    algorithm = "hinge"
    # Measured at H = 512: minibatches, and forward passes, below which the dense form is faster.
    dense_samples, dense_forward_samples = 300, 1500

    def __init__(self, name: str = "numba-hinge", device: str = "cpu") -> None:
        super().__init__(name, device)

    def supports(
        self, sizes: Sizes, dtype: str, optimizer: Optimizer | None = None, plan: Plan | None = None
    ) -> str | None:
        return refusal(self.name, sizes.inputs) or super().supports(sizes, dtype, optimizer, plan)

    def samples(self, x: Any, y: Any) -> Samples:
        check_samples(x, y)
        demand_one_input(self.name, x.shape[1])
        known = sort_samples(self.to_device(x), self.to_device(y))
        guide: np.ndarray = np.empty(len(known) // knots.SAMPLES_PER_CELL + 2, index_type(len(known)))
        knots.fill_guide(known.table.x, guide)
        return GuidedSamples(known.x, known.y, known.table, known.order, None, guide)

    def forward(self, params: Params, x: Array) -> Array:
        check_input(params, x)
        demand_one_input(self.name, params.w1.shape[0])
        if len(x) < self.dense_forward_samples:
            return super().forward(params, x)
        _, h, o = sizes_of(params)
        y = np.empty((len(x), o), x.dtype)
        hinge.forward(self.to_device(x)[:, 0], h, o, flatten(params), y)
        return y

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        check_shapes(params, samples)
        if self._is_dense(samples, len(samples)):
            return super().loss_and_grads(params, samples)
        assert isinstance(samples, GuidedSamples)
        d, h, o = sizes_of(params)
        flat = flatten(params)
        grads = np.empty_like(flat)
        loss = hinge.gradient(*samples.arguments(), h, o, flat, grads)
        return np.asarray(loss, flat.dtype), unflatten(grads, d, h, o)

    def train(
        self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range
    ) -> tuple[State, Array]:
        check_shapes(state.params, samples)
        check_plan(plan, len(samples), epochs)
        batch, order = batches(plan, len(samples), epochs)
        if self._is_dense(samples, batch):
            return super().train(state, samples, optimizer, plan, epochs)
        assert isinstance(samples, GuidedSamples)
        *table, places = samples.arguments()
        places = places if plan.order is None else samples.places
        d, h, o = sizes_of(state.params)
        flat, moments = flatten_state(state)
        steps = len(epochs) * plan.steps_per_epoch(len(samples))
        rule = training.compiled(optimizer, state.step, steps, flat.dtype)
        losses = np.empty(len(epochs))
        hinge.train(*table, places, order, batch, losses, *rule, h, o, flat, moments)
        return unflatten_state(flat, moments, state.step + steps, d, h, o), losses.astype(flat.dtype)

    def facts(self) -> dict[str, str]:
        return {**super().facts(), "threads": "1", f"batches below {self.dense_samples}": "dense"}

    def _is_dense(self, samples: Samples, batch: int) -> bool:
        """Whether batches of that many of the samples are worked off in the dense form."""
        part = batch < len(samples) or not isinstance(samples, SortedSamples) or samples.chosen is not None
        return not isinstance(samples, GuidedSamples) or (part and batch < self.dense_samples)


def batches(plan: Plan, samples: int, epochs: range) -> tuple[int, np.ndarray]:
    """Batch size and order (epochs, N) as the compiled loops take them; the order of full batches is (0, 0)."""
    if plan.order is None:
        return samples, np.zeros((0, 0), np.int32)
    return plan.batch, np.ascontiguousarray(plan.order[epochs.start : epochs.stop], index_type(samples))


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
    w1, b1, w2, b2 = dense.parts.py_func(flat, d, h, o)
    return Params(w1, b1, w2.T, b2)


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
