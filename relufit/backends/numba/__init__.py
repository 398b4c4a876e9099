"""numba on the CPU: compiled loops that keep hidden values in registers and run a whole slice of training in one call.

The first call of each loop in a process loads it from a cache on disk, or compiles it (seconds) and stores it there.
If neither the package, the user's cache folder nor NUMBA_CACHE_DIR is writable, each process compiles its own.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numba
import numpy as np

from relufit.backends.base import Backend, Samples, bytes_of_columns
from relufit.backends.numba import dense, hinge, knots, training
from relufit.backends.sorted import SortedSamples, demand_one_input, index_type, refusal, sort_samples, table_bytes
from relufit.network.checks import DHO, check_input, check_many, check_samples, check_shapes, check_training
from relufit.network.data import Plan
from relufit.network.optim import Optimizer, State, map_arrays, stack_states, uncompiled
from relufit.network.params import Array, Params, Sizes
from relufit.network.sorted import moments

ELEMENTS_PER_THREAD = 2**19  # samples times units below which waking a thread costs more than it saves


class NumbaBackend(Backend):
    """Fused loops over samples and units; on all of numba's threads if a batch is large."""

    algorithm = "dense, fused"

    def __init__(self, name: str = "numba", device: str = "cpu") -> None:
        self.name, self.device = name, device
        forget_outdated_loops()

    def supports(
        self, sizes: Sizes, dtype: str, optimizer: Optimizer | None = None, plan: Plan | None = None
    ) -> str | None:
        return uncompiled(self.name, optimizer) or super().supports(sizes, dtype, optimizer, plan)

    def working_bytes(self, verb: str, sizes: Sizes, dtype: str) -> int:
        return bytes_of_columns(sizes, dtype)

    def to_device(self, array: np.ndarray) -> Array:
        # One layout, and writable: numba compiles a loop anew for each kind of array.
        array = np.asarray(array)
        return array if array.flags.carray else array.copy(order="C")

    def to_host(self, array: Array) -> np.ndarray:
        return np.asarray(array)

    def forward(self, params: Params, x: Array) -> Array:
        d, h, o = check_input(params, x)
        y = np.empty((len(x), o), x.dtype)
        dense.forward(self.to_device(x), d, h, o, flatten(params), y, threads_for(len(x) * h))
        return y

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        sizes, flat = check_shapes(params, samples), flatten(params)
        grads = np.empty_like(flat)
        loss = self._gradient(samples, sizes, flat, grads)
        return np.asarray(loss, flat.dtype), unflatten(grads, *sizes)

    def train(
        self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range
    ) -> tuple[State, Array]:
        sizes = check_training(state, samples, optimizer, plan, epochs)
        flat, velocities = flatten_state(state)
        steps = len(epochs) * plan.steps_per_epoch(len(samples))
        rule = training.compiled(optimizer, state.step, steps, flat.dtype)
        losses = np.empty(len(epochs))
        self._train(samples, sizes, *batches(plan, len(samples), epochs), losses, *rule, flat, velocities)
        return unflatten_state(flat, velocities, state.step + steps, sizes), losses.astype(flat.dtype)

    def train_many(
        self,
        states: State,
        samples: Samples,
        optimizer: Optimizer,
        plan: Plan,
        epochs: range,
        rates: np.ndarray | None = None,
    ) -> tuple[State, Array]:
        factors = check_many(states, samples, optimizer, plan, epochs, rates)
        count, d, h = states.params.w1.shape
        o, dtype = states.params.w2.shape[2], states.params.w1.dtype
        steps, losses = len(epochs) * plan.steps_per_epoch(len(samples)), np.empty((count, len(epochs)))
        flat, velocities = flatten_states(states)
        targets = np.ascontiguousarray(samples.y.reshape(len(samples), -1, o).swapaxes(0, 1))  # (M or 1, N, O)
        rule, table = training.compiled(optimizer, states.step, steps, dtype)
        factors = factors.astype(dtype)
        x, order = self.to_device(samples.x), batches(plan, len(samples), epochs)

        def one(m: int) -> None:
            scaled = table.copy()
            scaled[:, 0] *= factors[m]  # every rule's first coefficient is proportional to its rate
            target = targets[m if len(targets) > 1 else 0]
            training.train(x, target, *order, losses[m], rule, scaled, flat[m], velocities[m], d, h, o, 1)

        # The loop releases the GIL and is compiled already; a parallel loop would take half a minute to compile.
        with ThreadPoolExecutor(numba.get_num_threads()) as pool:
            list(pool.map(one, range(count)))
        rows = [unflatten_state(flat[m], velocities[m], states.step + steps, (d, h, o)) for m in range(count)]
        return stack_states(np.stack, rows), losses.astype(dtype)

    def _gradient(self, samples: Samples, sizes: DHO, flat: np.ndarray, grads: np.ndarray) -> float:
        """Return the loss and write the flat gradient, by a compiled loop."""
        x, y = self.to_device(samples.x), self.to_device(samples.y)
        return float(dense.gradient(x, y, *sizes, flat, grads, threads_for(len(x) * sizes[1])))

    def _train(self, samples: Samples, sizes: DHO, batch: int, order: np.ndarray, *rest: Any) -> None:
        """Run the steps of the `order` by a compiled loop, which modifies the flat arrays in `rest`."""
        x, y = self.to_device(samples.x), self.to_device(samples.y)
        training.train(x, y, batch, order, *rest, *sizes, threads_for(batch * sizes[1]))

    def facts(self) -> dict[str, str]:
        return {"numba": numba.__version__, "threads": str(numba.get_num_threads())}


