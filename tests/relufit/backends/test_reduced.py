"""Backends with products in reduced precision meet requirements of the conformance suite, within their own bounds."""

from typing import Any

import numpy as np
import pytest

from bench.measure.backends import load_or_skip
from relufit.network.params import Sizes
from relufit.testing import REQUIREMENTS
from relufit.testing.answers import agrees_with_float64
from relufit.testing.problems import problem

# The others do not depend on the precision, need float64, or take long; `check_backend` runs them all.
CHOSEN = [
    name for name in REQUIREMENTS if name.startswith(("is_zero_at_the_kink('float32", "trains_as_the_formulas_say"))
]
HOST = [("torch-cpu", "bfloat16"), ("jax-cpu", "float16"), ("torch-cpu", "float16"), ("jax-cpu", "bfloat16")]


def _on_gpu(*precisions: str) -> list[Any]:
    names = ("torch-cuda", "jax-cuda")
    return [pytest.param(name, precision, marks=pytest.mark.gpu) for name in names for precision in precisions]


CASES = [*HOST, *_on_gpu("bfloat16", "float16", "tf32")]
# tf32 is a permission, which a library need not use for these sizes.
ROUNDING = [*HOST, *_on_gpu("bfloat16", "float16")]
ONE_OF_A_LIBRARY = [*HOST[:2], *_on_gpu("bfloat16", "float16", "tf32")]


@pytest.mark.parametrize(("name", "precision"), CASES)
@pytest.mark.parametrize("sizes", [Sizes(800, 1, 512, 1), Sizes(33, 3, 17, 2)])
def test_answers(name: str, precision: str, sizes: Sizes) -> None:
    """Output, loss and gradient are as near to float64 as products in that precision can be."""
    backend = load_or_skip(name, precision)
    with backend.pinned():
        agrees_with_float64(backend, sizes, "float32")


@pytest.mark.parametrize("requirement", CHOSEN)
@pytest.mark.parametrize(("name", "precision"), ONE_OF_A_LIBRARY)
def test_requirement(name: str, precision: str, requirement: str) -> None:
    """The backend meets the requirement."""
    backend = load_or_skip(name, precision)
    with backend.pinned():
        REQUIREMENTS[requirement](backend)


@pytest.mark.parametrize(("name", "precision"), ROUNDING)
def test_full_precision_does_not_pass_as_reduced(name: str, precision: str) -> None:
    """The products are rounded: the output differs from that of the same backend in float32."""
    params, x, _ = problem(Sizes(50, 1, 64, 1), "float32")
    backend, reduced = load_or_skip(name), load_or_skip(name, precision)
    with reduced.pinned():
        narrow = reduced.to_host(reduced.forward(type(params)(*map(reduced.to_device, params)), reduced.to_device(x)))
    with backend.pinned():
        full = backend.to_host(backend.forward(type(params)(*map(backend.to_device, params)), backend.to_device(x)))
    assert np.abs(narrow - full).max() > 1e-4 * np.abs(full).max()


@pytest.mark.parametrize(("name", "precision"), ROUNDING)
def test_the_product_is_that_of_the_precision(name: str, precision: str) -> None:
    """`product` multiplies matrices whose elements are rounded: 1 + 2^-12 is 1, sums are exact."""
    backend = load_or_skip(name, precision)
    left, right = np.full((3, 4), 1 + 2.0**-12, np.float32), np.ones((4, 2), np.float32)
    with backend.pinned():
        found = backend.product(left, right)()
    host = backend.to_host(found.float() if hasattr(found, "float") else found)  # numpy has no bfloat16
    np.testing.assert_array_equal(host, np.full((3, 2), 4.0))
