"""Accelerators by number: work stays on its device, what cannot run has its reason, and a broken driver costs little.

The devices are those of tests/fake_cuda: stand-ins for cupy and torch.cuda that know on which device each thing is
done, and that are as strict as CUDA about arrays, streams and graphs of another device.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import relufit
from bench.grid.selection import is_backend
from relufit import SGD, Adam, Backend, Plan, RelufitError, Sizes, backends
from relufit.backends.numpy import NumpyBackend
from relufit.testing import check_backend
from relufit.testing.problems import on_device, on_host, problem

FAKE = Path(__file__).parents[2] / "fake_cuda"
CUPY = ("cupy", "cupy-fused", "cupy-graph", "cupy-train", "cupy-hinge")
Play = Callable[..., Any]  # the fixture of conftest.py


def use_all_verbs(backend: Backend) -> list[np.ndarray]:
    """As verbs.use_all_verbs, which is beside the stand-ins."""
    from verbs import use_all_verbs

    return use_all_verbs(backend)


def test_a_number_after_a_name_is_a_device() -> None:
    """Backends of accelerators take the number of a device, as their name and device say; those of the CPU do not."""
    for name, device in (("cupy:1", "cuda:1"), ("torch-graph:0", "cuda:0"), ("jax-cuda:12", "cuda:12"),
                         ("torch-xpu:3", "xpu:3")):  # fmt: skip
        assert backends.row(name) == backends.row(name.partition(":")[0])._replace(device=device)
        assert backends.row(name).device_kind == device.partition(":")[0]
        assert is_backend(name)
    for name in ("numpy:1", "torch-cpu:0", "torch-compile:1"):
        with pytest.raises(RelufitError, match=r"only backends of accelerators, .* take a device number"):
            backends.row(name)
    for name in ("cupy:x", "cupy:-1", "cupy:", "cupy:01", "cupy:1:2", "cupy:\u0661", "cupy: 1", "cupy:" + "9" * 5000):
        with pytest.raises(RelufitError, match=r"a device number must be 0, 1, 2, .*, as in 'cupy:1'"):
            relufit.fit("sin", backend=name)
        assert not is_backend(name)


@pytest.mark.parametrize("current", [0, 1])
@pytest.mark.parametrize("name", CUPY)
def test_work_is_on_the_named_device(name: str, current: int, play: Play) -> None:
    """Each verb of cupy:1 and of cupy allocates, launches, waits and records there, whichever device is current."""
    scene = play("devices=2")
    scene.set_device(current)
    results = {}
    for suffix, device in (("", 0), (":1", 1)):
        backend = backends.create(name + suffix)
        assert backend.device == "cuda" + suffix
        assert backend.device_kind == "cuda"
        scene.log.clear()
        results[device] = use_all_verbs(backend)
        assert {on for _, on in scene.log} == {device}
        assert {"allocate", "launch", "copy", "event", "synchronize"} <= {what for what, _ in scene.log}
        assert scene.current() == current
    for here, there in zip(results[0], results[1], strict=True):
        np.testing.assert_array_equal(here, there)


def test_threads_work_on_devices_of_their_own(play: Play) -> None:
    """Two threads train on two devices at once, as if each were alone."""
    scene = play("devices=2")
    names = ["cupy-graph", "cupy-graph:1"]
    alone = [use_all_verbs(backends.create(name)) for name in names]
    with ThreadPoolExecutor(2) as pool:
        together = pool.map(lambda name: use_all_verbs(backends.create(name)), names * 3)
        for found, wanted in zip(together, alone * 3, strict=True):
            for a, b in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(a, b)
    assert {on for what, on in scene.log if what == "compile"} == {0, 1}


def test_the_library_numbers_what_is_visible(play: Play) -> None:
    """CUDA_VISIBLE_DEVICES=1,0 exchanges the numbers; facts identify the physical device."""
    play("devices=2 capability=75")
    wanted = backends.create("cupy:1").facts()
    play("devices=2 capability=75", visible="1,0")
    assert backends.create("cupy").facts() == {**wanted, "gpu number": "0"}
    assert wanted["compute capability"] == "7.5"
    assert wanted["gpu uuid"].startswith("GPU-f1f1f1f1-")
    play("devices=2 capability=75", visible="1")
    assert backends.try_out("cupy:1") == "CUDA_VISIBLE_DEVICES='1' leaves 1 CUDA device, 0, and so no cuda:1"


@pytest.mark.parametrize(
    ("scene", "visible", "says"),
    [
        ("devices=2", None, "this machine has 2 CUDA devices, 0 and 1, and so no cuda:9"),
        ("devices=4", None, "this machine has 4 CUDA devices, 0 to 3, and so no cuda:9"),
        ("devices=0", None, "this machine has no CUDA device"),
        ("devices=2", "", "CUDA_VISIBLE_DEVICES='' leaves no CUDA device"),
        ("driver=0", None, "this machine has no NVIDIA driver"),
        ("driver=12040", None, "the NVIDIA driver is for CUDA 12, and this cupy for CUDA 13: update the driver"),
    ],
)
def test_what_is_missing_is_named(scene: str, visible: str | None, says: str, play: Play) -> None:
    """Without the device, without any, and without a driver that fits, the reason says what there is."""
    play(scene, visible)
    assert str(backends.try_out("cupy:9")).startswith(says)


@pytest.mark.parametrize(
    ("scene", "says"),
    [
        ("busy=1", "Failure: cudaErrorDevicesUnavailable: CUDA-capable device(s) is/are busy or unavailable"),
        ("oom=1", "OutOfMemoryError: Out of memory allocating 16 bytes"),
        ("oom=9", "OutOfMemoryError: Out of memory"),
        ("sticky=2", "Failure: cudaErrorIllegalAddress: an illegal memory access was encountered"),
    ],
)
@pytest.mark.parametrize("name", ["cupy", "cupy-fused"])
def test_what_a_device_raises_is_its_reason(name: str, scene: str, says: str, play: Play) -> None:
    """A device that another process has for itself, or has filled, or that fails in the middle, is a reason."""
    play(scene)
    assert str(backends.try_out(name)).startswith(says)


@pytest.mark.parametrize("name", CUPY)
def test_after_out_of_memory_the_process_goes_on(name: str, play: Play) -> None:
    """After an error in the middle, memory() gives all to the device again, and the next call is right."""
    scene = play("devices=2")
    backend = backends.create(f"{name}:1")
    wanted = use_all_verbs(backend)
    for later in (3, 12, 20):
        scene.oom = scene.allocations + later
        with pytest.raises(MemoryError, match="Out of memory allocating"):
            use_all_verbs(backend)
        scene.oom = 0
        assert scene.bytes[0] == 0
        found = backend.memory()
        assert found is not None
        assert found["held"] == 0
        assert found["free"] == found["free"] // 2**30 * 2**30  # the whole device
        for a, b in zip(use_all_verbs(backend), wanted, strict=True):
            np.testing.assert_array_equal(a, b)


def test_dense_cupy_works_in_blocks(play: Play) -> None:
    """A gradient in blocks of rows is right, and needs the memory that is stated, a fraction of that in one piece."""
    play("")
    sizes = Sizes(4096, 1, 64, 1)
    params, x, y = problem(sizes, "float32")
    backend = backends.create("cupy")
    assert backend.working_bytes("loss_and_grads", Sizes(2**22, 1, 512, 1), "float32") < 2**31
    assert backend.working_bytes("loss_and_grads", Sizes(2**17, 1, 512, 1), "float32") > 2**30
    backend.block_elements = 2**14  # type: ignore[attr-defined]  # of this one backend
    start, samples = on_device(backend, params), backend.samples(x, y)
    held = backend.memory()
    assert held is not None
    loss, grads = backend.loss_and_grads(start, samples)
    output = backend.forward(start, samples.x)
    after = backend.memory()
    assert after is not None
    needed = after["peak"] - held["held"]
    assert needed <= backend.working_bytes("loss_and_grads", sizes, "float32") < 4096 * 64 * 4 * 5 / 4
    right = NumpyBackend()
    wanted_loss, wanted = right.loss_and_grads(params, right.samples(x, y))
    np.testing.assert_allclose(backend.to_host(loss), wanted_loss, rtol=1e-5)
    np.testing.assert_allclose(backend.to_host(output), right.forward(params, x), rtol=1e-4, atol=1e-5)
    for a, b in zip(on_host(backend, grads), wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_counts_beyond_32_bits_are_refused(play: Play) -> None:
    """2^31 samples are a sentence where a kernel would wrap around, and supported where it counts in 64 bits."""
    play("")
    sizes = Sizes(2**31, 1, 8, 1)
    many: Any = np.broadcast_to(np.float32(0), (2**31, 1))  # four bytes
    for name in ("cupy-graph", "cupy-train", "cupy-hinge"):
        backend = backends.create(name)
        for rule in (None, Adam()):
            reason = backend.supports(sizes, "float32", rule)
            assert reason == f"{name} counts samples in 32 bits, up to 2^31 - 1, not 2147483648"
        assert backend.supports(sizes._replace(samples=2**31 - 1), "float32") is None
        state = Adam().init(problem(Sizes(2, 1, 8, 1), "float32")[0])
        with pytest.raises(RelufitError, match="counts samples in 32 bits"):
            backend.train(state, relufit.Samples(many, many), Adam(), Plan(None, 2**31, 1), range(1))
    for name in ("cupy", "cupy-fused", "numpy"):
        assert backends.create(name).supports(sizes, "float32") is None


@pytest.mark.parametrize("name", CUPY)
def test_a_column_of_a_wider_array_is_read_as_one(name: str, play: Play) -> None:
    """Kernels read arrays without gaps: x and y may be columns of wider arrays, as in training many networks."""
    play("")
    backend = backends.create(name)
    params, x, y = problem(Sizes(40, 1, 8, 1), "float32")
    wide = backend.to_device(np.concatenate([y, x, y, x], axis=1))
    start, plan = on_device(backend, params), Plan(None, 40, 2)
    results = []
    for samples in (backend.samples(x, y), relufit.Samples(wide[:, 1:2], wide[:, 2:3])):
        loss, grads = backend.loss_and_grads(start, samples)
        state, losses = backend.train(SGD(0.1).init(start), samples, SGD(0.1), plan, range(2))
        found = [backend.forward(start, samples.x), loss, *grads, losses, *state.params]
        results.append([backend.to_host(array) for array in found])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)  # hinge sorts only what `samples` made


@pytest.mark.slow
@pytest.mark.parametrize("name", CUPY)
def test_the_stand_in_meets_every_requirement(name: str, play: Play) -> None:
    """Each backend of cupy passes the conformance suite on the second of two devices."""
    scene = play("devices=2")
    backend = backends.create(f"{name}:1")
    scene.log.clear()
    assert {check.status for check in check_backend(backend)} <= {"passed", "skipped"}
    assert {on for _, on in scene.log} == {1}


@pytest.mark.parametrize(
    ("library", "variable", "value"),
    [
        ("torch", "RELUFIT_FAKE_CUDA", "devices=2"),
        ("jax", "XLA_FLAGS", "--xla_force_host_platform_device_count=2"),
    ],
)
def test_torch_and_jax_work_on_the_named_device(library: str, variable: str, value: str) -> None:
    """Each verb, capture, replay and clock is on its device; graphs are bounded, and freed after out of memory."""
    pytest.importorskip(library)
    path = os.pathsep.join([str(FAKE), str(FAKE.parent), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, str(FAKE / f"{library}_on_two_devices.py")],
        capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": path, variable: value},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
