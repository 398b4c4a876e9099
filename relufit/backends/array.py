"""Bind the hand-written backprop to an array namespace: the code that numpy, cupy and torch-manual share."""

from math import prod
from typing import Any, NamedTuple

from relufit.backends.base import Backend, Samples, bytes_of_columns
from relufit.network import dense
from relufit.network.checks import check_input, check_shapes, check_training
from relufit.network.data import Plan
from relufit.network.optim import Optimizer, State
from relufit.network.params import Array, Params, Sizes


class _Flat(NamedTuple):
    """All weights of a network as one vector, which an optimizer updates like a Params."""

    weights: Array


class _FlatRule:
    """An optimizer that keeps weights and moments as vectors during training; the states it returns are views."""

    def __init__(self, xp: Any, rule: Optimizer, state: State) -> None:
        self.xp, self.rule, self.shapes = xp, rule, [array.shape for array in state.params]
        self.moments = 0  # of the states that `update` takes; the moments are kept here
        packed: Any = self.packed  # a tree of one array, in place of the four of a State
        self.state = State(packed(state.params), tuple(map(packed, state.moments)), state.step)

    def update(self, state: State, grads: Params) -> State:
        """The state after one update with gradients at `state.params`, without moments."""
        flat: Any = self.packed(grads)
        self.state = self.rule.update(self.state, flat)
        return State(self.views(self.state.params), (), self.state.step)

    def unpacked(self, state: State) -> State:
        """The state after the last update, with its moments."""
        return state._replace(moments=tuple(map(self.views, self.state.moments)))

    def packed(self, params: Params) -> _Flat:
        """All arrays as one vector."""
        return _Flat(self.xp.concat([self.xp.reshape(array, (-1,)) for array in params]))

    def views(self, flat: Any) -> Params:
        """The arrays of a vector, as views."""
        arrays, start = [], 0
        for shape in self.shapes:
            stop = start + prod(shape)
            arrays.append(self.xp.reshape(flat.weights[start:stop], shape))
            start = stop
        return Params(*arrays)


class ArrayBackend(Backend):
    """relufit/dense.py over the namespace `xp`.

    With `block_elements`, a batch is processed in blocks of rows whose (rows, H) arrays have at most that many
    elements, so that they stay in the processor's cache; losses and gradients of the blocks are added.
    """

    block_elements: int | None = None

    def __init__(self, name: str, device: str, xp: Any) -> None:
        self.name, self.device, self.xp = name, device, xp

    def forward(self, params: Params, x: Array) -> Array:
        check_input(params, x)
        rows = self._rows_per_block(params)
        if rows is None or x.shape[0] <= rows:
            return dense.forward(params, x, xp=self.xp)
        blocks = (x[start : start + rows] for start in range(0, x.shape[0], rows))
        return self.xp.concat([dense.forward(params, block, xp=self.xp) for block in blocks], axis=0)

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        check_shapes(params, samples)
        x, y, rows, count = samples.x, samples.y, self._rows_per_block(params), len(samples)
        if rows is None or count <= rows:
            return dense.loss_and_grads(params, x, y, xp=self.xp)
        loss, grads = 0.0, None
        for start in range(0, count, rows):
            block = slice(start, start + rows)
            part, more = dense.loss_and_grads(params, x[block], y[block], xp=self.xp, count=count)
            loss = loss + part
            grads = more if grads is None else Params(*(a + b for a, b in zip(grads, more, strict=True)))
        assert grads is not None
        return loss, grads

    def train(
        self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range
    ) -> tuple[State, Array]:
        check_training(state, samples, optimizer, plan, epochs)
        if len(state.moments) < 2:
            return super().train(state, samples, optimizer, plan, epochs)
        # At these sizes the cost of an update is the number of its operations: a dozen for Adam on one array, not four.
        rule: Any = _FlatRule(self.xp, optimizer, state)
        after, losses = super().train(state._replace(moments=()), samples, rule, plan, epochs)
        return rule.unpacked(after), losses

    def working_bytes(self, verb: str, sizes: Sizes, dtype: str) -> int:
        if verb in ("to_device", "to_host") or self.block_elements is None:
            return super().working_bytes(verb, sizes, dtype)
        rows = min(sizes.samples, max(32, self.block_elements // sizes.hidden))
        return super().working_bytes(verb, sizes._replace(samples=rows), dtype) + bytes_of_columns(sizes, dtype)

    def stack(self, losses: list[Array]) -> Array:
        return self.xp.stack(losses)

    def _rows_per_block(self, params: Params) -> int | None:
        return None if self.block_elements is None else max(32, self.block_elements // params.b1.shape[0])
