"""Trainings of one backend from several threads at once."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from relufit import Adam, Backend, Sizes, State, draw_plan
from relufit.testing.problems import on_device, on_host, problem

THREADS, TURNS = 4, 6


def train_in_threads(backend: Backend) -> None:
    """Train THREADS networks at the same time, TURNS times, and compare each with its training alone."""
    sizes, rule, plan = Sizes(600, 1, 16, 1), Adam(1e-2), draw_plan(600, batch=300, epochs=4)

    def train(seed: int) -> State:
        params, x, y = problem(sizes, "float32", seed)
        start = rule.init(on_device(backend, params))
        return backend.train(start, backend.samples(x, y), rule, plan, range(4))[0]

    alone = [on_host(backend, train(seed).params) for seed in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        for seed, state in zip([*range(THREADS)] * TURNS, pool.map(train, [*range(THREADS)] * TURNS), strict=True):
            for found, wanted in zip(on_host(backend, state.params), alone[seed], strict=True):
                np.testing.assert_array_equal(found, wanted)
