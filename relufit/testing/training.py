"""What training must be: the formulas written out, in slices and of many networks."""

from dataclasses import replace

import numpy as np

from relufit.backends.base import Backend, Samples
from relufit.network.data import Plan, draw_plan
from relufit.network.optim import SGD, Optimizer, stack_states
from relufit.network.params import Params, Sizes
from relufit.testing.definitions import exact_training
from relufit.testing.error_bounds import as_float64, distance, limit_of_rounding
from relufit.testing.problems import demand_support, exact_run, leaves, on_device, on_host, problem, require
from relufit.testing.rounded import rounded_backends


def trains_as_the_formulas_say(backend: Backend, rule: Optimizer) -> None:
    """500 steps in float64, ragged minibatches, agree with the formulas written out: weights to 1e-9, losses too.

    In reduced precision it is 20 steps in float32, within the limits of `trains_as_rounded`.
    """
    sizes = Sizes(90, 1, 32, 1)
    if backend.precision:
        trains_as_rounded(backend, rule, sizes)
        return
    demand_support(backend, sizes, "float64", rule)
    params, x, y = problem(sizes, "float64", on_knots=False)
    plan, wanted, wanted_losses = exact_run(sizes, rule, getattr(backend, "order", "shared") == "own")
    start = rule.init(on_device(backend, params))
    state, losses = backend.train(start, backend.samples(x, y), rule, plan, range(plan.epochs))
    require(state.step == 500, f"500 steps were asked for, and the state is that after {state.step}")
    np.testing.assert_allclose(backend.to_host(losses), wanted_losses, rtol=1e-9)
    for found, expected in zip(on_host(backend, state.params), wanted, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def trains_as_rounded(backend: Backend, rule: Optimizer, sizes: Sizes) -> None:
    """Training in reduced precision ends as near to exact training as rounded_backends do, and updates in float32."""
    demand_support(backend, sizes, "float32", rule)
    params, x, y = problem(sizes, "float32", on_knots=False)
    own_order = getattr(backend, "order", "shared") == "own"
    plan = Plan(None, 90, 20) if own_order else draw_plan(90, batch=20, epochs=4, seed=3)
    exact, _ = exact_training(params, x, y, rule, plan)
    start, epochs = Params(*map(as_float64, params)), range(plan.epochs)
    given = rule.init(start), Samples(as_float64(x), as_float64(y)), rule, plan, epochs
    rounded = [model.train(*given)[0].params for model in rounded_backends(backend.precision)]
    way = distance(exact, start)
    limit = limit_of_rounding(rounded, exact, backend.precision, sizes.hidden, way)
    samples, start = backend.samples(x, y), on_device(backend, params)
    state, _ = backend.train(rule.init(start), samples, rule, plan, epochs)
    off = distance(on_host(backend, state.params), exact) / way
    require(off <= limit, f"the trained weights are off by {100 * off:.3g} % of the distance trained")
    small = replace(rule, learning_rate=1e-8)
    state, _ = backend.train(small.init(start), samples, small, Plan(None, 90, 1), range(1))
    for found, before in zip(on_host(backend, state.params), params, strict=True):
        np.testing.assert_allclose(found, before, rtol=1e-6, atol=1e-6, err_msg="the update rounds the weights")


def trains_in_slices(backend: Backend, rule: Optimizer) -> None:
    """A run in two slices ends in the same bits as one run, on a GPU within rounding: the state is all there is."""
    sizes, dtype = Sizes(50, 1, 16, 1), "float32" if backend.precision else "float64"
    demand_support(backend, sizes, dtype, rule)
    params, x, y = problem(sizes, dtype)
    own_order = getattr(backend, "order", "shared") == "own"
    plan = Plan(None, 50, 6) if own_order else draw_plan(50, batch=16, epochs=6)
    # A recipe may even shuffle the full batch; a GPU's compiler may sum otherwise in a program for fewer epochs.
    tolerance = 1e-10 if own_order or backend.device_kind == "cuda" else 0
    samples = backend.samples(x, y)
    whole, losses = backend.train(rule.init(on_device(backend, params)), samples, rule, plan, range(6))
    part, early = backend.train(rule.init(on_device(backend, params)), samples, rule, plan, range(2))
    part, late = backend.train(part, samples, rule, plan, range(2, 6))
    require(part.step == whole.step, f"in slices it made {part.step} steps, and in one run {whole.step}")
    in_slices = np.concatenate([backend.to_host(early), backend.to_host(late)])
    np.testing.assert_allclose(in_slices, backend.to_host(losses), rtol=tolerance)
    for a, b in zip(leaves(part), leaves(whole), strict=True):
        np.testing.assert_allclose(backend.to_host(a), backend.to_host(b), rtol=tolerance, atol=tolerance)


def trains_many(backend: Backend) -> None:
    """Three networks on the same batches, each with a target and a rate of its own, end where each ends alone."""
    sizes, rule, plan = Sizes(50, 1, 12, 1), SGD(1e-2), draw_plan(50, batch=16, epochs=2)
    demand_support(backend, sizes, "float32", rule)
    networks = [problem(sizes, "float32", seed)[0] for seed in range(3)]
    _, x, y = problem(sizes, "float32")
    targets, rates = np.concatenate([y, -y, y * 2], axis=1), np.array([1.0, 0.5, 2.0])
    states = stack_states(backend.stack, [rule.init(on_device(backend, params)) for params in networks])
    for many in (targets, y):
        after, losses = backend.train_many(states, backend.samples(x, many), rule, plan, range(2), rates)
        require(after.step == 8, f"8 steps were asked for, and the states are those after {after.step}")
        for m, params in enumerate(networks):
            own = backend.samples(x, many[:, [m]] if many is targets else many)
            scaled = SGD(1e-2 * rates[m])
            alone, loss = backend.train(scaled.init(on_device(backend, params)), own, scaled, plan, range(2))
            np.testing.assert_allclose(backend.to_host(losses)[m], backend.to_host(loss), rtol=1e-5)
            for found, wanted in zip(after.params, alone.params, strict=True):
                np.testing.assert_allclose(backend.to_host(found)[m], backend.to_host(wanted), rtol=1e-4, atol=1e-6)
