"""Answers against float64: what disagrees is refused and named, over repeated samples and as a whole gradient too."""

import numpy as np
import pytest
from mutants import Forgetful

from bench.agreement.answers import Check, check, check_gradient, compare, demand
from bench.journal.status import Disagreement
from relufit import Sizes
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
