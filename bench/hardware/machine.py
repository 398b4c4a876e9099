"""The machine as hardware, software and settings: what is needed to trust a number and to repeat it."""

import hashlib
import os
import platform
import re
import subprocess
from functools import lru_cache
from importlib.metadata import distributions
from math import ceil
from pathlib import Path
from typing import Any

import cpuinfo
import psutil
from threadpoolctl import threadpool_info, threadpool_limits

from bench.hardware import identity, nvidia
from bench.hardware.identity import KERNEL_VARIABLES, THREAD_VARIABLES
from relufit.network.memory import control_groups, free_bytes

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("relufit", "numpy", "scipy", "torch", "numba", "jax", "jaxlib", "cupy-cuda12x", "cupy-cuda13x",
            "scikit-learn", "array-api-compat", "pytest", "pytest-benchmark")  # fmt: skip
PREALLOCATION, DEVICE_ORDER = "XLA_PYTHON_CLIENT_PREALLOCATE", "CUDA_DEVICE_ORDER"
# What nvidia-smi is asked of each GPU: a field of the journal for each of its words. Clocks in MHz, limits in W, as
# it writes them. Older drivers do not know all of them.
GPU_FACTS = {
    "name": "name", "driver": "driver_version", "memory": "memory.total", "uuid": "uuid",
    "mig_mode": "mig.mode.current",
    "compute_capability": "compute_cap", "max_sm_clock": "clocks.max.sm", "max_memory_clock": "clocks.max.memory",
    "application_sm_clock": "clocks.applications.graphics", "application_memory_clock": "clocks.applications.memory",
    "power_limit": "power.limit", "compute_mode": "compute_mode",
}  # fmt: skip
OLD_GPU_FACTS = ("name", "driver", "memory")
ALLOCATOR_VARIABLES = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_ARENA_MAX", "LD_PRELOAD",
                       PREALLOCATION)  # fmt: skip
PLACING_VARIABLES = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY", "OMP_WAIT_POLICY",
                     "OMP_DYNAMIC", "OMP_THREAD_LIMIT", "GOTO_NUM_THREADS", "BLIS_NUM_THREADS",
                     "VECLIB_MAXIMUM_THREADS", "CUDA_VISIBLE_DEVICES", DEVICE_ORDER)  # fmt: skip
available_bytes = free_bytes  # within the limits of a container, without swapping


def describe(index: int = 0) -> dict[str, Any]:
    """The machine as hardware and software, without its host name; `gpu` is the CUDA device `index`, where NVML has it.

    Its name stands in the slug.
    """
    measured = nvidia.identify(f"cuda:{index}")
    found = {
        **_processor(),
        "cores": psutil.cpu_count(logical=False) or psutil.cpu_count(),
        "logical_cores": psutil.cpu_count(),
        "usable_cores": usable_cores(),
        "quota_cores": quota_cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": gpus(),
        **({} if measured is None else {"gpu": measured}),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        # Of a package that is installed twice, the first is imported.
        "packages": {name: found.version for name in PACKAGES for found in list(distributions(name=name))[:1]},
    }
    return {"slug": identity.slug(found, "unknown"), **found}


@lru_cache
def _processor() -> dict[str, Any]:
    """What tells two processors of one name apart, as far as the system says it. Takes a second."""
    cpu = cpuinfo.get_cpu_info()
    caches = {name: cpu.get(f"{name}_cache_size") for name in ("l1_data", "l2", "l3")}
    return {
        "cpu": cpu.get("brand_raw") or platform.processor() or platform.machine(),
        "vendor": cpu.get("vendor_id_raw"),
        **{name: cpu.get(name) for name in ("family", "model", "stepping")},
        "instructions": [name for name in identity.INSTRUCTIONS if name in cpu.get("flags", ())],
        "caches": {name: size for name, size in caches.items() if isinstance(size, int)},
    }


