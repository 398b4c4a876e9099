"""compute-sanitizer, with a planted program in its place: what is run, what becomes of it, and its log."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.hardware import sanitizer
from bench.hardware.machine import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="plants a shell script")


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a program of that name on the PATH, which says what it was asked and then does so."""

    def put(script: str) -> None:
        (tmp_path / sanitizer.PROGRAM).write_text(f'#!/bin/sh\necho "$@"\n{script}\n')
        (tmp_path / sanitizer.PROGRAM).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return put


@pytest.mark.parametrize(
    ("script", "is_fault", "said"),
    [
        ("exit 0", False, "racecheck found nothing: "),
        ("exit 9", True, "racecheck found a fault, or its program failed, exit code 9: "),
        ("echo 'Error: device is not supported'; exit 1", False, "racecheck does not support this device: "),
        ("sleep 60", False, "racecheck did not end within 1 s: "),
    ],
)
def test_what_becomes_of_a_tool(
    script: str, is_fault: bool, said: str, plant: Callable[[str], None], tmp_path: Path
) -> None:
    """A fault is told from a device or a time that does not suffice; the log holds what the tool said, and no path."""
    plant(script)
    found, text = sanitizer.check("racecheck", ["cupy-train:1"], tmp_path, 1.0 if "sleep" in script else 60.0)
    assert (found, text) == (is_fault, f"{said}{tmp_path / 'sanitizer-racecheck.txt'}")
    log = (tmp_path / "sanitizer-racecheck.txt").read_text()
    assert log.startswith("--tool racecheck --report-api-errors no --error-exitcode 9 ")
    assert "cupy-train:1" in log
    assert sys.prefix not in log
    assert str(ROOT) not in log


def test_its_script_runs_every_verb(plant: Callable[[str], None], tmp_path: Path) -> None:
    """The script that the tools watch trains a backend to its end; here on numpy, without a tool."""
    plant('while [ "$1" != -c ]; do before=$1; shift; done; exec "$before" "$@"')
    assert sanitizer.check("memcheck", ["numpy"], tmp_path, 60.0)[0] is False
    assert sanitizer.check("memcheck", ["nosuch"], tmp_path, 60.0)[0] is True


def test_without_it_there_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not installed that is an OSError with its name; it is for kernels of relufit's own alone."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OSError, match="compute-sanitizer is not on the PATH"):
        sanitizer.check("memcheck", ["cupy-train"], tmp_path, 1.0)
    assert sanitizer.checked(["cupy", "cupy-train:1", "torch-cuda", "cupy-hinge"]) == ["cupy-train:1", "cupy-hinge"]
