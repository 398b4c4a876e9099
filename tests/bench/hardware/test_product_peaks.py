"""The peak rate of products: of a backend whose products take a known time."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.hardware import product_peaks
from relufit.backends.numpy import NumpyBackend


class Timed(NumpyBackend):
    """A product takes as long as its multiply-adds at these rates, one for squares and one for a vector."""

    def __init__(self, square: float, vector: float) -> None:
        super().__init__()
        self.rates, self.sizes = {False: square, True: vector}, list[tuple[int, int]]()

    def product(self, left: np.ndarray, right: np.ndarray) -> Callable[[], Any]:
        self.sizes.append((len(left), right.shape[1]))
        seconds = left.size * right.shape[1] / self.rates[right.shape[1] == 1]

        def run() -> None:
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                pass

        return run


@pytest.mark.parametrize(("square", "vector", "best"), [(2e9, 5e7, 2e9), (1e9, 3e9, 3e9)])
def test_the_fastest_shape_counts(monkeypatch: pytest.MonkeyPatch, square: float, vector: float, best: float) -> None:
    """The rate is that of the fastest shape, not above it; a size whose product would take too long is not tried."""
    monkeypatch.setattr(product_peaks, "SIZES", (64, 128, 512, 1024))
    monkeypatch.setattr(product_peaks, "MOST_SECONDS", 0.1)
    backend = Timed(square, vector)
    assert 0.8 * best < product_peaks.rate(backend) <= best
    assert ((512, 512) in backend.sizes) == (512**3 / square < 0.1)
    assert (1024, 1024) not in backend.sizes
