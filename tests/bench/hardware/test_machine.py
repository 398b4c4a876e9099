"""The machine's description, and peak memory."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

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


def test_one_core_of_two_is_another_machine() -> None:
    """A process that may run on one core describes a machine of one core."""
    if machine.usable_cores() < 2 or not hasattr(os, "sched_setaffinity"):
        pytest.skip("needs two cores and a system that can limit a process to one")
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from bench.hardware import identity, machine; found = machine.describe()\n"
        "print(found['slug'], identity.in_words(found, ''), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    slug, words = done.stdout.splitlines()
    assert slug != machine.describe()["slug"]
    assert re.search(r", 1 of \d+ cores", words)
    assert re.fullmatch(r"[a-z0-9-]+-1-cores-[0-9a-f]{6}", slug)


UNIFIED = {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "150000 100000\n"}
LEGACY = {
    "proc/self/cgroup": "3:cpu,cpuacct:/a\n4:memory:/a\n",
    "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "50000\n",
    "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
}


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        (UNIFIED, 1.5),
        ({**UNIFIED, "sys/fs/cgroup/a/b/cpu.max": "25000 50000\n"}, 0.5),
        ({**UNIFIED, "sys/fs/cgroup/a/cpu.max": "max 100000\n"}, None),
        (LEGACY, 0.5),
        ({**LEGACY, "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "-1\n"}, None),
        ({}, None),
    ],
)
def test_the_quota_of_a_container(tmp_path: Path, files: dict[str, str], cores: float | None) -> None:
    """The least quota of the process's control groups and their parents, of versions 2 and 1; None without one."""
    for name, text in files.items():
        (path := tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert machine.quota_cores(tmp_path) == cores


def test_a_quota_limits_the_usable_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """With half a core's time one core can be kept busy, and ceilings are measured on one."""
    monkeypatch.setattr(machine, "quota_cores", lambda: 0.5)
    assert machine.usable_cores() == machine.describe()["usable_cores"] == 1


def test_what_chooses_kernels_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that make a library take other kernels are recorded, and what BLAS says that it took."""
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("MKL_DOMAIN_NUM_THREADS", "MKL_BLAS=1")
    wanted = {"OPENBLAS_CORETYPE": "Haswell", "CUDA_VISIBLE_DEVICES": "1", "MKL_DOMAIN_NUM_THREADS": "MKL_BLAS=1"}
    assert wanted.items() <= machine.environment().items()
    assert machine.kernels_in_force()


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


def test_a_copy_inside_another_repository_has_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The commit of a repository around it says nothing of the sources."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run([*git, "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "of others"], cwd=tmp_path, check=True)
    (copy := tmp_path / "vendored").mkdir()
    monkeypatch.setattr(machine, "ROOT", copy)
    assert set(machine.commit()) == {"content_hash"}
    monkeypatch.setattr(machine, "ROOT", tmp_path.resolve())
    assert set(machine.commit()) == {"commit", "dirty", "content_hash"}


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


@pytest.mark.parametrize(
    "names", [("numpy", "numpy-hinge"), ("numba", "numba-hinge"), ("torch-manual", "torch-cpu"), ("jax-cpu",)]
)
def test_a_backend_needs_no_more_than_it_says(names: tuple[str, ...]) -> None:
    """A gradient of 65 536 samples holds at once what `working_bytes` says at the most, and a few MiB."""
    for name in names:
        if (reason := unavailable(name)) is not None:
            pytest.skip(reason)
    code = (
        "import numpy as np; from bench.hardware.memory import peak_bytes\n"
        "from relufit import Params, Sizes, backends, init_params\n"
        f"for name in {names}:\n"
        "    n, b = 65_536, backends.load(name); p = Params(*map(b.to_device, init_params(512)))\n"
        "    x = np.linspace(-6, 6, n, dtype=np.float32)[:, None]; s = b.samples(x, np.sin(x))\n"
        "    b.loss_and_grads(p, s)\n"
        "    peak, _ = peak_bytes(b, lambda: b.to_host(b.loss_and_grads(p, s)[0]))\n"
        "    stated = b.working_bytes('loss_and_grads', Sizes(n, 1, 512, 1), 'float32')\n"
        "    assert peak < stated + 16 * 2**20, (name, peak, stated)"
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
