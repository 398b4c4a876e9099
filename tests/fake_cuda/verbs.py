"""Every verb of a backend of a CUDA device, called once."""

from typing import Any

import numpy as np

from relufit import Adam, Backend, Params, Plan, Sizes, State, draw_plan
from relufit.testing.problems import on_device, problem


def use_all_verbs(backend: Backend) -> list[np.ndarray]:
    """Call every verb and the clock; return the results on the host."""
    params, x, y = problem(Sizes(40, 1, 8, 1), "float32")
    rule, start, samples = Adam(1e-2), on_device(backend, params), backend.samples(x, y)
    zeros = Params(*(backend.to_device(np.zeros_like(p)) for p in params))
    state = State(start, (zeros, zeros), 0)
    many = State(*(_stacked(backend, tree) for tree in (state.params, state.moments)), 0)
    clock = backend.device_clock()
    assert clock is not None
    before = clock.mark()
    clock.hold(0.0)
    loss, grads = backend.loss_and_grads(start, samples)
    found = [loss, *grads, backend.forward(start, samples.x)]
    for plan in (draw_plan(40, batch=16, epochs=2), Plan(None, 40, 2)):
        after, losses = backend.train(state, samples, rule, plan, range(2))
        found += [losses, *after.params]
    found += [*backend.train_many(many, samples, rule, Plan(None, 40, 1), range(1))[0].params]
    backend.synchronize()
    assert clock.mark() - before >= 0
    backend.memory()
    backend.facts()
    with backend.pinned():
        doubled = loss + loss  # on the device that is current inside
    return [backend.to_host(array) for array in (*found, doubled)]


def _stacked(backend: Backend, tree: Any) -> Any:
    if isinstance(tree, Params):
        return Params(*(backend.stack([array, array]) for array in tree))
    return tuple(_stacked(backend, part) for part in tree)
