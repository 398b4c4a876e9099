"""Training in slices of whole epochs, in order."""

import numpy as np

from relufit import SGD, draw_plan, init_params, sample
from relufit.backends.numpy import NumpyBackend
from relufit.solvers.slices import train_in_slices


def test_slices_cover_the_plan_and_count_only_training() -> None:
    """Slices cover every epoch once, in order, with fixed lengths where they are asked for."""
    backend, plan = NumpyBackend(), draw_plan(100, batch=10, epochs=23)
    x, y = (a.astype(np.float32) for a in sample("sin", 100))
    start = SGD(1e-4).init(init_params(8))
    for length in (None, 5):
        parts = list(train_in_slices(backend, start, backend.samples(x, y), SGD(1e-4), plan, epochs_per_slice=length))
        assert [epoch for part in parts for epoch in part.epochs] == list(range(23))
        assert all(len(part.losses) == len(part.epochs) and part.seconds > 0 for part in parts)
        assert parts[-1].state.step == 230
    assert [len(part.epochs) for part in parts] == [5, 5, 5, 5, 3]
