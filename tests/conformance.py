"""What every backend must do, as functions of a backend: run on all of them, and on broken ones.

The references are in exact.py, written from the definitions.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
from exact import exact_grads, exact_loss, exact_training

from bench.agreement import answers, error_bounds
from relufit import SGD, Adam, Backend, Momentum, Params, Plan, RelufitError, Sizes, State, draw_plan, init_params
from relufit.optim import Optimizer, stack_states

SIZES = [  # N, D, H, O
    Sizes(800, 1, 512, 1),
    Sizes(32, 1, 512, 1),
    Sizes(1, 1, 1, 1),
    Sizes(5, 1, 1, 1),
    Sizes(1, 3, 7, 2),
    Sizes(33, 3, 17, 2),
    Sizes(50, 2, 8, 1),
    Sizes(40, 1, 16, 3),
]
RULES: list[Optimizer] = [SGD(1e-2), Momentum(1e-3), Adam(1e-3)]
DTYPES = ["float32", "float64"]


def problem(sizes: Sizes, dtype: str, seed: int = 0, *, on_knots: bool = True) -> tuple[Params, np.ndarray, np.ndarray]:
    """Weights and data of the given sizes on the host.

    For D = 1 some samples lie exactly on knots, where a fused multiply-add may rightly find z on the other side of 0
    than two roundings do; with `on_knots` False none does.
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, (sizes.samples, sizes.inputs))
    y = np.sin(x.sum(axis=1, keepdims=True) + np.arange(sizes.outputs))
    # The generator that drew x draws the same numbers for the knots.
    weights_seed = seed if on_knots else seed + 1
    params = init_params(sizes.hidden, sizes.inputs, sizes.outputs, seed=weights_seed, domain=(-3, 3), dtype=dtype)
    return params, x.astype(dtype), y.astype(dtype)


@lru_cache
def exact_gradient(sizes: Sizes) -> tuple[float, Params]:
    """Loss and gradients of the float64 problem off its knots: one computation, of up to seconds, for all backends."""
    params, x, y = problem(sizes, "float64", on_knots=False)
    return exact_loss(params, x, y), exact_grads(params, x, y)


def on_device(backend: Backend, params: Params) -> Params:
    """Weights on the backend's device."""
    return Params(*map(backend.to_device, params))


def on_host(backend: Backend, params: Params) -> Params:
    """Weights or gradients on the host."""
    return Params(*map(backend.to_host, params))


def skip_unsupported(backend: Backend, sizes: Sizes, dtype: str, rule: Optimizer | None = None) -> None:
    """Skip, with the reason, what the backend says that it does not do."""
    reason = backend.supports(sizes, dtype, rule)
    if reason is not None:
        pytest.skip(f"{backend.name}: {reason}")


def agrees_with_float64(backend: Backend, sizes: Sizes, dtype: str) -> None:
    """Output, loss and four gradients are within the computed bound of float64 numpy."""
    skip_unsupported(backend, sizes, dtype)
    params, x, y = problem(sizes, dtype)
    reference = error_bounds.reference(params, x, y)
    checks = answers.compare(backend, params, x, y, reference)
    assert set(checks) == {*error_bounds.QUANTITIES, "gradient"}
    worst, found = answers.worst(checks)
    assert found.share <= 1, f"{worst}: {found}"


def agrees_with_the_definition(backend: Backend, sizes: Sizes) -> None:
    """In float64, loss and gradients equal those computed sample by sample to 1e-12."""
    skip_unsupported(backend, sizes, "float64")
    params, x, y = problem(sizes, "float64", on_knots=False)
    loss, grads = backend.loss_and_grads(on_device(backend, params), backend.samples(x, y))
    wanted_loss, wanted_grads = exact_gradient(sizes)
    assert float(backend.to_host(loss)) == pytest.approx(wanted_loss, rel=1e-12)
    for found, wanted in zip(on_host(backend, grads), wanted_grads, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12 * (1 + np.abs(wanted).max()))


