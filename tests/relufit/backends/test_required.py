"""RELUFIT_REQUIRE: a backend that it names fails the suite where it would be skipped."""

import os
import subprocess
import sys

import pytest

from bench.measure.backends import load_or_skip, unavailable
from bench.recipes import known_names


@pytest.mark.parametrize("name", known_names())
def test_skips_turn_into_failures_where_required(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that RELUFIT_REQUIRE names fails the suite where it would be skipped."""
    monkeypatch.delenv("RELUFIT_REQUIRE", raising=False)
    if unavailable(name) is None:
        assert load_or_skip(name).name == name
        return
    with pytest.raises(pytest.skip.Exception):
        load_or_skip(name)
    monkeypatch.setenv("RELUFIT_REQUIRE", f"numpy, {name}")
    with pytest.raises(pytest.fail.Exception, match="RELUFIT_REQUIRE"):
        load_or_skip(name)


def test_the_suite_fails_where_a_required_backend_is_missing() -> None:
    """The real suite fails, seen from outside, where a required backend is missing."""
    missing = [name for name in known_names() if unavailable(name) is not None]
    if not missing:
        pytest.skip("every backend works here")
    suite = "tests/relufit/backends/test_conformance.py"
    command = [sys.executable, "-m", "pytest", "-q", suite, "-k", f"{missing[0]}-takes_samples"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "RELUFIT_REQUIRE": missing[0]})
    assert done.returncode == 1
    assert "RELUFIT_REQUIRE names" in done.stdout
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "RELUFIT_REQUIRE": "torch-cdua"})
    assert done.returncode == 4
    assert "torch-cdua" in done.stderr


def test_a_numbered_device_can_be_required() -> None:
    """RELUFIT_REQUIRE=cupy:1 adds the second device to the conformance suite, and fails where it is missing."""
    if unavailable("cupy:1") is None:
        pytest.skip("cupy:1 works here")
    suite = "tests/relufit/backends/test_conformance.py"
    command = [sys.executable, "-m", "pytest", "-q", suite, "-k", "cupy:1-takes_samples"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "RELUFIT_REQUIRE": "cupy:1"})
    assert done.returncode == 1
    assert "RELUFIT_REQUIRE names cupy:1" in done.stdout
