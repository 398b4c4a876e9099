"""Answers against float64: what disagrees is refused and named, over repeated samples and as a whole gradient too."""

from typing import Any

import numpy as np
import pytest
from mutants import Forgetful, Reduced

from bench.agreement.answers import Check, check, check_gradient, compare, compare_step, compare_training, demand
from bench.agreement.gate import gate_inputs
from bench.grid.case import Case
from bench.grid.data import draw
from bench.journal.status import Disagreement
from relufit import SGD, Adam, Sizes, draw_plan
from relufit.testing.error_bounds import reference
from relufit.testing.problems import problem


def test_what_is_not_a_number_or_has_another_shape_never_passes() -> None:
    """Values of nan and inf and a missing axis are infinitely wrong."""
    exact, bound = np.ones((3, 1)), np.full((3, 1), 1e9)
    for found in (np.full((3, 1), np.nan), np.full((3, 1), np.inf), np.ones(3), np.ones((3, 2))):
        assert check(found, exact, bound).share == float("inf")
        with pytest.raises(Disagreement):
            demand({"output": check(found, exact, bound)})


def test_the_worst_quantity_is_named() -> None:
    """The complaint names the worst quantity with its error, its bound and how many times too large it is."""
    checks = {"loss": Check(1.0, 2.0, 0.5), "w1": Check(3.0, 1.0, 3.0)}
    with pytest.raises(Disagreement, match=r"w1 is off by 3 where 1 is allowed \(3 times\)"):
        demand(checks)
    demand({"loss": checks["loss"]})


def test_mutants_are_caught_over_repeated_samples() -> None:
    """Backends that forget the last samples or end too early are caught over repeats; the sound one passes."""
    params, x, y = problem(Sizes(1000, 1, 64, 1), "float32")
    exact = reference(params, x, y, 20)
    tiled = np.tile(x, (20, 1)), np.tile(y, (20, 1))
    demand(compare(Forgetful(), params, *tiled, exact))
    with pytest.raises(Disagreement):
        demand(compare(Forgetful(samples=500), params, *tiled, exact))
    with pytest.raises(Disagreement, match="output"):
        demand(compare(Forgetful(output=3), params, *tiled, exact))


@pytest.mark.parametrize(("factor", "passes"), [(1.0, True), (1 + 5e-4, True), (1 + 2e-3, False)])
def test_a_gradient_that_lost_more_than_a_thousandth_is_of_no_use(factor: float, passes: bool) -> None:
    """A gradient off by more than a thousandth is refused, even if each element is within its bound."""
    params, x, y = problem(Sizes(1000, 1, 64, 1), "float32")
    exact = reference(params, x, y, 20_000)
    found = {name: value * factor for name, value in exact.values.items()}
    assert all(check(found[name], exact.values[name], exact.bounds[name]).share <= 1 for name in ("w1", "b1", "b2"))
    of_all = check_gradient(found, exact)
    assert of_all.error == pytest.approx(factor - 1, abs=1e-12)
    assert (of_all.share <= 1) == passes
    assert check_gradient({**found, "w1": found["w1"][:, :3]}, exact).share == float("inf")


MISTAKES: dict[str, dict[str, Any]] = {
    "outputs": {"forward_bits": 6},
    "gradient": {"weight_bits": 6},
    "step kept": {"narrow_update": True},
}


@pytest.mark.parametrize("rule", [Adam(1e-3), SGD(1e-3)])
@pytest.mark.parametrize("mistake", [None, *MISTAKES])
def test_reduced_precision_worse_than_declared_is_caught(mistake: str | None, rule: Any) -> None:
    """Weights of 6 bits, in the output alone too, and updates in bfloat16 disagree by the name of the quantity."""
    case = Case("step", 800, dtype="bfloat16", optimizer="adam")
    inputs, backend = gate_inputs(case), Reduced(**MISTAKES.get(mistake or "", {}))
    checks = {**compare(backend, *inputs), **compare_step(backend, *inputs, rule)}
    assert {"outputs", "gradient", "step update", "step kept"} < checks.keys()
    if mistake is None:
        assert 0.2 < max(found.share for found in demand(checks).values()) < 0.7
    else:
        assert checks[mistake].share > 1.5
        with pytest.raises(Disagreement):
            demand(checks)


def test_reduced_training_has_the_limit_of_its_roundings() -> None:
    """Trained weights are held to what rounding does to them: honest ones pass, weights of 6 bits do not."""
    case = Case("step", 32, dtype="bfloat16", optimizer="adam")
    params, x, y = draw(case, 800)
    plan, rule = draw_plan(800, batch=32), Adam(1e-3)
    found = demand(compare_training(Reduced(), params, x, y, rule, plan))
    assert found["trained weights"].share == pytest.approx(0.5, abs=0.2)
    with pytest.raises(Disagreement):
        demand(compare_training(Reduced(weight_bits=5), params, x, y, rule, plan))