def agrees_with_finite_differences(backend: Backend, sizes: Sizes) -> None:
    """In float64, the gradient along random directions equals the change of the loss, to 1e-6."""
    skip_unsupported(backend, sizes, "float64")
    params, x, y = problem(sizes, "float64", on_knots=False)  # on a knot the loss has no derivative
    assert np.abs(x @ params.w1 + params.b1).min() > 1e-4
    samples = backend.samples(x, y)
    _, grads = backend.loss_and_grads(on_device(backend, params), samples)
    rng, width = np.random.default_rng(1), 1e-6
    for _ in range(10):
        direction = Params(*(rng.standard_normal(p.shape) for p in params))
        ends = []
        for side in (width, -width):
            moved = Params(*(p + side * d for p, d in zip(params, direction, strict=True)))
            ends.append(float(backend.to_host(backend.loss_and_grads(on_device(backend, moved), samples)[0])))
        slope = sum(float(np.sum(g * d)) for g, d in zip(on_host(backend, grads), direction, strict=True))
        assert (ends[0] - ends[1]) / (2 * width) == pytest.approx(slope, rel=1e-6, abs=1e-7)


def answers_each_sample_by_itself(backend: Backend, samples: int) -> None:
    """What the network says of a sample does not depend on the others, however far away those are."""
    sizes = Sizes(samples + 1, 1, 64, 1)
    dtype = "float64" if backend.supports(sizes, "float64") is None else "float32"
    skip_unsupported(backend, sizes, dtype)
    params, x, _ = problem(Sizes(samples, 1, 64, 1), dtype, on_knots=False)
    start = on_device(backend, params)
    alone = backend.to_host(backend.forward(start, backend.to_device(x)))
    for far in (-1e14, 1e14):
        together = np.concatenate([x, np.array([[far]], dtype)])
        found = backend.to_host(backend.forward(start, backend.to_device(together)))[:-1]
        np.testing.assert_allclose(found, alone, rtol=0, atol=1e-12 if dtype == "float64" else 2e-5, err_msg=str(far))


def keeps_dtypes(backend: Backend, dtype: str) -> None:
    """What goes in as float32 comes out as float32: outputs, losses, gradients, trained states."""
    sizes = Sizes(12, 1, 5, 1)
    skip_unsupported(backend, sizes, dtype, SGD())
    params, x, y = problem(sizes, dtype)
    start, samples = on_device(backend, params), backend.samples(x, y)
    loss, grads = backend.loss_and_grads(start, samples)
    state, _ = backend.train(SGD().init(start), samples, SGD(), Plan(None, 12, 2), range(2))
    arrays = [backend.forward(start, samples.x), loss, *grads, *state.params, backend.to_device(x)]
    assert {str(backend.to_host(array).dtype) for array in arrays} == {dtype}
    assert backend.to_host(loss).shape == ()


def leaves_inputs_unchanged(backend: Backend) -> None:
    """No verb modifies weights, samples or states; host arrays may be read-only."""
    params, x, y = problem(Sizes(12, 1, 5, 1), "float32")
    for array in (*params, x, y):
        array.setflags(write=False)
    start, samples = on_device(backend, params), backend.samples(x, y)
    state = SGD(0.1).init(start)
    backend.forward(start, samples.x)
    backend.loss_and_grads(start, samples)
    backend.train(state, samples, SGD(0.1), Plan(None, 12, 3), range(3))
    for now, before in zip((*state.params, samples.x, samples.y), (*params, x, y), strict=True):
        np.testing.assert_array_equal(backend.to_host(now), before)


def repeats_itself(backend: Backend) -> None:
    """A second call with the same values gives the same bits."""
    params, x, y = problem(Sizes(100, 1, 64, 1), "float32")
    start, samples = on_device(backend, params), backend.samples(x, y)
    runs = [backend.loss_and_grads(start, samples) for _ in range(2)]
    for first, second in zip((runs[0][0], *runs[0][1]), (runs[1][0], *runs[1][1]), strict=True):
        np.testing.assert_array_equal(backend.to_host(first), backend.to_host(second))


