"""The GPU that is measured, found among those of the machine, with an NVML and an nvidia-smi that are planted."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from bench.hardware import machine, nvidia

MIB = 2**20


class NVMLError(Exception):
    """What NVML raises."""


class Device(SimpleNamespace):
    """A GPU, or a partition of one."""

    name: str
    uuid: str
    free: int
    parts: "list[Device]"


def planted(*devices: Device) -> ModuleType:
    """A pynvml of these devices, which answers what bench asks of it."""
    nvml: Any = ModuleType("pynvml")
    nvml.__spec__ = SimpleNamespace(name="pynvml")
    every = [*devices, *(part for device in devices for part in device.parts)]

    def at(found: list[Device], index: int) -> Device:
        if not 0 <= index < len(found):
            raise NVMLError
        return found[index]

    def watts(device: Device) -> int:
        if device not in devices:
            raise NVMLError  # a partition does not know its power
        return 70_000

    nvml.NVMLError = NVMLError
    nvml.NVML_CLOCK_SM = nvml.NVML_CLOCK_MEM = nvml.NVML_TEMPERATURE_GPU = 0
    nvml.nvmlInit = lambda: None
    nvml.nvmlDeviceGetCount = lambda: len(devices)
    nvml.nvmlDeviceGetHandleByIndex = lambda index: at([*devices], index)
    nvml.nvmlDeviceGetHandleByUUID = lambda uuid: at([found for found in every if found.uuid == uuid], 0)
    nvml.nvmlDeviceGetUUID = lambda device: device.uuid.encode()  # as old releases of it
    nvml.nvmlDeviceGetName = lambda device: device.name
    nvml.nvmlDeviceGetMigMode = lambda device: (int(bool(device.parts)), 0)
    nvml.nvmlDeviceGetMaxMigDeviceCount = lambda device: 7
    nvml.nvmlDeviceGetMigDeviceHandleByIndex = lambda device, index: at(device.parts, index - 1)  # the first is free
    nvml.nvmlDeviceGetMemoryInfo = lambda device: SimpleNamespace(free=device.free)
    nvml.nvmlDeviceGetPowerUsage = watts
    nvml.nvmlDeviceGetClockInfo = lambda device, clock: 1000
    nvml.nvmlDeviceGetTemperature = lambda device, sensor: 40
    nvml.nvmlDeviceGetCurrentClocksThrottleReasons = lambda device: 0
    nvml.nvmlDeviceGetComputeRunningProcesses = lambda device: [1]
    return nvml


SLICES = [Device(name=f"NVIDIA A100 MIG {k}g.{k}0gb", uuid=f"MIG-{k}", free=k * MIB, parts=[]) for k in (1, 2)]
GPUS = (
    Device(name="NVIDIA T4", uuid="GPU-aaaa-1", free=10 * MIB, parts=[]),
    Device(name="NVIDIA L4", uuid="GPU-aabb-2", free=20 * MIB, parts=[]),
    Device(name="NVIDIA A100", uuid="GPU-cccc-3", free=30 * MIB, parts=SLICES),
)


@pytest.fixture(autouse=True)
def _gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "pynvml", planted(*GPUS))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    nvidia._nvml.cache_clear()
    yield
    nvidia._nvml.cache_clear()


@pytest.mark.parametrize(
    ("visible", "found"),
    [
        (None, ["GPU-aaaa-1", "GPU-aabb-2", "MIG-1"]),  # of a partitioned one the first partition
        ("1,0", ["GPU-aabb-2", "GPU-aaaa-1"]),
        ("2", ["MIG-1"]),
        ("GPU-aabb,0", ["GPU-aabb-2", "GPU-aaaa-1"]),
        ("MIG-2", ["MIG-2"]),
        ("0,7,1", ["GPU-aaaa-1"]),  # what follows an entry without a device is invisible
        ("GPU-aa", []),  # a beginning of two
        ("-1", []),
        ("", []),
        ("NoDevFiles", []),
    ],
)
def test_the_device_that_cuda_numbers(visible: str | None, found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """NVML is asked of the device that CUDA has under that number, whatever CUDA_VISIBLE_DEVICES holds."""
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    devices = [nvidia.identify(f"cuda:{index}" if index else "cuda") for index in range(4)]
    assert [device["uuid"] for device in devices if device] == found
    assert [device["index"] for device in devices if device] == [*range(len(found))]


def test_memory_and_power_are_those_of_the_device() -> None:
    """Free memory and state are of the device that is named; what a partition does not report is left out."""
    assert [nvidia.free_bytes(device) for device in ("cuda", "cuda:1", "cuda:2", "cuda:9")] == [
        10 * MIB, 20 * MIB, MIB, None,
    ]  # fmt: skip
    whole, part = nvidia.state("cuda:1"), nvidia.state("cuda:2")
    assert whole is not None
    assert part is not None
    assert whole["watts"] == 70
    assert "watts" not in part
    assert part["sm_mhz"] == 1000


SMI = """#!/bin/sh
case "$1" in
*compute_cap*) {new};;
*) echo 'NVIDIA T4, 550.1, 15360 MiB';;
esac
"""
NEW = (
    "echo 'NVIDIA T4, 580.2, 15360 MiB, GPU-aaaa-1, [N/A], 7.5, 1590 MHz, 5001 MHz, 585 MHz, [Not Supported], 70.00 W, "
    "Default'"
)


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts an nvidia-smi on the PATH that answers the whole question so."""

    def plant(new: str) -> None:
        (tmp_path / "nvidia-smi").write_text(SMI.format(new=new))
        (tmp_path / "nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return plant


@pytest.mark.skipif(sys.platform == "win32", reason="plants a shell script")
def test_the_facts_of_each_gpu(smi: Callable[[str], None]) -> None:
    """What nvidia-smi knows of a GPU stands in the journal; what does not apply to it is left out."""
    smi(NEW)
    assert machine.gpus() == [{
        "name": "NVIDIA T4", "driver": "580.2", "memory": "15360 MiB", "uuid": "GPU-aaaa-1",
        "compute_capability": "7.5", "max_sm_clock": "1590 MHz", "max_memory_clock": "5001 MHz",
        "application_sm_clock": "585 MHz", "power_limit": "70.00 W", "compute_mode": "Default",
    }]  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="plants a shell script")
