"""The bound of one update: no right gradient leads out of it, and what it leaves out would be seen."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.agreement.update_bounds import bound_update
from relufit import SGD, Adam, Momentum, Params, State
from relufit.network.optim import Optimizer, map_arrays

RULES = [SGD(1.0), Momentum(1.0), Adam(1.0), Adam(1e-3, beta1=0.5, beta2=0.6, eps=1e-3)]
WEIGHTS = 200  # of each of the four arrays


def drawn(seed: int, rule: Optimizer, dtype: str) -> tuple[State, Params, Params]:
    """A state under way in the dtype, gradients and their errors in float64, all of any magnitude; some are 0."""
    rng = np.random.default_rng(seed)

    def tree() -> Params:
        values = rng.normal(size=(4, WEIGHTS)) * 10.0 ** rng.uniform(-8, 3, size=(4, WEIGHTS))
        return Params(*(values * (rng.uniform(size=values.shape) < 0.9)))

    moments = [tree() for _ in range(rule.moments)]
    if len(moments) == 2:
        moments[1] = Params(*(np.square(v) for v in moments[1]))
    state = map_arrays(lambda array: array.astype(dtype), State(tree(), tuple(moments), int(rng.integers(0, 3000))))
    return state, tree(), Params(*map(np.abs, tree()))


def in_between(grads: Params, errors: Params, place: float) -> Params:
    """Gradients at a place between the ends of their intervals, from -1 to 1."""
    return Params(*(g + place * e for g, e in zip(grads, errors, strict=True)))


def share(found: Params, wanted: Params, bounds: Params) -> float:
    """The largest distance as a share of its bound."""
    pairs = zip(found, wanted, bounds, strict=True)
    return max(float(np.max(np.abs(f.astype(np.float64) - w) / np.maximum(b, 1e-300))) for f, w, b in pairs)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(RULES), st.lists(st.floats(-1, 1), min_size=1, max_size=8))
def test_no_gradient_of_the_interval_leads_out_of_the_bound(seed: int, rule: Optimizer, places: list[float]) -> None:
    """The float64 update stays in the bound at the interval's ends, at 0 and between, for any magnitude."""
    state, grads, errors = drawn(seed, rule, "float64")
    wanted, bounds = bound_update(rule, state, grads, errors, 2.0**-53)
    for place in (-1.0, 0.0, 1.0, *places):
        assert share(rule.update(state, in_between(grads, errors, place)).params, wanted, bounds) <= 1
    nearest = Params(*(np.clip(0, g - e, g + e) for g, e in zip(grads, errors, strict=True)))
    assert share(rule.update(state, nearest).params, wanted, bounds) <= 1


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(RULES))
def test_rounding_to_float32_stays_within_the_bound(seed: int, rule: Optimizer) -> None:
    """The formula in float32, from right gradients rounded, stays within the roundings counted."""
    state, grads, _ = drawn(seed, rule, "float32")
    unit = 2.0**-24
    errors = Params(*(unit * np.abs(g) for g in grads))
    before = map_arrays(lambda array: array.astype(np.float64), state)
    wanted, bounds = bound_update(rule, before, grads, errors, unit)
    found = rule.update(state, Params(*(g.astype(np.float32) for g in grads))).params
    assert {p.dtype.name for p in found} == {"float32"}
    assert share(found, wanted, bounds) <= 1


def one(rule: Optimizer, g: float, e: float, unit: float = 0.0, **moments: float) -> tuple[Any, float, float]:
    """Of a weight 0 under way: its update as a function of the gradient, where it goes by g, and the bound."""
    state = State(alike(0.0), tuple(map(alike, moments.values())), 1000)
    wanted, bounds = bound_update(rule, state, alike(g), alike(e), unit)
    return lambda at: float(rule.update(state, alike(at)).params.b1[0]), float(wanted.b1[0]), float(bounds.b1[0])


def alike(value: float) -> Params:
    """Four arrays of one number."""
    return Params(*(np.array([value]) for _ in range(4)))


def test_adams_extreme_lies_inside_the_interval() -> None:
    """At (1 - beta1) beta2 v / ((1 - beta2) beta1 m) the update exceeds both ends, and the bound still holds it."""
    update, wanted, bound = one(Adam(1.0), m=1.0, v=1.0, g=400.0, e=340.0)
    extreme = update(0.1 * 0.999 / (0.001 * 0.9)) - wanted
    assert abs(extreme) > 2 * max(abs(update(end) - wanted) for end in (60.0, 740.0))
    assert abs(extreme) <= bound


def test_moments_that_cancel_are_rounded_as_they_were_before() -> None:
    """Where beta1 m and (1 - beta1) g cancel, the update is 0 and its rounding is that of the terms."""
    unit = 2.0**-24
    for rule, moments, g in ((Adam(1.0), {"m": 1.0, "v": 1.0}, -9.0), (Momentum(1.0), {"m": 1.0}, -0.9)):
        _, wanted, bound = one(rule, g, 0.0, unit, **moments)
        assert abs(wanted) < 1e-12
        assert bound > 10 * unit


@pytest.mark.parametrize("rule", RULES[:3])
def test_the_bound_is_no_wider_than_it_must_be(rule: Optimizer) -> None:
    """A gradient a thousandth off and another rate are outside the bound; one known to a millionth is inside."""
    rng = np.random.default_rng(0)
    p, m, g = (Params(*rng.normal(size=(4, WEIGHTS))) for _ in range(3))
    v = Params(*(0.5 + rng.uniform(size=(4, WEIGHTS))))
    state = State(p, (m, v)[: rule.moments], 400)
    wanted, bounds = bound_update(rule, state, g, Params(*(1e-6 * np.abs(a) for a in g)), 2.0**-24)
    assert share(wanted, wanted, bounds) == 0
    for wrong in (
        rule.update(state, Params(*(1.001 * a for a in g))),
        replace(rule, learning_rate=1.001).update(state, g),
    ):
        assert share(wrong.params, wanted, bounds) > 10
