"""The hinge backends against the dense form: the same masks, loss and gradients, on data made to hurt."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.agreement import answers
from bench.measure.backends import load_or_skip
from relufit import Adam, Backend, Params, Plan, RelufitError, Sizes, draw_plan, init_params
from relufit.backends.array import ArrayBackend
from relufit.network.dense import loss_and_grads_textbook
from relufit.testing import error_bounds
from relufit.testing.definitions import exact_training
from relufit.testing.problems import on_device, on_host

HINGE = ("numpy-hinge", "numba-hinge")
VALUES = (0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, 1e-30, -1e-30, 1e-300, -1e-300, 1e3)


THRESHOLDS = ("dense_samples", "dense_forward_samples", "by_sample_samples")


@pytest.fixture(params=HINGE)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """Each of the hinge backends, made to take the short cut for batches of any size, and moments for any table."""
    loaded = load_or_skip(request.param)
    lower_thresholds(loaded, monkeypatch)
    return loaded


def lower_thresholds(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be too small for sorted knots."""
    for name in THRESHOLDS:
        if hasattr(backend, name):
            monkeypatch.setattr(type(backend), name, 0)


def masks(params: Params, x: np.ndarray) -> np.ndarray:
    """Which unit is on for which sample, (N, H), by the dense form in the working precision."""
    with np.errstate(all="ignore"):
        return x * params.w1 + params.b1 > 0


def dense(params: Params, x: np.ndarray, y: np.ndarray) -> tuple[float, Params]:
    """Loss and gradients in float64, under the masks of the working precision."""
    on = masks(params, x)
    w1, b1, w2, b2 = (p.astype(np.float64) for p in params)
    x, y = x.astype(np.float64), y.astype(np.float64)
    hidden = np.where(on, x * w1 + b1, 0)
    error = hidden @ w2 + b2 - y
    dy = 2 * error / error.size
    dz = np.where(on, dy @ w2.T, 0)
    return float(np.mean(error**2)), Params(x.T @ dz, dz.sum(axis=0), hidden.T @ dy, dy.sum(axis=0))


def size_of_terms(params: Params, x: np.ndarray, y: np.ndarray) -> Params:
    """The sum of the magnitudes of what each gradient is a sum of: what its rounding errors are measured by."""
    w1, b1, w2, b2 = (np.abs(p.astype(np.float64)) for p in params)
    size = np.abs(x).astype(np.float64) * w1 + b1  # (N, H)
    dy = 2 * (size @ w2 + b2 + np.abs(y)) / y.size
    dz = dy @ w2.T
    return Params(np.abs(x).T @ dz, dz.sum(axis=0), size.T @ dy, dy.sum(axis=0))


def demand_agreement(backend: Backend, params: Params, x: np.ndarray, y: np.ndarray) -> None:
    """Output, loss and gradients are those of the dense form to rounding, for all samples and for some of them.

    Rounding is measured by the size of the terms at the largest |x|: lines are carried from sample to sample.
    """
    far = np.full_like(x, np.abs(x).max())
    unit, tiny = 64 * float(np.finfo(x.dtype).eps), float(np.finfo(x.dtype).tiny)
    samples = backend.samples(x, y)
    index = np.arange(len(x))[:: -2 if len(x) > 1 else 1]
    for chosen, part in ((slice(None), samples), (index, samples.take(index))):
        loss, grads = backend.loss_and_grads(on_device(backend, params), part)
        wanted, exact = dense(params, x[chosen], y[chosen])
        bound = size_of_outputs(params, far[chosen]) * unit  # (n, O): of an output's error
        error = np.sqrt(np.mean(bound**2))
        assert abs(float(loss) - wanted) <= 2 * error * np.sqrt(wanted) + error**2 + unit * wanted + tiny
        for name, found, right, size in zip(
            Params._fields, on_host(backend, grads), exact, size_of_terms(params, far[chosen], y[chosen]), strict=True
        ):
            assert np.all(np.abs(found - right) <= unit * size + tiny), name
    outputs = backend.to_host(backend.forward(on_device(backend, params), backend.to_device(x)))
    w1, b1, w2, b2 = (p.astype(np.float64) for p in params)
    right = np.maximum(x.astype(np.float64) * w1 + b1, 0) @ w2 + b2
    assert np.all(np.abs(outputs - right) <= unit * size_of_outputs(params, far) + tiny)


def size_of_outputs(params: Params, x: np.ndarray) -> np.ndarray:
    """The sum of the magnitudes of what each output is a sum of, (n, O)."""
    w1, b1, w2, b2 = (np.abs(p.astype(np.float64)) for p in params)
    return (np.abs(x.astype(np.float64)) * w1 + b1) @ w2 + b2


