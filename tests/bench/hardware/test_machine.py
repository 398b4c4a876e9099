"""The machine's description, and peak memory."""

import re
import socket
import subprocess
import sys

import numpy as np
import pytest

from bench.hardware import machine
from bench.hardware.memory import _largest_reading
from bench.measure.backends import unavailable


def test_a_machine_is_described_without_its_name() -> None:
    """The description has hardware, software and versions, and no host name."""
    found = machine.describe()
    assert {"slug", "cpu", "cores", "memory_bytes", "gpus", "python", "packages"} <= set(found)
    assert found["packages"]["numpy"] == np.__version__
    host = socket.gethostname()
    assert len(host) < 4 or host not in str(found)


def test_slugs_are_names_of_folders() -> None:
    """A slug begins with the GPU and leaves out marks and clock rates."""
    gpu = [{"name": "NVIDIA H200", "driver": "580", "memory": "1"}]
    assert (
        machine.slug("Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz", 16, gpu) == "nvidia-h200-intel-xeon-gold-6130-16-cores"
    )
    assert machine.slug("AMD EPYC", 2, []) == "amd-epyc-2-cores"
    assert re.fullmatch(r"[a-z0-9-]+", machine.describe()["slug"])


def test_the_code_is_identified() -> None:
    """The code is identified by its commit where there is one, and always by the contents of its sources."""
    found = machine.commit()
    assert re.fullmatch(r"[0-9a-f]{16}", found["content_hash"])
    assert found["content_hash"] == machine.content_hash()


def test_without_git_the_contents_identify(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copied tree has no commit, and says nothing of one."""

    def no_git(*command: str) -> str:
        raise subprocess.CalledProcessError(128, "git")

    monkeypatch.setattr(machine, "_output", no_git)
    assert set(machine.commit()) == {"content_hash"}


def test_threads_are_those_in_force() -> None:
    """The threads are those that the libraries tell after the limit was set."""
    import threadpoolctl

    with threadpoolctl.threadpool_limits(1):
        assert set(machine.threads_in_force().values()) == {1}


@pytest.mark.parametrize("name", ["jax-cpu", "torch-cpu", "numpy"])
def test_one_thread_is_one_thread(name: str) -> None:
    """A backend that is limited to one thread before it is loaded takes no more processor time than wall time."""
    if (reason := unavailable(name)) is not None:
        pytest.skip(reason)
    code = (
        "import time, numpy as np; from bench.hardware import machine; machine.limit_threads(1)\n"
        f"from relufit import Params, backends, init_params; b = backends.load({name!r})\n"
        "p = Params(*map(b.to_device, init_params(2048, 64, 64))); x = b.to_device(np.ones((8192, 64), np.float32))\n"
        "b.forward(p, x); b.synchronize(); wall, cpu = time.perf_counter(), time.process_time()\n"
        "for _ in range(5): b.forward(p, x)\n"
        "b.synchronize(); print((time.process_time() - cpu) / (time.perf_counter() - wall))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert float(done.stdout) < 1.2


def test_the_peak_is_what_a_call_held_at_once() -> None:
    """The peak shows a buffer that comes and goes, to a few MiB."""
    code = (
        "import numpy as np; from bench.hardware.memory import peak_bytes\n"
        "from relufit.backends.numpy import NumpyBackend\n"
        "for mebibytes in (16, 200):\n"
        "    peak, method = peak_bytes(NumpyBackend(), lambda: np.ones(mebibytes << 17))  # 8 bytes each\n"
        "    assert method and abs(peak / 2**20 - mebibytes) < 8, (mebibytes, peak, method)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_fallback_reads_resident_memory() -> None:
    """Without a high-water mark to reset, readings a millisecond apart see what lasts longer."""
    import time

    def call() -> None:
        held = np.ones(100 << 17)
        time.sleep(0.05)
        del held

    assert _largest_reading(call) / 2**20 > 80
