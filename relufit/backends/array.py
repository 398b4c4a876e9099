"""Binds the hand-written backprop to an array namespace: all that numpy, cupy and torch-manual have in common."""

from typing import Any

from relufit import backprop
from relufit.backend import Backend, Samples, check_input, check_shapes
from relufit.params import Array, Params


class ArrayBackend(Backend):
    """relufit/backprop.py over the namespace `xp`.

    With `block_elements`, a batch is worked off in blocks of rows whose (rows, H) arrays have at most that many
    elements, so that they stay in the processor's cache; their losses and gradients add up.
    """

    block_elements: int | None = None

    def __init__(self, name: str, device: str, xp: Any) -> None:
        self.name, self.device, self.xp = name, device, xp

    def forward(self, params: Params, x: Array) -> Array:
        check_input(params, x)
        rows = self._rows_per_block(params)
        if rows is None or x.shape[0] <= rows:
            return backprop.forward(params, x, xp=self.xp)
        blocks = (x[start : start + rows] for start in range(0, x.shape[0], rows))
        return self.xp.concat([backprop.forward(params, block, xp=self.xp) for block in blocks], axis=0)

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        check_shapes(params, samples)
        x, y, rows, count = samples.x, samples.y, self._rows_per_block(params), len(samples)
        if rows is None or count <= rows:
            return backprop.loss_and_grads(params, x, y, xp=self.xp)
        loss, grads = 0.0, None
        for start in range(0, count, rows):
            block = slice(start, start + rows)
            part, more = backprop.loss_and_grads(params, x[block], y[block], xp=self.xp, count=count)
            loss = loss + part
            grads = more if grads is None else Params(*(a + b for a, b in zip(grads, more, strict=True)))
        assert grads is not None
        return loss, grads

    def stack(self, losses: list[Array]) -> Array:
        return self.xp.stack(losses)

    def _rows_per_block(self, params: Params) -> int | None:
        return None if self.block_elements is None else max(32, self.block_elements // params.b1.shape[0])
