"""dense.py: its two forms agree, parts of a batch add up, and it runs on any array namespace."""

import array_api_strict
import numpy as np
import pytest

from relufit import Params, Sizes
from relufit.backends.numpy import NumpyBackend
from relufit.network import dense
from relufit.testing.problems import SIZES, on_host, problem


@pytest.mark.parametrize("sizes", [s for s in SIZES if s.outputs == 1], ids=str)
def test_the_masked_sums_equal_the_textbook(sizes: Sizes) -> None:
    """The identity for O = 1 is the chain rule, reordered: equal to 1e-12 in float64."""
    params, x, y = problem(sizes, "float64")
    loss, grads = dense.loss_and_grads_one_output(params, x, y, xp=np)
    wanted_loss, wanted = dense.loss_and_grads_textbook(params, x, y, xp=np)
    assert loss == wanted_loss
    for found, expected in zip(grads, wanted, strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_array_api_standard_is_enough(sizes: Sizes, dtype: str) -> None:
    """array_api_strict refuses whatever the standard does not have: what runs here runs on cupy."""
    params, x, y = problem(sizes, dtype)
    strict = [array_api_strict.asarray(array) for array in (*params, x, y)]
    found_loss, found = dense.loss_and_grads(Params(*strict[:4]), *strict[4:], xp=array_api_strict)
    loss, grads = dense.loss_and_grads(params, x, y, xp=np)
    tolerance = 1e-4 if dtype == "float32" else 1e-10
    np.testing.assert_allclose(np.asarray(found_loss), loss, rtol=tolerance)
    for array, wanted in zip(found, grads, strict=True):
        assert str(array.dtype).endswith(dtype)
        np.testing.assert_allclose(np.asarray(array), wanted, rtol=tolerance, atol=tolerance)
    output = dense.forward(Params(*strict[:4]), strict[4], xp=array_api_strict)
    np.testing.assert_allclose(np.asarray(output), dense.forward(params, x, xp=np), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("outputs", [1, 2])
def test_parts_of_a_batch_add_up(outputs: int) -> None:
    """With the whole batch's count, losses and gradients of the parts sum to those of the batch."""
    params, x, y = problem(Sizes(40, 2, 9, outputs), "float64")
    loss, grads = dense.loss_and_grads(params, x, y, xp=np)
    parts = [dense.loss_and_grads(params, x[s], y[s], xp=np, count=40) for s in (slice(0, 7), slice(7, 40))]
    assert parts[0][0] + parts[1][0] == pytest.approx(loss, rel=1e-13)
    for a, b, whole in zip(parts[0][1], parts[1][1], grads, strict=True):
        np.testing.assert_allclose(a + b, whole, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("outputs", [1, 2])
def test_blocks_change_nothing_but_rounding(outputs: int) -> None:
    """The numpy backend works off large batches in blocks; a batch of many ragged blocks gives the same answer."""

    class InSmallBlocks(NumpyBackend):
        block_elements = 64  # at H = 2: blocks of 32 rows, the least

    params, x, y = problem(Sizes(101, 1, 2, outputs), "float64")
    small, plain = InSmallBlocks(), NumpyBackend()
    np.testing.assert_allclose(small.forward(params, x), plain.forward(params, x), rtol=1e-13)
    found, wanted = (b.loss_and_grads(params, b.samples(x, y)) for b in (small, plain))
    assert found[0] == pytest.approx(wanted[0], rel=1e-13)
    for a, b in zip(on_host(small, found[1]), on_host(plain, wanted[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-14)
