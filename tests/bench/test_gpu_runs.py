"""Runs of `pytest bench` on planted GPUs: out of memory, a device that fails, no device, another device, a deadline."""

import time
from pathlib import Path
from typing import Any

import pytest
from bench_runs import bench, lines
from fake_gpu import plant

SLOW = pytest.mark.slow  # each run takes about 5 s
GRADIENT = ("--benchmark-only", "--hidden", "8", "--seconds", "4", "-k", "test_gradient")


def cases(results: Path) -> list[dict[str, object]]:
    """The lines of the cases of all journals."""
    return [line for line in lines(results) if line["kind"] == "case"]


def became(results: Path) -> dict[tuple[object, object], tuple[object, object]]:
    """Backend and N of each case, with its status and reason."""
    return {(case["backend"], case["batch"]): (case["status"], case.get("reason")) for case in cases(results)}


@pytest.mark.parametrize(
    ("library", "reason"),
    [
        ("torch", "CUDA out of memory. Tried to allocate 2.00 GiB."),
        pytest.param("cupy", "Out of memory allocating 2,147,483,648 bytes (allocated so far: 0 bytes).", marks=SLOW),
        pytest.param("jax", "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 2147483648 bytes.", marks=SLOW),
    ],
)
def test_out_of_memory_costs_its_case(library: str, reason: str, tmp_path: Path) -> None:
    """The row is OOM, every backend of the device gives its pool back, the same process measures the rest, and 1."""
    words = ("--backend", "beside,full", "--batch", "33,40")
    done = bench(tmp_path, *GRADIENT, *words, **plant(tmp_path), RUN_OUT_AS=library)
    assert done.returncode == 1, done.stdout + done.stderr
    found = became(tmp_path)
    assert found.pop(("full", 33)) == ("OOM", reason)
    assert set(found.values()) == {("OK", None)}
    assert len(found) == 3
    assert done.stderr.splitlines() == ["bench: full: 1 OOM"]  # and no other process: nothing was resumed


@pytest.mark.parametrize("how", [(), pytest.param(("--isolate",), marks=SLOW)], ids=["watched", "isolated"])
def test_a_device_that_fails_ends_its_process(how: tuple[str, ...], tmp_path: Path) -> None:
    """The case is CRASHED and the process ends with 70; --resume, or --isolate by itself, measures the rest."""
    words, environment = ("--backend", "sticky", "--batch", "33,40,50"), plant(tmp_path)
    done = bench(tmp_path, *GRADIENT, *words, *how, **environment)
    assert done.returncode == (1 if how else 70), done.stdout + done.stderr
    failed = ("CRASHED", "RuntimeError: CUDA error: an illegal memory access was encountered")
    if not how:
        (path,) = tmp_path.rglob("*.jsonl")
        assert "the device failed under sticky; --resume continues in a new process" in done.stdout
        assert done.stderr.splitlines()[-1].endswith(
            f"cases were not measured: the run ended; --resume {path} measures them"
        )
        assert bench(tmp_path, *GRADIENT, *words, "--resume", str(path), **environment).returncode == 1
    assert became(tmp_path) == {("sticky", 33): failed, ("sticky", 40): ("OK", None), ("sticky", 50): ("OK", None)}


def test_a_run_on_the_second_device(tmp_path: Path) -> None:
    """Rows, context and settings are of the device; what has none, or not the memory, says so, and exit code 0."""
    words = ("--backend", "fake,numpy,none", "--device", "cuda:1", "--gpu-memory", "1.01", "--batch", "33,4194304")
    done = bench(tmp_path, *GRADIENT, *words, **plant(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    ran = {(case["backend"], case.get("device")) for case in cases(tmp_path) if case["status"] == "OK"}
    assert ran >= {("fake:1", "cuda:1"), ("numpy", "cpu")}
    header: Any = lines(tmp_path)[0]
    assert 0 < header["backends"]["fake:1"]["context_seconds"] < 60
    assert "context_seconds" not in header["backends"]["numpy"]
    assert header["settings"]["device"] == "cuda:1"
    status, reason = became(tmp_path)["fake:1", 4194304]
    assert status == "SKIPPED"
    assert str(reason).endswith("GiB at once and 0.0 GiB are free")
    assert header["backends"]["none:1"]["reason"] == "this machine has no CUDA device"
    assert "none:1: this machine has no CUDA device" in done.stdout
    assert not [case for case in cases(tmp_path) if case["backend"] == "none:1"]


@pytest.mark.slow
def test_a_run_ends_within_its_deadline(tmp_path: Path) -> None:
    """With a backend of a second a gradient the run ends in time by itself: what does not fit is SKIPPED."""
    words = ("--benchmark-only", "--hidden", "8", "--backend", "slow,numpy", "--within", "25", "--profile", "gpu")
    start = time.monotonic()
    done = bench(tmp_path, *words, "-k", "gradient or step or scaling", **plant(tmp_path))
    assert time.monotonic() - start < 25
    assert done.returncode == 0, done.stdout + done.stderr
    found = cases(tmp_path)
    assert {case["status"] for case in found} == {"OK", "SKIPPED"}
    skipped = [str(case["reason"]) for case in found if case["status"] == "SKIPPED" and case["backend"] == "slow"]
    assert any("time budget of" in reason or "would take about" in reason for reason in skipped)