def is_zero_at_the_kink(backend: Backend, dtype: str) -> None:
    """Where z = 0 exactly, the unit is off: its gradients are exactly zero, relu'(0) = 0."""
    skip_unsupported(backend, Sizes(4, 1, 6, 1), dtype)
    x = np.full((4, 1), 2.0, dtype)
    w1 = np.array([[1.0, -1.0, 0.5, 0.0, -0.0, 4.0]], dtype)
    params = Params(w1, (-2.0 * w1[0]).astype(dtype), np.ones((6, 1), dtype), np.full(1, 3.0, dtype))
    loss, grads = backend.loss_and_grads(on_device(backend, params), backend.samples(x, np.zeros_like(x)))
    assert float(backend.to_host(loss)) == 9.0
    for name, grad in on_host(backend, grads)._asdict().items():
        np.testing.assert_array_equal(grad, np.full_like(grad, 6.0 if name == "b2" else 0.0), err_msg=name)


def takes_any_layout(backend: Backend) -> None:
    """Strided, transposed and Fortran-ordered host arrays give what contiguous ones give."""
    params, x, y = problem(Sizes(30, 2, 8, 2), "float64")
    skip_unsupported(backend, Sizes(30, 2, 8, 2), "float64")
    wide = np.repeat(x, 2, axis=0)[::2]
    backwards = np.ascontiguousarray(x[::-1])[::-1]
    strange = Params(*(np.asfortranarray(p) for p in params))
    plain = backend.loss_and_grads(on_device(backend, params), backend.samples(x, y))
    other = backend.loss_and_grads(on_device(backend, strange), backend.samples(wide, np.asfortranarray(y)))
    third = backend.loss_and_grads(on_device(backend, params), backend.samples(backwards, y))
    for result in (other, third):
        for found, wanted in zip((result[0], *result[1]), (plain[0], *plain[1]), strict=True):
            np.testing.assert_allclose(backend.to_host(found), backend.to_host(wanted), rtol=1e-12)


@lru_cache
def exact_run(sizes: Sizes, rule: Optimizer, own_order: bool) -> tuple[Plan, Params, list[float]]:
    """A plan of 500 steps, and the weights and losses that it ends with: one computation for all backends."""
    # A recipe shuffles for itself; in full batches there is nothing to shuffle.
    plan = Plan(None, 90, 500) if own_order else draw_plan(90, batch=20, epochs=100, seed=3)
    return plan, *exact_training(*problem(sizes, "float64", on_knots=False), rule, plan)


