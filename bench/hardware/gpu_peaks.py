"""The roofs of a CUDA device as measured: what no kernel and no launch can beat here and now.

    python -m bench.hardware.gpu_peaks        prints them

The rates have the names and the units of bench/hardware/cpu_peaks.py, so that one formula puts a row under its roof. A
link of a mix is what one unit does with one sample, whatever instructions the device needs for it: it counts as the
instructions of bench/grid/cost.py.

- copy: bytes read and written by a copy of a gigabyte, far beyond the L2 cache;
- multiply-adds and the mixes of forward and gradient: chains in registers, as many threads as the device holds;
- launch: the wall time of a launch of a kernel that does nothing, one after the other;
- graph node: the device time of such a kernel inside a graph.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.hardware.cpu_peaks import MIXES
from relufit.backends import create, probe
from relufit.network.params import DTYPES

SOURCE = Path(__file__).with_name("gpu_peaks.cuh")
COPY_BYTES, REPEATS = 2**30, 5
THREADS, BLOCKS_PER_PROCESSOR, CHAINS, LINKS = 256, 8, 4, 2**16
LAUNCHES, NODES, HELD_SECONDS = 2000, 500, 5e-3
NUMBERS = {"float32": "float", "float64": "double"}


def measure(index: int = 0) -> dict[str, Any]:
    """The ceilings of the CUDA device of that number; `reason` where cupy cannot measure them."""
    if (reason := probe(_cupy_on(index))) is not None:
        return {"reason": f"cupy: {reason}"}
    import cupy as cp

    try:
        with cp.cuda.Device(index):
            return _measure(cp)
    except Exception as error:  # whatever the device raises: a run without its roofs is a run
        return {"reason": f"{type(error).__name__}: {error}"}


def _measure(cp: Any) -> dict[str, Any]:
    """The ceilings of the current device."""
    rates = {f"{mix}_per_second_{dtype}": _rate(cp, mix, dtype) for dtype in DTYPES for mix in MIXES}
    launch, node = _launch_and_node(cp)
    return {
        "copy_bytes_per_second": _copy_rate(cp),
        **rates,
        "launch_seconds": launch,
        "graph_node_seconds": node,
        "cache_bytes": cp.cuda.Device().attributes["L2CacheSize"],
        "processors": cp.cuda.Device().attributes["MultiProcessorCount"],
        "reason": None,
    }


def _cupy_on(index: int) -> str:
    """The name of the backend whose stream and clock are used."""
    return f"cupy:{index}" if index else "cupy"


def _seconds(work: Callable[[], Any]) -> float:
    """Time of the work on the current device, the best of several; the device is held until all of it is queued."""
    import cupy as cp

    backend = create(_cupy_on(cp.cuda.Device().id))
    clock = backend.device_clock()
    assert clock is not None
    work()
    found = []
    for _ in range(REPEATS):
        backend.synchronize()
        clock.hold(HELD_SECONDS)
        start = clock.mark()
        work()
        stop = clock.mark()
        backend.synchronize()
        found.append(stop - start)
    return float(min(found))


def _copy_rate(cp: Any) -> float:
    source, target = cp.ones(COPY_BYTES, cp.uint8), cp.empty(COPY_BYTES, cp.uint8)
    return 2 * COPY_BYTES / _seconds(lambda: cp.copyto(target, source))


def options(dtype: str) -> tuple[str, ...]:
    """What the loops are compiled with."""
    return "--std=c++17", f"-DNUMBER={NUMBERS[dtype]}", f"-DCHAINS={CHAINS}"


def _kernel(cp: Any, name: str, dtype: str = "float32") -> Any:
    return cp.RawModule(code=SOURCE.read_text(encoding="utf-8"), options=options(dtype)).get_function(name)


def _rate(cp: Any, mix: str, dtype: str) -> float:
    """Lane instructions per second of the mix."""
    kernel, sink = _kernel(cp, mix, dtype), cp.zeros(1, dtype)
    blocks = BLOCKS_PER_PROCESSOR * cp.cuda.Device().attributes["MultiProcessorCount"]
    factor, shift = (cp.dtype(dtype).type(value) for value in (-0.9, 0.3))  # changes sign, stays finite and normal
    seconds = _seconds(lambda: kernel((blocks,), (THREADS,), (factor, shift, cp.int32(LINKS), sink)))
    return blocks * THREADS * CHAINS * LINKS * MIXES[mix].instructions / seconds


def _launch_and_node(cp: Any) -> tuple[float, float]:
    """Wall time of an empty launch, and device time of an empty node of a graph."""
    import time

    nothing = _kernel(cp, "nothing")

    def launches(count: int) -> None:
        for _ in range(count):
            nothing((1,), (1,), ())

    for _ in range(2):  # the first time to warm up
        start = time.perf_counter()
        launches(LAUNCHES)
        cp.cuda.get_current_stream().synchronize()
        launch = (time.perf_counter() - start) / LAUNCHES
    with cp.cuda.Stream(non_blocking=True) as stream:
        stream.begin_capture()
        launches(NODES)
        graph = stream.end_capture()
    return launch, _seconds(graph.launch) / NODES


if __name__ == "__main__":
    import json

    print(json.dumps(measure(), indent=1))  # noqa: T201
