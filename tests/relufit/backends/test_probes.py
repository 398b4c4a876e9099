"""Trying devices out in child processes: the machine that they see, and what a driver that hangs costs."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import relufit
from relufit import backends
from relufit.backends import Row, child

Play = Callable[..., Any]  # the fixture of conftest.py


def test_the_probe_tries_a_numbered_device_in_a_child(play: Play) -> None:
    """A child process sees the same machine; fit takes the name, and trains there."""
    scene = play("devices=2")
    assert backends.probe("cupy-train:1") is None
    assert backends.probe("cupy:2") == "this machine has 2 CUDA devices, 0 and 1, and so no cuda:2"
    scene.log.clear()
    found = relufit.fit("sin", backend="cupy-fused:1", hidden=8, epochs=2, n=64)
    assert found.metrics["backend"] == "cupy-fused:1"
    assert {on for _, on in scene.log} == {1}


def test_a_driver_that_hangs_is_waited_for_once(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the first backend is silent, all others of that device are given up too, in one child and one wait."""
    monkeypatch.setattr(backends, "DEVICE_SECONDS", 0.5)
    monkeypatch.setattr(backends, "TABLE", {n: r for n, r in backends.TABLE.items() if r.device == "cuda"})
    begun: list[str] = []
    run = child.run
    monkeypatch.setattr(child, "run", lambda script, *rest: begun.append(script) or run(script, *rest))
    play("hang=1")
    start = time.monotonic()
    reasons = {name: backends.probe(name) for name in backends.TABLE}
    assert time.monotonic() - start < 10  # of which the start of Python is most
    assert len(begun) == 1
    assert reasons.pop("cupy") == "the device did not answer within 0.5 s"
    assert set(reasons.values()) == {"the device did not answer within 0.5 s when cupy was tried"}
    assert len(reasons) == 10


HANGS = """
import os, time
from relufit.backends.numpy import NumpyBackend
class Planted(NumpyBackend):
    def __init__(self, name, device):
        super().__init__(name, device)
    def loss_and_grads(self, params, samples):
        if self.name in os.environ["HANGS"].split(): time.sleep(999)
        return super().loss_and_grads(params, samples)
"""


@pytest.mark.parametrize(
    ("hanging", "given_up"),
    [
        ("a", {"a": "within 1 s", "b": "within 1 s when a was tried", "c": "within 1 s when a was tried"}),
        ("b", {"b": "within 4 s"}),  # a computed, so its device answers: b alone is at fault
        ("planted-cuda", {"planted-cuda": "within 4 s"}),  # of another package
    ],
)
def test_silence_is_charged_to_whom_it_belongs(
    hanging: str, given_up: dict[str, str], tmp_path: Path, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device is given up at its first answer only, and never because of another package's backend."""
    play("")
    (tmp_path / "planted_backend.py").write_text(HANGS)
    row = Row("planted_backend:Planted", "cuda", "planted_backend", "planted")
    (tmp_path / "sitecustomize.py").write_text(
        f"import relufit.backends as b\nb.TABLE.clear()\nb.TABLE.update(dict.fromkeys('abc', b.Row{tuple(row)}))"
    )
    info = tmp_path / "planted-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[relufit.backends]\nplanted-cuda = planted_backend:Planted\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("HANGS", hanging)
    monkeypatch.setattr(backends, "TABLE", dict.fromkeys("abc", row))
    monkeypatch.setattr(backends, "DEVICE_SECONDS", 1.0)
    monkeypatch.setattr(backends, "PROBE_SECONDS", 4.0)
    found = {name: reason for name, reason in backends.status().items() if reason is not None}
    assert found == {name: f"the device did not answer {reason}" for name, reason in given_up.items()}
