"""How far a row is from its roof: its cost (grid/cost.py) over ceilings (hardware/cpu_peaks.py).

The roof of a case is the least time that the ceilings allow for its cost: the longest of its instructions, its
multiply-adds and, where its compulsory bytes exceed the largest cache, its copy. One core's ceilings count where the
run was limited to one thread, all cores' otherwise; a row of a CUDA device stands under that device's ceilings, and its
data are compared with its L2 cache.

A row with products in reduced precision stands under the rate of such products that its run measured
(hardware/product_peaks.py) in place of instructions and multiply-adds: the roof is the longest of its multiply-adds and
its copy, whose arrays are float32.

`share_of_copy` differs from that: it is the bandwidth that an unfused library must have moved if it went through its
(N, H) arrays as bench/grid/cost.py counts, over the measured copy rate. It exceeds 1 where the arrays stay in a
cache, or where a compiler fused some of the passes after all.
"""

from typing import Any

import numpy as np

from bench.grid import cost
from bench.grid.workloads import workload
from relufit.network.params import DTYPES, Sizes
from relufit.network.precision import PRECISIONS

DEVICES = ("cpu", "cuda")
NAN = float("nan")


def shares(header: dict[str, Any], case: dict[str, Any], seconds: float) -> dict[str, float]:
    """`share_of_roof` and `share_of_copy` of one call that took `seconds`; nan where nothing was measured."""
    sizes = Sizes(*(int(case[name]) for name in ("batch", "inputs", "hidden", "outputs")))
    work, algorithm = workload(case["work"]).cost, case["algorithm"]
    rule = case["optimizer"] if work == "step" else ""
    device = case["device"].partition(":")[0]  # without its number
    known = (*DTYPES, *PRECISIONS)
    if not work or device not in DEVICES or case["dtype"] not in known or rule not in cost.UPDATES:
        return {"share_of_roof": NAN, "share_of_copy": NAN}
    ceilings = in_force(header, device)
    if case["dtype"] in PRECISIONS:
        need = cost.cost(work, sizes, "float32", algorithm, rule)
        roof = _longest(need, ceilings, need.multiply_adds / ceilings[f"products_per_second_{case['dtype']}"])
        return {"share_of_roof": roof / seconds, "share_of_copy": NAN}
    need = cost.cost(work, sizes, case["dtype"], algorithm, rule)
    computed_in = "float64" if cost.is_hinge(algorithm) else case["dtype"]
    roof = roof_seconds(need, ceilings, work, computed_in)
    moved = NAN if cost.is_fused(algorithm) else cost.unfused_bytes(work, sizes, case["dtype"])
    return {
        "share_of_roof": roof / seconds,
        "share_of_copy": moved / seconds / ceilings["copy_bytes_per_second"],
    }


def in_force(header: dict[str, Any], device: str) -> dict[str, float]:
    """The ceilings that a run's rows of a device stand under, and the bytes of the largest cache."""
    found: dict[str, Any] = header["device_ceilings" if device == "cuda" else "ceilings"]
    if device == "cuda":
        return found
    one_thread = header["settings"]["threads"] == 1
    return {**(found["one_core"] if one_thread else all_cores(found)), "cache_bytes": found["cache_bytes"]}


def all_cores(ceilings: dict[str, Any]) -> dict[str, float]:
    """The ceilings of all cores: a rate is at least that of one core, times what independent loops gain from all.

    Another guest that uses one of the cores during the measurement makes that roof too low, and the shares of its
    rows too high. What loops gain is nothing that a copy gains.
    """
    gain = np.fmax(1.0, ceilings["independent_loops_scaling"])
    gains = {name: 1.0 if "copy" in name else gain for name in ceilings["all_cores"]}
    return {
        name: float(np.fmax(found, ceilings["one_core"][name] * gains[name]))
        for name, found in ceilings["all_cores"].items()
    }


def roof_seconds(need: cost.Cost, ceilings: dict[str, float], work: str, dtype: str) -> float:
    """The least seconds that the ceilings allow for the cost; nan where one of them was not measured."""
    mix = "forward" if work == "forward" else "gradient"
    return _longest(
        need,
        ceilings,
        need.instructions / ceilings[f"{mix}_instructions_per_second_{dtype}"],
        need.multiply_adds / ceilings[f"multiply_adds_per_second_{dtype}"],
    )


def _longest(need: cost.Cost, ceilings: dict[str, float], *seconds: float) -> float:
    """The longest of these times and, where the bytes exceed the largest cache, their copy; nan where one is nan."""
    copy = need.bytes / ceilings["copy_bytes_per_second"] if need.bytes > ceilings["cache_bytes"] else 0.0
    return float(np.max([*seconds, copy]))
