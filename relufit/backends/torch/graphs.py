"""A whole training step as one CUDA graph: captured from autograd, or compiled and captured by torch.compile."""

from collections.abc import Callable
from threading import Lock
from typing import Any

import torch

from relufit.backends.base import Samples, bytes_of_columns
from relufit.backends.torch import TorchBackend
from relufit.backends.torch.compiled import VARIANTS, loss_and_grads
from relufit.network.checks import check_training
from relufit.network.data import Plan
from relufit.network.optim import Optimizer, State, map_arrays, uncompiled
from relufit.network.params import Array, Params, Sizes

WARM_UPS = 3  # steps before a capture
KEPT, KEPT_BYTES = 4, 2**28  # captured steps that are kept, one for each set of sizes, and bytes of their arrays


class TorchGraphBackend(TorchBackend):
    """TorchBackend with a whole step, from the next batch to the update, captured as a CUDA graph and replayed.

    A graph is bound to addresses of arrays, among them a copy of the data. The last graph is kept for calls of `train`
    with the same sizes, and a few before it whose arrays are small, until `memory` is called. Calls from several
    threads train one after the other, because they share these arrays.
    """

    precisions = ()  # kept graphs are found by their sizes

    def __init__(self, name: str, device: str) -> None:
        super().__init__(name, device)
        self._kept: dict[Any, _StaticSteps] = {}
        self._alone = Lock()

    def train(
        self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range
    ) -> tuple[State, Array]:
        check_training(state, samples, optimizer, plan, epochs)
        steps, order = len(epochs) * plan.steps_per_epoch(len(samples)), None
        sizes = [piece.stop - piece.start for piece in plan.slices(len(samples))]
        if plan.order is not None and len(sizes) > 1:
            order = torch.as_tensor(plan.order[epochs.start : epochs.stop], dtype=torch.int64, device=self._on)
        # Streams, captures and replays belong to the current device; -1, for steps on a CPU, leaves it as it is.
        with self._alone, torch.no_grad(), torch.cuda.device(-1 if self._on.index is None else self._on.index):
            run = self._prepared(state, samples, optimizer, order, sizes, steps)
            for size in sizes * len(epochs):
                run.replay[size]()
            weights = torch.as_tensor(sizes, dtype=run.losses.dtype, device=self._on) / len(samples)
            losses = (run.losses[:steps].reshape(len(epochs), -1) * weights).sum(dim=1)
            return map_arrays(torch.clone, run.state)._replace(step=state.step + steps), losses

    def memory(self) -> dict[str, int] | None:
        with self._alone:
            self._kept.clear()
        return super().memory()

    def working_bytes(self, verb: str, sizes: Sizes, dtype: str) -> int:
        copies = bytes_of_columns(sizes, dtype) if verb == "train" else 0  # of the data, and an order for each step
        return super().working_bytes(verb, sizes, dtype) + copies

    def record(self, run: "_StaticSteps", size: int) -> Callable[[], None]:
        """Capture a step, after some steps on another stream in which libraries initialise themselves."""
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                run.next.zero_()
                run.step(size, self.loss_and_grads)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Without a stream torch would capture on one that it made once, on whichever device was the first. In the mode
        # "thread_local", other threads may use the device meanwhile.
        with torch.cuda.graph(graph, stream=aside, capture_error_mode="thread_local"):
            run.step(size, self.loss_and_grads)
        replay: Callable[[], None] = graph.replay
        return replay

    def _prepared(
        self, state: State, samples: Samples, optimizer: Optimizer, order: Array | None, sizes: list[int], steps: int
    ) -> "_StaticSteps":
        """Captured steps for these sizes, with this state and these data copied to their addresses."""
        capacity = 1 << max(0, steps - 1).bit_length()  # a power of two, so that runs of other lengths reuse it
        shapes = state.params.w1.shape, state.params.w2.shape, samples.x.shape
        key = type(optimizer), shapes, samples.x.dtype, tuple(sizes), capacity
        table = torch.as_tensor(optimizer.coefficients(state.step, state.step + steps), dtype=samples.x.dtype)
        if key not in self._kept:
            batch = 0 if order is None else sizes[0]
            needed = samples.x.nbytes + samples.y.nbytes + 8 * capacity * batch
            while self._kept and (len(self._kept) >= KEPT or self._kept_bytes() + needed > KEPT_BYTES):
                del self._kept[next(iter(self._kept))]
            run = _StaticSteps(state, samples, type(optimizer), capacity, batch, table.shape[1])
            run.replay = {size: self.record(run, size) for size in set(sizes)}
            self._kept[key] = run
        self._kept[key].load(state, samples, order, sizes, table)
        return self._kept[key]

    def _kept_bytes(self) -> int:
        """Bytes of the arrays of all captured steps that are kept."""
        return sum(array.nbytes for run in self._kept.values() for array in run.arrays())


