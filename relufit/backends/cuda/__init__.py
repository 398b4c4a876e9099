"""Backends of raw CUDA kernels for one input and one output: they launch kernels through the protocol `Kernels`.

relufit/backends/cupy.py implements `Kernels` by cupy on a GPU. The tests implement it by a C++ compiler on the host,
and so run the same sources and the code below without a GPU. README.md in this folder draws how a step of training maps
to threads, registers and barriers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from threading import local
from typing import Any, Protocol

import numpy as np

from relufit.backends.base import Backend, Samples, bytes_of_columns
from relufit.backends.cuda.packing import (
    LANES,
    Batches,
    constants,
    flatten,
    step_coefficients,
    unflatten,
    unflatten_state,
    whole_warps,
)
from relufit.backends.cuda.sources import MOST_THREADS, UNITS_PER_THREAD, sizes, source, threads_for
from relufit.backends.sorted import demand_one_input, sort_samples, table_bytes
from relufit.errors import RelufitError
from relufit.network.checks import beyond_32_bits, check_input, check_many, check_samples, check_shapes, check_training
from relufit.network.data import Plan
from relufit.network.optim import SGD, Adam, Momentum, Optimizer, State, map_arrays, uncompiled
from relufit.network.params import Array, Params, Sizes

MOST_HIDDEN = MOST_THREADS * UNITS_PER_THREAD
FORWARD_THREADS = 256  # as in dense.cuh
ONE_BLOCK_BATCH = 256  # largest batch that one block trains; larger ones use the whole device, two launches per step
RULES: dict[type[Optimizer], int] = {SGD: 0, Momentum: 1, Adam: 2}

Kernel = Callable[[tuple[int], tuple[int], tuple[Any, ...]], None]  # (blocks,), (threads,), arguments


class Kernels(Protocol):
    """A device: its arrays, its compiler, and its number of multiprocessors."""

    xp: Any  # the namespace of its arrays

    def kernel(self, text: str, options: tuple[str, ...], name: str) -> Kernel:
        """The kernel of that name, compiled once for these options."""

    def processors(self) -> int:
        """The number of multiprocessors."""

    def record(self, launches: Callable[[], None]) -> Callable[[], None]:
        """Capture the launches as a graph, without running them; return a function that launches the graph."""


class FusedBackend(Kernels, Backend):
    """Forward and gradients of any number of samples, each in one pass with hidden values in registers."""

    algorithm = "dense, fused"
    blocks_per_processor = 4
    most_hidden = MOST_HIDDEN

    def supports(
        self, sizes: Sizes, dtype: str, optimizer: Optimizer | None = None, plan: Plan | None = None
    ) -> str | None:
        if (sizes.inputs, sizes.outputs) != (1, 1):
            return f"{self.name} is for one input and one output, not {sizes.inputs} and {sizes.outputs}"
        if dtype != "float32":
            return f"{self.name} computes in float32, not {dtype}"
        if sizes.hidden > self.most_hidden:
            return f"{self.name} holds up to {self.most_hidden} units in one block, not {sizes.hidden}"
        return super().supports(sizes, dtype, optimizer, plan)

    def working_bytes(self, verb: str, sizes: Sizes, dtype: str) -> int:
        return bytes_of_columns(sizes, dtype)

    def forward(self, params: Params, x: Array) -> Array:
        check_input(params, x)
        self._demand(params)
        y = self.xp.empty((len(x), 1), np.float32)
        if len(x) == 0:
            return y  # CUDA refuses a launch of no blocks
        wanted, resident = -(-len(x) // FORWARD_THREADS), 2048 // FORWARD_THREADS * self.processors()
        name, blocks = ("forward_small", wanted) if wanted <= resident else ("forward_large", resident)
        self._launch("dense", params, name, blocks, FORWARD_THREADS, self._whole(x), np.int64(len(x)), y)
        return y

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        check_shapes(params, samples)
        self._demand(params)
        h, n = params.b1.shape[0], len(samples)
        threads, shares = threads_for(h), self._shares(h, n)
        blocks = len(shares)
        data = self._whole(samples.x), self._whole(samples.y), np.int64(n)
        self._launch("dense", params, "gradient_shares", blocks, threads, *data, shares)
        loss, grads = self.xp.empty((), np.float32), self.xp.empty(3 * h + 1, np.float32)
        found, of_units = (shares, np.int32(blocks), np.int64(n), loss, grads), -(-(h + 1) // threads)
        self._launch("dense", params, "gradient_from_shares", of_units, threads, *found)
        return loss, unflatten(grads)

    def stack(self, losses: list[Array]) -> Array:
        return self.xp.stack(losses)

    def _shares(self, hidden: int, samples: int) -> Array:
        """An empty array (blocks, 2 H + 2) for the part of each block in the gradient of `samples` samples."""
        blocks = min(-(-samples // LANES), self.blocks_per_processor * self.processors())
        return self.xp.empty((blocks, 2 * hidden + 2), np.float64)

    def _demand(self, params: Params, samples: int = 1) -> None:
        """Raise RelufitError if the kernels do not support these weights, or so many samples."""
        sizes = Sizes(samples, params.w1.shape[0], params.b1.shape[0], params.w2.shape[1])
        reason = self.supports(sizes, str(params.w1.dtype))
        if reason is not None:
            raise RelufitError(reason)

    def _whole(self, array: Array) -> Array:
        """The array without gaps, as kernels read it: a column of a wider array has some, also after cupy's ravel."""
        return self.xp.ascontiguousarray(array)

    def _launch(self, file: str, params: Params, name: str, blocks: int, threads: int, *arguments: Any) -> None:
        """Launch a kernel whose first arguments are the network's arrays."""
        kernel = self.kernel(source(file), sizes(params.b1.shape[0], keep_hidden=False), name)
        network = map(self._whole, params)
        kernel((blocks,), (threads,), (*network, *arguments))


