"""Checks of a backend's arguments, before any work: compiled loops do not check their indices.

The checks read shapes and dtypes, never values on a device, so they do not wait for it. (The order of a plan is on the
host.) `check_input` and `check_shapes` run inside measured calls: they test everything at once, and look for the fault
only where that fails. Each takes 0.6 us; numba's gradient of 32 samples at H = 512 takes 13 us.
"""

from typing import Any

import numpy as np

from relufit.errors import RelufitError, check_count, counted
from relufit.network.data import Plan, Samples
from relufit.network.optim import Optimizer, State
from relufit.network.params import DTYPES, Array, Params, misshapen
from relufit.network.values import dtype_name

DHO = tuple[int, int, int]  # D, H, O


def check_samples(x: Any, y: Any) -> None:
    """Raise RelufitError unless x (N, D) and y (N, O) are floating-point arrays of one dtype, N at least 1, finite."""
    for name, array in (("x", x), ("y", y)):
        if not hasattr(array, "shape") or not hasattr(array, "dtype"):
            raise RelufitError(f"{name} must be an array, not {type(array).__name__}")
        if len(array.shape) != 2 or 0 in array.shape:
            raise RelufitError(f"{name} must have shape (N, columns) with N at least 1, not {tuple(array.shape)}")
        if dtype_name(array) not in DTYPES:
            raise RelufitError(f"{name} must be {' or '.join(DTYPES)}, not {dtype_name(array)}; convert it with astype")
        if isinstance(array, np.ndarray) and not np.isfinite(array).all():
            raise RelufitError(f"{name} holds nan or inf; remove or replace those samples")
    if x.shape[0] != y.shape[0]:
        raise RelufitError(f"x has {counted(x.shape[0], 'sample')} and y has {y.shape[0]}; they must be equally long")
    if dtype_name(x) != dtype_name(y):
        raise RelufitError(f"x is {dtype_name(x)} and y is {dtype_name(y)}; they must have one dtype")


def check_input(params: Params, x: Array) -> DHO:
    """Return the network's D, H, O, or raise RelufitError unless x is (N, D) with its D and its dtype."""
    try:
        w1, b1, w2, b2 = params
        (h,), (o,) = b1.shape, b2.shape
        _, d = x.shape
        dtype = x.dtype
        fits = h and w1.shape == (d, h) and w2.shape == (h, o) and w1.dtype is dtype is b1.dtype
        if fits and w2.dtype is dtype is b2.dtype and type(w1) is type(x):
            return d, h, o
    except (AttributeError, TypeError, ValueError):
        pass  # _demand_fit raises the error
    return _demand_fit(params, {"x": x})


def beyond_32_bits(name: str, samples: int) -> str | None:
    """Why a backend that counts samples in 32 bits does not take so many; None up to 2^31 - 1."""
    return f"{name} counts samples in 32 bits, up to 2^31 - 1, not {samples}" if samples >= 2**31 else None


def check_shapes(params: Params, samples: Samples) -> DHO:
    """Return the network's D, H, O, or raise RelufitError unless it takes these samples: same D, O and dtype."""
    x = samples.x
    try:
        w1, b1, w2, b2 = params
        (h,), (o,) = b1.shape, b2.shape
        d, dtype = x.shape[1], x.dtype
        fits = h and w1.shape == (d, h) and w2.shape == (h, o) and o == samples.y.shape[1]
        fits = fits and w1.dtype is dtype is b1.dtype and type(w1) is type(x)
        if fits and w2.dtype is dtype is b2.dtype:
            return d, h, o
    except (AttributeError, IndexError, TypeError, ValueError):
        pass  # _demand_fit raises the error
    return _demand_fit(params, {"x": x, "y": samples.y})


def check_training(state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range) -> DHO:
    """Return D, H, O, or raise RelufitError unless state and plan are for this optimizer and these samples."""
    check_state(state, optimizer)
    sizes = check_shapes(state.params, samples)
    check_plan(plan, len(samples), epochs)
    return sizes


def check_state(state: State, optimizer: Optimizer) -> None:
    """Raise RelufitError unless the state fits this optimizer, and its moments have its weights' shapes and dtypes."""
    if not isinstance(state, State) or not isinstance(state.params, Params):
        raise RelufitError(f"a state must come from an optimizer's init or from train, not {type(state).__name__}")
    kind, wanted = type(optimizer).__name__, optimizer.moments
    if len(state.moments) != wanted:
        raise RelufitError(f"the state is not one of {kind}: it has {len(state.moments)} moments, not {wanted}")
    trees = (state.params, *state.moments)
    try:
        signatures = [[(array.shape, array.dtype) for array in tree] for tree in trees]
    except AttributeError:
        for tree in trees:
            _demand_arrays(dict(zip(Params._fields, tree, strict=False)))
        raise
    for moment, signature in zip(state.moments, signatures[1:], strict=True):
        if signature != signatures[0]:
            raise RelufitError(
                f"the state's moments must have the shapes and dtypes of its weights, {_described(state.params)}, not "
                f"{_described(moment)}"
            )


def _described(params: Params) -> str:
    return ", ".join(f"{dtype_name(array)} {tuple(array.shape)}" for array in params)


