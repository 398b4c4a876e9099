"""Several passes over the grid: one row for each case, the passes apart as blocks."""

from math import isnan
from pathlib import Path
from typing import Any

import pytest
from journals import line, write

from bench.analysis.frames import read
from bench.journal.schema import ROOFS
from bench.journal.status import statuses


def make(tmp_path: Path, *lines: dict[str, Any]) -> Any:
    """The row that these lines become."""
    cases = read(write(tmp_path / "raw" / "m" / "r.jsonl", *lines)).cases
    (row,) = cases[cases.backend == "numpy"].to_dict("records")
    return row


def test_passes_are_blocks_of_one_row(tmp_path: Path) -> None:
    """A row has the rounds of all passes together, and apart by pass, whatever their order in the file."""
    row = make(
        tmp_path,
        line(seconds=[1.0, 2.0]),
        line(seconds=[5.0, 6.0], **{"pass": 2}),
        line(seconds=[3.0, 4.0], **{"pass": 1}),
    )
    assert row["seconds"] == [1, 2, 3, 4, 5, 6]
    assert row["passes"] == {0: [1, 2], 1: [3, 4], 2: [5, 6]}
    assert row["pass"] == 0


def test_the_later_line_of_a_pass_counts(tmp_path: Path) -> None:
    """The later line of a case that was measured again counts."""
    assert make(tmp_path, line(seconds=[1.0]), line(seconds=[2.0]))["seconds"] == [2]


def test_calls_of_different_length_are_brought_to_one(tmp_path: Path) -> None:
    """The seconds of a pass with twice the steps in a call are brought to calls of the first."""
    row = make(
        tmp_path,
        line(work="step", optimizer="sgd", seconds=[1.0], steps=25),
        line(work="step", optimizer="sgd", seconds=[4.0], steps=50, **{"pass": 1}),
    )
    assert row["passes"] == {0: [1], 1: [2]}
    assert row["steps"] == 25


def test_work_without_steps_keeps_its_seconds(tmp_path: Path) -> None:
    """A gradient has no steps, in whatever line they are missing."""
    row = make(tmp_path, line(seconds=[1.0]), line(seconds=[4.0], steps=None, **{"pass": 1}))
    assert row["passes"] == {0: [1], 1: [4]}


@pytest.mark.parametrize("status", statuses(failed=True))
def test_a_case_that_failed_once_has_failed(tmp_path: Path, status: str) -> None:
    """A case that failed in one pass stands with its reason and no time."""
    failed = {**line(status=status, reason="so it was"), "pass": 1}
    failed.pop("seconds", None)
    row = make(tmp_path, line(seconds=[1.0]), failed, line(seconds=[2.0], **{"pass": 2}))
    assert (row["status"], row["reason"], row["passes"]) == (status, "so it was", {})


def test_a_pass_that_time_did_not_suffice_for_is_left_out(tmp_path: Path) -> None:
    """A pass that time did not suffice for is left out, and the others count."""
    skipped = {**line(status="SKIPPED", reason="the time budget was spent"), "pass": 1}
    skipped.pop("seconds", None)
    row = make(tmp_path, line(seconds=[1.0]), skipped, line(seconds=[2.0], **{"pass": 2}))
    assert (row["status"], row["passes"]) == ("OK", {0: [1], 2: [2]})


@pytest.mark.parametrize("number", [-1, 1.5, "1", True, None])
def test_a_pass_is_a_number(tmp_path: Path, number: object) -> None:
    """A line whose pass is no number cannot be used."""
    said: list[str] = []
    path = write(tmp_path / "raw" / "m" / "r.jsonl", line(), {**line("textbook-numpy"), "pass": number})
    assert "textbook-numpy" not in set(read(path, said.append).cases.backend)
    assert "skipped: pass: " in said[0]


def test_witnesses_are_averaged_over_the_passes(tmp_path: Path) -> None:
    """Witnesses are averaged by the time each pass watched; of readings back the least counts."""
    row = make(
        tmp_path,
        line(seconds=[1.0], watched_seconds=1.0, cores_used=2.0, cores_of_others=0.4, read_back_seconds=9.0),
        line(
            seconds=[1.0],
            watched_seconds=3.0,
            cores_used=1.0,
            cores_of_others=0.0,
            read_back_seconds=1.5,
            **{"pass": 1},
        ),
    )
    assert row["watched_seconds"] == 4
    assert row["cores_used"] == pytest.approx(1.25)
    assert row["cores_of_others"] == pytest.approx(0.1)
    assert row["read_back_seconds"] == 1.5


def test_a_row_that_was_not_watched_has_no_interference(tmp_path: Path) -> None:
    """Averages over no time are absent, whatever the line holds."""
    row = make(tmp_path, line(seconds=[1.0], watched_seconds=0, cores_used=2.0))
    assert isnan(row["cores_used"])


def test_the_higher_of_two_ceilings_counts(tmp_path: Path) -> None:
    """A ceiling that was measured under load is replaced by the one of the end of the run, rate by rate."""
    rates = {"copy_bytes_per_second": 4e10, "multiply_adds_per_second_float32": 1e10}
    disturbed = {**rates, "multiply_adds_per_second_float32": 1e9}
    first = {"one_core": rates, "all_cores": disturbed, "independent_loops_scaling": 0.1, "cache_bytes": 2**25}
    again = {"one_core": {**disturbed, "copy_bytes_per_second": 5e10}, "all_cores": rates, "cache_bytes": 1}
    end = {"kind": "ceilings", "ceilings": again, "device_ceilings": {"copy_bytes_per_second": 4e12}}
    header = read(write(tmp_path / "r.jsonl", line(), end, ceilings=first)).header
    found = header["ceilings"]
    assert found["one_core"]["copy_bytes_per_second"] == 5e10
    assert found["one_core"]["multiply_adds_per_second_float32"] == 1e10
    assert found["all_cores"]["multiply_adds_per_second_float32"] == 1e10
    assert (found["independent_loops_scaling"], found["cache_bytes"]) == (1.0, 2**25)
    assert header["device_ceilings"]["copy_bytes_per_second"] == 4e12


def test_a_run_whose_first_ceilings_were_too_low_is_sound(tmp_path: Path) -> None:
    """An honest row is not condemned by ceilings that were measured while something else was running."""
    low, high = ({"one_core": dict.fromkeys(ROOFS, rate)} for rate in (1e9, 1e12))
    settings = {"threads": 1, "profile": "quick"}
    rows = [line(algorithm="dense", device="cpu", seconds=[1e-4] * 9)]
    for more, status in (([], "UNSOUND"), ([{"kind": "ceilings", "ceilings": high}], "OK")):
        cases = read(write(tmp_path / "r.jsonl", *rows, *more, ceilings=low, settings=settings)).cases
        assert cases.status[0] == status