def usable_cores() -> int:
    """Cores that this process can keep busy: those that it may run on, or fewer by a container's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, ceil(quota_cores() or allowed))


def quota_cores(root: Path = Path("/")) -> float | None:
    """The least quota of the control groups of this process, in cores; None without one.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max) and
    https://docs.kernel.org/scheduler/sched-bwc.html (version 1).
    """
    quotas = []
    for group, is_unified in control_groups("cpu", root):
        names = ("cpu.max",) if is_unified else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        try:
            quota, period = map(int, " ".join((group / name).read_text() for name in names).split())
        except (OSError, ValueError):  # no such group, or "max", which means no quota
            continue
        if quota > 0 and period > 0:  # version 1 has -1 without a quota
            quotas.append(round(quota / period, 3))
    return min(quotas, default=None)


def gpus() -> list[dict[str, str]]:
    """GPU_FACTS of each NVIDIA GPU, by nvidia-smi, as far as it knows them; none where there is no driver."""
    for names in (GPU_FACTS, OLD_GPU_FACTS):  # one field that a driver does not know costs the whole answer
        try:
            asked = ",".join(GPU_FACTS[name] for name in names)
            found = _output("nvidia-smi", f"--query-gpu={asked}", "--format=csv,noheader")
        except (OSError, subprocess.SubprocessError):
            continue
        rows = [line.split(", ") for line in found.splitlines() if line.count(", ") == len(names) - 1]
        # What does not apply is "[N/A]", "[Not Supported]" or the like.
        return [{name: word for name, word in zip(names, row, strict=True) if word[:1] != "["} for row in rows]
    return []


def limit_threads(threads: int | None) -> None:
    """Limit libraries loaded so far at run time, and those loaded later through their variables."""
    if threads is not None:
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
        threadpool_limits(threads)


def share_gpu_memory() -> None:
    """Keep jax from taking three quarters of a GPU's memory at its first use, and number devices as nvidia-smi does.

    CUDA would have the fastest device first. Children inherit both.
    """
    os.environ.setdefault(PREALLOCATION, "false")
    os.environ.setdefault(DEVICE_ORDER, "PCI_BUS_ID")


def threads_in_force() -> dict[str, int]:
    """Threads that each loaded native library reports."""
    return {re.split("[.-]", Path(pool["filepath"]).name)[0]: pool["num_threads"] for pool in threadpool_info()}


def kernels_in_force() -> dict[str, str]:
    """The architecture whose kernels each loaded BLAS has chosen, as it reports it: "SkylakeX"."""
    pools = {re.split("[.-]", Path(pool["filepath"]).name)[0]: pool.get("architecture") for pool in threadpool_info()}
    return {name: kernels for name, kernels in pools.items() if kernels}


def blas_threads(package: str) -> int | None:
    """Threads of the BLAS of a package, else of any BLAS; None where none is loaded."""
    found = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    own = [pool for pool in found if package in Path(pool["filepath"]).parent.name]
    return next((int(pool["num_threads"]) for pool in (*own, *found)), None)


def environment() -> dict[str, str]:
    """The environment variables that are set and change what is measured."""
    names = dict.fromkeys((*THREAD_VARIABLES, *ALLOCATOR_VARIABLES, *PLACING_VARIABLES, *KERNEL_VARIABLES))
    names |= dict.fromkeys(sorted(name for name in os.environ if name.startswith("MKL_")))
    return {name: os.environ[name] for name in names if name in os.environ}


def load_average() -> float | None:
    """The load average of the last minute; None where the system has none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def commit() -> dict[str, Any]:
    """The commit measured and whether the tree differs from it; a hash of the sources alone without a git of its own.

    A copy inside another repository has that one's commits, which say nothing of it.
    """
    try:
        head, top = _output("git", "rev-parse", "HEAD", "--show-toplevel").splitlines()
        status = _output("git", "status", "--porcelain")
    except (OSError, ValueError, subprocess.SubprocessError):
        return {"content_hash": content_hash()}
    if Path(top).resolve() != ROOT:
        return {"content_hash": content_hash()}
    dirty = any(not line[3:].startswith("results/") for line in status.splitlines())
    return {"commit": head, "dirty": dirty, "content_hash": content_hash()}


def content_hash() -> str:
    """A hash of every source file of relufit and bench, in a fixed order."""
    digest = hashlib.sha256()
    patterns = ("relufit/**/*.py", "relufit/**/*.cuh", "bench/**/*.py", "bench/**/*.cuh")
    for path in sorted(path for pattern in patterns for path in ROOT.glob(pattern)):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=True).stdout
