"""The history of a machine: each case against the newest earlier run that timed it, and what has changed beside it."""

from pathlib import Path
from typing import Any

import pytest
from compared import journal, table
from journals import MACHINE, line, write, write_aa

from bench import compare
from bench.analysis.pairs.history import History, histories
from bench.reporting.history import change_in_words, environment_in_words

STEADY = {"numpy": 1e-3, "torch-cpu": 2e-3, "jax-cpu": 3e-3}  # whose cases say that the machine did not change


def history(results: Path) -> History:
    """The history of the only machine and setting."""
    (found,) = histories([results / "raw" / "m"])
    return found


def changed(found: History) -> list[tuple[str, str, str, str]]:
    """The backend, verdict, run and earlier run of each change."""
    columns = ("backend", "verdict", "run", "before")
    return [*dict.fromkeys(found.changes[[*columns]].itertuples(index=False, name=None))]


def selected(backends: str) -> dict[str, Any]:
    """The settings of a run that was asked for these backends."""
    return {"profile": "quick", "threads": None, "selection": {"backend": backends}}


def test_a_slower_backend_is_listed_with_what_changed_beside_it(tmp_path: Path) -> None:
    """Of four backends the one that takes twice as long is a finding, with the version that changed beside it."""
    for name, seconds, version in (("1", 1e-4, "0.61"), ("2", 1e-4, "0.61"), ("3", 2e-4, "0.62")):
        machine = {**MACHINE, "packages": {"numba": version}}
        journal(tmp_path, name, {**STEADY, "numba": seconds}, machine=machine)
    found = history(tmp_path)
    assert changed(found) == [("numba", "SLOWER", "3", "2")]
    assert change_in_words(found.changes.iloc[0].to_dict()).startswith("SLOWER, 2.0")
    assert environment_in_words(found.runs[2], found.runs[1]) == "numba: 0.62, was 0.61"
    assert environment_in_words(found.runs[1], found.runs[0]) == "nothing that the journals record"


def test_a_narrow_run_hides_no_change(tmp_path: Path) -> None:
    """A backend that the run in between lacks is compared with the run before that."""
    journal(tmp_path, "1", {**STEADY, "numba": 2e-4})
    journal(tmp_path, "2", STEADY, settings=selected("numpy,torch-cpu,jax-cpu"))
    journal(tmp_path, "3", {**STEADY, "numba": 1e-4})
    assert changed(history(tmp_path)) == [("numba", "FASTER", "3", "1")]


@pytest.mark.parametrize(("selection", "vanished"), [("numpy,numba", 4), ("numpy", 0)], ids=["same", "narrower"])
def test_a_case_vanishes_only_from_a_run_of_the_same_options(tmp_path: Path, selection: str, vanished: int) -> None:
    """A run that was asked for fewer backends lost none; one that was asked for the same lost four cases."""
    journal(tmp_path, "1", {"numpy": 1e-3, "numba": 1e-4}, settings=selected("numpy,numba"))
    journal(tmp_path, "2", {"numpy": 1e-3}, settings=selected(selection))
    journal(tmp_path, "3", {"numpy": 1e-3}, settings=selected(selection))
    assert history(tmp_path).changes.vanished.sum() == vanished


def test_a_failure_is_a_change_with_its_reason(tmp_path: Path) -> None:
    """What had a time and disagrees with float64 now is listed, once."""
    journal(tmp_path, "1", {"numpy": 1e-3})
    failing = {**line(status="DISAGREES", reason="w1 is wrong"), "seconds": None}
    write(tmp_path / "raw" / "m" / "2.jsonl", failing)
    write(tmp_path / "raw" / "m" / "3.jsonl", line(batch=100))
    found = [row for row in history(tmp_path).changes.to_dict("records") if row["failed"]]
    assert [(row["run"], row["before"], row["batch"]) for row in found] == [("2", "1", 800)]
    assert change_in_words(found[0]) == "failed: numpy is DISAGREES: w1 is wrong"


def test_machines_and_settings_have_histories_apart(tmp_path: Path) -> None:
    """Another machine and another number of threads are never compared; A/A runs say what can be told apart."""
    journal(tmp_path, "1", {"numpy": 1e-3})
    write_aa(tmp_path / "raw" / "m", 1.1)
    journal(tmp_path, "2", {"numpy": 2e-3}, settings={"profile": "quick", "threads": 1})
    journal(tmp_path, "3", {"numpy": 4e-3}, folder="other", machine={**MACHINE, "family": 25})
    found = histories(sorted((tmp_path / "raw").iterdir()))
    assert sorted(run.name for each in found for run in each.runs) == ["1", "2", "3"]
    assert all(len(each.runs) == 1 and each.changes.empty for each in found)
    least = {each.runs[0].name: each.times.least for each in found}
    assert least["1"].notna().all()
    assert least["3"].isna().all()


def test_the_command_prints_runs_changes_and_chosen_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without options the runs and what changed; with --backend that backend alone, and its time in each run."""
    for name, seconds in (("20260101T000000Z-aaaa", 1e-4), ("20260102T000000Z-bbbb", 2e-4)):
        journal(tmp_path, name, {**STEADY, "numba": seconds})
    _, out, _ = table(tmp_path, "--history", capsys=capsys)
    assert out.count("SLOWER, 2") == 4
    assert "20260102T000000Z-bbbb: quick, commit unknown, 16 times; changed: nothing that the journals record" in out
    assert "2026-01-02" not in out
    _, out, _ = table(tmp_path, *["--history", "--backend", "numpy", "--batch", "800"], capsys=capsys)
    assert "SLOWER" not in out
    assert out.count("gradient N = 800") == 1
    assert "2026-01-02" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--history", "there are no finished cases under"),
        ("--history --backend nunpy", "no run has a time of backend nunpy"),
        ("--history a b", "--history goes with --backend, --work, --batch and --results only"),
        ("--history --threads 2", "--history goes with --backend, --work, --batch and --results only"),
        ("--work step a b", "--work goes with --commits and --history only"),
        ("--threads 2 a b", "--threads goes with --commits only"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    """No journal, no such case and options that do not fit end with exit code 2 and what to do."""
    if "nunpy" in words:
        journal(tmp_path, "1", {"numpy": 1e-3})
    assert compare.main([*words.split(), "--results", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
