"""What the conformance suite cannot see of jax: its compilations, its 64 bits outside the harness, its waiting."""

from dataclasses import dataclass

import numpy as np
import pytest

import relufit
from relufit import SGD, Adam, Backend, BackendUnavailable, Momentum, Sizes, State, draw_plan
from relufit.backend import Samples
from relufit.network.optim import Optimizer, map_arrays
from relufit.testing.problems import on_device, problem

jax_backend = pytest.importorskip("relufit.backends.jax", reason="jax is not installed")


def start(rule: Optimizer, dtype: str = "float32", samples: int = 70) -> tuple[Backend, State, Samples]:
    """A backend, a state and samples on it."""
    backend = jax_backend.JaxBackend()
    params, x, y = problem(Sizes(samples, 1, 8, 1), dtype)
    state = map_arrays(backend.to_device, rule.init(params))
    return backend, state, backend.samples(x, y)


def test_float64_is_kept_without_any_setting() -> None:
    """Every verb keeps float64, with indices of 64 bits, in a process whose jax computes in 32 bits."""
    backend, state, samples = start(Adam(), "float64")
    plan = draw_plan(70, batch=32, epochs=2)
    plan = plan._replace(order=plan.order.astype(np.int64))
    loss, grads = backend.loss_and_grads(state.params, samples)
    after, losses = backend.train(state, samples, Adam(), plan, range(2))
    chosen = samples.take(backend.to_device(np.array([3, 1])))
    arrays = [backend.forward(state.params, samples.x), loss, *grads, *after.params, *after.moments[1], losses]
    assert {array.dtype for array in (*arrays, chosen.x)} == {np.dtype("float64")}
    assert backend.to_device(np.arange(3)).dtype == np.int64
    assert not jax_backend.jax.config.jax_enable_x64


def test_fit_in_float64() -> None:
    """The fit in float64 ends where it does with numpy."""
    ends = [
        relufit.fit("sin", hidden=8, epochs=3, dtype="float64", backend=name).state.params.w1
        for name in ("jax-cpu", "numpy")
    ]
    np.testing.assert_allclose(*ends, rtol=1e-9)


@pytest.mark.parametrize("kind", [SGD, Momentum, Adam])
def test_only_new_shapes_compile(kind: type[Optimizer]) -> None:
    """Another learning rate, step, order or slice of the same length is data to what is compiled."""
    backend, state, samples = start(kind())
    plan = draw_plan(70, batch=32, epochs=6)
    state, _ = backend.train(state, samples, kind(), plan, range(2))
    compiled = jax_backend.compiled.train._cache_size()
    state, _ = backend.train(state, samples, kind(learning_rate=0.02), plan, range(2, 4))
    backend.train(state, samples, kind(), draw_plan(70, batch=32, epochs=6, seed=1), range(4, 6))
    assert jax_backend.compiled.train._cache_size() == compiled
    backend.train(state, samples, kind(), plan, range(3))
    assert jax_backend.compiled.train._cache_size() == compiled + 1


def test_synchronize_waits_and_train_does_not() -> None:
    """A call returns before its result is there, also on the CPU."""
    backend, state, samples = start(SGD(), samples=800)
    plan = draw_plan(800, batch=8, epochs=300)
    backend.train(state, samples, SGD(), plan, range(300))
    backend.synchronize()
    _, losses = backend.train(state, samples, SGD(), plan, range(300))
    assert not losses.is_ready()
    backend.synchronize()
    assert losses.is_ready()


def test_no_cuda_is_a_reason() -> None:
    """Without CUDA the reason says what to install."""
    if any(device.platform == "gpu" for device in jax_backend.jax.devices()):
        pytest.skip("jax has a CUDA device here")
    with pytest.raises(BackendUnavailable, match=r"pip install jax\[cuda13\]|no usable cuda device"):
        jax_backend.JaxBackend("jax-cuda", "cuda")


@dataclass(frozen=True)
class Halved(SGD):
    """An optimizer of somebody's own."""

    def coefficients(self, first: int, last: int) -> np.ndarray:
        return super().coefficients(first, last) / 2


def test_other_optimizers_are_refused() -> None:
    """An optimizer of another class is refused, for what is translated by type cannot have its own formula."""
    reason = jax_backend.JaxBackend().supports(Sizes(8, 1, 4, 1), "float32", Halved())
    assert reason is not None
    assert "Halved" in reason


def test_weights_stay_where_they_are_sent() -> None:
    """Arrays are committed to the backend's device, whatever jax's default is."""
    backend = jax_backend.JaxBackend()
    params, _, _ = problem(Sizes(4, 1, 4, 1), "float32")
    assert all(p.committed for p in on_device(backend, params))
