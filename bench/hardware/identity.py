"""Which machine a number belongs to: the facts that decide its speed, their name as a folder, and their words.

Two processors that share a marketing name are two machines, and so are two cores of a processor and one of them. The
name is computed from the facts that the journal holds, never read from it. This module reads nothing of the machine
(bench/hardware/machine.py does), so that reports can import it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

# The facts that decide speed. Versions of drivers and packages belong to a run, not to its machine.
FACTS = ("cpu", "vendor", "family", "model", "stepping", "instructions", "caches", "cores", "logical_cores",
         "usable_cores", "quota_cores", "gpus", "multiply_adds_per_second")  # fmt: skip
# Facts that identify a machine. An older journal has none of them: then the name of its folder is that of the machine.
IDENTIFYING = ("family", "model", "instructions", "caches", "usable_cores", "multiply_adds_per_second")
# Instruction sets that array libraries have different kernels for, by their names in Linux on x86 and ARM.
INSTRUCTIONS = (
    "sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni",
    "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8", "asimd", "asimdhp", "asimddp", "sve", "sve2",
    "i8mm", "bf16",
)  # fmt: skip

# The last is XLA's, which has no other switch (--xla_cpu_multi_thread_eigen=false no longer limits it: measured).
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "PJRT_NPROC")
# Variables that make a library use other kernels than it would choose for this processor, or another arithmetic.
KERNEL_VARIABLES = (
    "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR", "MKL_DEBUG_CPU_TYPE",
    "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_DISABLE_JIT",
    "NPY_DISABLE_CPU_FEATURES", "XLA_FLAGS", "BLIS_ARCH_TYPE", "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "CUPY_TF32", "CUPY_ACCELERATORS", "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_LAUNCH_BLOCKING", "CUDA_FORCE_PTX_JIT",
)  # fmt: skip
MOST_LETTERS = 80  # of a slug's words: it is a part of the names of files


def slug(machine: Mapping[str, Any], folder: str) -> str:
    """The name of a machine: the GPU measured, processor, cores and a hash of FACTS; `folder` if nothing identifies it.

    Two GPUs of the same model have the same name: their serial numbers do not change their speed.
    """
    if not any(machine.get(name) for name in IDENTIFYING):
        return folder
    cores = machine.get("usable_cores") or machine.get("cores")
    brand = re.sub(r"\((R|TM)\)|CPU|Processor|@.*", " ", str(machine.get("cpu", "")))
    first = [*map(_name, machine.get("gpus", [])[:1])]
    measured = [name] if (name := (machine.get("gpu") or {}).get("name")) else first
    words = " ".join([*measured, brand, f"{cores or 'unknown'} cores"])
    facts = {name: _fact(machine, name) for name in FACTS if machine.get(name)}
    if measured != first:  # another model than the first one, or a partition of it
        facts["gpu"] = measured
    return re.sub(r"[^a-z0-9]+", "-", f"{words[-MOST_LETTERS:]} {digest(facts)}".lower()).strip("-")


def digest(facts: Any) -> str:
    """A short hash of facts that json can hold, whatever the order of their names."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:6]


def in_words(machine: Mapping[str, Any], folder: str) -> str:
    """The hardware as a heading: "AMD EPYC (family 25, model 1, stepping 1), 1 of 2 cores"."""
    kind = [f"{name} {machine[name]}" for name in ("family", "model", "stepping") if machine.get(name)]
    if rate := machine.get("multiply_adds_per_second"):
        kind.append(f"{rate / 1e9:.3g} G multiply-adds/s a core")
    cpu = (machine.get("cpu") or folder) + (f" ({', '.join(kind)})" if kind else "")
    measured = (machine.get("gpu") or {}).get("name")  # else all of them: older journals do not say which
    gpus = [measured] if measured else map(_name, machine.get("gpus", []))
    return ", ".join([*gpus, cpu, _cores_in_words(machine)])


def _cores_in_words(machine: Mapping[str, Any]) -> str:
    every, usable = machine.get("logical_cores"), machine.get("usable_cores")
    limited = f"{usable} of {every} cores" if usable and every and usable < every else ""
    quota = f", with a quota of {machine['quota_cores']:.3g}" if machine.get("quota_cores") else ""
    return (limited or f"{machine.get('cores') or '?'} cores") + quota


def _fact(machine: Mapping[str, Any], name: str) -> Any:
    return [*map(_name, machine["gpus"])] if name == "gpus" else machine[name]


def _name(gpu: Any) -> str:
    """The name of a GPU, as measured (a table) or as read (a text)."""
    return str(gpu["name"] if isinstance(gpu, Mapping) else gpu)
