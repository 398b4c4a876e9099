"""The cost of a workload in operations, bytes and instructions, as a function of (N, D, H, O), for rooflines.

Dense work is the arithmetic of the network itself, in any implementation: separate operations, autograd, a compiler or
a fused kernel. With a product of k terms counted as k multiplications and k additions (sums start from 0):

| operations | forward | backward, beyond it |
|:--|:--|:--|
| per sample and unit | 2 D (z) + 1 (relu) + 2 O (output) | 2 O (dw2) + 2 O (dh) + 1 (mask) + 2 D (dw1) + 1 (db1) |
| per sample and output | | 5: residual, its scale, db2, square and sum of the loss |

Least vector instructions, lane by lane, of the best fused form known (hidden values never leave registers, z is
computed twice, relu' is a mask and no factor): forward D fma, max, O fma = D + O + 1. Backward, O = 1, by two masked
sums: D fma, compare, and then for D = 1 and, and, add, add (g and g x; 6 in all, 9 with forward); for D > 1 and, add,
D fma (2 D + 3). O > 1, the textbook form: D fma, compare, O for dh, and, add, D fma, max, O fma = 2 D + 2 O + 4.

Compulsory bytes: inputs, targets, outputs, parameters and gradients, each once. An unfused library moves more, through
(N, H) arrays: z written, relu read and written, the output's product reading h: 4 passes; the gradient adds h read for
dw2, dh written, the mask's two reads and a write, and two reads for dw1 and db1: 11 passes, 22.5 kB per sample at
H = 512 in float32. A separate bias and a stored mask make it 13.5 (27.6 kB): 11 is the minimum.

Hinge work (D = 1: by sorted knots and moments of the data) does not depend on N: each unit estimates its rank among the
sorted samples from the position of its knot (divide, subtract, scale) and tests it by the predicate at two samples
(multiply, add, compare), 9 operations, and then needs

    1 order of the knots + 3 moments of x + O (4 slope and intercept + 3 moments with t + 4 sum g + 4 sum g x + 9 loss
    + 2 running sums + 8 gradients) = 4 + 34 O operations.

All of them are in float64, whatever the dtype of the samples. Forward needs 4 O + log2 H operations per unit (slope,
intercept, sorting) and log2 H + 2 O per sample. Compulsory bytes are parameters, gradients and the table entries that
are read (the segment moments of each unit: 3 + 3 O in float64, and two samples); the time to build the table is
reported separately.
"""

from dataclasses import astuple, dataclass
from math import log2

import numpy as np

from relufit.network.params import Sizes

RANK_OPERATIONS, PROBES = 9, 2  # operations and samples read per unit, for the rank in hinge
# Per parameter (network/optim.py), constant factors folded: operations; the least number of instructions; moments,
# which are read and written as the parameter is. The gradient need not leave the kernel.
UPDATES = {"": (0, 0, 0), "sgd": (2, 1, 0), "momentum": (4, 2, 1), "adam": (13, 9, 2)}


@dataclass(frozen=True)
class Cost:
    """The minimum cost of one call. Instructions and multiply-adds count single lanes."""

    operations: float  # floating-point operations of the algorithm
    bytes: float  # compulsory traffic
    instructions: float  # of the best fused form known; for hinge, its operations
    multiply_adds: float  # those of the instructions that are fused multiply-adds

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(own + more for own, more in zip(astuple(self), astuple(other), strict=True)))


def cost(work: str, sizes: Sizes, dtype: str, algorithm: str, optimizer: str = "") -> Cost:
    """The cost of one `forward`, `gradient` or `step` (a gradient and an update by `optimizer`) at these sizes.

    `algorithm` is that of a backend; "hinge..." has the formulas of hinge, all others are dense.
    """
    of_network, itemsize = _hinge if is_hinge(algorithm) else _dense, np.dtype(dtype).itemsize
    found = of_network(work == "forward", sizes, itemsize)
    if work != "step":
        return found
    operations, instructions, moments = (count * parameters(sizes) for count in UPDATES[optimizer])
    return found + Cost(operations, 2 * moments * itemsize, instructions, 0)


def parameters(sizes: Sizes) -> int:
    """The number of weights of the network."""
    _, d, h, o = sizes
    return d * h + h + h * o + o


def _dense(forward_only: bool, sizes: Sizes, itemsize: int) -> Cost:
    n, d, h, o = sizes
    pairs, weights = n * h, parameters(sizes)
    forward_bytes = itemsize * (n * d + n * o + weights)
    forward = Cost(pairs * (2 * d + 1 + 2 * o), forward_bytes, pairs * (d + o + 1), pairs * (d + o))
    if forward_only:
        return forward
    # Per sample and unit of the fused backward pass, which computes z again.
    instructions, multiply_adds = 2 * d + 2 * o + 4, 2 * d + 2 * o - 1
    if o == 1:
        instructions, multiply_adds = (6, 1) if d == 1 else (2 * d + 3, 2 * d)
    operations = pairs * (2 * d + 4 * o + 2) + 5 * n * o
    return forward + Cost(operations, itemsize * weights, pairs * instructions, pairs * multiply_adds)


def _hinge(forward_only: bool, sizes: Sizes, itemsize: int) -> Cost:
    n, _, h, o = sizes
    if forward_only:
        operations = h * (4 * o + log2(max(h, 2))) + n * (log2(max(h, 2)) + 2 * o)
        return Cost(operations, itemsize * (n + n * o + parameters(sizes)), operations, 0)
    operations = h * (RANK_OPERATIONS + 4 + 34 * o)
    touched = h * (8 * (3 + 3 * o) + itemsize * PROBES)
    return Cost(operations, itemsize * 2 * parameters(sizes) + touched, operations, 0)


def is_hinge(algorithm: object) -> bool:
    """Whether gradients come from a table of moments: their cost does not depend on N, and samples are *effective*."""
    return str(algorithm).startswith("hinge")


def is_fused(algorithm: object) -> bool:
    """Whether the algorithm stores no (N, H) array."""
    return "fused" in str(algorithm) or is_hinge(algorithm)


def unfused_bytes(work: str, sizes: Sizes, dtype: str) -> int:
    """Least bytes that separate operations move through (N, H) arrays: 4 passes forward, 11 with backward."""
    passes = 4 if work == "forward" else 11
    return passes * sizes.samples * sizes.hidden * np.dtype(dtype).itemsize
