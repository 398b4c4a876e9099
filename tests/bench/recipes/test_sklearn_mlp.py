"""What the conformance suite cannot see of the scikit-learn recipe: its minibatches, and how it diverges."""

import numpy as np
import pytest

from relufit import SGD, Sizes, draw_plan
from relufit.testing.problems import problem

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from bench.recipes.sklearn_mlp import SklearnRecipe


def test_minibatches_are_shuffled_anew_in_every_epoch() -> None:
    """Two epochs end elsewhere than the first one run twice from the same state; a slice has a seed of its own."""
    backend, rule, plan = SklearnRecipe(), SGD(1e-2), draw_plan(90, batch=20, epochs=2)
    params, x, y = problem(Sizes(90, 1, 16, 1), "float64")
    samples, state = backend.samples(x, y), rule.init(params)
    once, _ = backend.train(state, samples, rule, plan, range(1))
    assert once.step == 5
    twice, losses = backend.train(state, samples, rule, plan, range(2))
    again, _ = backend.train(once._replace(step=0), samples, rule, plan, range(1))
    assert losses[1] < losses[0]
    assert not np.array_equal(twice.params.w1, again.params.w1)


def test_divergence_shows_in_the_losses() -> None:
    """scikit-learn raises where weights leave the finite numbers; here that is a loss, as with every backend."""
    backend, rule = SklearnRecipe(), SGD(1e30)
    params, x, y = problem(Sizes(8, 1, 4, 1), "float32")
    with np.errstate(all="ignore"):
        _, losses = backend.train(rule.init(params), backend.samples(x, y), rule, draw_plan(8, epochs=9), range(9))
    assert not np.isfinite(losses[-1])
