"""The CUDA backends without a GPU: their kernels compiled by the host's C++ compiler, their threads run as fibers.

`HostKernels` stands in for the device that relufit/backends/cupy.py provides; sources, launches and all else are the
backends' own. See cuda_host.h for what is checked on the way.
"""

import ctypes
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from threading import Lock, local
from typing import Any

import numpy as np

from relufit.backends.cuda import FusedBackend, GraphBackend, HingeBackend, Kernel, TrainBackend

SHIM = Path(__file__).with_name("cuda_host.h")
BUILT = Path(tempfile.gettempdir()) / "relufit-cuda-on-host"
KERNELS = re.compile(r'extern "C" __global__ void [^(]*(?:\([^)]*\) )?(\w+)\(')
STREAM = Lock()  # on which kernels of all threads run one after the other
DEADLOCK = 86  # the exit code of cuda_host.h


@lru_cache
def compiler() -> str:
    """The C++ compiler. Raises RuntimeError if none is installed, so that these tests are never skipped silently."""
    for name in (os.environ.get("CXX"), "c++", "g++", "clang++"):
        if name and shutil.which(name):
            return name
    raise RuntimeError("the CUDA sources are checked on the host by a C++ compiler: install g++, or name one in CXX")


def build(text: str, options: tuple[str, ...]) -> Path:
    """Compile kernels as a shared library, once for the same text and sizes."""
    defines = [option for option in options if option.startswith("-D")]
    program = f'#include "{SHIM}"\n{text}\n' + "".join(f"HOST_KERNEL({name})\n" for name in KERNELS.findall(text))
    name = sha256("\0".join([SHIM.read_text(), program, *defines]).encode()).hexdigest()[:16]
    library = BUILT / f"{name}.so"
    if not library.exists():
        BUILT.mkdir(exist_ok=True)
        # Names of this process: another one may be compiling the same.
        unfinished = library.with_suffix(f".{os.getpid()}")
        source = unfinished.with_suffix(f".{os.getpid()}.cpp")
        source.write_text(program)
        # Two roundings stay two: what a GPU contracts is written as fmaf.
        flags = ["-std=c++17", "-O1", "-shared", "-fPIC", "-ffp-contract=off", "-Wno-unknown-pragmas"]
        subprocess.run([compiler(), *flags, *defines, str(source), "-o", str(unfinished)], check=True)
        unfinished.rename(library)
    return library


class Captured(local):
    """The launches that a thread captures instead of making them; None where it captures nothing."""

    captured: list[Callable[[], None]] | None = None


class HostKernels:
    """A device on the host: numpy's arrays, and blocks one after the other. `seed` is the order of their threads."""

    xp = np
    device = "cpu"
    seed = 0

    def __init__(self, name: str) -> None:
        self.name = name
        self.here = Captured()

    def to_device(self, array: Any) -> np.ndarray:
        """Share the array."""
        return np.asarray(array)

    def to_host(self, array: Any) -> np.ndarray:
        """Share the array."""
        return np.asarray(array)

    def processors(self) -> int:
        """Few, so that blocks have more than one piece of work."""
        return 2

    def kernel(self, text: str, options: tuple[str, ...], name: str) -> Kernel:
        """The kernel of that name."""
        function = _library(build(text, options))[f"host_{name}"]

        def launch(blocks: tuple[int], threads: tuple[int], arguments: tuple[Any, ...]) -> None:
            held = [np.asarray(_address(a) if isinstance(a, np.ndarray) else a) for a in arguments]

            def run() -> None:
                pointers = (ctypes.c_void_p * len(held))(*(a.ctypes.data for a in held))
                with STREAM:
                    function(blocks[0], threads[0], ctypes.c_uint(self.seed), pointers)

            if self.here.captured is None:
                run()
            else:
                self.here.captured.append(run)

        return launch

    def record(self, launches: Callable[[], None]) -> Callable[[], None]:
        """As a stream captures: nothing runs yet, and addresses and numbers are those of now."""
        self.here.captured = captured = []
        launches()
        self.here.captured = None

        def replay() -> None:
            for run in captured:
                run()

        return replay


def _address(array: np.ndarray) -> np.ndarray:
    """A pointer to the array's elements, as a kernel takes it."""
    assert array.flags.c_contiguous, "a kernel was given an array with gaps"
    return np.array(array.ctypes.data, np.uint64)


@lru_cache
def _library(path: Path) -> Any:
    return ctypes.CDLL(str(path))


class HostFused(HostKernels, FusedBackend):
    """cupy-fused on the host."""


class HostGraph(HostKernels, GraphBackend):
    """cupy-graph on the host."""


class HostTrain(HostKernels, TrainBackend):
    """cupy-train on the host."""


class HostHinge(HostKernels, HingeBackend):
    """cupy-hinge on the host."""
