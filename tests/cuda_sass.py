"""Machine instructions of CUDA kernels, counted without a GPU and without a disassembler.

    PYTHONPATH=. python tests/cuda_sass.py        prints the rows of the tables in relufit/backends/cuda/README.md

NVRTC compiles a kernel to a cubin: an ELF file with a section of 16-byte instructions for each kernel. The low 9 bits
of an instruction are its operation, whatever the form of its operands. The inner loop of a kernel is the longest loop
that contains no other loop; a loop ends with a branch backwards.
"""

import struct
import sys
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import pytest

from bench.grid import cost
from bench.hardware import gpu_peaks
from relufit import Sizes
from relufit.backends.cuda.packing import LANES
from relufit.backends.cuda.sources import UNITS_PER_THREAD, sizes, source

ARCHITECTURES = (75, 90)  # T4 and RTX 20; H100 and H200
# Compared with nvdisasm 13.5 for both architectures.
OPERATIONS = {
    0x020: "FMUL", 0x021: "FADD", 0x023: "FFMA", 0x009: "FMNMX", 0x00B: "FSETP", 0x008: "FSEL", 0x189: "SHFL",
    0x184: "LDS", 0x11D: "BAR",
}  # fmt: skip
COLUMNS = ("FMUL", "FADD", "FFMA", "FMNMX", "FSETP", "FSEL", "SHFL", "LDS")
BRANCH = 0x147
FP32_LANES = {75: 16, 90: 32}  # of each of the four schedulers of a multiprocessor (CUDA C++ Programming Guide)


class Counted(NamedTuple):
    """A kernel, and the pairs of a unit and a sample that a thread computes in one round of its inner loop."""

    kernel: str
    work: str  # of bench/grid/cost.py
    text: str
    options: tuple[str, ...]
    pairs: int


TRAIN = Counted("train", "gradient", source("train"), sizes(512, 2), LANES * UNITS_PER_THREAD)
DENSE = source("dense"), sizes(512, keep_hidden=False)
MIXES = gpu_peaks.SOURCE.read_text(encoding="utf-8"), gpu_peaks.options("float32"), 8 * gpu_peaks.CHAINS  # unrolled 8x
KERNELS = (
    TRAIN,
    Counted("gradient_shares", "gradient", *DENSE, LANES * UNITS_PER_THREAD),
    Counted("gradient_instructions", "gradient", *MIXES),
    Counted("forward_large", "forward", *DENSE, 4 * 8),  # unrolled 4 times, 8 samples a thread
    Counted("forward_instructions", "forward", *MIXES),
)


@lru_cache
def compile_for(architecture: int, text: str, options: tuple[str, ...]) -> tuple[str, bytes]:
    """The compiler's log and the cubin of a source; fails where it does not compile, skips where NVRTC is missing."""
    nvrtc = pytest.importorskip(
        "cuda.bindings.nvrtc", reason="cuda-bindings is not installed: pip install relufit[dev]"
    )

    def result(answer: tuple[object, ...]) -> object:
        assert answer[0] == nvrtc.nvrtcResult.NVRTC_SUCCESS, answer[0]
        return answer[1] if len(answer) == 2 else None

    program = result(nvrtc.nvrtcCreateProgram(text.encode(), b"kernels", 0, [], []))
    asked = [*dict.fromkeys([*options, "--std=c++17"]), f"--gpu-architecture=sm_{architecture}"]
    asked += ["--ftz=true", "--ptxas-options=-v"]  # cupy asks for the first without being told
    (status,) = nvrtc.nvrtcCompileProgram(program, len(asked), [option.encode() for option in asked])
    log = b" " * result(nvrtc.nvrtcGetProgramLogSize(program))  # type: ignore[operator]
    result(nvrtc.nvrtcGetProgramLog(program, log))
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS, log.decode()
    cubin = b" " * result(nvrtc.nvrtcGetCUBINSize(program))  # type: ignore[operator]
    result(nvrtc.nvrtcGetCUBIN(program, cubin))
    return log.decode(), cubin


def instructions(cubin: bytes, kernel: str) -> list[int]:
    """The low 64 bits of each instruction of a kernel."""
    table, entry_bytes, entries, names = struct.unpack_from("<Q10xHHH", cubin, 0x28)  # e_shoff, e_shentsize, ...
    sections = [struct.unpack_from("<I20xQQ", cubin, table + k * entry_bytes) for k in range(entries)]
    for name, start, size in sections:
        first = sections[names][1] + name
        if cubin[first : cubin.index(b"\0", first)] == f".text.{kernel}".encode():
            return [struct.unpack_from("<Q", cubin, at)[0] for at in range(start, start + size, 16)]
    raise KeyError(kernel)


def loops(code: list[int], architecture: int) -> Iterator[range]:
    """The places of the instructions of each loop, from the target of a branch backwards to the branch."""
    for at, word in enumerate(code):
        if word & 0x1FF != BRANCH:
            continue
        signed = struct.unpack("<q", struct.pack("<Q", word))[0]
        # Bytes from the next instruction; from Hopper on in units of 4, with the low 8 bits elsewhere.
        offset = signed >> 32 if architecture < 90 else 4 * ((signed >> 34 << 8) | (word >> 16 & 0xFF))
        if offset < 0:
            yield range(at + 1 + offset // 16, at + 1)


@lru_cache
def inner_loop(counted: Counted, architecture: int) -> tuple[Counter[str], int]:
    """How often each operation stands in the inner loop of a kernel; all without a name here are "other".

    Also returns the number of instructions that the next loop around it has besides.
    """
    _, cubin = compile_for(architecture, counted.text, counted.options)
    code = instructions(cubin, counted.kernel)
    found = list(loops(code, architecture))
    inner = max((one for one in found if not any(set(other) < set(one) for other in found)), key=len)
    around = min((len(one) for one in found if set(inner) < set(one)), default=len(inner))
    return Counter(OPERATIONS.get(code[at] & 0x1FF, "other") for at in inner), around - len(inner)


def table_row(counted: Counted, architecture: int) -> str:
    """Instructions of a thread in a round of the loop, and per unit and sample, beside those of bench/grid/cost.py."""
    counts, _ = inner_loop(counted, architecture)
    shown = [counts[name] for name in COLUMNS]
    numbers = [*shown, counts.total() - sum(shown), counts.total()]
    one_pair = cost.cost(counted.work, Sizes(10**6, 1, 1, 1), "float32", "dense").instructions / 10**6
    cells = [f"`{counted.kernel}`", f"sm_{architecture}", *map(str, numbers), f"{counts.total() / counted.pairs:.2f}"]
    return f"| {' | '.join([*cells, f'{one_pair:g}'])} |"


def step_row(architecture: int) -> str:
    """Instructions of a thread of `train` in a step of G groups, with Adam, and clocks of the FP32 lanes per group."""
    counts, besides = inner_loop(TRAIN, architecture)
    clocks = (counts["FMUL"] + counts["FADD"] + counts["FFMA"]) * LANES // FP32_LANES[architecture]
    return f"| sm_{architecture} | {counts.total()} G + {besides} | {clocks} G |"


if __name__ == "__main__":
    for number in ARCHITECTURES:
        sys.stdout.writelines(f"{table_row(one, number)}\n" for one in KERNELS)
    sys.stdout.writelines(f"{step_row(number)}\n" for number in ARCHITECTURES)
