"""The network as values: its four arrays, its sizes, and how the initial weights are drawn.

    y = relu(x W1 + b1) W2 + b2

Shape legend, used everywhere: N samples, D inputs, H hidden units, O outputs.
Everything random is drawn here on the host, in float64, from one seed: every backend starts from the same weights.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from relufit.errors import RelufitError, check_choice, check_count, check_domain, check_seed, counted
from relufit.network.values import by_value, dtype_name, one_line
from relufit.targets import DOMAIN

Array = Any  # numpy.ndarray, cupy.ndarray, torch.Tensor, jax.Array, ...: the array of a backend

DTYPES = ("float32", "float64")


@by_value
class Params(NamedTuple):
    """The weights of the network; also the type of their gradients."""

    w1: Array  # (D, H)
    b1: Array  # (H,)
    w2: Array  # (H, O)
    b2: Array  # (O,)

    def __repr__(self) -> str:
        shapes = [tuple(getattr(array, "shape", ())) for array in self]
        if misshapen(shapes):  # stacked networks, or another tree, such as axes
            return one_line(self)
        return f"Params(D={shapes[0][0]}, H={shapes[0][1]}, O={shapes[3][0]}, {dtype_name(self.w1)})"


class Sizes(NamedTuple):
    """The four sizes that determine every cost."""

    samples: int  # N
    inputs: int  # D
    hidden: int  # H
    outputs: int  # O


def init_params(
    hidden: int = 512,
    inputs: int = 1,
    outputs: int = 1,
    *,
    seed: int = 0,
    scheme: str = "spread",
    domain: tuple[float, float] = DOMAIN,
    dtype: str = "float32",
) -> Params:
    """Draw initial weights on the host: `Params` of numpy arrays w1 (D, H), b1 (H,), w2 (H, O), b2 (O,).

    `scheme` is one of
    - `spread`: w1 ~ N(0, 2/D) and w2 ~ N(0, 2/H) (He et al. 2015, arXiv:1502.01852), b1 = -w1 . u with u uniform over
      `domain`, so that for D = 1 every knot -b1/w1 lies inside the data; b2 = 0;
    - `torch`: what `torch.nn.Linear` draws, U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weights and biases;
    - `he`: the weights of `spread`, all biases 0;
    - `textbook`: standard normal weights, all biases 0.
    With zero biases every knot starts at x = 0, which is why `he` and `textbook` hardly fit sin; they are for
    comparison.

    `domain` is the interval (low, high) that `spread` puts knots in, the same for each input. Draws are made in
    float64 and rounded to `dtype`, so float32 and float64 runs start from the same network.

    Raises RelufitError for a size below 1, an unknown scheme or dtype, or a domain that `check_domain` refuses.
    """
    for name, value in {"hidden": hidden, "inputs": inputs, "outputs": outputs}.items():
        check_count(name, value)
    check_dtype(dtype)
    check_choice("init scheme", scheme, SCHEMES)
    low, high = check_domain(domain)
    rng = np.random.default_rng(check_seed(seed))
    try:
        drawn = SCHEMES[scheme](rng, inputs, hidden, outputs, low, high)
    except (MemoryError, ValueError):  # numpy raises ValueError where not even the size can be expressed
        raise RelufitError(f"weights of {inputs} x {hidden} x {outputs} do not fit in memory") from None
    with np.errstate(over="ignore"):
        params = Params(*(array.astype(dtype) for array in drawn))
    if not all(np.isfinite(array).all() for array in params):
        raise RelufitError(f"weights for the domain ({low:g}, {high:g}) overflow in {dtype}; use float64, or scale x")
    return params


def _spread(rng: np.random.Generator, d: int, h: int, o: int, low: float, high: float) -> Params:
    w1 = rng.normal(0, np.sqrt(2 / d), (d, h))
    knots = rng.uniform(low, high, (d, h))
    return Params(w1, -(w1 * knots).sum(axis=0), rng.normal(0, np.sqrt(2 / h), (h, o)), np.zeros(o))


def _torch(rng: np.random.Generator, d: int, h: int, o: int, low: float, high: float) -> Params:
    first, second = 1 / np.sqrt(d), 1 / np.sqrt(h)
    return Params(
        rng.uniform(-first, first, (d, h)),
        rng.uniform(-first, first, h),
        rng.uniform(-second, second, (h, o)),
        rng.uniform(-second, second, o),
    )


def _he(rng: np.random.Generator, d: int, h: int, o: int, low: float, high: float) -> Params:
    return Params(
        rng.normal(0, np.sqrt(2 / d), (d, h)), np.zeros(h), rng.normal(0, np.sqrt(2 / h), (h, o)), np.zeros(o)
    )


def _textbook(rng: np.random.Generator, d: int, h: int, o: int, low: float, high: float) -> Params:
    return Params(rng.standard_normal((d, h)), np.zeros(h), rng.standard_normal((h, o)), np.zeros(o))


SCHEMES: dict[str, Callable[..., Params]] = {"spread": _spread, "torch": _torch, "he": _he, "textbook": _textbook}


def demand_network(params: Params) -> None:
    """Raise RelufitError unless `find_fault` returns None."""
    fault = find_fault(params)
    if fault is not None:
        raise RelufitError(f"the parameters are {fault}")


def find_fault(params: Params) -> str | None:
    """Why four arrays on the host do not form a network, as the end of "the parameters are ..."; None if they do.

    Weights are finite, of one dtype, float32 or float64, and of shapes that fit, with no size below 1.
    """
    try:
        arrays = [np.asarray(array) for array in params]
    except (TypeError, ValueError):  # nothing to go through, or a ragged list
        arrays = []
    if len(arrays) != len(Params._fields):
        return f"no Params of four arrays, {', '.join(Params._fields)}"
    fault = misshapen([array.shape for array in arrays])
    if fault is not None:
        return fault
    dtypes = sorted({str(array.dtype) for array in arrays})
    if len(dtypes) > 1 or dtypes[0] not in DTYPES:
        return f"arrays of {', '.join(dtypes)}; weights are all {' or all '.join(DTYPES)}"
    broken = [name for name, array in zip(Params._fields, arrays, strict=True) if not np.isfinite(array).all()]
    return f"not finite: there is nan or inf in {', '.join(broken)}" if broken else None


def misshapen(shapes: list[tuple[int, ...]]) -> str | None:
    """Why arrays of four shapes do not form a network, as the end of "the parameters are ..."; None if they do."""
    d, h, o = (shapes[0] + shapes[2][-1:])[-3:] if len(shapes[0]) == len(shapes[2]) == 2 else (0, 0, 0)
    if shapes != [(d, h), (h,), (h, o), (o,)]:
        return f"arrays of shapes {shapes}, not (D, H), (H,), (H, O), (O,)"
    if 0 in (d, h, o):
        sizes = counted(d, "input"), counted(h, "hidden unit"), counted(o, "output")
        return f"a network of {sizes[0]}, {sizes[1]} and {sizes[2]}: each must be at least 1"
    return None


def check_hidden(hidden: object) -> int | str | None:
    """Return a number of units, "auto" or None. Raises RelufitError for anything else."""
    if hidden is None or (isinstance(hidden, str) and hidden == "auto"):
        return hidden
    return check_count("hidden", hidden)


def check_dtype(dtype: object) -> str:
    """Return the name of a supported floating-point type, or raise RelufitError."""
    try:
        name = None if dtype is None else np.dtype(dtype).name  # type: ignore[call-overload]  # anything may come in: that is what is checked
    except TypeError:
        name = None
    if name not in DTYPES:
        raise RelufitError(f"dtype must be {' or '.join(DTYPES)}, not {dtype!r}")
    return name
