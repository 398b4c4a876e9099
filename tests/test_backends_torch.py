"""What the conformance suite cannot see of torch-compile: that it is compiled, and how it says that it cannot be."""

import subprocess
import sys

import pytest
from conformance import on_device, problem

from relufit import Backend, BackendUnavailable, Sizes, backends

torch = pytest.importorskip("torch", reason="torch is not installed")
torch_backend = pytest.importorskip("relufit.backends.torch")


@pytest.fixture
def backend() -> Backend:
    """A backend that has not seen any arrays."""
    reason = backends.probe("torch-compile")
    if reason is not None:
        pytest.skip(reason)
    return torch_backend.TorchCompileBackend("torch-compile", "cpu")


def test_it_never_goes_on_uncompiled(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no room left for another variant it raises, where torch would fall back."""
    params, x, _ = problem(Sizes(6, 2, 3, 4), "float32")
    given = on_device(backend, params), backend.to_device(x)
    torch._dynamo.reset()
    assert backend.forward(*given).shape == (6, 4)
    monkeypatch.setattr(torch_backend, "VARIANTS", 1)
    params, x, _ = problem(Sizes(6, 1, 3, 4), "float32")  # an input of one column is a graph of its own
    with pytest.raises(torch._dynamo.exc.FailOnRecompileLimitHit):
        backend.forward(on_device(backend, params), backend.to_device(x))


def test_sizes_and_rates_are_data_to_the_graph(backend: Backend) -> None:
    """Other numbers of samples and units, and other settings of Adam, compile nothing."""
    torch._dynamo.reset()
    for samples, hidden, rate in ((70, 40, 1e-3), (70, 40, 1e-3), (90, 50, 1e-2), (123, 60, 1e-3)):
        params, x, y = problem(Sizes(samples, 1, hidden, 1), "float32")
        rule = torch_backend.Adam(rate)
        with torch._dynamo.config.patch(error_on_recompile=samples > 70):
            start, plan = rule.init(on_device(backend, params)), torch_backend.Plan(None, samples, 2)
            backend.train(start, backend.samples(x, y), rule, plan, range(2))


def test_no_compiler_is_a_reason() -> None:
    """In one sentence, which says what to install."""
    from torch._inductor import config

    with (
        config.patch({"cpp.cxx": (None, "no-such-compiler")}),
        pytest.raises(BackendUnavailable, match=r"no C\+\+ compiler: install"),
    ):
        torch_backend.TorchCompileBackend("torch-compile", "cpu")


def test_plain_torch_does_not_load_the_compiler() -> None:
    """Its import takes seconds."""
    code = (
        "import sys; from relufit import backends; backends.load('torch-cpu'); print('torch._inductor' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