@settings(max_examples=150)
@given(data=st.data(), dtype=st.sampled_from(["float32", "float64"]), name=st.sampled_from(HINGE))
def test_agrees_with_dense_on_adversarial_data(data: st.DataObject, dtype: str, name: str) -> None:
    """Hinge agrees with dense on ties, knots on samples, w1 = 0 and tiny, unsorted x and single samples."""
    backend = load_or_skip(name)
    numbers = st.sampled_from(VALUES) | st.floats(-4, 4, width=32)
    n, h, o = (data.draw(st.integers(1, most)) for most in (80, 12, 3))
    draw = lambda count: np.array(data.draw(st.lists(numbers, min_size=count, max_size=count)))  # noqa: E731
    x, w1, w2 = draw(n), draw(h), draw(h * o).reshape(h, o)
    on_samples = np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=h, max_size=h)))
    b1 = np.where(draw(h) > 0, -w1 * x[on_samples], draw(h))
    params = Params(w1[None], b1, w2, np.zeros(o))
    params, x = Params(*(p.astype(dtype) for p in params)), x.astype(dtype)[:, None]
    with pytest.MonkeyPatch.context() as patch:
        lower_thresholds(backend, patch)
        demand_agreement(backend, params, x, np.sin(x) + np.arange(o, dtype=dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "x",
    [
        np.random.default_rng(0).uniform(-3, 3, 5000),
        np.random.default_rng(1).integers(-5, 6, 5000) / 2,  # ties
        np.random.default_rng(2).uniform(-3, 3, 5000) + 1000,
        np.random.default_rng(3).standard_cauchy(5000),  # most samples in one cell of the guide
        np.full(100, 2.5),
        np.repeat(np.random.default_rng(4).uniform(-3, 3, 300), 40),
    ],
    ids=["uniform", "ties", "offset", "cauchy", "constant", "repeated"],
)
def test_agrees_with_dense_on_many_samples(backend: Backend, x: np.ndarray, dtype: str) -> None:
    """Thousands of samples use every level of the tree, and half of the knots lie on samples."""
    rng, h, o = np.random.default_rng(5), 60, 2
    w1 = rng.normal(size=h)
    w1[:6] = 0, -0.0, 1e-300, -1e-300, 1e-30, -1e-30
    spread = rng.uniform(x.min(), x.max(), h)
    b1 = -w1 * np.where(np.arange(h) % 2, rng.choice(x, h), spread)
    b1[:4] = 1, -1, 1, 1
    params = Params(w1[None], b1, rng.normal(size=(h, o)), rng.normal(size=o))
    params, x = Params(*(p.astype(dtype) for p in params)), rng.permutation(x).astype(dtype)[:, None]
    demand_agreement(backend, params, x, (np.sin(x) + np.arange(o)).astype(dtype))


def test_a_fit_as_good_as_it_gets_has_gradients_as_good_as_dense(backend: Backend) -> None:
    """At a loss of 1e-9, where residuals cancel, the gradients are as good as the dense form's."""
    rng, h = np.random.default_rng(0), 600
    knots = np.linspace(-6, 6, h + 1)[:-1]
    slopes = np.diff(np.sin(np.append(knots, 6.0))) / np.diff(np.append(knots, 6.0))
    w1 = rng.uniform(0.5, 2, h)
    params = Params(w1[None], -w1 * knots, (np.diff(slopes, prepend=0) / w1)[:, None], np.sin(knots[:1]))
    x = rng.uniform(-6, 6, (20_000, 1))
    loss, grads = backend.loss_and_grads(params, backend.samples(x, np.sin(x)))
    wanted, exact = loss_and_grads_textbook(params, x, np.sin(x), xp=np)
    assert wanted < 1e-9
    assert float(loss) == pytest.approx(float(wanted), rel=1e-9)
    for found, right, size in zip(grads, exact, size_of_terms(params, x, np.sin(x)), strict=True):
        assert np.all(np.abs(found - right) <= 1e-15 * size)


@pytest.mark.parametrize("end", ["min", "max"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_knot_on_the_first_or_last_sample(backend: Backend, end: str, sign: int) -> None:
    """A unit whose knot rounds to either side of an end sample is right for all others."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        x = rng.uniform(-3, 3, (50, 1))
        w1 = sign * rng.uniform(0.5, 2, (1, 1))
        knot = getattr(x, end)()
        for b1 in (-w1[0] * knot, np.nextafter(-w1[0] * knot, np.inf), np.nextafter(-w1[0] * knot, -np.inf)):
            demand_agreement(backend, Params(w1, b1, np.ones((1, 1)), np.zeros(1)), x, np.sin(x))


@pytest.mark.parametrize("name", HINGE)
def test_400_steps_of_adam_agree_with_dense(name: str) -> None:
    """Weights and losses of 400 full batches in float64 agree to 1e-12: the masks never part."""
    backend = load_or_skip(name)
    params = init_params(64, dtype="float64", seed=1)
    x = np.random.default_rng(0).uniform(-6, 6, (800, 1))
    plan, rule = Plan(None, 800, 400), Adam(1e-3)
    state, losses = backend.train(
        rule.init(on_device(backend, params)), backend.samples(x, np.sin(x)), rule, plan, range(400)
    )
    wanted, wanted_losses = exact_training(params, x, np.sin(x), rule, plan)
    np.testing.assert_allclose(losses, wanted_losses, rtol=1e-12)
    for found, right in zip(state.params, wanted, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-12)


def test_minibatches_agree_with_dense(backend: Backend) -> None:
    """Minibatches of any size agree with dense, the ragged last one included."""
    params = init_params(40, dtype="float64", seed=2)
    x = np.random.default_rng(0).uniform(-6, 6, (500, 1))
    plan, rule = draw_plan(500, batch=70, epochs=20), Adam(1e-3)
    state, losses = backend.train(rule.init(params), backend.samples(x, np.sin(x)), rule, plan, range(20))
    wanted, wanted_losses = exact_training(params, x, np.sin(x), rule, plan)
    np.testing.assert_allclose(losses, wanted_losses, rtol=1e-12)
    for found, right in zip(state.params, wanted, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("samples", [1, 3, 100, 5000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_forward_by_segments_is_the_network(backend: Backend, samples: int, dtype: str) -> None:
    """Forward is within the bound of float64 for samples among the knots, beyond them and all in one place."""
    params = init_params(50, 1, 2, seed=3, domain=(-2, 2), dtype=dtype)
    for x in (np.linspace(-3, 3, samples), np.full(samples, 0.7), np.linspace(50, 60, samples)):
        x = x.astype(dtype)[:, None]
        exact = error_bounds.reference(params, x, np.zeros((samples, 2), dtype))
        found = backend.forward(on_device(backend, params), backend.to_device(x))
        assert found.dtype == dtype
        assert answers.check(found, exact.values["output"], exact.bounds["output"]).share <= 1


@pytest.mark.parametrize("where", Params._fields)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_broken_weight_shows_in_loss_and_output(backend: Backend, where: str, value: float) -> None:
    """A weight that is not finite shows in loss and output, even where its unit would be off everywhere."""
    params = Params(np.array([[1.0, 1.0]]), np.array([-100.0, 0.5]), np.array([[1.0], [2.0]]), np.zeros(1))
    getattr(params, where).flat[0] = value
    x = np.linspace(-1, 1, 2000)[:, None]
    with np.errstate(all="ignore"):
        loss, _ = backend.loss_and_grads(params, backend.samples(x, x))
        assert not np.isfinite(loss)
        assert not np.isfinite(backend.forward(params, x)).all()


class DenseRan(Exception):
    """The dense form was called."""


@pytest.mark.parametrize("name", HINGE)
@pytest.mark.parametrize(
    ("verb", "batch", "samples"),
    [("forward", n, n) for n in (100, 599, 600)]
    + [("loss_and_grads", n, n) for n in (100, 255, 256)]
    + [("train", 100, 100), ("train", 32, 800), ("train", 299, 598), ("train", 300, 600), ("train", 800, 800)],
)
def test_the_algorithm_named_is_the_one_that_runs(
    name: str, verb: str, batch: int, samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dense form is called on that side of every threshold where `algorithm_of` says so, and only there."""

    def dense_form(*arguments: object) -> None:
        raise DenseRan

    backend, sibling = load_or_skip(name), load_or_skip(name.removesuffix("-hinge"))
    if name == "numba-hinge":
        from relufit.backends import numba as package

        for module, function in ((package.dense, "forward"), (package.dense, "gradient"), (package.training, "train")):
            monkeypatch.setattr(module, function, dense_form)
    else:
        for function in ("forward", "loss_and_grads"):
            monkeypatch.setattr(ArrayBackend, function, dense_form)
    params, x, y = init_params(8), *(np.linspace(-1, 1, samples, dtype=np.float32)[:, None],) * 2
    calls = {
        "forward": lambda: backend.forward(params, x),
        "loss_and_grads": lambda: backend.loss_and_grads(params, backend.samples(x, y)),
        "train": lambda: backend.train(
            Adam().init(params), backend.samples(x, y), Adam(), draw_plan(samples, batch=batch, epochs=1), range(1)
        ),
    }
    said = backend.algorithm_of(verb, batch, samples)
    if said == "hinge":
        calls[verb]()
    else:
        assert said == sibling.algorithm
        with pytest.raises(DenseRan):
            calls[verb]()


@pytest.mark.parametrize("name", HINGE)
def test_more_than_one_input_is_refused(name: str) -> None:
    """More than one input is refused before any work, with the names of the backends that take it."""
    backend = load_or_skip(name)
    reason = backend.supports(Sizes(10, 2, 4, 1), "float32")
    assert reason is not None
    assert "numba" in reason
    with pytest.raises(RelufitError, match="one input"):
        backend.samples(np.zeros((5, 2)), np.zeros((5, 1)))
    with pytest.raises(RelufitError, match="one input"):
        backend.forward(init_params(4, 2, dtype="float64"), np.zeros((5, 2)))
