"""The network as a torch module: the same answers, the same gradients, nothing shared."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from relufit import Fit, RelufitError, fit, init_params
from relufit.export.torch_module import build_module
from relufit.network.dense import loss_and_grads

torch = pytest.importorskip("torch", reason="torch is not installed")


def fitted(inputs: int, outputs: int) -> Fit:
    """A fit of some smooth function."""
    x = np.random.default_rng(0).uniform(-3, 3, (300, inputs))
    y = np.sin(x.sum(axis=1, keepdims=True) + np.arange(outputs))
    return fit(x, y, hidden=40, epochs=2, progress=False)


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 2)])
def test_it_answers_as_predict_does(inputs: int, outputs: int) -> None:
    """The module answers as predict to 1e-12 in float64 and 1e-5 in float32, for D = 1 too."""
    result = fitted(inputs, outputs)
    wanted = result.predict(result.x)
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-5)):
        with torch.no_grad():
            found = result.to_torch(dtype)(torch.tensor(result.x, dtype=getattr(torch, dtype)))
        assert found.dtype == getattr(torch, dtype)
        np.testing.assert_allclose(found.numpy(), wanted.reshape(300, outputs), rtol=0, atol=tolerance)


def test_its_parts_have_names() -> None:
    """The module has fc1, relu1 and fc2, with the parameters transposed as torch keeps them."""
    result = fitted(3, 2)
    module = result.to_torch()
    assert [(name, type(part)) for name, part in module.named_children()] == [
        ("fc1", torch.nn.Linear),
        ("relu1", torch.nn.ReLU),
        ("fc2", torch.nn.Linear),
    ]
    state, (w1, b1, w2, b2) = module.state_dict(), result.params
    assert list(state) == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    for found, wanted in zip(state.values(), (w1.T, b1, w2.T, b2), strict=True):
        assert found.dtype == torch.float64
        np.testing.assert_array_equal(found.numpy(), wanted)


def test_it_trains_a_step() -> None:
    """The gradients are those of the formulas, a step lowers the loss, and the fit keeps its parameters."""
    result = fitted(3, 2)
    kept = [array.copy() for array in result.params]
    module, x, y = result.to_torch(), torch.tensor(result.x), torch.tensor(result.y)
    before = torch.nn.functional.mse_loss(module(x), y)
    before.backward()
    loss, grads = loss_and_grads(result.params, result.x, result.y, xp=np)
    assert before.item() == pytest.approx(loss, rel=1e-12)
    for found, wanted in zip(module.parameters(), (grads.w1.T, grads.b1, grads.w2.T, grads.b2), strict=True):
        np.testing.assert_allclose(found.grad.numpy(), wanted, rtol=1e-9, atol=1e-12)
    torch.optim.SGD(module.parameters(), lr=1e-3).step()
    assert torch.nn.functional.mse_loss(module(x), y) < before
    for array, old in zip(result.params, kept, strict=True):
        np.testing.assert_array_equal(array, old)


def test_it_draws_nothing() -> None:
    """Making a module leaves torch's random generator where it was."""
    before = torch.random.get_rng_state()
    fitted(1, 1).to_torch()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_it_is_read_back_without_relufit(tmp_path: Path) -> None:
    """A whole module that torch saved is read back without relufit."""
    torch.save(fitted(1, 1).to_torch(), tmp_path / "module.pt")
    code = "import sys, torch; torch.load(sys.argv[1], weights_only=False); print('relufit' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "module.pt"], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_what_cannot_be_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other dtypes, arrays that are no network and a missing torch are one sentence each."""
    params, x = init_params(3), np.zeros((2, 1))
    with pytest.raises(RelufitError, match="float32 or float64, not 'float16'"):
        build_module(params, x, "float16")
    with pytest.raises(RelufitError, match="the parameters are arrays of shapes"):
        build_module(params._replace(w2=np.zeros((4, 1))), x)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(RelufitError, match=r"torch is not installed: pip install relufit\[torch\]"):
        build_module(params, x)
