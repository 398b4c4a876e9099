"""The peak rate of products in reduced precision, as a library computes them: the roof of such rows.

The products are those of a backend (`Backend.product`). Square matrices are what libraries are fastest at. But where a
processor has no instructions for the precision, a library may have a fast loop for vectors alone (torch 2.13 in
bfloat16 on AVX2: 5.8 G multiply-adds/s for a matrix and a vector, 0.7 for two matrices): so a matrix and a vector are
tried too, and the fastest of all sizes counts.
"""

import time
from itertools import product

import numpy as np

from relufit.backend import Backend

SIZES = (256, 512, 1024, 2048, 4096, 8192)  # N of (N, N) @ (N, N) and of (N, N) @ (N, 1)
LEAST_SECONDS, MOST_SECONDS = 5e-3, 0.1  # of a burst; after one that is longer no larger size is tried
BURSTS = 5


def rate(backend: Backend) -> float:
    """Multiply-adds per second in the precision of the backend, on all threads that its library uses; the best seen.

    Takes up to about two seconds.
    """
    best, longest = 0.0, dict.fromkeys((True, False), 0.0)
    with backend.pinned():
        for size, is_square in product(SIZES, longest):
            if longest[is_square] <= MOST_SECONDS:
                columns = size if is_square else 1
                calls, seconds = _burst(backend, size, columns)
                best, longest[is_square] = max(best, calls * size * size * columns / seconds), seconds
    return best


def _burst(backend: Backend, size: int, columns: int) -> tuple[int, float]:
    """How many products (N, N) @ (N, columns) a burst had, and the seconds of the fastest burst."""
    rng, calls = np.random.default_rng(0), 1
    run = backend.product(*(rng.standard_normal((size, m), dtype=np.float32) for m in (size, columns)))
    run()  # compiles

    def seconds() -> float:
        backend.synchronize()
        start = time.perf_counter()
        for _ in range(calls):
            run()
        backend.synchronize()
        return time.perf_counter() - start

    while (found := seconds()) < LEAST_SECONDS:
        calls *= 2
    return calls, found if found > MOST_SECONDS else min(found, *(seconds() for _ in range(BURSTS)))
