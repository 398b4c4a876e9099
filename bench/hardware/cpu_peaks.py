"""The roofs of this machine as measured: what no backend can exceed here and now, on one core and on all in force.

    python -m bench.hardware.cpu_peaks        prints them

`pytest bench` measures them in a few seconds before its first case, in the same run, so that every rate can stand
beside its roof: clock and neighbours of a borrowed machine change from hour to hour. Inside the clock:

- copy: bytes read and written by a copy of arrays well beyond the last-level cache;
- multiply-adds: fused multiply-adds of vectors in registers, twelve independent chains;
- instructions: the vector instructions that a fused kernel consists of, in their proportion, also in registers:
  `forward` is (fma, max, fma) a unit and sample, `gradient` adds (fma, compare, and, and, add, add).

Multiply-adds and instructions count single lanes: an instruction on a vector of 8 float32 counts 8, so that a cost in
instructions per sample and unit (bench/grid/cost.py) divides by them whatever the width of the machine's vectors.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.hardware import machine
from relufit.network.params import DTYPES


class Mix(NamedTuple):
    """A mix of instructions as a loop over independent chains."""

    instructions: int  # of one link of a chain
    chains: int
    values: int  # that a chain carries from link to link, each in a register


# Enough independent chains to fill the pipes, few enough for 16 registers: 2 pipes x 4 clocks of an fma want 8 chains.
MIXES = {"multiply_adds": Mix(1, 12, 1), "forward_instructions": Mix(3, 5, 2), "gradient_instructions": Mix(9, 2, 5)}
BURST_SECONDS, BURSTS = 5e-3, 24  # the best of many short bursts: others that use the core do not meet all of them
COPY_BYTES, COPIES = 2**28, 5
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")  # Linux


def measure(threads: int | None = None) -> dict[str, Any]:
    """The ceilings of one core and of `threads` cores (None: all that this process may use), as the journal keeps them.

    Where numba is not installed the rates that need it are None, and `reason` says so.
    """
    threads = threads or machine.usable_cores()
    one, every = {"copy_bytes_per_second": copy_rate(1)}, {"copy_bytes_per_second": copy_rate(threads)}
    loops, reason = dict[str, Callable[[int], int]](), None
    try:
        loops = {f"{mix}_per_second_{dtype}": vector_loop(mix, dtype) for mix in MIXES for dtype in DTYPES}
    except ImportError as error:
        reason = f"numba does not import: {error}"
    for name, loop in loops.items():
        one[name] = rate(loop, 1)
        every[name] = one[name] if threads == 1 else rate(loop, threads)
    compute = f"multiply_adds_per_second_{DTYPES[0]}"
    return {
        "one_core": one,
        "all_cores": every,
        "cores": threads,
        # What "all cores" can be worth at the most: loops that share nothing but the machine.
        "independent_loops_scaling": every[compute] / one[compute] if loops else None,
        "cache_bytes": cache_bytes(),
        "reason": reason,
    }


def cache_bytes() -> int | None:
    """The largest cache: data that fit in it are not bound by the copy rate. None where the system does not say."""
    found = [path.read_text().strip() for path in CACHES.glob("index*/size")]
    kibibytes = [int(text[:-1]) for text in found if text.endswith("K") and text[:-1].isdecimal()]
    return 1024 * max(kibibytes) if kibibytes else None


def copy_rate(threads: int) -> float:
    """Bytes per second, read and written, of a copy in `threads` pieces at once; the best of several."""
    size = max(COPY_BYTES, 4 * (cache_bytes() or 0))
    size = min(size, machine.available_bytes() // 8) // threads
    pairs = [(np.ones(size, np.uint8), np.ones(size, np.uint8)) for _ in range(threads)]
    return 2 * size * threads / min(_together(lambda pair: np.copyto(*pair), pairs) for _ in range(COPIES))


def rate(loop: Callable[[int], int], threads: int) -> float:
    """Lane instructions per second of the loop in `threads` threads at once; the best of several bursts."""
    links = 10_000
    while (seconds := _together(loop, [links] * threads)) < BURST_SECONDS:
        links *= 2
    seconds = min(seconds, *(_together(loop, [links] * threads) for _ in range(BURSTS)))
    return loop(links) * threads / seconds


def _together(work: Callable[[Any], Any], inputs: list[Any]) -> float:
    """Seconds until a thread for each input has done its work; the work must not hold Python's lock."""
    with ThreadPoolExecutor(len(inputs)) as pool:
        run = pool.map if len(inputs) > 1 else map  # the only one needs no other thread
        list(run(time.sleep, [1e-3] * len(inputs)))  # so that every thread exists before the clock starts
        start = time.perf_counter()
        list(run(work, inputs))
        return time.perf_counter() - start


