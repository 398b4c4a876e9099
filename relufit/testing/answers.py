"""What outputs, losses and gradients must be. The references are in definitions.py, written from the definitions."""

import numpy as np

from relufit.backends.base import Backend
from relufit.network.data import Plan
from relufit.network.optim import SGD
from relufit.network.params import Params, Sizes
from relufit.testing.error_bounds import norm, reference
from relufit.testing.problems import demand_support, exact_gradient, on_device, on_host, problem, require


def agrees_with_float64(backend: Backend, sizes: Sizes, dtype: str) -> None:
    """Output, loss and four gradients are within the computed bound of float64 numpy."""
    demand_support(backend, sizes, dtype)
    params, x, y = problem(sizes, dtype)
    exact = reference(params, x, y, precision=backend.precision)
    start, samples = on_device(backend, params), backend.samples(x, y)
    loss, grads = backend.loss_and_grads(start, samples)
    results = {"output": backend.forward(start, samples.x), "loss": loss, **grads._asdict()}
    for name, found in ((name, backend.to_host(result)) for name, result in results.items()):
        value, bound = exact.values[name], exact.bounds[name]
        require(found.shape == value.shape, f"{name} has the shape {found.shape} where {value.shape} is right")
        error = np.abs(found - value)
        worst = np.argmax(error - bound)  # nan, which no bound allows, counts as the largest
        explained = f"where rounding explains {bound.flat[worst]:.3g}"
        require(np.all(error <= bound), f"an element of {name} is off by {error.flat[worst]:.3g}, {explained}")
    wholes = {"gradient": ([*on_host(backend, grads)], [*exact.grads])}
    wholes["output"] = [backend.to_host(results["output"])], [exact.values["output"]]
    for name, limit in exact.limits.items():
        difference = norm(a - b for a, b in zip(*wholes[name], strict=True)) / (norm(wholes[name][1]) or 1.0)
        require(difference <= limit, f"the {name} is off by {100 * difference:.3g} % as a whole")


def agrees_with_the_definition(backend: Backend, sizes: Sizes) -> None:
    """In float64, loss and gradients equal those computed sample by sample to 1e-12."""
    demand_support(backend, sizes, "float64")
    params, x, y = problem(sizes, "float64", on_knots=False)
    loss, grads = backend.loss_and_grads(on_device(backend, params), backend.samples(x, y))
    wanted_loss, wanted_grads = exact_gradient(sizes)
    np.testing.assert_allclose(backend.to_host(loss), wanted_loss, rtol=1e-12)
    for found, wanted in zip(on_host(backend, grads), wanted_grads, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12 * (1 + np.abs(wanted).max()))


def agrees_with_finite_differences(backend: Backend, sizes: Sizes) -> None:
    """In float64, the gradient along random directions equals the change of the loss, to 1e-6."""
    demand_support(backend, sizes, "float64")
    params, x, y = problem(sizes, "float64", on_knots=False)  # on a knot the loss has no derivative
    require(np.abs(x @ params.w1 + params.b1).min() > 1e-4, "a sample of this check is too close to a knot")
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
        np.testing.assert_allclose((ends[0] - ends[1]) / (2 * width), slope, rtol=1e-6, atol=1e-7)


def answers_each_sample_by_itself(backend: Backend, samples: int) -> None:
    """What the network says of a sample does not depend on the others, however far away those are."""
    sizes = Sizes(samples + 1, 1, 64, 1)
    dtype = "float64" if backend.supports(sizes, "float64") is None else "float32"
    demand_support(backend, sizes, dtype)
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
    demand_support(backend, sizes, dtype, SGD())
    params, x, y = problem(sizes, dtype)
    start, samples = on_device(backend, params), backend.samples(x, y)
    loss, grads = backend.loss_and_grads(start, samples)
    state, _ = backend.train(SGD().init(start), samples, SGD(), Plan(None, 12, 2), range(2))
    arrays = [backend.forward(start, samples.x), loss, *grads, *state.params, backend.to_device(x)]
    kinds = {str(backend.to_host(array).dtype) for array in arrays}
    require(kinds == {dtype}, f"{dtype} went in and {', '.join(sorted(kinds))} came out")
    require(backend.to_host(loss).shape == (), f"the loss has the shape {backend.to_host(loss).shape}, and not ()")


def takes_no_rows(backend: Backend, sizes: Sizes, dtype: str) -> None:
    """The output at no samples is an empty array (0, O) of the same dtype."""
    demand_support(backend, sizes, dtype)
    params, x, _ = problem(sizes, dtype)
    y = backend.to_host(backend.forward(on_device(backend, params), backend.to_device(x[:0])))
    require(y.shape == (0, sizes.outputs), f"forward of (0, {sizes.inputs}) has the shape {y.shape}")
    require(str(y.dtype) == dtype, f"forward of (0, {sizes.inputs}) {dtype} is {y.dtype}")


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
    demand_support(backend, Sizes(4, 1, 6, 1), dtype)
    x = np.full((4, 1), 2.0, dtype)
    w1 = np.array([[1.0, -1.0, 0.5, 0.0, -0.0, 4.0]], dtype)
    params = Params(w1, (-2.0 * w1[0]).astype(dtype), np.ones((6, 1), dtype), np.full(1, 3.0, dtype))
    loss, grads = backend.loss_and_grads(on_device(backend, params), backend.samples(x, np.zeros_like(x)))
    require(float(backend.to_host(loss)) == 9.0, f"the loss is {float(backend.to_host(loss))} where 9 is right")
    for name, grad in on_host(backend, grads)._asdict().items():
        np.testing.assert_array_equal(grad, np.full_like(grad, 6.0 if name == "b2" else 0.0), err_msg=name)


def takes_any_layout(backend: Backend) -> None:
    """Strided, transposed and Fortran-ordered host arrays give what contiguous ones give."""
    params, x, y = problem(Sizes(30, 2, 8, 2), "float64")
    demand_support(backend, Sizes(30, 2, 8, 2), "float64")
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
        require(not np.isfinite(backend.to_host(loss)), f"the loss is {backend.to_host(loss)}, which is finite")


def moves_arrays_faithfully(backend: Backend) -> None:
    """to_host undoes to_device, for any shape and for integers too."""
    for array in (np.float32(2.5) * np.ones(()), np.arange(6.0).reshape(2, 3), np.arange(5, dtype=np.int32)):
        back = backend.to_host(backend.to_device(array))
        require(isinstance(back, np.ndarray), f"to_host returns a {type(back).__name__}, not a numpy array")
        np.testing.assert_array_equal(back, array)


def takes_samples(backend: Backend) -> None:
    """Samples.take gives the chosen samples in the chosen order."""
    _, x, y = problem(Sizes(9, 1, 4, 1), "float32")
    samples, index = backend.samples(x, y), np.array([7, 0, 3])
    chosen = samples.take(backend.to_device(index))
    require(len(chosen) == 3, f"three samples were taken, and len() of them is {len(chosen)}")
    np.testing.assert_array_equal(backend.to_host(chosen.x), x[index])
    np.testing.assert_array_equal(backend.to_host(chosen.y), y[index])
