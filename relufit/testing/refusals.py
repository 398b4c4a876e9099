"""What a backend must refuse, in a sentence and before any work."""

from typing import cast

import numpy as np

from relufit.backends.base import Backend
from relufit.network.data import Plan, draw_plan
from relufit.network.optim import SGD, Adam, Momentum, State, stack_states
from relufit.network.params import Sizes
from relufit.testing.problems import RULES, broken_networks, demand_support, on_device, problem, refused


def refuses_many_networks_that_do_not_fit(backend: Backend) -> None:
    """Wrong rates, columns, shapes, moments and plans end in a RelufitError, as they do for one network."""
    sizes, rule, plan = Sizes(50, 1, 12, 1), SGD(1e-2), draw_plan(50, batch=16, epochs=2)
    demand_support(backend, sizes, "float32", rule)
    params, x, y = problem(sizes, "float32")
    states = stack_states(backend.stack, [rule.init(on_device(backend, params))] * 3)
    samples, rates = backend.samples(x, y), np.array([1.0, 0.5, 2.0])
    for wrong in (rates[:2], rates[None], -rates, 0 * rates, rates * np.nan, np.array(["a", "b", "c"])):
        with refused(f"rates = {wrong!r}", "rates"):
            backend.train_many(states, samples, rule, plan, range(2), wrong)
    with refused("data with another number of outputs", "not of 2"):
        backend.train_many(states, backend.samples(x, np.repeat(y, 2, axis=1)), rule, plan, range(2))
    with refused("a state of another optimizer", "not one of Adam"):
        backend.train_many(states, samples, Adam(), plan, range(2))
    for broken in broken_networks(params):
        many = stack_states(np.stack, [State(broken, (), 0)] * 3)
        with refused("a stack of networks whose arrays do not fit"):
            backend.train_many(many._replace(params=on_device(backend, many.params)), samples, rule, plan, range(2))
    with refused("one network in place of a stack", "leading axis"):
        backend.train_many(rule.init(on_device(backend, params)), samples, rule, plan, range(2))
    for epochs in (range(3), range(0), 2):
        with refused(f"epochs = {epochs}", "epochs"):
            backend.train_many(states, samples, rule, plan, epochs)  # type: ignore[arg-type]  # that is what is tested


def refuses_bad_samples(backend: Backend) -> None:
    """Wrong shapes, dtypes, nan and nothing at all end in a RelufitError, before any work."""
    good = np.zeros((3, 1), np.float32)
    bad: list[tuple[object, object]] = [
        (good, good[:2]),
        (good[:, 0], good),
        (good, good.astype(np.float64)),
        (good.astype(np.int64), good),
        (good[:0], good[:0]),
        (np.full_like(good, np.nan), good),
        (good, np.full_like(good, np.inf)),
        ([[0.0]], good),
    ]
    for x, y in bad:
        with refused(f"x = {x!r}, y = {y!r}"):
            backend.samples(x, y)


def refuses_a_network_that_does_not_fit(backend: Backend) -> None:
    """Weights that do not fit each other or the samples end in a RelufitError."""
    right, x, y = problem(Sizes(6, 1, 4, 1), "float32")
    samples, plan = backend.samples(x, y), Plan(None, 6, 1)
    others = [problem(sizes, "float32")[0] for sizes in (Sizes(6, 2, 4, 1), Sizes(6, 1, 4, 2))]
    for params in (*others, *broken_networks(right), problem(Sizes(6, 1, 4, 1), "float64")[0]):
        wrong = on_device(backend, params)
        with refused("a network that does not fit"):
            backend.loss_and_grads(wrong, samples)
        with refused("training a network that does not fit"):
            backend.train(State(wrong, (), 0), samples, SGD(), plan, range(1))
        if params is not others[1]:
            with refused("forward of a network that does not fit"):
                backend.forward(wrong, samples.x)
    for shape in ((6,), (6, 2), (6, 1, 1)):
        with refused(f"x of the shape {shape}"):
            backend.forward(on_device(backend, right), backend.to_device(np.zeros(shape, np.float32)))


def refuses_weights_of_another_library(backend: Backend) -> None:
    """Weights that never went through to_device are told to."""
    params, x, y = problem(Sizes(6, 1, 4, 1), "float32")
    samples = backend.samples(x, y)
    if isinstance(samples.x, np.ndarray):
        return  # its own are the host's
    with refused("loss_and_grads of host arrays", "to_device"):
        backend.loss_and_grads(params, samples)
    with refused("forward of host arrays", "to_device"):
        backend.forward(params, samples.x)
    with refused("training host arrays", "to_device"):
        backend.train(SGD().init(params), samples, SGD(), Plan(None, 6, 1), range(1))


def refuses_a_state_that_does_not_fit(backend: Backend) -> None:
    """Moments of another optimizer, network or dtype, and what is no state, end in a RelufitError."""
    params, x, y = problem(Sizes(6, 1, 4, 1), "float32")
    start, samples, plan = on_device(backend, params), backend.samples(x, y), Plan(None, 6, 1)
    for rule in RULES:
        for other in RULES:
            if rule.moments != other.moments and backend.supports(Sizes(6, 1, 4, 1), "float32", other) is None:
                name = type(other).__name__
                with refused(f"a state of {type(rule).__name__} for {name}", f"not one of {name}"):
                    backend.train(rule.init(start), samples, other, plan, range(1))
    demand_support(backend, Sizes(6, 1, 4, 1), "float32", Momentum())
    state = Momentum().init(start)
    wrong = [*broken_networks(params), problem(Sizes(6, 1, 5, 1), "float32")[0]]
    for moment in (on_device(backend, other) for other in wrong):
        with refused("a moment of other weights", "shapes and dtypes of its weights"):
            backend.train(state._replace(moments=(moment,)), samples, Momentum(), plan, range(1))
    with refused("weights in place of a state", "a state must come from"):
        backend.train(start, samples, Momentum(), plan, range(1))  # type: ignore[arg-type]  # that is what is tested


def refuses_a_plan_that_does_not_fit(backend: Backend) -> None:
    """A plan for other samples, an order that leads out of them, and epochs that it does not hold, are refused."""
    params, x, y = problem(Sizes(6, 1, 4, 1), "float32")
    state, samples = SGD().init(on_device(backend, params)), backend.samples(x, y)
    good = draw_plan(6, batch=2, epochs=3)
    order = cast("np.ndarray", good.order)
    shifted, turned = order + 1, order - 1
    wrong: list[tuple[Plan, object]] = [
        (draw_plan(7, batch=2, epochs=3), range(1)),
        (good._replace(order=shifted), range(1)),
        (good._replace(order=turned), range(1)),
        (good._replace(order=np.full_like(order, 2**30)), range(1)),
        (good._replace(order=order.astype(np.float64)), range(1)),
        (good._replace(order=order.astype(np.uint8)), range(1)),
        (good._replace(order=order[:1]), range(3)),
        (good._replace(order=order[0]), range(1)),
        *((good._replace(batch=cast("int", batch)), range(1)) for batch in (0, -2, 1.5)),
        *((good, epochs) for epochs in (range(4), range(-1, 1), range(0, 3, 2), range(0), range(2, 1), 2, [0, 1])),
    ]
    for plan, epochs in wrong:
        with refused(f"{plan} with epochs {epochs}"):
            backend.train(state, samples, SGD(), plan, epochs)  # type: ignore[arg-type]  # that is what is tested
