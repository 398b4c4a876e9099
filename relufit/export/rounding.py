"""Round weights to the dtype of an export, and refuse if rounding would change the network's outputs.

A fit's parameters are float64 and act on raw x. Those of a fit of timestamps are useless in float32: terms of 1e9
cancel to numbers near 1.
"""

from typing import Any

import numpy as np

from relufit.errors import RelufitError
from relufit.export.numpy_function import as_inputs, forward
from relufit.network.params import Params, check_dtype, demand_network

POINTS = 100  # samples at which outputs are compared; below twice as many, all of them
LOST = 1e-3  # largest error allowed, relative to the largest output; for x and y near 1, float32 costs about 1e-6


def pick_points(params: Params, x: Any) -> np.ndarray:
    """Some rows of x (N, D), evenly spread, in float64: (n, D). Raises RelufitError for an x of another shape."""
    inputs = as_inputs(params.w1.shape[0], x)
    return inputs[:: max(1, len(inputs) // POINTS)]


def round_params(params: Params, x: Any, dtype: str) -> Params:
    """Copy `params` in `dtype`, float32 or float64, and compare the outputs at some of the points x (N, D).

    Raises RelufitError if they differ by more than LOST, for another dtype, and for arrays that are not a network.
    """
    dtype = check_dtype(dtype)
    demand_network(params)
    points = pick_points(params, x)
    with np.errstate(over="ignore", invalid="ignore"):  # a weight beyond float32's range shows in the outputs
        rounded = Params(*(np.array(p, dtype, order="C") for p in params))
        wanted = forward(Params(*(np.asarray(p, np.float64) for p in params)), points)
        error = np.abs(forward(rounded, points.astype(dtype)) - wanted).max(initial=0.0)
    largest = np.abs(wanted).max(initial=0.0)
    if not error <= LOST * largest:  # nan fails too
        raise RelufitError(
            f"{dtype} cannot hold this network: outputs of up to {largest:.2g} would be off by {error:.2g}; "
            "use float64, or shift and scale x and y to near 1 before the fit"
        )
    return rounded
