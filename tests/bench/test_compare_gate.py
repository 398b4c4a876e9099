"""The gate of bench.compare: what vanished, what fails now, and the control that a difference has to exceed."""

from pathlib import Path

import pytest
from compared import fail_on, half_slower, journal, rounds, table
from journals import line, write


@pytest.mark.parametrize(("status", "reason"), [("SKIPPED", "the time budget of 20 s was spent"), (None, "absent")])
def test_a_case_that_vanished_is_a_finding(
    status: str | None, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A case that had a time and is skipped, or in no line, is a row with its reason, is counted, and ends with 1."""
    kept = [line("numpy", **measured) for measured in rounds(1e-3, 1)]
    lost = [line("numpy", batch=32, **measured) for measured in rounds(1e-3, 2)]
    write(tmp_path / "raw" / "m" / "old.jsonl", *kept, *lost)
    skipped = [] if status is None else [line("numpy", batch=32, status=status, reason=reason, seconds=None)]
    write(tmp_path / "raw" / "m" / "new.jsonl", *kept, *skipped)
    code, out, errors = fail_on(tmp_path, capsys=capsys)
    assert code == 1
    assert f"numpy, gradient N = 32: vanished; numpy is {status or 'absent'}" in errors
    assert reason in out
    assert "1 within 5 %, 0 slower, 0 failed, 1 vanished, 0 inconclusive" in out
    assert table(tmp_path, "new", "old", capsys=capsys)[0] == 0
    assert table(tmp_path, "old", "new", "--fail-on", "slower:5%", capsys=capsys)[0] == 0  # a new case is not slower


def test_a_backend_that_is_not_installed_any_more_vanished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A backend whose import fails now has vanished in each of its cases, with that reason."""
    journal(tmp_path, "old", {"numpy": 1e-3, "numba": 1e-4})
    backends = {"numpy": {"reason": None, "facts": {}}, "numba": {"reason": "not installed", "facts": {}}}
    journal(tmp_path, "new", {"numpy": 1e-3}, backends=backends)
    code, out, errors = fail_on(tmp_path, capsys=capsys)
    assert code == 1
    assert errors.count("vanished; numba is SKIPPED: not installed") == 4
    assert "4 vanished" in out


def test_runs_without_a_shared_case_are_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All cases vanished ends with 1; where there never was a time, nothing was decided, and the message says so."""
    write(tmp_path / "raw" / "m" / "old.jsonl", line(batch=32))
    write(tmp_path / "raw" / "m" / "new.jsonl", line(batch=64))
    code, out, _ = fail_on(tmp_path, capsys=capsys)
    assert code == 1
    assert "the two runs share no case" in out
    write(tmp_path / "raw" / "m" / "old.jsonl", line(batch=32, status="SKIPPED", reason="no time", seconds=None))
    code, out, errors = fail_on(tmp_path, capsys=capsys)
    assert code == 3
    assert "0 within 5 %, 0 slower, 0 failed, 0 vanished, 0 inconclusive" in out
    assert "no case has a time on both sides" in errors


def test_a_check_that_fails_now_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Work without a clock that ended well and disagrees now fails the gate, whatever the times are."""
    times = [line("numpy", **measured) for measured in rounds(1e-3, 1)]
    check = line("numpy", work="agreement", seconds=None)
    write(tmp_path / "raw" / "m" / "old.jsonl", *times, check)
    write(tmp_path / "raw" / "m" / "new.jsonl", *times, {**check, "status": "DISAGREES", "reason": "w2 is off"})
    code, out, errors = fail_on(tmp_path, capsys=capsys)
    assert code == 1
    assert "numpy, agreement N = 800: numpy is DISAGREES: w2 is off" in errors
    assert "1 within 5 %, 0 slower, 1 failed" in out


@pytest.mark.parametrize(
    ("others", "times"), [({"numpy": 1e-3}, 3.0), ({"numpy": 1e-3, "jax-cpu": 2e-3, "torch-cpu": 3e-3}, 1.3)]
)
def test_the_control_is_the_other_backends(
    others: dict[str, float], times: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A backend that is slower in half of its cases does not hide that behind its own median."""
    half_slower(tmp_path, others, times)
    code, out, errors = fail_on(tmp_path, capsys=capsys)
    assert code == 1
    assert errors.count("SLOWER by") == 2
    assert errors.count("numba, gradient") == 2
    assert f"{4 * len(others) + 2} within 5 %, 2 slower, 0 failed, 0 vanished, 0 inconclusive" in out


def test_a_named_control(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four cases of a backend that the user names as unchanged resolve 20 %; a name that is not shared is refused."""
    half_slower(tmp_path, {"numpy": 1e-3}, 1.2)
    assert fail_on(tmp_path, capsys=capsys)[0] == 3
    code, out, errors = fail_on(tmp_path, "--control", "numpy", capsys=capsys)
    assert code == 1
    assert errors.count("numba, gradient") == 2
    assert "times as fast, of numpy" in out
    code, _, errors = fail_on(tmp_path, "--control", "nosuch", capsys=capsys)
    assert code == 2
    assert "--control names nosuch, which the two runs do not have in common" in errors


def test_without_a_control_the_message_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A single backend that takes 20 % longer is inconclusive, three times as long is slower, the same is within."""
    journal(tmp_path, "old", {"numpy": 1e-3})
    for times, code in ((1.2, 3), (3.0, 1), (1.0, 0)):
        journal(tmp_path, "new", {"numpy": 1e-3 * times})
        found, out, errors = fail_on(tmp_path, capsys=capsys)
        assert found == code
        assert "there is no control" in out
        assert "--commits OLD NEW" in out
    journal(tmp_path, "new", {"numpy": 1.2e-3})
    errors = fail_on(tmp_path, capsys=capsys)[2]
    assert "4 of 4 cases are inconclusive: measure both again with --passes 12" in errors


def test_passes_are_not_advised_for_work_that_they_do_not_repeat(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gradient of a scaling table that took 20 % longer is to be measured again, not more often."""
    for name, seconds in (("old", 1e-3), ("new", 1.2e-3)):
        write(tmp_path / "raw" / "m" / f"{name}.jsonl", line(work="scaling", **rounds(seconds, seed=1, passes=1)[0]))
    code, _, errors = fail_on(tmp_path, capsys=capsys)
    assert code == 3
    assert "1 of 1 cases are inconclusive: measure again on a quieter machine" in errors
    assert "--passes" not in errors
