"""Shares of the roof by hand, on made-up journals."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from journals import HEADER, line

from bench.analysis import throughput
from bench.analysis.frames import Run, read
from bench.journal.schema import ROOFS
from bench.reporting import provenance
from bench.reporting.document import markdown
from bench.reporting.tables.throughput import SCALING, THROUGHPUT

ONE = {**dict.fromkeys(ROOFS, 1e10), "gradient_instructions_per_second_float32": 9e10, "copy_bytes_per_second": 2e10}
CEILINGS: dict[str, Any] = {
    "one_core": ONE, "all_cores": {name: 2 * value for name, value in ONE.items()},
    "cores": 2, "independent_loops_scaling": 1.9, "cache_bytes": 2**25, "reason": None,
}  # fmt: skip


def make(
    tmp_path: Path, *lines: dict[str, Any], threads: int | None = 1, ceilings: Any = CEILINGS, device: Any = None
) -> Run:
    """A run at so many threads under these ceilings."""
    head = {"kind": "run", **HEADER, "settings": {"profile": "full", "threads": threads}, "ceilings": ceilings}
    head["device_ceilings"] = device
    path = tmp_path / "r.jsonl"
    path.write_text("\n".join(map(json.dumps, (head, *lines))))
    return read(path)


def ours(run: Run) -> Any:
    """The row of numpy."""
    return throughput.throughput(run).query("backend == 'numpy'").iloc[0]


def case(**changes: Any) -> dict[str, Any]:
    """A gradient of 800 samples in a millisecond on the host."""
    return line(**{"device": "cpu", "algorithm": "dense", "seconds": [1e-3] * 6, **changes})


def test_instructions_are_the_roof_of_a_gradient(tmp_path: Path) -> None:
    """9 x 800 x 512 lane instructions at 9e10 a second are 41 us of a millisecond; at all cores half of that.

    The 3 x 800 x 512 multiply-adds at 1e10 a second take longer: 123 us.
    """
    multiply_adds = 3 * 800 * 512 / 1e10
    assert multiply_adds > 9 * 800 * 512 / 9e10
    assert ours(make(tmp_path, case())).share_of_roof == pytest.approx(multiply_adds / 1e-3)
    assert ours(make(tmp_path, case(), threads=None)).share_of_roof == pytest.approx(multiply_adds / 2 / 1e-3)
    fast = {**CEILINGS, "one_core": {**ONE, "multiply_adds_per_second_float32": 1e12}}
    row = ours(make(tmp_path, case(), ceilings=fast))
    assert row.share_of_roof == pytest.approx(9 * 800 * 512 / 9e10 / 1e-3)
    assert "[4.1%]" in markdown(THROUGHPUT.document(make(tmp_path, case(), ceilings=fast)))


def test_a_roof_of_all_cores_is_not_below_what_one_core_and_the_gain_make(tmp_path: Path) -> None:
    """A mix that was disturbed on two cores, 5e10, counts as 9e10 x 1.9; a copy is what it is."""
    disturbed = {**CEILINGS["all_cores"], "gradient_instructions_per_second_float32": 5e10}
    ceilings = {**CEILINGS, "all_cores": {**disturbed, "multiply_adds_per_second_float32": 1e13}}
    run = make(tmp_path, case(), threads=None, ceilings=ceilings)
    assert ours(run).share_of_roof == pytest.approx(9 * 800 * 512 / (9e10 * 1.9) / 1e-3)
    assert "2 cores: copy 40 GB/s" in markdown(provenance.provenance(run))
    assert "171 G lane instructions/s" in markdown(provenance.provenance(run))


@pytest.mark.parametrize("gain", [0.8, None])
def test_all_cores_are_worth_at_least_one(gain: float | None, tmp_path: Path) -> None:
    """Where others held the cores back, so that all of them did less than one, the roof is that of one."""
    half = {name: value / 2 for name, value in ONE.items()}
    ceilings = {**CEILINGS, "all_cores": half, "independent_loops_scaling": gain}
    run = make(tmp_path, case(), threads=None, ceilings=ceilings)
    assert ours(run).share_of_roof == pytest.approx(3 * 800 * 512 / 1e10 / 1e-3)
    assert "2 cores: copy 20 GB/s, 10 G multiply-adds/s" in markdown(provenance.provenance(run))


DEVICE: dict[str, Any] = {
    **dict.fromkeys(ROOFS, 3e13), "copy_bytes_per_second": 4e12, "cache_bytes": 50 * 2**20, "launch_seconds": 2e-6,
    "graph_node_seconds": 1e-6, "processors": 132, "reason": None,
}  # fmt: skip


def test_a_device_has_roofs_of_its_own(tmp_path: Path) -> None:
    """A row of a device stands under its own roofs, and without them it has none."""
    row = case(device="cuda", batch=2**22)
    assert ours(make(tmp_path, row, device=DEVICE)).share_of_roof == pytest.approx(9 * 2**22 * 512 / 3e13 / 1e-3)
    assert np.isnan(ours(make(tmp_path, row)).share_of_roof)
    text = markdown(provenance.provenance(make(tmp_path, row, device=DEVICE)))
    assert "Device: copy 4 TB/s, 30 T multiply-adds/s" in text
    assert "an empty launch takes 2 us, a node of a graph 1 us" in text
    assert "up to 50 MiB they come from its L2 cache" in text


def test_bytes_count_where_no_cache_holds_them(tmp_path: Path) -> None:
    """A forward of 10^8 samples through one unit: 0.8 GB at 2e10 bytes a second are 40 ms; in a cache they are free."""
    one = {**ONE, "forward_instructions_per_second_float32": 1e13, "multiply_adds_per_second_float32": 1e13}
    big = case(work="forward", batch=10**8, hidden=1, seconds=[0.1] * 6)
    run = make(tmp_path, big, ceilings={**CEILINGS, "one_core": one})
    assert ours(run).share_of_roof == pytest.approx(0.4, rel=1e-3)
    held = make(tmp_path, big, ceilings={**CEILINGS, "one_core": one, "cache_bytes": 2**40})
    assert ours(held).share_of_roof == pytest.approx(3e8 / 1e13 / 0.1, rel=1e-3)


def test_a_step_takes_its_update_too(tmp_path: Path) -> None:
    """The roof of a step holds its update, whatever number of steps a call made."""
    step = case(work="step", batch=32, optimizer="adam", seconds=[25e-5] * 6, steps=25)
    fast = {**CEILINGS, "one_core": {**ONE, "multiply_adds_per_second_float32": 1e13}}
    instructions = 9 * 32 * 512 + 9 * 1537
    assert ours(make(tmp_path, step, ceilings=fast)).share_of_roof == pytest.approx(instructions / 9e10 / 1e-5)


def test_share_of_copy_is_of_unfused_rows(tmp_path: Path) -> None:
    """Eleven passes over (800, 512) float32 in a millisecond are 18 GB/s of 20; fused rows and hinge have none."""
    assert ours(make(tmp_path, case())).share_of_copy == pytest.approx(11 * 800 * 512 * 4 / 1e-3 / 2e10)
    for algorithm in ("dense, fused", "hinge"):
        assert np.isnan(ours(make(tmp_path, case(algorithm=algorithm))).share_of_copy)


@pytest.mark.parametrize(
    "changes", [{"device": "cuda"}, {"work": "latency"}, {"dtype": "float8"}, {"work": "step", "optimizer": "lion"}]
)
def test_what_the_host_does_not_bound_has_no_share(changes: dict[str, str], tmp_path: Path) -> None:
    """Another device, another kind of work and a rule without a cost have no share."""
    assert np.isnan(ours(make(tmp_path, case(**changes))).share_of_roof)


@pytest.mark.parametrize("ceilings", [None, {}, 3, {"one_core": None}, {"one_core": {"copy_bytes_per_second": "x"}}])
def test_without_ceilings_nothing_is_claimed(ceilings: Any, tmp_path: Path) -> None:
    """Journals without ceilings, or with damaged ones, have empty cells and no word of them in the ledger."""
    run = make(tmp_path, case(), ceilings=ceilings)
    assert np.isnan(ours(run).share_of_roof)
    assert np.isnan(ours(run).share_of_copy)
    assert "Ceilings" not in markdown(provenance.provenance(run))
    assert "[" not in markdown(THROUGHPUT.document(run))


def test_the_ledger_tells_the_ceilings_with_units(tmp_path: Path) -> None:
    """The ledger tells the ceilings of one core and of all, and what independent loops gain from them."""
    text = markdown(provenance.provenance(make(tmp_path, case())))
    assert "one core: copy 20 GB/s, 10 G multiply-adds/s, 90 G lane instructions/s" in text
    assert "2 cores: copy 40 GB/s" in text
    assert "gain 1.90 times" in text
    partly = {
        **CEILINGS,
        "one_core": {"copy_bytes_per_second": 2e10},
        "reason": "numba does not import: no such module",
    }
    text = markdown(provenance.provenance(make(tmp_path, case(), ceilings=partly)))
    assert "one core: copy 20 GB/s;" in text
    assert "numba does not import" in text


def test_hinge_rows_say_what_they_are(tmp_path: Path) -> None:
    """Hinge rows name effective samples and the build, a compiled row its first call, each reason once."""
    run = make(
        tmp_path,
        case(algorithm="hinge", build_seconds=0.012),
        case(algorithm="dense", batch=32),
        case(batch=8192, seconds=None, status="SKIPPED", reason="no time"),
        case(batch=65536, seconds=None, status="SKIPPED", reason="no memory"),
        case(batch=10**6, seconds=None, status="SKIPPED", reason="no time"),
        case(backend="torch-compile", algorithm="dense, compiled", first_call_seconds=3.1),
        case(backend="torch-cpu", algorithm="autograd", first_call_seconds=2e-3, build_seconds=1e-5),
    )
    text = markdown(THROUGHPUT.document(run))
    assert "(1) no time; (2) no memory; (3) hinge: effective samples, dense up to N = 32; (4) build 12 ms" in text
    assert "| 1, 2, 3, 4 " in text
    assert "first call 3.1 s" in text
    assert text.count("first call") == 1
    assert text.count("build 12 ms") == 1


def test_a_step_of_minibatches_names_the_samples_that_were_built(tmp_path: Path) -> None:
    """A step of batches of 300 names the table of 800 samples that they come from."""
    run = make(
        tmp_path, case(work="step", optimizer="adam", batch=32, algorithm="hinge", build_seconds=0.012, steps=25)
    )
    assert "build 12 ms at N = 800" in markdown(THROUGHPUT.document(run))


def test_what_a_long_sum_lost_is_said(tmp_path: Path) -> None:
    """The relative error of a gradient is said where a third of the digits of float32 are gone."""
    checks = {"gradient": {"error": 4e-4, "bound": 1e-3, "share": 0.4}}
    run = make(tmp_path, case(work="scaling", batch=10**6, seconds=[1.0] * 6, agreement=checks))
    assert "gradient off by 4e-04 at N = 10^6" in markdown(SCALING.document(run))


def test_hinge_stands_under_the_roof_of_float64(tmp_path: Path) -> None:
    """Hinge takes (9 + 4 + 34) float64 operations a unit at 1e10 a second, whatever the samples' dtype."""
    found = ours(make(tmp_path, case(algorithm="hinge")))
    assert found.share_of_roof == pytest.approx(512 * 47 / 1e10 / 1e-3)


