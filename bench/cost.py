"""What a piece of work needs, as a function of (N, D, H, O)."""

import numpy as np

from relufit.params import Sizes


def working_bytes(sizes: Sizes, dtype: str, work: str) -> int:
    """Bytes that an unfused library allocates at once beyond its inputs, at the most.

    Forward keeps z and h; the gradient keeps them, their gradients and a mask or a temporary: (N, H) arrays all.
    """
    arrays = 2 if work in ("forward", "latency") else 0 if work in ("to_device", "to_host") else 5
    return arrays * sizes.samples * sizes.hidden * np.dtype(dtype).itemsize
