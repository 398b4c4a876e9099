"""The weights in the precision that another library is to have, refused where rounding would lose the network.

A fit's parameters are float64 and act on raw x. Rounded to float32, those of a fit of timestamps are of no use: terms
of 1e9 cancel to numbers near 1. Nobody who only asked for another file format expects that.
"""

from typing import Any

import numpy as np

from relufit.errors import RelufitError
from relufit.export.numpy_function import as_inputs, forward
from relufit.params import Params, check_dtype, demand_network

POINTS = 100  # compared at: a few of a fit's samples, or all where they are fewer than twice as many
LOST = 1e-3  # of the largest output; where x and y are near 1, float32 costs some 1e-6


def pick_points(params: Params, x: Any) -> np.ndarray:
    """Some rows of x (N, D), evenly spread, in float64: (n, D). Raises RelufitError for an x of another shape."""
    inputs = as_inputs(params, x)
    return inputs[:: max(1, len(inputs) // POINTS)]


def round_params(params: Params, x: Any, dtype: str) -> Params:
    """A copy of `params` in `dtype`, float32 or float64, whose outputs at some of x (N, D) are still those of `params`.

    Raises RelufitError where they are not, for another dtype, and for arrays that are no network.
    """
    dtype = check_dtype(dtype)
    demand_network(params)
    points = pick_points(params, x)
    with np.errstate(over="ignore", invalid="ignore"):  # a weight beyond float32's range shows in the outputs
        rounded = Params(*(np.array(p, dtype, order="C") for p in params))
        wanted = forward(Params(*(np.asarray(p, np.float64) for p in params)), points)
        error = np.abs(forward(rounded, points.astype(dtype)) - wanted).max(initial=0.0)
    largest = np.abs(wanted).max(initial=0.0)
    if not error <= LOST * largest:  # nan is no agreement
        raise RelufitError(
            f"{dtype} cannot hold this network: outputs of up to {largest:.2g} would be off by {error:.2g}; "
            "take float64, or fit x and y moved and scaled to near 1"
        )
    return rounded