def test_reduced_precision_stands_under_its_own_peak(tmp_path: Path) -> None:
    """Its roof is its multiply-adds over the rate of such products; a run without that rate gives it no share."""
    reduced = case(
        dtype="bfloat16", loss_scale=1.0, agreement={"outputs": {"error": 0.006, "bound": 0.012, "share": 0.5}}
    )
    ceilings = {**CEILINGS, "one_core": {**ONE, "products_per_second_bfloat16": 4e9}}
    run = make(tmp_path, reduced, case(seconds=[5e-4] * 6), ceilings=ceilings)
    row = throughput.reduced(run).iloc[0]
    assert row.share_of_roof == pytest.approx(3 * 800 * 512 / 4e9 / 1e-3)
    assert row.times_faster_than_float32 == pytest.approx(0.5)
    assert (row.stored, row.accumulated, row.error_share_of_bound) == ("bfloat16", "float32", 0.5)
    assert np.isnan(throughput.reduced(make(tmp_path, reduced)).share_of_roof[0])
    large = {**ceilings, "cache_bytes": 100.0}
    copy = 4 * (2 * 800 + 2 * (3 * 512 + 1)) / 2e10
    fast = {**large, "one_core": {**ONE, "products_per_second_bfloat16": 1e15}}
    assert throughput.reduced(make(tmp_path, reduced, ceilings=fast)).share_of_roof[0] == pytest.approx(copy / 1e-3)
