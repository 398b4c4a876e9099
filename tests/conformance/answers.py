"""What outputs, losses and gradients must be. The references are in exact.py, written from the definitions."""

import numpy as np
import pytest

from bench.agreement import answers, error_bounds
from conformance.problems import exact_gradient, on_device, on_host, problem, skip_unsupported
from relufit import SGD, Backend, Params, Plan, Sizes


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
