"""The peak rate of products in reduced precision, as a library computes them: the roof of such rows.

The products are those of a backend (`Backend.product`). Square matrices are what libraries are fastest at. But where a
processor has no instructions for the precision, a library may have a fast loop for vectors alone (torch 2.13 in
bfloat16 on AVX2: 5.8 G multiply-adds/s for a matrix and a vector, 0.7 for two matrices): so a matrix and a vector are
tried too, and the fastest of all sizes counts.
"""

import time
from math import inf

import numpy as np

from relufit.backend import Backend

SIZES = (256, 512, 1024, 2048, 4096, 8192)  # N of (N, N) @ (N, N) and of (N, N) @ (N, 1)
LEAST_SECONDS, MOST_SECONDS = 5e-3, 0.1  # of a burst, and of a call: a size that would take longer is not tried
BURSTS = 5


def rate(backend: Backend) -> float:
    """Multiply-adds per second in the precision of the backend, on all threads that its library uses; the best seen.

    Takes about a second.
    """
    found = [0.0]
    with backend.pinned():
        for is_square in (True, False):
            last = inf  # the rate at the size before
            for size in SIZES:
                columns = size if is_square else 1
                if size * size * columns / last > MOST_SECONDS:
                    break
                last = size * size * columns / _seconds(backend, size, columns)
                found.append(last)
    return max(found)


def _seconds(backend: Backend, size: int, columns: int) -> float:
    """Seconds of a product (N, N) @ (N, columns): the fastest of a few bursts."""
    rng, calls = np.random.default_rng(0), 1
    run = backend.product(*(rng.standard_normal((size, m), dtype=np.float32) for m in (size, columns)))
    run()  # compiles

    def burst() -> float:
        backend.synchronize()
        start = time.perf_counter()
        for _ in range(calls):
            run()
        backend.synchronize()
        return time.perf_counter() - start

    while (found := burst()) < LEAST_SECONDS:
        calls *= 2
    return min(found, *(burst() for _ in range(BURSTS if found < MOST_SECONDS else 1))) / calls
