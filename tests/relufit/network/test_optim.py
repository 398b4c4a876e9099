"""The optimizers: torch.optim's numbers, pure values, and a table of coefficients that says the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from relufit import SGD, Adam, Momentum, Params, RelufitError, init_params
from relufit.network.optim import Cosine, Optimizer, Schedule, Steps

PAIRS = [
    (SGD(0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    (Momentum(0.05, 0.8), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8)),
    (Adam(0.02, 0.7, 0.95, 1e-6), lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.7, 0.95), eps=1e-6)),
]


@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        (Cosine(20), lambda rule: torch.optim.lr_scheduler.CosineAnnealingLR(rule, 20)),
        (Steps(7, factor=0.5), lambda rule: torch.optim.lr_scheduler.StepLR(rule, 7, 0.5)),
    ],
)
def test_schedules_are_those_of_torch(schedule: Schedule, make: object) -> None:
    """The rate of each update is torch's, also for a table that starts later; the schedule may start later too."""
    theirs = torch.optim.SGD([torch.zeros(1)], lr=0.3)
    steps, wanted = make(theirs), []  # type: ignore[operator]
    for _ in range(20):
        wanted.append(theirs.param_groups[0]["lr"])
        theirs.step()
        steps.step()
    rates = SGD(0.3, schedule).rates(0, 20)
    np.testing.assert_allclose(rates, wanted, rtol=1e-12)
    np.testing.assert_array_equal(SGD(0.3, schedule).rates(5, 20), rates[5:])
    np.testing.assert_array_equal(SGD(0.3, replace(schedule, first=100)).rates(90, 120)[10:], rates)
    assert (SGD(0.3, replace(schedule, first=100)).rates(90, 100) == 0.3).all()
    for rule in (SGD(0.3, schedule), Momentum(0.3, schedule=schedule)):
        np.testing.assert_array_equal(rule.coefficients(3, 20)[:, 0], rates[3:])
    adam, plain = Adam(0.3, schedule=schedule).coefficients(3, 20), Adam(0.3).coefficients(3, 20)
    np.testing.assert_allclose(adam[:, 0], plain[:, 0] * rates[3:] / 0.3, rtol=1e-14)
    np.testing.assert_array_equal(adam[:, 1:], plain[:, 1:])


@pytest.mark.parametrize(("rule", "make"), PAIRS, ids=lambda v: type(v).__name__)
def test_updates_are_those_of_torch(rule: Optimizer, make: object) -> None:
    """50 updates with the same random gradients agree to 1e-12 in float64."""
    params = init_params(6, 2, 3, dtype="float64")
    tensors = [torch.tensor(p, requires_grad=True) for p in params]
    theirs, state, rng = make(tensors), rule.init(params), np.random.default_rng(0)  # type: ignore[operator]
    for _ in range(50):
        grads = Params(*(rng.standard_normal(p.shape) for p in params))
        for tensor, grad in zip(tensors, grads, strict=True):
            tensor.grad = torch.tensor(grad)
        theirs.step()
        state = rule.update(state, grads)
    assert state.step == 50
    for found, tensor in zip(state.params, tensors, strict=True):
        np.testing.assert_allclose(found, tensor.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rule", [rule for rule, _ in PAIRS], ids=lambda v: type(v).__name__)
def test_an_update_modifies_nothing(rule: Optimizer) -> None:
    """States are values: the old one is what it was."""
    params = init_params(4)
    state = rule.init(params)
    copies = [array.copy() for tree in (state.params, *state.moments) for array in tree]
    rule.update(state, params)
    for before, now in zip(copies, (array for tree in (state.params, *state.moments) for array in tree), strict=True):
        np.testing.assert_array_equal(before, now)


def test_coefficients_are_one_row_an_update() -> None:
    """A row of coefficients has what changes with the step, then what does not."""
    rule = Adam(0.02, 0.7, 0.95, 1e-7)
    table = rule.coefficients(3, 6)
    assert table.shape == (3, 7)
    np.testing.assert_allclose(table[:, 0], [0.02 / (1 - 0.7**t) for t in (4, 5, 6)])
    np.testing.assert_allclose(table[:, 1], [1 / np.sqrt(1 - 0.95**t) for t in (4, 5, 6)])
    assert (table[:, 2:] == [0.7, 1 - 0.7, 0.95, 1 - 0.95, 1e-7]).all()
    assert SGD(0.5).coefficients(0, 2).tolist() == [[0.5], [0.5]]
    assert Momentum(0.5, 0.25).coefficients(7, 8).tolist() == [[0.5, 0.25]]


@pytest.mark.parametrize(
    "make",
    [lambda: SGD(0), lambda: SGD(-1), lambda: SGD(float("nan")), lambda: Momentum(1, 1.0), lambda: Momentum(1, -0.1),
     lambda: Adam(1, 1.0), lambda: Adam(1, 0.9, 1.5), lambda: Adam(1, eps=0), lambda: SGD("0.1"), lambda: SGD(None)],
)  # fmt: skip
def test_settings_without_meaning_are_refused(make: object) -> None:
    """Rates are positive, decays are in [0, 1)."""
    with pytest.raises(RelufitError):
        make()  # type: ignore[operator]


def test_numpy_numbers_do_not_change_dtypes() -> None:
    """A float64 scalar as learning rate leaves float32 weights float32."""
    for rule in (SGD(np.float64(0.1)), Momentum(np.float64(0.1), np.float64(0.5)), Adam(np.float64(0.1))):
        params = init_params(4)
        state = rule.update(rule.init(params), params)
        assert {p.dtype for p in state.params} == {np.dtype(np.float32)}
