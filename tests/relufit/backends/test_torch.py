"""What the conformance suite cannot see of torch: that it is compiled, and that what is captured keeps its places."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from threads import train_in_threads

from relufit import Adam, Backend, BackendUnavailable, Plan, Sizes, backends, draw_plan
from relufit.testing import REQUIREMENTS
from relufit.testing.definitions import exact_training
from relufit.testing.problems import on_device, problem
from relufit.testing.training import trains_as_the_formulas_say

torch = pytest.importorskip("torch", reason="torch is not installed")
compiled = pytest.importorskip("relufit.backends.torch.compiled")
graphs = pytest.importorskip("relufit.backends.torch.graphs")


@pytest.fixture
def backend() -> Backend:
    """A backend that has not seen any arrays."""
    reason = backends.probe("torch-compile")
    if reason is not None:
        pytest.skip(reason)
    return compiled.TorchCompileBackend("torch-compile", "cpu")


def test_it_never_goes_on_uncompiled(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call with no room left for another variant raises, where torch would go on uncompiled."""
    params, x, _ = problem(Sizes(6, 2, 3, 4), "float32")
    given = on_device(backend, params), backend.to_device(x)
    torch._dynamo.reset()
    assert backend.forward(*given).shape == (6, 4)
    monkeypatch.setattr(compiled, "VARIANTS", 1)
    params, x, _ = problem(Sizes(6, 1, 3, 4), "float32")  # an input of one column is a graph of its own
    with pytest.raises(torch._dynamo.exc.FailOnRecompileLimitHit):
        backend.forward(on_device(backend, params), backend.to_device(x))


def test_sizes_and_rates_are_data_to_the_graph(backend: Backend) -> None:
    """Other numbers of samples and units, and other settings of Adam, compile nothing."""
    torch._dynamo.reset()
    for samples, hidden, rate in ((70, 40, 1e-3), (70, 40, 1e-3), (90, 50, 1e-2), (123, 60, 1e-3)):
        params, x, y = problem(Sizes(samples, 1, hidden, 1), "float32")
        rule = Adam(rate)
        with torch._dynamo.config.patch(error_on_recompile=samples > 70):
            start, plan = rule.init(on_device(backend, params)), Plan(None, samples, 2)
            backend.train(start, backend.samples(x, y), rule, plan, range(2))


def test_no_compiler_is_a_reason() -> None:
    """A machine without a compiler is told in one sentence what to install."""
    from torch._inductor import config

    with (
        config.patch({"cpp.cxx": (None, "no-such-compiler")}),
        pytest.raises(BackendUnavailable, match=r"no C\+\+ compiler: install"),
    ):
        compiled.TorchCompileBackend("torch-compile", "cpu")


def test_plain_torch_does_not_load_the_compiler() -> None:
    """Plain torch does not load the compiler, whose import takes seconds."""
    code = (
        "import sys; from relufit import backends; backends.load('torch-cpu'); print('torch._inductor' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


class GraphOnHost(graphs.TorchGraphBackend):  # type: ignore[misc, name-defined]  # torch may be missing
    """torch-graph without a GPU: steps are run where they would be captured, by the same addresses."""

    def record(self, run: Any, size: int) -> Callable[[], None]:
        """A step that is run anew each time."""
        return lambda: run.step(size, self.loss_and_grads)


@pytest.mark.parametrize("requirement", [name for name in REQUIREMENTS if "train" in name or "plan" in name])
def test_steps_at_fixed_addresses_conform(requirement: str) -> None:
    """What torch-graph captures trains as every backend does."""
    REQUIREMENTS[requirement](GraphOnHost("torch-graph", "cpu"))


def test_what_was_captured_is_kept() -> None:
    """Other states, data, orders, rates and lengths of the same kind are copied to the same addresses."""
    backend = GraphOnHost("torch-graph", "cpu")
    kept = set()
    for seed, rate, epochs in ((0, 1e-3, 3), (1, 1e-2, 4), (2, 1e-3, 4)):
        params, x, y = problem(Sizes(50, 1, 8, 1), "float64", seed, on_knots=False)
        rule, plan = Adam(rate), draw_plan(50, batch=20, epochs=epochs, seed=seed)
        wanted, _ = exact_training(params, x, y, rule, plan)
        state, _ = backend.train(
            rule.init(on_device(backend, params)), backend.samples(x, y), rule, plan, range(epochs)
        )
        np.testing.assert_allclose(state.params.w1.numpy(), wanted.w1, rtol=1e-9, atol=1e-12)
        kept |= set(map(id, backend._kept.values()))
    assert len(kept) == 1
    for batch in range(10, 30, 2):
        start = rule.init(on_device(backend, params))
        backend.train(start, backend.samples(x, y), rule, draw_plan(50, batch=batch), range(1))
    assert len(backend._kept) == graphs.KEPT


def test_threads_do_not_share_a_training() -> None:
    """Trainings of one backend from several threads, with the same sizes, end where each ends alone."""
    train_in_threads(GraphOnHost("torch-graph", "cpu"))


@pytest.mark.slow  # only another torch could break it; what it captures trains without a compiler in tests above
def test_a_step_compiles_whole() -> None:
    """torch-reduce-overhead puts the next batch, gradients and update into one graph for each size of a batch.

    A run in slices has the same steps at other addresses, which is tested above without the 40 s of six compilations.
    """
    backend = graphs.TorchReduceOverheadBackend("torch-reduce-overhead", "cpu")
    trains_as_the_formulas_say(backend, Adam(1e-3))
