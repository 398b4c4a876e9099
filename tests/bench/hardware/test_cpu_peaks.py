"""The ceilings: plausible, made of the instructions that they name, and honest where they are not measured."""

import builtins
import inspect
import math
import re
from typing import Any

import pytest

from bench.hardware import cpu_peaks
from bench.journal.schema import ROOFS

pytest.importorskip("numba")


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short bursts and small copies: the tests look at what is counted, not at how well."""
    monkeypatch.setattr(cpu_peaks, "BURST_SECONDS", 5e-4)
    monkeypatch.setattr(cpu_peaks, "BURSTS", 3)
    monkeypatch.setattr(cpu_peaks, "COPY_BYTES", 2**22)
    monkeypatch.setattr(cpu_peaks, "CACHES", cpu_peaks.CACHES / "nowhere")


def test_every_roof_is_measured_on_one_core_and_on_all() -> None:
    """Every roof stands under the name that frames.py reads, and none exceeds ten instructions at 10 GHz."""
    found = cpu_peaks.measure(2)
    assert set(found["one_core"]) == set(found["all_cores"]) == set(ROOFS)
    for cores in ("one_core", "all_cores"):
        assert all(1e8 < value < 1e13 for value in found[cores].values()), found
    assert found["cores"] == 2
    assert found["independent_loops_scaling"] > 0
    assert found["reason"] is None


def test_one_thread_has_one_set_of_ceilings() -> None:
    """What is measured at one thread is not measured again as all cores."""
    found = cpu_peaks.measure(1)
    assert {k: v for k, v in found["one_core"].items() if "copy" not in k} == {
        k: v for k, v in found["all_cores"].items() if "copy" not in k
    }
    assert found["independent_loops_scaling"] == 1


@pytest.mark.parametrize("mix", cpu_peaks.MIXES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_was_removed_or_merged(mix: str, dtype: str) -> None:
    """The compiled loop holds every instruction of the mix, on vectors, for every chain."""
    run = inspect.getclosurevars(cpu_peaks.vector_loop(mix, dtype)).nonlocals["run"]
    text = next(iter(run.inspect_asm().values()))
    register = {64: "zmm", 32: "ymm"}.get(cpu_peaks.register_bytes())
    if register is None or f"%{register}" not in text:
        pytest.skip("names of x86's vector registers and instructions")
    wanted = {
        "multiply_adds": {"vfmadd": 1},
        "forward_instructions": {"vfmadd": 2, "vmax": 1},
        "gradient_instructions": {"vfmadd": 3, "vmax": 1, "vcmp": 1, "vand": 2, "vadd": 2},
    }[mix]
    blocks = (block.split("\tj")[0] for block in text.split("\n.LBB")[1:])
    body = max(blocks, key=lambda block: block.count(f"%{register}"))  # the unrolled loop
    if register == "zmm":  # AVX-512 keeps masks in registers of their own, so its and is a move that zeroes
        body = re.sub(r"\tvmov\w+(?=[^\n]*\{z\})", "\tvand", body)
    turns, rest = divmod(body.count("vfmadd"), cpu_peaks.MIXES[mix].chains * wanted["vfmadd"])
    assert turns >= 1
    assert rest == 0
    counts = {name: body.count(f"\t{name}") for name in wanted}
    assert counts == {name: turns * cpu_peaks.MIXES[mix].chains * times for name, times in wanted.items()}
    assert set(re.findall(r"%(.)mm", body)) == {register[0]}
    assert "rsp" not in body  # nothing spilled


def test_twice_the_links_take_twice_the_time() -> None:
    """A chain of twice the links takes twice the time, so the loop does run as often as it says."""
    loop = cpu_peaks.vector_loop("multiply_adds", "float32")
    assert loop(20) == 2 * loop(10)
    short, long = (min(cpu_peaks._together(loop, [links]) for _ in range(20)) for links in (100_000, 400_000))
    assert 2.5 < long / short < 6


def test_without_numba_the_copy_is_still_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without numba the copy is still measured, and the reason stands where the other rates would."""
    real = builtins.__import__

    def no_numba(name: str, *rest: Any, **words: Any) -> Any:
        if name.partition(".")[0] == "numba":
            raise ImportError("No module named 'numba'")
        return real(name, *rest, **words)

    monkeypatch.setattr(builtins, "__import__", no_numba)
    found = cpu_peaks.measure(1)
    assert found["one_core"]["copy_bytes_per_second"] > 1e8
    assert found["one_core"].get("multiply_adds_per_second_float32") is None
    assert found["independent_loops_scaling"] is None
    assert "numba" in found["reason"]


def test_threads_work_at_once() -> None:
    """Two sleeps at once take as long as one."""
    import time

    assert 0.04 < cpu_peaks._together(time.sleep, [0.05, 0.05]) < 0.09
    assert math.isfinite(cpu_peaks._together(time.sleep, [0.0]))