class TorchReduceOverheadBackend(TorchGraphBackend):
    """The step compiled by torch.compile(mode="reduce-overhead"), which fuses it and captures the graph itself."""

    algorithm = "autograd, compiled"

    def supports(
        self, sizes: Sizes, dtype: str, optimizer: Optimizer | None = None, plan: Plan | None = None
    ) -> str | None:
        return uncompiled(self.name, optimizer) or super().supports(sizes, dtype, optimizer, plan)

    def record(self, run: "_StaticSteps", size: int) -> Callable[[], None]:
        """Compile a step that reads and writes arrays at fixed addresses; torch captures it in the third call."""
        for array in run.arrays():
            torch._dynamo.mark_static_address(array)

        def step() -> None:
            run.step(size, _step_gradient)

        # Not dynamic: this step has fixed sizes, and torch would make symbols of sizes that differ between steps.
        compiled = torch.compile(step, fullgraph=True, dynamic=False, mode="reduce-overhead")
        with torch._dynamo.config.patch(recompile_limit=VARIANTS):
            for _ in range(WARM_UPS):
                run.next.zero_()
                compiled()
        return compiled


class _StaticSteps:
    """Steps on arrays at fixed addresses: the state, the data, the order, and the number of the next step."""

    replay: dict[int, Callable[[], None]]  # by the size of the batch

    def __init__(
        self, state: State, samples: Samples, rule: type[Optimizer], capacity: int, batch: int, columns: int
    ) -> None:
        x, device = samples.x, samples.x.device
        self.rule, self.state = rule, map_arrays(torch.clone, state)
        self.x, self.y = samples.x.clone(), samples.y.clone()
        self.order = torch.zeros((capacity, batch), dtype=torch.int64, device=device)
        self.table = torch.zeros((capacity, columns), dtype=x.dtype, device=device)
        self.losses = torch.zeros(capacity, dtype=x.dtype, device=device)
        self.next = torch.zeros(1, dtype=torch.int64, device=device)

    def arrays(self) -> list[Array]:
        """Everything that a step reads or writes."""
        trees = (self.state.params, *self.state.moments)
        return [*(a for tree in trees for a in tree), self.x, self.y, self.order, self.table, self.losses, self.next]

    def load(self, state: State, samples: Samples, order: Array | None, sizes: list[int], table: Array) -> None:
        """Copy a `state`, the data and the batches of `order` (epochs, N) to the arrays; None is the full batch."""
        for place, array in zip(self.arrays(), _leaves(state), strict=False):
            place.copy_(array)
        self.x.copy_(samples.x)
        self.y.copy_(samples.y)
        self.table[: len(table)] = table
        self.next.zero_()
        if order is not None:
            rows = self.order[: len(table)].reshape(
                len(order), len(sizes), -1
            )  # a view, so the loop writes to the order
            for step, piece in enumerate(order.split(sizes, dim=1)):
                rows[:, step, : sizes[step]] = piece

    def step(self, size: int, gradient: Callable[[Params, Samples], tuple[Array, Params]]) -> None:
        """Train on the next batch, which has `size` samples: loss, gradients and update."""
        x, y = self.x, self.y
        if size < len(x):
            index = self.order.index_select(0, self.next)[0, :size]
            x, y = x.index_select(0, index), y.index_select(0, index)
        row = self.table.index_select(0, self.next)[0].unbind()
        loss, grads = gradient(self.state.params, Samples(x, y))
        params, moments = self.rule.updated(self.state.params, self.state.moments, grads, row)
        for place, array in zip(self.arrays(), _leaves(State(params, moments, 0)), strict=False):
            place.copy_(array)
        self.losses.index_copy_(0, self.next, loss[None])
        self.next.add_(1)


def _leaves(state: State) -> list[Array]:
    """Every array of a state, in order."""
    return [array for tree in (state.params, *state.moments) for array in tree]


def _step_gradient(params: Params, samples: Samples) -> tuple[Array, Params]:
    return loss_and_grads(params, samples.x, samples.y)
