"""Backends that say they are on a CUDA device, planted in every process that has FOLDER of them on its path.

`plant` writes a sitecustomize.py: Python imports it at its start, so processes that probe and measure know them too.
"""

import os
from pathlib import Path

from bench_runs import ROOT

SITE = '''
import os, time
import numpy as np
from relufit import backends
from relufit.backends import Row
from relufit.backends.numpy import NumpyBackend

class Fake(NumpyBackend):
    """Numpy's answers, a device of 4 GiB with 1 GiB held, and a call counter of all gradients of 33 samples."""

    device, calls, dead = "cuda", 0, False

    def __init__(self, name, device):
        super().__init__()
        self.name, self.device = name, device

    def memory(self):
        with open(os.environ["FAKE_GPU_LOG"], "a") as log:
            print(self.name, "freed", file=log)
        return {"free": 4 * 2**30, "held": 2**30, "peak": 2**30}

    def loss_and_grads(self, params, samples):
        if len(samples) == 33:
            self.calls += 1
            self.fail()
        return super().loss_and_grads(params, samples)

    def fail(self):
        pass

class Beside(Fake):
    """Another library on the same device."""

class OutOfMemoryError(RuntimeError):
    pass

class Full(Fake):
    """Out of memory at the third gradient of 33 samples, as the library that RUN_OUT_AS names says it."""

    def fail(self):
        if self.calls == 3:
            raise {
                "torch": OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
                "cupy": OutOfMemoryError("Out of memory allocating 2,147,483,648 bytes (allocated so far: 0 bytes)."),
                "jax": RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 2147483648 bytes."),
            }[os.environ.get("RUN_OUT_AS", "torch")]

class Sticky(Fake):
    """After its third gradient of 33 samples every call of this process fails, as after an illegal address."""

    def fail(self):
        if self.calls == 3:
            Sticky.dead = True
        self.synchronize()

    def memory(self):
        self.synchronize()
        return super().memory()

    def synchronize(self):
        if self.dead:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

class None_(Fake):
    """There is no device."""

    def __init__(self, name, device):
        raise backends.BackendUnavailable("this machine has no CUDA device")

class Slow(Fake):
    """A gradient takes a second."""

    def loss_and_grads(self, params, samples):
        time.sleep(1 if len(samples) > 2 else 0)
        return super().loss_and_grads(params, samples)

for name, kind in {"fake": Fake, "beside": Beside, "full": Full, "sticky": Sticky, "none": None_, "slow": Slow}.items():
    backends.TABLE[name] = Row("sitecustomize:" + kind.__name__, "cuda", "numpy", "-")
'''


def plant(folder: Path) -> dict[str, str]:
    """Write the backends to a folder; returns the variables of processes that know them."""
    (folder / "sitecustomize.py").write_text(SITE)
    path = os.pathsep.join([str(folder), str(ROOT)])
    return {"PYTHONPATH": path, "FAKE_GPU_LOG": str(folder / "log.txt")}
