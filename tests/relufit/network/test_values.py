"""Objects that hold arrays can be compared, hashed and printed."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from relufit import Fit, Params, draw_plan, fit, targets
from relufit.backends import load
from relufit.network.scaling import Scaling
from relufit.theory.smoothness import second_derivative


@pytest.fixture(scope="module")
def small() -> Fit:
    return fit("sin(x)", hidden=8, epochs=2, progress=False)


HOLDERS: dict[str, Callable[[Fit], Any]] = {
    "fit": lambda fit: fit,
    "params": lambda fit: fit.params,
    "state": lambda fit: fit.state,
    "history": lambda fit: fit.history,
    "plan": lambda fit: draw_plan(100, epochs=3),
    "samples": lambda fit: load("numpy").samples(fit.x, fit.y),
    "sorted samples": lambda fit: load("numpy-hinge").samples(fit.x, fit.y),
    "second derivative": lambda fit: second_derivative(targets.SIN),
    "scaling": lambda fit: Scaling.of(np.ones((9, 2)), np.ones((9, 2))),
}


VALUES = ("params", "state", "plan", "second derivative", "scaling")


@pytest.mark.parametrize("name", HOLDERS)
def test_what_holds_arrays_is_compared(small: Fit, name: str) -> None:
    """Values equal their copies, other objects only themselves; all can be hashed and have a repr of one line."""
    value = HOLDERS[name](small)
    other = copy.deepcopy(value)
    same = name in VALUES
    assert value == value
    assert (value == other, value != other) == (same, not same)
    assert value != small.x.shape
    assert value in [other, value]
    assert (other in [value]) == same
    assert len({value, other, value}) == 2 - same
    assert len(repr(value)) < 200
    assert "\n" not in repr(value)


def test_the_reprs_of_a_fit_and_of_its_parts(small: Fit) -> None:
    """A repr shows what was fitted, the number of units and the errors; of arrays it shows sizes and dtype."""
    assert repr(fit("sin(x)", hidden=512, solver="spline")).startswith(
        "Fit(sin(x): 512 hidden units, spline, mse 1.6e-10"
    )
    assert repr(fit(range(9), range(9), hidden=1, solver="spline")).startswith(
        "Fit(9 samples: 1 hidden unit, spline, mse"
    )
    assert repr(small.params) == "Params(D=1, H=8, O=1, float64)"
    one = "Params(D=1, H=8, O=1, float32)"
    assert repr(small.state) == f"State(params={one}, moments=({one}, {one}), step=50)"
    assert repr(small.history).startswith("History(2 epochs, loss ")
    assert repr(draw_plan(100, epochs=3)) == "Plan(order=int32 (3, 100), batch=32, epochs=3)"
    assert repr(Params(0, 1, 2, 3)) == "Params(w1=0, b1=1, w2=2, b2=3)"  # axes, of jax


def test_params_stay_a_plain_tuple(small: Fit) -> None:
    """Params unpack, pickle, and are a pytree of jax."""
    assert isinstance(small.params, tuple)
    other = pickle.loads(pickle.dumps(small.params))
    assert type(other) is Params
    np.testing.assert_array_equal(other.w1, small.params.w1)
    tree = pytest.importorskip("jax").tree_util.tree_map(np.ndim, small.params)
    assert type(tree) is Params
    assert tuple(tree) == (2, 1, 2, 1)


def test_params_are_equal_by_shape_and_elements(small: Fit) -> None:
    """Params differ from those with another weight or another shape, and from a plain tuple."""
    params = small.params
    assert params != params._replace(b2=params.b2 + 1e-9)
    assert params != params._replace(b1=params.b1[:1])
    assert Params(0, 0, 0, 0) != params
    assert draw_plan(9, batch=9) == draw_plan(9, batch=10)
    assert draw_plan(9, batch=2, seed=0) != draw_plan(9, batch=2, seed=1)
