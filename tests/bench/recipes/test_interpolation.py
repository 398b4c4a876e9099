"""Recipes that evaluate a table of the network: their outputs, and what they refuse."""

import numpy as np
import pytest

from bench.agreement import answers
from bench.agreement.gate import gate_inputs
from bench.grid.case import Case
from bench.journal.status import Disagreement
from bench.measure.backends import load
from bench.measure.trial import Trial, Unsuitable, demand_support
from bench.recipes import FORWARD_ONLY, lack_of
from bench.recipes.interpolation import NumpyInterp
from relufit import SGD, Params, Plan, RelufitError, Sizes
from relufit.testing.problems import problem


@pytest.mark.parametrize("name", sorted(FORWARD_ONLY))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("batch", "outputs"), [(1, 1), (32, 3), (800, 1)])
def test_the_output_agrees(name: str, dtype: str, batch: int, outputs: int) -> None:
    """The gate compares the output, and nothing else, with float64."""
    case = Case("forward", batch, hidden=64, dtype=dtype, outputs=outputs)
    assert list(answers.compare(load(name), *gate_inputs(case))) == ["output"]


def test_a_wrong_output_disagrees() -> None:
    """The gate sees a table that is off."""

    class Off(NumpyInterp):
        def curve(self, x: np.ndarray, y: np.ndarray) -> object:  # type: ignore[override]
            return super().curve(x, y + 1e-2)

    checks = answers.compare(Off(), *gate_inputs(Case("forward", 100, hidden=64)))
    with pytest.raises(Disagreement, match="output is off"):
        answers.demand(checks)


@pytest.mark.parametrize("name", sorted(FORWARD_ONLY))
def test_the_table_is_made_for_weights_and_where_x_is(name: str) -> None:
    """Other weights get another table, and samples outside the last ones a longer one; no rows are no error."""
    backend, (params, x, _) = load(name), problem(Sizes(50, 1, 20, 1), "float64")
    for weights in (params, params._replace(w2=2 * params.w2)):
        for samples in (x, 3 * x, x[:1], np.empty((0, 1))):
            wanted = np.maximum(samples * weights.w1 + weights.b1, 0) @ weights.w2 + weights.b2
            np.testing.assert_allclose(backend.forward(weights, samples), wanted, atol=1e-12)


@pytest.mark.parametrize("name", sorted(FORWARD_ONLY))
def test_what_is_no_evaluation_is_refused_with_a_reason(name: str) -> None:
    """Gradients, training and several inputs are rows with a reason, and their verbs raise it."""
    backend, (params, x, y) = load(name), problem(Sizes(8, 1, 4, 1), "float32")
    assert lack_of(backend, "forward") is None
    several, step = Case("forward", 8, inputs=2), Case("step", 32, optimizer="sgd")
    for case in (Case("gradient", 800), step, several, Case("memory", 8)):
        with pytest.raises(Unsuitable, match="takes one input" if case is several else "does not train"):
            demand_support(Trial(case, backend, None, lambda row: None, 1.0))
    demand_support(Trial(Case("forward", 800), backend, None, lambda row: None, 1.0))
    samples, rule = backend.samples(x, y), SGD(0.1)
    with pytest.raises(RelufitError, match="does not train"):
        backend.loss_and_grads(params, samples)
    with pytest.raises(RelufitError, match="does not train"):
        backend.train(rule.init(params), samples, rule, Plan(None, 8, 1), range(1))
    with pytest.raises(RelufitError, match="arrays of shapes"):
        backend.forward(Params(params.w1[:, :2], *params[1:]), x)
