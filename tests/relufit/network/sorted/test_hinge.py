"""Sorted knots in numpy: the masks of the dense form, and two ways to sum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relufit import Params, init_params
from relufit.network.sorted import hinge
from relufit.network.sorted.moments import tabulate

VALUES = (0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, 1e-30, -1e-30, 1e-300, -1e-300, 1e3, 1e30, -1e30, 3e38, 1e-45)


@settings(max_examples=150)
@given(data=st.data(), dtype=st.sampled_from(["float32", "float64"]))
def test_masks_are_those_of_the_dense_form(data: st.DataObject, dtype: str) -> None:
    """A unit is on from its rank, or up to it, whatever the weights, infinite products included."""
    numbers = st.sampled_from(VALUES) | st.floats(-1e3, 1e3, width=32)
    draw = lambda most: np.array(data.draw(st.lists(numbers, min_size=1, max_size=most)), dtype)  # noqa: E731
    x, w1 = np.sort(draw(40)), draw(20)
    b1 = np.array(data.draw(st.lists(numbers, min_size=len(w1), max_size=len(w1))), dtype)
    with np.errstate(all="ignore"):
        ranks = hinge.find_ranks(w1, b1, x)
        on = x[:, None] * w1 + b1 > 0
    place = np.arange(len(x))[:, None]
    np.testing.assert_array_equal(np.where(w1 > 0, place >= ranks, place < ranks), on)


def test_the_two_forms_of_the_readable_reference_agree() -> None:
    """A segment for each sample gives what moments between neighbouring ranks give."""
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(-6, 6, 3000))
    table, params = tabulate(x, np.stack([np.sin(x), x**2])), init_params(100, 1, 2, dtype="float64")
    loss, grads = hinge.loss_and_grads(params, table)
    other_loss, others = hinge.loss_and_grads_by_sample(params, table)
    assert float(loss) == pytest.approx(float(other_loss), rel=1e-13)
    for a, b in zip(grads, others, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-13 * np.abs(b).max())


@pytest.mark.parametrize("knots", [[], [0.5], [-2.0, 0.5, 0.5, 3.0]])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_many_samples_get_what_few_get(knots: list[float], dtype: str) -> None:
    """From INTERPOLATED samples on, one output is interpolated; nan in a weight shows in all outputs either way."""
    rng = np.random.default_rng(0)
    w1 = np.append(rng.normal(size=len(knots)), 0.0)
    w2, b1 = rng.normal(size=(len(w1), 1)), np.append(-w1[:-1] * np.array(knots), 1.0)
    x = rng.uniform(-6, 6, (hinge.INTERPOLATED, 1)).astype(dtype)
    params = Params(*(array.astype(dtype) for array in (w1[None], b1, w2, np.ones(1))))
    few = [hinge.forward(params, part) for part in np.array_split(x, 3)]
    np.testing.assert_allclose(hinge.forward(params, x), np.concatenate(few), rtol=0, atol=50 * np.finfo(dtype).eps)
    params.w2[-1] = np.nan
    assert np.isnan(hinge.forward(params, x)).all()
