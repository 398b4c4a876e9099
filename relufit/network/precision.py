"""Reduced precision of the products of a network: what is rounded, what is stored and what accumulates.

This is mixed precision as it is usually trained with. Weights, moments, data, losses and the gradients that a verb
returns are float32 arrays, and the update is computed in float32. The operands of the products (x W1, h W2 and those of
the gradient) are rounded to the precision, hidden values are stored in it, and sums accumulate in float32. A library
may round a bias, or the result of a product, to the precision once more.

float16 ends at 65 504 and loses digits below 2^-14. So the loss is multiplied by `loss_scale` before the backward pass,
and the gradients are divided by it in float32. Nothing is clamped: what is too large for float16 becomes inf or nan,
and the training diverges.
"""

from math import ceil, log2
from typing import NamedTuple

MOST_SCALE = 64.0


class Precision(NamedTuple):
    """A floating-point format that products can take their operands in."""

    name: str
    unit: float  # largest relative error of an operand that is rounded to it
    stored: str  # what an operand and a hidden value are stored in
    accumulated: str  # what the sums of a product are kept in
    normal: float = 0.0  # least magnitude with that relative error; 0 where the exponents are those of float32
    scaled: bool = False  # whether the loss is scaled


PRECISIONS = {
    found.name: found
    for found in (
        Precision("bfloat16", 2.0**-8, "bfloat16", "float32"),
        Precision("float16", 2.0**-11, "float16", "float32", normal=2.0**-14, scaled=True),
        # Ten bits are kept: 2^-11 if they are rounded, 2^-10 if the others are cut off. cuBLAS documents neither. It is
        # a permission: a library may compute products that tensor cores do not suit, as of a vector, in float32.
        Precision("tf32", 2.0**-10, "float32, of which products may read 10 bits", "float32"),
    )
}


def loss_scale(precision: str, terms: int) -> float:
    """The factor of the loss of `terms` = N O squares before its backward pass: a power of two, so it rounds nothing.

    A factor of N O would undo the mean: residuals keep their own size in the backward pass. But a gradient is a sum
    over the samples, and a library may store it in float16: with MOST_SCALE, one of up to 1023 is finite. (From spread
    weights, the gradients of a sine at H = 512 are below 200.) With more terms residuals become smaller: at 2^16 terms
    those above 2^-5 are still normal numbers of float16, and smaller ones are rounded to multiples of 2^-15, which is
    the last place of an output of 2^-5. Of float32 ("") the factor is 1.
    """
    if not precision or not PRECISIONS[precision].scaled:
        return 1.0
    return min(MOST_SCALE, 2.0 ** ceil(log2(terms)))
