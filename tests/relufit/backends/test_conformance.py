"""The conformance suite: every backend, every requirement; what cannot run here is skipped with its reason.

Recipes that evaluate only are tested in tests/bench/recipes/test_interpolation.py.
"""

import re

import numpy as np
import pytest

from bench.measure.backends import load_or_skip
from bench.recipes import FORWARD_ONLY, RECIPES, known_names
from relufit import Params, Sizes, fit
from relufit.backends import required, row
from relufit.testing import REQUIREMENTS

# A device other than the first is tested where RELUFIT_REQUIRE names it: cupy:1.
NAMES = list(dict.fromkeys([*known_names(), *sorted(required())]))
TRAINING = [name for name in NAMES if name not in FORWARD_ONLY]


# For torch-compile, each further combination of sizes, dtype and optimizer takes seconds to compile. One in float32 and
# one in float64 stay; other backends meet all of these requirements, and torch-cpu with the formulas that are compiled.
COMPILED_ANEW = re.compile(r"Sizes|float64|SGD|Momentum")
STAYS = re.compile(r"agrees_with_float64.*(samples=800,.*float32|samples=50,.*float64)")


def _is_on_gpu(name: str) -> bool:
    return name not in RECIPES and row(name).device != "cpu"


def _mark(name: str) -> object:
    return pytest.param(name, marks=pytest.mark.gpu if _is_on_gpu(name) else ())


def _mark_both(name: str, requirement: str) -> object:
    is_slow = name == "torch-compile" and COMPILED_ANEW.search(requirement) and not STAYS.match(requirement)
    marks = [pytest.mark.slow] if is_slow else [pytest.mark.gpu] if _is_on_gpu(name) else []
    return pytest.param(name, requirement, marks=marks)


@pytest.mark.parametrize(
    ("name", "requirement"), [_mark_both(name, each) for name in TRAINING for each in REQUIREMENTS]
)
def test_backend(name: str, requirement: str) -> None:
    """The backend meets the requirement."""
    backend = load_or_skip(name)
    with backend.pinned():
        REQUIREMENTS[requirement](backend)


@pytest.mark.parametrize("name", [_mark(name) for name in NAMES])
def test_the_network_of_a_spline_is_a_network(name: str) -> None:
    """What solver "spline" finds, every backend's forward evaluates: in float64, or in what precision it has."""
    backend, found = load_or_skip(name), fit("sin(3*x) + x**2/10", hidden=64, solver="spline")
    x = np.linspace(-6, 6, 1001)[:, None]
    reasons = {dtype: backend.supports(Sizes(1001, 1, 64, 1), dtype) for dtype in ("float64", "float32")}
    dtype = next((dtype for dtype, reason in reasons.items() if reason is None), None)
    if dtype is None:
        pytest.skip(f"{name}: {reasons['float32']}")
    with backend.pinned():
        params = Params(*(backend.to_device(p.astype(dtype)) for p in found.params))
        y = backend.to_host(backend.forward(params, backend.to_device(x.astype(dtype))))
    np.testing.assert_allclose(y, found.predict(x), atol=1e-10 if dtype == "float64" else 2e-3)
