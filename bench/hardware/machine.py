"""The machine as hardware, software and settings: what is needed to trust a number and to repeat it."""

import hashlib
import os
import platform
import re
import subprocess
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import cpuinfo
import psutil
from threadpoolctl import threadpool_info, threadpool_limits

from relufit.memory import free_bytes

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("relufit", "numpy", "torch", "numba", "jax", "jaxlib", "cupy-cuda12x", "cupy-cuda13x", "scikit-learn",
            "array-api-compat", "pytest", "pytest-benchmark")  # fmt: skip
# The last is XLA's, which has no other switch (--xla_cpu_multi_thread_eigen=false no longer limits it: measured).
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "PJRT_NPROC")
PREALLOCATION = "XLA_PYTHON_CLIENT_PREALLOCATE"
ALLOCATOR_VARIABLES = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_ARENA_MAX", "LD_PRELOAD",
                       PREALLOCATION)  # fmt: skip
available_bytes = free_bytes  # within the limits of a container, without swapping


def describe() -> dict[str, Any]:
    """The machine as hardware and software, without its host name."""
    cpu = cpuinfo.get_cpu_info()
    gpu = gpus()
    cores = psutil.cpu_count(logical=False) or psutil.cpu_count()
    brand = cpu.get("brand_raw") or platform.processor() or platform.machine()
    return {
        "slug": slug(brand, cores, gpu),
        "cpu": brand,
        "cores": cores,
        "logical_cores": psutil.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": gpu,
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        # Of a package that is installed twice, the first is imported.
        "packages": {name: found.version for name in PACKAGES for found in list(distributions(name=name))[:1]},
    }


def slug(brand: str, cores: int | None, gpu: list[dict[str, str]]) -> str:
    """A folder's name for a kind of hardware: GPUs first, then processor and cores."""
    words = [*(g["name"] for g in gpu[:1]), re.sub(r"\((R|TM)\)|CPU|Processor|@.*", " ", brand), f"{cores} cores"]
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


def gpus() -> list[dict[str, str]]:
    """Name and driver of each NVIDIA GPU, by nvidia-smi; none where there is no driver."""
    try:
        found = _output("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
    except (OSError, subprocess.SubprocessError):
        return []
    rows = (line.split(", ") for line in found.splitlines() if line.count(", ") == 2)
    return [dict(zip(("name", "driver", "memory"), row, strict=True)) for row in rows]


def limit_threads(threads: int | None) -> None:
    """Limit libraries loaded so far at run time, and those loaded later through their variables."""
    if threads is not None:
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
        threadpool_limits(threads)


def share_gpu_memory() -> None:
    """Keep jax from taking three quarters of a GPU's memory at its first use; children inherit it."""
    os.environ.setdefault(PREALLOCATION, "false")


def threads_in_force() -> dict[str, int]:
    """Threads that each loaded native library reports."""
    return {re.split("[.-]", Path(pool["filepath"]).name)[0]: pool["num_threads"] for pool in threadpool_info()}


def blas_threads(package: str) -> int | None:
    """Threads of the BLAS of a package, else of any BLAS; None where none is loaded."""
    found = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    own = [pool for pool in found if package in Path(pool["filepath"]).parent.name]
    return next((int(pool["num_threads"]) for pool in (*own, *found)), None)


def environment() -> dict[str, str]:
    """The environment variables that are set and change what is measured."""
    return {name: os.environ[name] for name in (*THREAD_VARIABLES, *ALLOCATOR_VARIABLES) if name in os.environ}


def load_average() -> float | None:
    """The load average of the last minute; None where the system has none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def commit() -> dict[str, Any]:
    """The commit measured and whether the tree differs from it; without git, a hash of the sources."""
    try:
        head, status = _output("git", "rev-parse", "HEAD").strip(), _output("git", "status", "--porcelain")
    except (OSError, subprocess.SubprocessError):
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
