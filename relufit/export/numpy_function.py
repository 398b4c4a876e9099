"""The network as a plain function of x that needs numpy only: by its pieces for one input."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from relufit.errors import RelufitError, counted
from relufit.network import dense
from relufit.network.params import Params, demand_network
from relufit.network.sorted.polyline import knots_of, polyline_of
from relufit.reading.columns import NUMBER, convert

BLOCK_ELEMENTS = 2**17  # of the (rows, H) arrays, which bounds memory to a few times that of the output


def build_function(
    params: Params, types: tuple[str, ...] = (), domain: tuple[float, float] | None = None
) -> Callable[[Any], np.ndarray]:
    """The function f(x) of a network, in float64, on a copy of its weights.

    x (N,) or (N, D) -> (N, O), or (N,) for a vector and O = 1; a number gives a number. `types` are those of the
    columns of x (see reading.columns): f takes times except in columns of type "number". A network with one input is
    evaluated by its pieces, fastest on its `domain`, by default the middle half of its knots. f pickles by reference:
    unpickling needs relufit and numpy, and loads no framework. Raises RelufitError for arrays that are not a network; f
    raises it for an x that the network does not take.
    """
    demand_network(params)
    params = Params(*(np.array(p, np.float64) for p in params))
    return partial(answer, forward_of(params, domain), params.w1.shape[0], types=types)


def forward_of(params: Params, domain: tuple[float, float] | None) -> Callable[[np.ndarray], np.ndarray]:
    """The output of a network in float64, (N, D) -> (N, O), by numpy: by its pieces, if it has one input."""
    if params.w1.shape[0] > 1:
        return partial(forward, params)
    try:
        return polyline_of(params, *(_middle(params) if domain is None else domain)).at
    except RelufitError:  # too steep, or too large
        return partial(forward, params)


def _middle(params: Params) -> tuple[float, float]:
    """The interval with the middle half of the knots, widened if these are equal or none."""
    knots = knots_of(params, -np.inf, np.inf)
    low, high = np.quantile(knots, (0.25, 0.75)).tolist() if len(knots) else (0.0, 1.0)
    return low, max(high, low + max(1.0, abs(low)))


def answer(
    forward: Callable[[np.ndarray], np.ndarray], columns: int, x: Any, types: tuple[str, ...] = ()
) -> np.ndarray:
    """Evaluate `forward`, (N, D) -> (N, O), for any x that `as_inputs` takes. There are no warnings.

    A vector gives a vector, and a number a number, where O = 1. By pieces, an infinite x gives the limit; with several
    inputs it gives the floating-point result, in general nan. nan gives nan.
    """
    inputs = as_inputs(columns, x, types)
    with np.errstate(over="ignore", invalid="ignore"):
        outputs = forward(inputs)
    return outputs.reshape(np.shape(x)) if np.ndim(x) <= 1 and outputs.shape[1] == 1 else outputs


def as_inputs(columns: int, x: Any, types: tuple[str, ...] = ()) -> np.ndarray:
    """Return x, (N, D), or (N,) or a number for D = 1, as float64 (N, D); times as seconds since 1970 UTC.

    D is the number of `columns`. Integers beyond 2^53 are rounded, which does not change the output. Raises
    RelufitError for anything else, and for times in a column that was fitted as numbers according to `types`.
    """
    try:
        values, given = convert("x", x)
    except RelufitError as error:
        raise RelufitError(f"predict takes real numbers and times, not {_shown(x)}: {error}") from None
    inputs = values.reshape(-1, 1) if values.ndim <= 1 else values
    if inputs.ndim != 2 or inputs.shape[1] != columns:
        raise RelufitError(f"the network takes {counted(columns, 'column')} of x, not shape {values.shape}")
    for fitted, found in zip(types or given, given, strict=True):
        if fitted == NUMBER != found:
            raise RelufitError(f"predict takes real numbers, as the fit did, and not times: {_shown(x)}")
    # nan and NaT are allowed and give nan. Arrays of numbers hold no None, and are not looked through.
    may_hold_none = getattr(getattr(x, "dtype", None), "kind", "O") == "O" and np.isnan(inputs).any()
    if may_hold_none and any(value is None for value in np.asarray(x).flat):
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
        y[block] = dense.forward(params, x[block], xp=np)
    return y
