"""A package of hostile plug-ins leaves the list of backends, a run, an isolated run and a report whole, in time."""

import json
import os
from pathlib import Path

import pytest
from bench_runs import ROOT, bench, reported

MODULE = """
import os, sys, time, warnings
import numpy as np
from relufit.backends.numpy import NumpyBackend

print("a banner")
warnings.warn("old", DeprecationWarning)

class Raising(NumpyBackend):
    def facts(self):
        raise ValueError("no facts")

class Exiting(NumpyBackend):
    def __init__(self, name, device):
        sys.exit(0)

class Dying(NumpyBackend):
    def train(self, *given):
        os._exit(0)

class Late(NumpyBackend):
    def forward(self, params, x):
        return os._exit(0) if len(x) == 33 else super().forward(params, x)

class Counting(NumpyBackend):
    def facts(self):
        return {"threads": np.int64(3)}
"""
NAMES = {"raising": "Raising", "exiting": "Exiting", "dying": "Dying", "late": "Late", "counting": "Counting"}
WORDS = ("--benchmark-only", "--backend", "numpy,raising,exiting,dying,late,counting", "--batch", "40,33",
         "--hidden", "8", "-k", "test_forward", "--seconds", "20")  # fmt: skip


@pytest.fixture
def hostile(tmp_path: Path) -> str:
    """The import path with the package on it."""
    (folder := tmp_path / "site").mkdir()
    (folder / "hostile.py").write_text(MODULE)
    (info := folder / "hostile-1.0.dist-info").mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1.0\n")
    points = "\n".join(f"{name} = hostile:{which}" for name, which in NAMES.items())
    (info / "entry_points.txt").write_text(f"[relufit.backends]\n{points}\n")
    return f"{folder}{os.pathsep}{ROOT}"


def statuses(results: Path) -> dict[tuple[str, int], str]:
    """The status of each case of the only journal."""
    (path,) = results.rglob("*.jsonl")
    found = [json.loads(text) for text in path.read_text().splitlines()]
    return {(case["backend"], case["batch"]): case["status"] for case in found if case["kind"] == "case"}


@pytest.mark.parametrize(
    "how", [(), pytest.param(("--isolate",), marks=pytest.mark.slow)], ids=["watched", "isolated"]
)  # what an isolated run does where a backend ends its process has a test in measure/test_isolation.py too
def test_a_run_beside_hostile_plug_ins(how: tuple[str, ...], hostile: str, tmp_path: Path) -> None:
    """Each has its reason or its row, and the good ones their times.

    One that ends the process costs an isolated run a case; another run ends with 1 there, and says how to continue it.
    """
    done = bench(tmp_path / "results", *WORDS, *how, PYTHONPATH=hostile)
    assert done.returncode == 1, done.stdout + done.stderr
    (path,) = (tmp_path / "results").rglob("*.jsonl")
    states = json.loads(path.read_text().splitlines()[0])["backends"]
    found = statuses(tmp_path / "results")
    assert found["late", 33] == "CRASHED"
    if how:
        good = [(name, batch) for name in ("numpy", "counting") for batch in (33, 40)]
        assert {key: found.get(key) for key in [*good, ("late", 40)]} == dict.fromkeys([*good, ("late", 40)], "OK")
    else:
        assert states["counting"]["facts"] == {"threads": "3"}
        assert "no facts" in states["raising"]["reason"]
        assert "SystemExit" in states["exiting"]["reason"]
        assert "crashed its process" in states["dying"]["reason"]
        assert f"--resume {path} measures them" in done.stderr
    code, shown, complaints = reported(tmp_path / "results", "--show")
    assert code == 0, complaints
    assert "numpy" in shown
