"""Reduced precision of products: what a backend says of it, and the scale of the loss."""

import numpy as np
import pytest

from relufit import RelufitError, backends
from relufit.backend import Samples
from relufit.network.params import Params, Sizes
from relufit.network.precision import MOST_SCALE, PRECISIONS, loss_scale
from relufit.testing.problems import problem
from relufit.testing.rounded import RoundedBackend


def test_a_backend_without_a_precision_says_so() -> None:
    """A precision that a backend lacks is refused in a sentence, its product too; the backend stays as it was."""
    numpy = backends.load("numpy")
    with pytest.raises(RelufitError, match="numpy has no products in 'bfloat16', none in reduced precision"):
        numpy.at("bfloat16")
    with pytest.raises(RelufitError, match="no products in reduced precision"):
        numpy.product(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32))
    torch = pytest.importorskip("relufit.backends.torch").TorchBackend("torch-cpu", "cpu")
    with pytest.raises(RelufitError, match="only those in bfloat16, float16"):
        torch.at("tf32")
    variant = torch.at("bfloat16")
    assert (torch.precision, variant.precision, variant.name) == ("", "bfloat16", "torch-cpu")
    assert "takes float32 arrays, not float64" in str(variant.supports(Sizes(8, 1, 4, 1), "float64"))
    assert variant.supports(Sizes(8, 1, 4, 1), "float32") is None


@pytest.mark.parametrize("name", ["torch.compiled:TorchCompileBackend", "torch.graphs:TorchGraphBackend"])
def test_compiled_classes_do_not_inherit_precisions(name: str) -> None:
    """Classes whose graphs are of float32 must not pass them off as products in another precision."""
    pytest.importorskip("torch")
    module, _, cls = name.partition(":")
    assert getattr(pytest.importorskip(f"relufit.backends.{module}"), cls).precisions == ()


def test_the_loss_is_scaled_for_float16_alone() -> None:
    """The scale is a power of two that undoes the mean of few terms, and never more than MOST_SCALE."""
    assert [loss_scale(name, 800) for name in ("", "bfloat16", "tf32")] == [1.0] * 3
    assert [loss_scale("float16", terms) for terms in (1, 2, 3, 64, 10**6)] == [1.0, 2.0, 4.0, 64.0, MOST_SCALE]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_model_rounds_to_the_nearest_number(precision: str) -> None:
    """No value is off by more than the unit, and some are off by nearly as much."""
    unit, model = PRECISIONS[precision].unit, RoundedBackend(precision, True)
    values = np.concatenate([np.linspace(1, 2, 5001), -np.geomspace(1e-3, 1e3, 5001)])
    error = np.abs(model.round(values) - values) / np.abs(values)
    assert 0.9 * unit / (1 + unit) < error.max() <= unit
    if precision == "float16":
        np.testing.assert_array_equal(model.round(values), values.astype(np.float16).astype(float))


@pytest.mark.parametrize("name", ["torch-cpu", "jax-cpu"])
def test_what_is_too_large_for_float16_is_not_finite(name: str) -> None:
    """Gradients beyond the range of float16 become inf or nan: nothing is clamped."""
    if (reason := backends.probe(name)) is not None:
        pytest.skip(reason)
    backend, (params, x, _) = backends.load(name).at("float16"), problem(Sizes(64, 1, 8, 1), "float32")
    y = np.full((64, 1), 1e5, np.float32)
    samples: Samples = backend.samples(x, y)
    loss, grads = backend.loss_and_grads(Params(*map(backend.to_device, params)), samples)
    assert np.isfinite(backend.to_host(loss))
    assert not all(np.isfinite(backend.to_host(grad)).all() for grad in grads)
