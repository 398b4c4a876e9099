"""The network as a plain function of x that needs numpy only."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from relufit import backprop
from relufit.columns import NUMBER, convert
from relufit.errors import RelufitError, counted
from relufit.hinge import at_infinity
from relufit.params import Params, demand_network

BLOCK_ELEMENTS = 2**17  # of the (rows, H) arrays, which bounds memory to a few times that of the output


def build_function(params: Params, types: tuple[str, ...] = ()) -> Callable[[Any], np.ndarray]:
    """The function f(x) of a network, in float64, on a copy of its weights.

    x (N,) or (N, D) -> (N, O), or (N,) for a vector and O = 1; a number gives a number. `types` are those of the
    columns of x (see relufit.columns): f takes times except in columns of type "number". f pickles by reference:
    unpickling needs relufit and numpy, and loads no framework. Raises RelufitError for arrays that are not a network; f
    raises it for an x that the network does not take.
    """
    demand_network(params)
    return partial(answer, forward, Params(*(np.array(p, np.float64) for p in params)), types=types)


def answer(
    forward: Callable[[Params, np.ndarray], np.ndarray], params: Params, x: Any, types: tuple[str, ...] = ()
) -> np.ndarray:
    """Evaluate `forward`, (N, D) -> (N, O), for any x that `as_inputs` takes.

    A vector gives a vector, and a number a number, where O = 1. An infinite x gives the limit of a network with one
    input; with several inputs it gives the floating-point result, in general nan. nan gives nan. There are no warnings.
    """
    inputs = as_inputs(params, x, types)
    with np.errstate(over="ignore", invalid="ignore"):
        outputs = forward(params, inputs)
        for sign in (-1, 1) if inputs.shape[1] == 1 else ():
            rows = inputs[:, 0] == sign * np.inf
            if rows.any():
                outputs[rows] = at_infinity(params, sign)
    return outputs.reshape(np.shape(x)) if np.ndim(x) <= 1 and outputs.shape[1] == 1 else outputs


def as_inputs(params: Params, x: Any, types: tuple[str, ...] = ()) -> np.ndarray:
    """Return x, (N, D), or (N,) or a number for D = 1, as float64 (N, D); times as seconds since 1970 UTC.

    Integers beyond 2^53 are rounded, which does not change the output. Raises RelufitError for anything else, and for
    times in a column that was fitted as numbers according to `types`.
    """
    try:
        values, given = convert("x", x)
    except RelufitError as error:
        raise RelufitError(f"predict takes real numbers and times, not {_shown(x)}: {error}") from None
    inputs = values.reshape(-1, 1) if values.ndim <= 1 else values
    if inputs.ndim != 2 or inputs.shape[1] != params.w1.shape[0]:
        raise RelufitError(f"the network takes {counted(params.w1.shape[0], 'column')} of x, not shape {values.shape}")
    for fitted, found in zip(types or given, given, strict=True):
        if fitted == NUMBER != found:
            raise RelufitError(f"predict takes real numbers, as the fit did, and not times: {_shown(x)}")
    objects = np.asarray(x) if np.isnan(inputs).any() else inputs
    if objects.dtype.kind == "O" and any(
        value is None for value in objects.flat
    ):  # nan and NaT are allowed and give nan
        raise RelufitError(f"predict takes real numbers and times, not {_shown(x)}: x holds None")
    return inputs


def _shown(x: Any) -> str:
    return " ".join(repr(x).split())[:60]


def forward(params: Params, x: np.ndarray) -> np.ndarray:
    """The network's output in blocks of rows, x (N, D) -> (N, O), in the dtype of x and `params`."""
    y = np.empty((len(x), len(params.b2)), x.dtype)
    rows = max(1, BLOCK_ELEMENTS // len(params.b1))
    for first in range(0, len(x), rows):
        block = slice(first, first + rows)
        y[block] = backprop.forward(params, x[block], xp=np)
    return y
