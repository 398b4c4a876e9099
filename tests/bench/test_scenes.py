"""`pytest bench` on the machines that tests/fake_cuda plays: a trouble of a GPU has its reason and exit code."""

from pathlib import Path

import pytest
from bench_runs import ROOT, bench, lines

WORDS = ("--benchmark-only", "--backend", "cupy,numpy", "--batch", "32", "--hidden", "8", "--seconds", "3",
         "-k", "test_gradient")  # fmt: skip
TROUBLES = {  # scene: how the reason begins
    "devices=0": "this machine has no CUDA device",
    "driver=0": "this machine has no NVIDIA driver",
    "driver=12040": "the NVIDIA driver is for CUDA 12, and this cupy for CUDA 13",
    "busy=1": "Failure: cudaErrorDevicesUnavailable",
    "hang=1": "the device did not answer within 20 s",
    "oom=1": "OutOfMemoryError: Out of memory allocating 16 bytes",
    "sticky=2": "Failure: cudaErrorIllegalAddress",
}
SCENES = [pytest.param(scene, marks=[] if scene in ("driver=12040", "busy=1") else pytest.mark.slow)
          for scene in TROUBLES]  # fmt: skip


def environment(scene: str, **more: str) -> dict[str, str]:
    """What a process needs to see the machine of a scene."""
    return {"PYTHONPATH": str(ROOT / "tests" / "fake_cuda"), "RELUFIT_FAKE_CUDA": scene, **more}


@pytest.mark.parametrize("scene", SCENES)
def test_a_device_that_cannot_be_used_is_a_reason(scene: str, tmp_path: Path) -> None:
    """The reason stands in the first line, numpy is measured, and the run ends well."""
    done = bench(tmp_path, *WORDS, **environment(scene))
    assert done.returncode == 0, done.stdout + done.stderr
    header, *cases = lines(tmp_path)
    reason = header["backends"]["cupy"]["reason"]  # type: ignore[index]
    assert str(reason).startswith(TROUBLES[scene])
    assert {(case["backend"], case["status"]) for case in cases if case["kind"] == "case"} == {("numpy", "OK")}
    assert f"cupy: {TROUBLES[scene]}" in done.stdout


@pytest.mark.parametrize(
    "scene", [pytest.param(scene, marks=[pytest.mark.slow] * (scene != "busy=1")) for scene in TROUBLES]
)
def test_a_device_that_is_required_fails_the_run(scene: str, tmp_path: Path) -> None:
    """With RELUFIT_REQUIRE=cupy the same is a failure: exit code 1, with the reason."""
    done = bench(tmp_path, *WORDS, **environment(scene, RELUFIT_REQUIRE="cupy"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"RELUFIT_REQUIRE names cupy, which cannot run here: {TROUBLES[scene]}" in done.stdout


@pytest.mark.parametrize("scene", ["devices=1 capability=75", pytest.param("devices=2", marks=pytest.mark.slow)])
def test_an_older_and_a_second_device_are_measured(scene: str, tmp_path: Path) -> None:
    """A device of compute capability 7.5, and one of two, are measured and in agreement with float64."""
    words = WORDS if "75" in scene else (*WORDS, "--device", "cuda:1")
    done = bench(tmp_path, *words, **environment(scene))
    assert done.returncode == 0, done.stdout + done.stderr
    cases = [case for case in lines(tmp_path) if case["kind"] == "case"]
    name = "cupy" if "75" in scene else "cupy:1"
    assert {(case["backend"], case["status"]) for case in cases} == {(name, "OK"), ("numpy", "OK")}