_ALIVE = local()  # the last graph of each thread


class GraphBackend(FusedBackend):
    """FusedBackend, and `train` by a graph of two kernels per step, which include the update and the next batch."""

    def supports(
        self, sizes: Sizes, dtype: str, optimizer: Optimizer | None = None, plan: Plan | None = None
    ) -> str | None:
        reason = beyond_32_bits(self.name, sizes.samples) or uncompiled(self.name, optimizer)
        return reason or super().supports(sizes, dtype, optimizer, plan)

    def train(
        self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range
    ) -> tuple[State, Array]:
        check_training(state, samples, optimizer, plan, epochs)
        self._demand(state.params, len(samples))
        h, xp, batches = state.params.b1.shape[0], self.xp, Batches.of(plan, len(samples), epochs)
        threads, steps = threads_for(h), len(epochs) * batches.steps
        flat = flatten(xp, map_arrays(lambda array: array[None], state))[0]
        squares, shares = xp.empty((len(epochs), batches.steps), np.float64), self._shares(h, batches.batch)
        cursor, table, order = map(
            self.to_device, (np.zeros(2, np.int32), step_coefficients(optimizer, state.step, steps), batches.order)
        )
        options = sizes(h, RULES[type(optimizer)], keep_hidden=False)
        add_up, update = (self.kernel(source("step"), options, name) for name in ("step_shares", "step_update"))
        data = self._whole(samples.x), self._whole(samples.y), order, *batches.numbers

        def step() -> None:
            add_up((len(shares),), (threads,), (flat, *data, cursor, shares))
            found = shares, np.int32(len(shares)), table, *constants(optimizer)
            update((-(-(h + 1) // threads),), (threads,), (*found, cursor, flat, squares))

        graph = _ALIVE.graph = self.record(step)  # kept alive: the device may still run it after this returns
        for _ in range(steps):
            graph()
        losses = squares.sum(axis=1) / len(samples)
        return unflatten_state(flat, state.step + steps), losses.astype(np.float32)


class TrainBackend(GraphBackend):
    """`train` as one launch: all steps of all epochs, parameters and moments in registers; large batches by graph."""

    most_hidden = 1024  # above, each thread of a block has too few registers; in hinge, a thread holds one unit

    def train(
        self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range
    ) -> tuple[State, Array]:
        check_training(state, samples, optimizer, plan, epochs)
        if min(plan.batch, len(samples)) > ONE_BLOCK_BATCH:
            return super().train(state, samples, optimizer, plan, epochs)
        one = map_arrays(lambda array: array[None], state)
        after, losses = self._train(one, samples, optimizer, plan, epochs, np.ones(1))
        return map_arrays(itemgetter(0), after), losses[0]

    def train_many(
        self,
        states: State,
        samples: Samples,
        optimizer: Optimizer,
        plan: Plan,
        epochs: range,
        rates: np.ndarray | None = None,
    ) -> tuple[State, Array]:
        rates = check_many(states, samples, optimizer, plan, epochs, rates)
        return self._train(states, samples, optimizer, plan, epochs, rates)

    def _train(
        self, states: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range, rates: np.ndarray
    ) -> tuple[State, Array]:
        """Train each network in one block; states and losses have a leading axis M."""
        self._demand(map_arrays(itemgetter(0), states).params, len(samples))
        n, h, xp, batches = len(samples), states.params.b1.shape[1], self.xp, Batches.of(plan, len(samples), epochs)
        flat = flatten(xp, states)  # (M, 1 + moments, 3 H + 1)
        losses, targets = xp.empty((len(rates), len(epochs)), np.float64), self._whole(samples.y.T)
        kernel = self.kernel(source("train"), sizes(h, RULES[type(optimizer)]), "train")
        table = step_coefficients(optimizer, states.step, len(epochs) * batches.steps)
        kernel((len(rates),), (threads_for(h),), (
            self._whole(samples.x), targets, np.int64(n if len(targets) > 1 else 0), self.to_device(batches.order),
            *batches.numbers, *map(np.int32, (n, len(epochs))),
            *map(self.to_device, (table, rates.astype(np.float32))), *constants(optimizer), flat, losses,
        ))  # fmt: skip
        return unflatten_state(flat, states.step + len(epochs) * batches.steps), losses.astype(np.float32)


@dataclass(frozen=True, eq=False, repr=False)
class TabledSamples(Samples):
    """Samples on the device, with a sorted copy and the table of their moments."""

    table: tuple[Array, ...] = ()  # x (N,), y (N,), nodes, offsets


class HingeBackend(TrainBackend):
    """Full batches by sorted knots and moments in one launch; minibatches by TrainBackend."""

    algorithm = "hinge"

    def algorithm_of(self, verb: str, batch: int, samples: int) -> str:
        return self.algorithm if verb != "forward" and batch >= samples else super().algorithm

    def working_bytes(self, verb: str, sizes: Sizes, dtype: str) -> int:
        return super().working_bytes(verb, sizes, dtype) + table_bytes(sizes.samples, sizes.outputs, dtype)

    def samples(self, x: Any, y: Any) -> Samples:
        check_samples(x, y)
        demand_one_input(self.name, x.shape[1])
        if (reason := beyond_32_bits(self.name, len(x))) is not None:
            raise RelufitError(reason)
        if y.shape[1] != 1:  # many networks, which train in the fused form
            return super().samples(x, y)
        host_x, host_y = (array if isinstance(array, np.ndarray) else self.to_host(array) for array in (x, y))
        table = sort_samples(host_x, host_y).table
        on_device = (table.x, table.y[0], table.nodes, table.offsets.astype(np.int64))
        return TabledSamples(self.to_device(host_x), self.to_device(host_y), tuple(map(self.to_device, on_device)))

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        if not isinstance(samples, TabledSamples):
            return super().loss_and_grads(params, samples)
        check_shapes(params, samples)
        self._demand(params)
        h = params.b1.shape[0]
        loss, grads = self.xp.empty((), np.float32), self.xp.empty(3 * h + 1, np.float32)
        self._launch(
            "hinge", params, "hinge_gradient", 1, whole_warps(h), *samples.table, np.uint32(len(samples)), loss, grads
        )
        return loss, unflatten(grads)

    def train(
        self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range
    ) -> tuple[State, Array]:
        check_training(state, samples, optimizer, plan, epochs)
        if not isinstance(samples, TabledSamples) or plan.steps_per_epoch(len(samples)) > 1:
            return super().train(state, samples, optimizer, plan, epochs)
        self._demand(state.params)
        h, losses = state.params.b1.shape[0], self.xp.empty(len(epochs), np.float64)
        flat = flatten(self.xp, map_arrays(lambda array: array[None], state))[0]
        kernel = self.kernel(source("hinge"), sizes(h, RULES[type(optimizer)]), "hinge_train")
        table = self.to_device(step_coefficients(optimizer, state.step, len(epochs)))
        kernel((1,), (whole_warps(h),), (
            *samples.table, np.uint32(len(samples)), np.int32(len(epochs)), table, *constants(optimizer), flat, losses
        ))  # fmt: skip
        return unflatten_state(flat, state.step + len(epochs)), losses.astype(np.float32)