def test_an_old_driver_is_asked_for_less(smi: Callable[[str], None]) -> None:
    """A driver that refuses one of the fields is asked for those that every driver has."""
    smi("echo 'Field \"compute_cap\" is not a valid field to query.'; exit 2")
    assert machine.gpus() == [{"name": "NVIDIA T4", "driver": "550.1", "memory": "15360 MiB"}]


@pytest.mark.skipif(sys.platform == "win32", reason="plants a shell script")
def test_the_machine_is_named_by_the_gpu_that_is_measured(smi: Callable[[str], None]) -> None:
    """The description says which device is measured, and the slug begins with its model."""
    smi(NEW)
    found = machine.describe(1)
    assert found["gpu"] == {"index": 1, "uuid": "GPU-aabb-2", "name": "NVIDIA L4"}
    assert found["slug"].startswith("nvidia-l4-")
    assert "GPU-aa" not in found["slug"]
    assert machine.describe()["slug"].startswith("nvidia-t4-")


def test_devices_are_numbered_as_nvidia_smi_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA is asked for the order of nvidia-smi, unless the user has chosen one; the journal says which."""
    monkeypatch.delenv(machine.DEVICE_ORDER, raising=False)
    machine.share_gpu_memory()
    assert machine.environment()[machine.DEVICE_ORDER] == "PCI_BUS_ID"
    monkeypatch.setenv(machine.DEVICE_ORDER, "FASTEST_FIRST")
    machine.share_gpu_memory()
    assert machine.environment()[machine.DEVICE_ORDER] == "FASTEST_FIRST"