def check_many(
    states: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range, rates: np.ndarray | None
) -> np.ndarray:
    """Return the factors of M learning rates, float64 (M,): the rates, or ones.

    Raises RelufitError unless the states are of M networks that take these samples, and where `check_training` does.
    """
    check_state(states, optimizer)
    shapes = [tuple(array.shape) for array in states.params]
    count = shapes[0][0] if len(shapes[0]) == 3 else 0
    if not count or any(shape[:1] != (count,) for shape in shapes):
        raise RelufitError(f"the arrays of many networks have a leading axis, w1 (M, D, H), not shapes {shapes}")
    _demand_network(states.params, [shape[1:] for shape in shapes])
    outputs, columns = shapes[2][2], samples.y.shape[1]
    if columns != outputs and not (outputs == 1 and columns == count):
        raise RelufitError(
            f"{counted(count, 'network')} of {counted(outputs, 'output')} take y of {counted(outputs, 'column')}, "
            f"not of {columns}"
        )
    if shapes[0][1] != samples.x.shape[1]:
        raise RelufitError(f"the networks take x of {counted(shapes[0][1], 'column')}, not of {samples.x.shape[1]}")
    _demand_dtype(states.params, samples.x)
    check_plan(plan, len(samples), epochs)
    return _check_rates(rates, count)


def check_plan(plan: Plan, samples: int, epochs: range) -> None:
    """Raise RelufitError unless the plan is for `samples` samples and `epochs` is a non-empty range of its epochs.

    Reading the order of these epochs takes 0.3 ns for each index; a step takes thousands of times as long.
    """
    check_count("the plan's batch size", plan.batch)
    planned = check_count("the plan's number of epochs", plan.epochs)
    if not isinstance(epochs, range):
        raise RelufitError(f"epochs must be a range, such as range({planned}), not {epochs!r:.60}")
    if epochs.step != 1 or not 0 <= epochs.start < epochs.stop <= planned:
        raise RelufitError(f"epochs must be a non-empty part of the plan's range({planned}), not {epochs}")
    if plan.order is not None:
        _check_order(plan.order, samples, epochs)


def _check_order(order: Any, samples: int, epochs: range) -> None:
    if not isinstance(order, np.ndarray) or order.dtype not in (np.int32, np.int64) or order.ndim != 2:
        kind = f"{order.dtype} of shape {order.shape}" if isinstance(order, np.ndarray) else type(order).__name__
        raise RelufitError(f"the order of a plan must be an int32 or int64 numpy array (epochs, N), not {kind}")
    if order.shape[1] != samples:
        raise RelufitError(f"the plan is for {counted(order.shape[1], 'sample')}, not {samples}; draw one for these")
    if len(order) < epochs.stop:
        raise RelufitError(f"the order of the plan has {counted(len(order), 'epoch')}, too few for {epochs}")
    used = order[epochs.start : epochs.stop]
    least, most = used.min(), used.max()
    if least < 0 or most >= samples:
        raise RelufitError(f"the plan holds sample indices {least} to {most}; valid are 0 to {samples - 1}")


def _check_rates(rates: Any, count: int) -> np.ndarray:
    if rates is None:
        return np.ones(count)
    try:
        factors = np.asarray(rates, np.float64)
    except (TypeError, ValueError):
        raise RelufitError(f"rates must be numbers, one for each of {count} networks, not {rates!r:.60}") from None
    if factors.shape != (count,):
        raise RelufitError(f"rates must be one number for each of {count} networks, not of shape {factors.shape}")
    if not (np.isfinite(factors) & (factors > 0)).all():
        raise RelufitError(f"rates multiply the learning rate and must be positive, not {factors.tolist()!r:.60}")
    return factors


def _demand_fit(params: Params, data: dict[str, Array]) -> DHO:
    """Check weights against data x (N, D), and y (N, O) where given, one property at a time; return D, H, O.

    Raises RelufitError that names the first fault.
    """
    if len(params) != len(Params._fields):
        raise RelufitError(f"the parameters must be {', '.join(Params._fields)}, not {len(params)} arrays")
    _demand_arrays({**dict(zip(Params._fields, params, strict=True)), **data})
    w1, _, w2, _ = params
    _demand_network(params, [tuple(array.shape) for array in params])
    inputs, outputs, x = w1.shape[0], w2.shape[1], data["x"]
    if tuple(x.shape[1:]) != (inputs,):
        raise RelufitError(f"the network takes x of shape (N, {inputs}), not {tuple(x.shape)}")
    if "y" in data and tuple(data["y"].shape[1:]) != (outputs,):
        raise RelufitError(f"the network gives y of shape (N, {outputs}), not {tuple(data['y'].shape)}")
    _demand_dtype(params, x)
    return inputs, w1.shape[1], outputs


def _demand_arrays(arrays: dict[str, Any]) -> None:
    for name, array in arrays.items():
        if not hasattr(array, "shape") or not hasattr(array, "dtype"):
            raise RelufitError(f"{name} must be an array from to_device, not {type(array).__name__}")


def _demand_network(params: Params, shapes: list[tuple[int, ...]]) -> None:
    """Raise RelufitError unless weights of these shapes, and of their dtypes, form a network."""
    fault = misshapen(shapes)
    if fault is not None:
        raise RelufitError(f"the parameters are {fault}")
    names = sorted({dtype_name(array) for array in params})
    if len(names) > 1:
        raise RelufitError(f"the parameters are arrays of {', '.join(names)}; they must have one dtype")


def _demand_dtype(params: Params, x: Array) -> None:
    """Raise RelufitError unless weights and samples have one dtype, and are arrays of one library."""
    for array in params:
        if dtype_name(array) != dtype_name(x):
            raise RelufitError(f"the weights are {dtype_name(array)}, the samples {dtype_name(x)}; convert one of them")
        if array.dtype != x.dtype or isinstance(array, np.ndarray) != isinstance(x, np.ndarray):
            kinds = (f"{type(a).__module__.partition('.')[0]} arrays" for a in (array, x))
            raise RelufitError("these weights are {}, the samples {}: pass both through to_device".format(*kinds))
