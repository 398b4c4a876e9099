"""A script: torch's backends on two devices, their graphs, and what is left after out of memory."""

import numpy as np
import torch
from fake_scene import SCENE
from verbs import use_all_verbs

from relufit import Adam, Sizes, backends, draw_plan
from relufit.backends.torch import graphs
from relufit.testing.problems import on_device, problem

for name in ("torch-cuda", "torch-graph", "torch-manual-cuda"):
    results = []
    for suffix, device in (("", 0), (":1", 1)):  # so that the first capture of the process is on device 0
        SCENE.set_device(1 - device)
        backend = backends.create(name + suffix)
        SCENE.log.clear()
        results.append(use_all_verbs(backend))
        assert {on for what, on in SCENE.log if what != "free"} == {device}, name
        assert SCENE.current() == 1 - device
        assert backend.facts()["gpu number"] == str(device)
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
assert backends.try_out("torch-cuda:2") == "this machine has 2 CUDA devices, 0 and 1, and so no cuda:2"

backend = backends.create("torch-graph:1")
assert not backend._kept  # use_all_verbs ends with memory()


def train(n):
    params, x, y = problem(Sizes(n, 1, 8, 1), "float32")
    state = Adam().init(on_device(backend, params))
    return backend.train(state, backend.samples(x, y), Adam(), draw_plan(n, batch=n // 2, epochs=1), range(1))


for n in (10, 12, 14, 16, 18):
    train(n)
assert len(backend._kept) == graphs.KEPT
graphs.KEPT_BYTES = 2**14
train(1000)
train(2000)
assert len(backend._kept) == 1  # the last one, of any size
train(20)
assert [len(run.x) for run in backend._kept.values()] == [20]
SCENE.log.clear()
train(20)
assert ("replay", 1) in SCENE.log

for later in (2, 8, 11):
    SCENE.oom = SCENE.allocations + later
    try:
        train(22 + later)
        raise SystemExit("no error")
    except torch.OutOfMemoryError:
        backend.memory()
    assert not backend._kept
    train(22 + later)

dense, sizes = backends.create("torch-cuda:1"), Sizes(2**20, 1, 8, 1)
copies = backend.working_bytes("train", sizes, "float32") - dense.working_bytes("train", sizes, "float32")
assert copies >= 2**20 * (4 + 4 + 8)  # x, y and an index of each sample