@dataclass(frozen=True, eq=False, repr=False)
class GuidedSamples(SortedSamples):
    """Sorted samples with a guide for the compiled search; see knots.fill_guide."""

    guide: np.ndarray | None = None


class NumbaHingeBackend(NumbaBackend):
    """sorted/hinge.py in compiled loops, on one core; small batches in the dense form, which is faster for them."""

    algorithm = "hinge"
    # Measured at H = 512: minibatches, and forward passes, below which the dense form is faster.
    dense_samples, dense_forward_samples = 300, 600

    def __init__(self, name: str = "numba-hinge", device: str = "cpu") -> None:
        super().__init__(name, device)

    def supports(
        self, sizes: Sizes, dtype: str, optimizer: Optimizer | None = None, plan: Plan | None = None
    ) -> str | None:
        return refusal(self.name, sizes.inputs) or super().supports(sizes, dtype, optimizer, plan)

    def algorithm_of(self, verb: str, batch: int, samples: int) -> str:
        if verb == "forward":
            dense_form = batch < self.dense_forward_samples
        else:
            dense_form = batch < min(self.dense_samples, samples)  # a full batch is never dense
        return super().algorithm if dense_form else self.algorithm

    def working_bytes(self, verb: str, sizes: Sizes, dtype: str) -> int:
        return table_bytes(sizes.samples, sizes.outputs, dtype)

    def samples(self, x: Any, y: Any) -> Samples:
        check_samples(x, y)
        demand_one_input(self.name, x.shape[1])
        known = sort_samples(self.to_device(x), self.to_device(y))
        guide: np.ndarray = np.empty(len(known) // knots.SAMPLES_PER_CELL + 2, index_type(len(known)))
        x = known.table.x
        knots.fill_guide(x, x[0], knots.cells_per_unit(x, len(guide) - 1), guide)
        return GuidedSamples(known.x, known.y, known.table, known.order, None, guide)

    def forward(self, params: Params, x: Array) -> Array:
        d, h, o = check_input(params, x)
        demand_one_input(self.name, d)
        if len(x) < self.dense_forward_samples:
            return super().forward(params, x)
        y = np.empty((len(x), o), x.dtype)
        hinge.forward(self.to_device(x)[:, 0], h, o, flatten(params), y)
        return y

    def _gradient(self, samples: Samples, sizes: DHO, flat: np.ndarray, grads: np.ndarray) -> float:
        if not isinstance(samples, GuidedSamples) or self._is_dense(samples, len(samples)):
            return super()._gradient(samples, sizes, flat, grads)
        # An empty array of places stands for the whole table.
        places = np.zeros(0, index_type(len(samples))) if samples.chosen is None else samples.chosen
        _, h, o = sizes
        return float(hinge.gradient(*samples.table, samples.guide, places, h, o, flat, grads))

    def _train(self, samples: Samples, sizes: DHO, batch: int, order: np.ndarray, *rest: Any) -> None:
        if not isinstance(samples, GuidedSamples) or self._is_dense(samples, batch):
            super()._train(samples, sizes, batch, order, *rest)
            return
        whole = samples.chosen is None and len(order) == 0
        places = np.zeros(0, index_type(len(samples))) if whole else samples.places
        _, h, o = sizes
        hinge.train(*samples.table, samples.guide, places, batch, order, *rest, h, o)

    def facts(self) -> dict[str, str]:
        dense_below = f"minibatches below {self.dense_samples}, forward below {self.dense_forward_samples}"
        return {**super().facts(), "threads": "1 where it is not dense", "dense": dense_below}

    def _is_dense(self, samples: GuidedSamples, batch: int) -> bool:
        """Whether batches of `batch` of these samples are computed in the dense form."""
        whole = samples.chosen is None and batch == len(samples)
        return not whole and batch < self.dense_samples


def batches(plan: Plan, samples: int, epochs: range) -> tuple[int, np.ndarray]:
    """Batch size and order (epochs, N) as the compiled loops take them; the order of full batches is (0, 0)."""
    if plan.order is None:
        return samples, np.zeros((0, 0), np.int32)
    return plan.batch, np.ascontiguousarray(plan.order[epochs.start : epochs.stop], index_type(samples))


def threads_for(elements: int) -> int:
    """The number of threads for a batch, from its number of samples times units."""
    return max(1, min(int(numba.get_num_threads()), elements // ELEMENTS_PER_THREAD))


def flatten(params: Params) -> np.ndarray:
    """The weights as one vector: W1, b1, W2 transposed, b2."""
    return np.concatenate([params.w1.ravel(), params.b1, params.w2.T.ravel(), params.b2])


def unflatten(flat: np.ndarray, d: int, h: int, o: int) -> Params:
    """The arrays of a vector, as views."""
    w1, b1, w2, b2 = dense.parts.py_func(flat, d, h, o)
    return Params(w1, b1, w2.T, b2)


def flatten_state(state: State) -> tuple[np.ndarray, np.ndarray]:
    """Parameters (P,) and moments (number, P) of a state, as vectors."""
    flat = flatten(state.params)
    return flat, np.array([flatten(moment) for moment in state.moments], flat.dtype).reshape(-1, len(flat))


def flatten_states(states: State) -> tuple[np.ndarray, np.ndarray]:
    """Parameters (M, P) and moments (M, number, P) of M networks, as vectors."""
    networks = [flatten_state(map_arrays(itemgetter(m), states)) for m in range(states.params.w1.shape[0])]
    return np.stack([flat for flat, _ in networks]), np.stack([moments for _, moments in networks])


def unflatten_state(flat: np.ndarray, moments: np.ndarray, step: int, sizes: DHO) -> State:
    """The state of these vectors; its arrays are views."""
    return State(unflatten(flat, *sizes), tuple(unflatten(moment, *sizes) for moment in moments), step)


def forget_outdated_loops() -> None:
    """Delete cached loops that are older than one of relufit's files.

    numba only checks the file of the loop that is called, not the files of the loops and constants that it uses.
    """
    if not dense.OPTIONS["cache"]:
        return
    sources = [*Path(__file__).parent.glob("*.py"), Path(moments.__file__)]
    newest = max(file.stat().st_mtime for file in sources)
    for index in Path(dense.gradient.stats.cache_path).glob("*.nbi"):
        with suppress(FileNotFoundError):  # another process may delete it at the same time
            if index.stat().st_mtime < newest:
                index.unlink()
