"""What is numba's alone: loops on several cores, and the cache of compiled loops on disk."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import relufit
from bench.measure.backends import load_or_skip
from relufit import SGD, Adam, Backend, Plan, draw_plan, init_params


@pytest.fixture
def backend() -> Backend:
    """The dense backend."""
    return load_or_skip("numba")


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (2, 3)])
def test_all_cores_agree_with_one(backend: Backend, monkeypatch: pytest.MonkeyPatch, inputs: int, outputs: int) -> None:
    """Output, loss, gradients and training of all cores agree with one's, wherever the batch is cut."""
    from relufit.backends import numba as module

    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, (701, inputs))
    y = rng.normal(size=(701, outputs))
    params, samples = init_params(30, inputs, outputs, dtype="float64"), backend.samples(x, y)

    def results(threads: int) -> list[np.ndarray]:
        monkeypatch.setattr(module, "threads_for", lambda elements: threads)
        loss, grads = backend.loss_and_grads(params, samples)
        state, losses = backend.train(SGD(1e-2).init(params), samples, SGD(1e-2), Plan(None, 701, 3), range(3))
        return [backend.forward(params, x), loss, *grads, *state.params, losses]

    one = results(1)
    for threads in (2, 3):  # more pieces than threads are worked off in turn
        for found, wanted in zip(results(threads), one, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("dense_samples", [0, 300])
def test_divergence_is_seen_in_every_loop(monkeypatch: pytest.MonkeyPatch, dense_samples: int) -> None:
    """Training that overflows ends in losses that are not finite: no compiler flag may assume finite numbers."""
    x = np.linspace(-6, 6, 100, dtype=np.float32)[:, None]
    for name in ("numba", "numba-hinge"):
        backend = load_or_skip(name)
        if name == "numba-hinge":
            monkeypatch.setattr(type(backend), "dense_samples", dense_samples)
        params, samples = init_params(64), backend.samples(x, x**2)
        for rule in (SGD(10.0), Adam(1e30)):
            for plan in (Plan(None, 100, 50), draw_plan(100, batch=32, epochs=50)):
                with np.errstate(over="ignore"):
                    _, losses = backend.train(rule.init(params), samples, rule, plan, range(50))
                assert not np.isfinite(losses[-1])


def test_a_loop_is_compiled_anew_after_a_change_in_a_file_that_it_calls(tmp_path: Path) -> None:
    """By itself the library looks at the file of the loop only; loops older than any of our files are dropped."""
    code = (
        "from relufit import backends; from relufit.backends.numba import dense; backends.create('numba');"
        "dense.relu(1.0); print(sum(dense.relu.stats.cache_hits.values()))"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}

    def hits() -> int:
        """How many of one loop's versions came from the cache, in a fresh process."""
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300, env=environment
        )
        return int(done.stdout)

    assert hits() == 0
    assert hits() == 1
    before = time.time() - 10**6
    for index in tmp_path.rglob("*.nbi"):
        os.utime(index, (before, before))  # as if our files had changed since
    assert hits() == 0


def test_an_install_that_cannot_be_written_to_compiles_in_each_process(tmp_path: Path) -> None:
    """Loops run without any folder to cache in. Files in place of the folders make them unusable even for root."""
    copy = tmp_path / "relufit"
    shutil.copytree(Path(relufit.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "backends" / "numba" / "__pycache__").touch()
    code = (
        "import relufit; relufit.backends.create('numba'); from relufit.backends.numba import dense;"
        "print(relufit.__file__, dense.relu(-1.0), dense.relu(2.0), dense.can_cache())"
    )
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"), "/dev/null/x")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, cwd=tmp_path,
        env={**os.environ, **nowhere, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(copy / "__init__.py"), "0.0", "2.0", "False"]