def vector_loop(mix: str, dtype: str) -> Callable[[int], int]:
    """A compiled loop over the mix: called with a number of links it runs them and returns its lane instructions.

    The loop is written in LLVM's own vectors and llvm.fma, because numba's Python has no fma and its vectoriser keeps
    no array in registers. Raises ImportError without numba.
    """
    import numba

    spin, lanes = _spin(mix, dtype)
    start = np.linspace(0.1, 0.9, lanes * (2 + MIXES[mix].chains * 5)).astype(dtype)
    start[:lanes] = -0.9  # a contraction that changes sign: values stay finite and normal, and both masks occur

    run = numba.njit(nogil=True)(lambda values, links: spin(values, links))
    run(start, 1)  # compiles

    def loop(links: int) -> int:
        run(start, links)
        return links * MIXES[mix].chains * MIXES[mix].instructions * lanes

    return loop


def _spin(mix: str, dtype: str) -> tuple[Any, int]:
    """A numba intrinsic (values, links) -> sum that runs the mix in vectors of the returned number of lanes.

    Seen in the assembly (inspect_asm, AVX2, numba 0.68): the loop is unrolled four or eight times and holds nothing but
    the mix on ymm registers, no load, store or spill: 12 vfmadd213ps a turn for multiply-adds; vfmadd213ps, vmaxps,
    vfmadd213ps and vfmadd213ps, vcmpltps, vandps, vandps, vaddps, vaddps a link for the gradient. With AVX-512 the same
    stands there on zmm registers, unrolled once or twice, and each vandps is a vmovaps under a mask. Nothing is merged:
    every chain starts from other values, loaded at run time, without fast-math, and all of them enter the sum.
    """
    from llvmlite import ir
    from numba.core import cgutils
    from numba.extending import intrinsic

    itemsize = np.dtype(dtype).itemsize
    lanes = register_bytes() // itemsize
    vector = ir.VectorType({"float32": ir.FloatType(), "float64": ir.DoubleType()}[dtype], lanes)
    _, chains, state = MIXES[mix]

    @intrinsic
    def spin(typing_context: Any, values: Any, links: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            fma_type = ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(builder.module, fma_type, f"llvm.fma.v{lanes}f{8 * itemsize}")
            array = context.make_array(signature.args[0])(context, builder, arguments[0])
            pointer = builder.bitcast(array.data, vector.as_pointer())
            places = (builder.gep(pointer, [ir.Constant(ir.IntType(64), k)]) for k in range(2 + chains * state))
            factor, shift, *starts = (builder.load(place, align=itemsize) for place in places)
            slots = [cgutils.alloca_once_value(builder, start) for start in starts]
            with cgutils.for_range(builder, arguments[1]):
                for chain in range(chains):
                    own = slots[chain * state : (chain + 1) * state]
                    found = _link(mix, builder, fma, [builder.load(slot) for slot in own], factor, shift)
                    for slot, value in zip(own, found, strict=True):
                        builder.store(value, slot)
            total = reduce(builder.fadd, map(builder.load, slots))
            parts = (builder.extract_element(total, ir.Constant(ir.IntType(32), lane)) for lane in range(lanes))
            return reduce(builder.fadd, parts)

        return values.dtype(values, links), generate

    return spin, lanes


def _link(mix: str, builder: Any, fma: Any, state: list[Any], factor: Any, shift: Any) -> list[Any]:
    """One link of a chain: the instructions of one unit on one vector of samples; z is carried, so it changes."""
    z, *sums = state
    zero = z.type(None)
    z = builder.call(fma, [z, factor, shift])
    if mix == "multiply_adds":
        return [z]
    hidden = builder.select(builder.fcmp_ordered(">", z, zero), z, zero)  # max
    forward = [z, builder.call(fma, [hidden, factor, sums[0]])]
    if mix == "forward_instructions":
        return forward
    z = builder.call(fma, [sums[1], factor, shift])  # recomputed: hidden values are not kept
    active = builder.fcmp_ordered(">", z, zero)
    first, second = (builder.select(active, value, zero) for value in (factor, shift))  # two ands
    return [*forward, z, builder.fadd(sums[2], first), builder.fadd(sums[3], second)]


def register_bytes() -> int:
    """Bytes of the widest vector register that the compiler may use here."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx") else 16


if __name__ == "__main__":
    import json

    print(json.dumps(measure(), indent=1))  # noqa: T201