def trains_as_the_formulas_say(backend: Backend, rule: Optimizer) -> None:
    """500 steps in float64, ragged minibatches, agree with the formulas written out: weights to 1e-9, losses too."""
    sizes = Sizes(90, 1, 32, 1)
    skip_unsupported(backend, sizes, "float64", rule)
    params, x, y = problem(sizes, "float64", on_knots=False)
    plan, wanted, wanted_losses = exact_run(sizes, rule, getattr(backend, "order", "shared") == "own")
    start = rule.init(on_device(backend, params))
    state, losses = backend.train(start, backend.samples(x, y), rule, plan, range(plan.epochs))
    assert state.step == 500
    np.testing.assert_allclose(backend.to_host(losses), wanted_losses, rtol=1e-9)
    for found, expected in zip(on_host(backend, state.params), wanted, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def trains_in_slices(backend: Backend, rule: Optimizer) -> None:
    """A run in two slices ends in the same bits as one run, on a GPU within rounding: the state is all there is."""
    sizes = Sizes(50, 1, 16, 1)
    skip_unsupported(backend, sizes, "float64", rule)
    params, x, y = problem(sizes, "float64")
    own_order = getattr(backend, "order", "shared") == "own"
    plan = Plan(None, 50, 6) if own_order else draw_plan(50, batch=16, epochs=6)
    # A recipe may even shuffle the full batch; a GPU's compiler may sum otherwise in a program for fewer epochs.
    tolerance = 1e-10 if own_order or backend.device == "cuda" else 0
    samples = backend.samples(x, y)
    whole, losses = backend.train(rule.init(on_device(backend, params)), samples, rule, plan, range(6))
    part, early = backend.train(rule.init(on_device(backend, params)), samples, rule, plan, range(2))
    part, late = backend.train(part, samples, rule, plan, range(2, 6))
    assert part.step == whole.step
    in_slices = np.concatenate([backend.to_host(early), backend.to_host(late)])
    np.testing.assert_allclose(in_slices, backend.to_host(losses), rtol=tolerance)
    for a, b in zip(leaves(part), leaves(whole), strict=True):
        np.testing.assert_allclose(backend.to_host(a), backend.to_host(b), rtol=tolerance, atol=tolerance)


def trains_many(backend: Backend) -> None:
    """Three networks on the same batches, each with a target and a rate of its own, end where each ends alone."""
    sizes, rule, plan = Sizes(50, 1, 12, 1), SGD(1e-2), draw_plan(50, batch=16, epochs=2)
    skip_unsupported(backend, sizes, "float32", rule)
    networks = [problem(sizes, "float32", seed)[0] for seed in range(3)]
    _, x, y = problem(sizes, "float32")
    targets, rates = np.concatenate([y, -y, y * 2], axis=1), np.array([1.0, 0.5, 2.0])
    states = stack_states(backend.stack, [rule.init(on_device(backend, params)) for params in networks])
    for many in (targets, y):
        after, losses = backend.train_many(states, backend.samples(x, many), rule, plan, range(2), rates)
        assert after.step == 2 * plan.steps_per_epoch(50)
        for m, params in enumerate(networks):
            own = backend.samples(x, many[:, [m]] if many is targets else many)
            scaled = SGD(1e-2 * rates[m])
            alone, loss = backend.train(scaled.init(on_device(backend, params)), own, scaled, plan, range(2))
            np.testing.assert_allclose(backend.to_host(losses)[m], backend.to_host(loss), rtol=1e-5)
            for found, wanted in zip(after.params, alone.params, strict=True):
                np.testing.assert_allclose(backend.to_host(found)[m], backend.to_host(wanted), rtol=1e-4, atol=1e-6)


def refuses_many_networks_that_do_not_fit(backend: Backend) -> None:
    """Wrong rates, columns, shapes, moments and plans end in a RelufitError, as they do for one network."""
    sizes, rule, plan = Sizes(50, 1, 12, 1), SGD(1e-2), draw_plan(50, batch=16, epochs=2)
    skip_unsupported(backend, sizes, "float32", rule)
    params, x, y = problem(sizes, "float32")
    states = stack_states(backend.stack, [rule.init(on_device(backend, params))] * 3)
    samples, rates = backend.samples(x, y), np.array([1.0, 0.5, 2.0])
    for wrong in (rates[:2], rates[None], -rates, 0 * rates, rates * np.nan, np.array(["a", "b", "c"])):
        with pytest.raises(RelufitError, match="rates"):
            backend.train_many(states, samples, rule, plan, range(2), wrong)
    with pytest.raises(RelufitError, match="not of 2"):
        backend.train_many(states, backend.samples(x, np.repeat(y, 2, axis=1)), rule, plan, range(2))
    with pytest.raises(RelufitError, match="not one of Adam"):
        backend.train_many(states, samples, Adam(), plan, range(2))
    for broken in broken_networks(params):
        many = stack_states(np.stack, [State(broken, (), 0)] * 3)
        with pytest.raises(RelufitError):
            backend.train_many(many._replace(params=on_device(backend, many.params)), samples, rule, plan, range(2))
    with pytest.raises(RelufitError, match="leading axis"):
        backend.train_many(rule.init(on_device(backend, params)), samples, rule, plan, range(2))
    for epochs in (range(3), range(0), 2):
        with pytest.raises(RelufitError, match="epochs"):
            backend.train_many(states, samples, rule, plan, epochs)  # type: ignore[arg-type]  # that is what is tested


def leaves(state: State) -> list[object]:
    """Every array of a state."""
    return [array for tree in (state.params, *state.moments) for array in tree]


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
        with pytest.raises(RelufitError):
            backend.samples(x, y)


def broken_networks(params: Params) -> list[Params]:
    """The weights with one array that does not go with the others: its length, its rank or its dtype."""
    return [
        params._replace(b1=params.b1[:-1]),
        params._replace(b1=params.b1[:, None]),
        params._replace(w1=params.w1[0]),
        params._replace(w2=params.w2[:-1]),
        params._replace(w2=params.w2.repeat(2, axis=1)),
        params._replace(b2=np.zeros(2, params.b2.dtype)),
        params._replace(w1=params.w1[:, :0], b1=params.b1[:0], w2=params.w2[:0]),
        params._replace(b1=params.b1.astype(np.float64)),
        params._replace(b2=params.b2.astype(np.float64)),
    ]


def refuses_a_network_that_does_not_fit(backend: Backend) -> None:
    """Weights that do not fit each other or the samples end in a RelufitError."""
    right, x, y = problem(Sizes(6, 1, 4, 1), "float32")
    samples, plan = backend.samples(x, y), Plan(None, 6, 1)
    others = [problem(sizes, "float32")[0] for sizes in (Sizes(6, 2, 4, 1), Sizes(6, 1, 4, 2))]
    for params in (*others, *broken_networks(right), problem(Sizes(6, 1, 4, 1), "float64")[0]):
        wrong = on_device(backend, params)
        with pytest.raises(RelufitError):
            backend.loss_and_grads(wrong, samples)
        with pytest.raises(RelufitError):
            backend.train(State(wrong, (), 0), samples, SGD(), plan, range(1))
        if params is not others[1]:
            with pytest.raises(RelufitError):
                backend.forward(wrong, samples.x)
    for shape in ((6,), (6, 2), (6, 1, 1)):
        with pytest.raises(RelufitError):
            backend.forward(on_device(backend, right), backend.to_device(np.zeros(shape, np.float32)))


def refuses_weights_of_another_library(backend: Backend) -> None:
    """Weights that never went through to_device are told to."""
    params, x, y = problem(Sizes(6, 1, 4, 1), "float32")
    samples = backend.samples(x, y)
    if isinstance(samples.x, np.ndarray):
        return  # its own are the host's
    with pytest.raises(RelufitError, match="to_device"):
        backend.loss_and_grads(params, samples)
    with pytest.raises(RelufitError, match="to_device"):
        backend.forward(params, samples.x)
    with pytest.raises(RelufitError, match="to_device"):
        backend.train(SGD().init(params), samples, SGD(), Plan(None, 6, 1), range(1))


def refuses_a_state_that_does_not_fit(backend: Backend) -> None:
    """Moments of another optimizer, network or dtype, and what is no state, end in a RelufitError."""
    params, x, y = problem(Sizes(6, 1, 4, 1), "float32")
    start, samples, plan = on_device(backend, params), backend.samples(x, y), Plan(None, 6, 1)
    for rule in RULES:
        for other in RULES:
            if rule.moments != other.moments and backend.supports(Sizes(6, 1, 4, 1), "float32", other) is None:
                with pytest.raises(RelufitError, match=f"not one of {type(other).__name__}"):
                    backend.train(rule.init(start), samples, other, plan, range(1))
    skip_unsupported(backend, Sizes(6, 1, 4, 1), "float32", Momentum())
    state = Momentum().init(start)
    wrong = [*broken_networks(params), problem(Sizes(6, 1, 5, 1), "float32")[0]]
    for moment in (on_device(backend, other) for other in wrong):
        with pytest.raises(RelufitError, match="not like its weights"):
            backend.train(state._replace(moments=(moment,)), samples, Momentum(), plan, range(1))
    with pytest.raises(RelufitError, match="a state is"):
        backend.train(start, samples, Momentum(), plan, range(1))  # type: ignore[arg-type]  # that is what is tested


def refuses_a_plan_that_does_not_fit(backend: Backend) -> None:
    """A plan for other samples, an order that leads out of them, and epochs that it does not hold, are refused."""
    params, x, y = problem(Sizes(6, 1, 4, 1), "float32")
    state, samples = SGD().init(on_device(backend, params)), backend.samples(x, y)
    good = draw_plan(6, batch=2, epochs=3)
    assert good.order is not None
    shifted, turned = good.order + 1, good.order - 1
    wrong: list[tuple[Plan, object]] = [
        (draw_plan(7, batch=2, epochs=3), range(1)),
        (good._replace(order=shifted), range(1)),
        (good._replace(order=turned), range(1)),
        (good._replace(order=np.full_like(good.order, 2**30)), range(1)),
        (good._replace(order=good.order.astype(np.float64)), range(1)),
        (good._replace(order=good.order.astype(np.uint8)), range(1)),
        (good._replace(order=good.order[:1]), range(3)),
        (good._replace(order=good.order[0]), range(1)),
        *((good._replace(batch=batch), range(1)) for batch in (0, -2, 1.5)),
        *((good, epochs) for epochs in (range(4), range(-1, 1), range(0, 3, 2), range(0), range(2, 1), 2, [0, 1])),
    ]
    for plan, epochs in wrong:
        with pytest.raises(RelufitError):
            backend.train(state, samples, SGD(), plan, epochs)  # type: ignore[arg-type]  # that is what is tested


def shows_divergence(backend: Backend) -> None:
    """Weights that are nan, or so large that the loss overflows, give a loss that is not finite."""
    params, x, y = problem(Sizes(8, 1, 4, 1), "float32")
    samples = backend.samples(x, y)
    for broken in (params._replace(w1=params.w1 * np.float32("nan")), params._replace(w2=params.w2 * np.float32(1e38))):
        with np.errstate(all="ignore"):
            loss, _ = backend.loss_and_grads(on_device(backend, broken), samples)
        assert not np.isfinite(backend.to_host(loss))


def moves_arrays_faithfully(backend: Backend) -> None:
    """to_host undoes to_device, for any shape and for integers too."""
    for array in (np.float32(2.5) * np.ones(()), np.arange(6.0).reshape(2, 3), np.arange(5, dtype=np.int32)):
        back = backend.to_host(backend.to_device(array))
        assert isinstance(back, np.ndarray)
        np.testing.assert_array_equal(back, array)


def takes_samples(backend: Backend) -> None:
    """Samples.take gives the chosen samples in the chosen order."""
    _, x, y = problem(Sizes(9, 1, 4, 1), "float32")
    samples, index = backend.samples(x, y), np.array([7, 0, 3])
    chosen = samples.take(backend.to_device(index))
    assert len(chosen) == 3
    np.testing.assert_array_equal(backend.to_host(chosen.x), x[index])
    np.testing.assert_array_equal(backend.to_host(chosen.y), y[index])


Requirement = Callable[[Backend], None]
REQUIREMENTS: dict[str, Requirement] = {}  # every requirement with its cases bound: what a mutant has to get past


def _bind() -> None:
    def bound(function: Callable[..., None], *arguments: object) -> None:
        REQUIREMENTS[f"{function.__name__}{arguments}"] = lambda backend: function(backend, *arguments)

    for dtype in DTYPES:
        for sizes in SIZES:
            bound(agrees_with_float64, sizes, dtype)
        bound(keeps_dtypes, dtype)
        bound(is_zero_at_the_kink, dtype)
    for sizes in SIZES:
        bound(agrees_with_the_definition, sizes)
    for sizes in (Sizes(20, 1, 9, 1), Sizes(20, 2, 9, 2)):  # both forms of the gradient
        bound(agrees_with_finite_differences, sizes)
    for samples in (300, 2000):  # by segments of the network, in numpy and in compiled loops
        bound(answers_each_sample_by_itself, samples)
    for rule in RULES:
        bound(trains_as_the_formulas_say, rule)
        bound(trains_in_slices, rule)
    for function in (
        leaves_inputs_unchanged, repeats_itself, takes_any_layout, refuses_bad_samples,
        refuses_a_network_that_does_not_fit, refuses_a_plan_that_does_not_fit, shows_divergence, trains_many,
        moves_arrays_faithfully, takes_samples, refuses_many_networks_that_do_not_fit,
        refuses_a_state_that_does_not_fit, refuses_weights_of_another_library,
    ):  # fmt: skip
        bound(function)


_bind()
