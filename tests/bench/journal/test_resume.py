"""--resume: what it refuses, what it measures again, and that one process at a time writes a journal."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bench_runs import bench, lines
from journals import line, write

from bench.grid.sweep import Sweep
from bench.journal import resume
from bench.journal.reader import read_lines
from bench.journal.status import MORE_TIME
from bench.journal.writer import Journal
from bench.measure.session import conditions
from relufit import RelufitError

SLOW = line(batch=100, hidden=8, seconds=[8.0, 8.0])


def begun(tmp_path: Path, *rows: Any, **changes: dict[str, Any]) -> Path:
    """A journal that was begun here and now, but for what `changes` say of its first line."""
    header: dict[str, Any] = {**conditions(None), "kernels_in_force": {}}
    for part, values in changes.items():
        header[part] = {**header[part], **values}
    return write(tmp_path / "raw" / "m" / "r.jsonl", *rows, **header)


def demand(path: Path, anyway: bool = False) -> list[str]:
    option = SimpleNamespace(resume_anyway=anyway, **dict.fromkeys(resume.SELECTING))
    return resume.demand_same_run(path, option, conditions(None))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"machine": {"cpu": "Apple M4"}}, "cpu was Apple M4 and is "),
        ({"machine": {"stepping": 99}}, "stepping was 99 and is "),
        ({"machine": {"usable_cores": 1000}}, "usable cores was 1000 and is "),
        ({"machine": {"quota_cores": 0.5}}, "quota cores was 0.5 and is "),
        ({"machine": {"python": "CPython 2.7"}}, "python was CPython 2.7 and is "),
        ({"machine": {"packages": {"numpy": "1.0"}}}, "numpy was 1.0 and is "),
        ({"code": {"content_hash": "0123456789abcdef"}}, "the hash of the sources was 0123456789abcdef and is "),
        ({"settings": {"environment": {"OPENBLAS_CORETYPE": "Zen"}}}, "OPENBLAS_CORETYPE was Zen and is not set"),
    ],
)
def test_other_conditions_are_refused_by_name(changes: dict[str, dict[str, Any]], said: str, tmp_path: Path) -> None:
    """A journal of another machine, version, commit or environment is refused, unless --resume-anyway is given."""
    path = begun(tmp_path, line(), **changes)
    with pytest.raises(RelufitError, match="--resume-anyway") as caught:
        demand(path)
    assert said in str(caught.value)
    assert any(said in found for found in demand(path, anyway=True))


def test_a_variable_that_is_set_since_is_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What chooses other kernels now was not set when the journal was begun."""
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    path = begun(tmp_path, line())
    assert demand(path) == []
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert demand(path, anyway=True) == ["OPENBLAS_CORETYPE was not set and is Haswell"]


def test_an_old_journal_is_compared_by_what_it_holds(tmp_path: Path) -> None:
    """A first line without the facts of the processor is no reason to refuse."""
    own = conditions(None)
    old = {"cpu": own["machine"]["cpu"], "cores": own["machine"]["cores"]}
    path = write(tmp_path / "raw" / "m" / "r.jsonl", line(), machine=old, code={}, settings=own["settings"])
    assert demand(path) == []


def test_a_crossover_is_refused(tmp_path: Path) -> None:
    """The journal of a search holds no grid that could be continued."""
    path = begun(tmp_path, line(), settings={"crossover": Sweep("numpy", "numba").settings()})
    with pytest.raises(RelufitError, match=r"of bench.crossover, which cannot be resumed"):
        demand(path)


def test_what_was_skipped_for_lack_of_time_is_tried_again(tmp_path: Path) -> None:
    """A case that the budget did not reach is not finished; one that a backend refuses is."""
    spent = line(batch=64, status="SKIPPED", reason=f"the time budget was spent; {MORE_TIME}", seconds=None)
    refused = line(batch=32, status="SKIPPED", reason="no float64", seconds=None)
    assert {case.batch for case, *_ in resume.finished(begun(tmp_path, line(), spent, refused))} == {800, 32}


def test_one_process_at_a_time_writes_a_journal(tmp_path: Path) -> None:
    """A journal that a run is writing is refused; when it is closed it can be resumed."""
    journal = Journal.begin(tmp_path, {"machine": {"slug": "m"}})
    with pytest.raises(RelufitError, match="is being written by a run that has not ended"):
        Journal.resume(journal.path)
    journal.close()
    Journal.resume(journal.path).close()


def test_a_machine_unlike_its_earlier_runs_is_named(tmp_path: Path) -> None:
    """A core that is 20 % faster or slower than the median of the earlier runs is a warning."""
    name = "multiply_adds_per_second_float32"
    for number, rate in enumerate((44e9, 45e9, 47e9)):
        write(tmp_path / f"{number}.jsonl", line(), ceilings={"one_core": {name: rate}})
    found = {rate: resume.unlike_earlier({"one_core": {name: rate}}, tmp_path) for rate in (38e9, 52e9, 36e9, 136e9)}
    assert [bool(warnings) for warnings in found.values()] == [False, False, True, True]
    assert "136 G multiply-adds/s where earlier runs of this machine found 45" in found[136e9][0]
    assert resume.unlike_earlier({"one_core": {}}, tmp_path) == []
    assert resume.unlike_earlier({"one_core": {name: 1e9}}, tmp_path / "none") == []


def test_a_run_is_resumed_as_it_was_begun(tmp_path: Path) -> None:
    """Other conditions are refused and named, recorded where they are mixed; collecting cases writes nothing."""
    words = ("--benchmark-only", "--backend", "numpy", "--hidden", "8", "-k", "test_forward", "--batch", "33,40")
    assert bench(tmp_path, *words, "--seconds", "0.001").returncode == 0
    (path,) = tmp_path.rglob("*.jsonl")
    again = ("--seconds", "20", "--resume", str(path))
    collected = bench(tmp_path, *words, *again, "--collect-only")
    assert collected.returncode == 0, collected.stdout
    assert len(lines(tmp_path)) == 3
    text = path.read_text()
    path.write_text(text.replace('"numpy":"', '"numpy":"0', 1))
    refused = bench(tmp_path, *words, *again)
    assert refused.returncode == 4
    assert re.search(r"numpy was 0[\d.]+ and is [1-9]", refused.stderr)
    assert len(lines(tmp_path)) == 3
    assert bench(tmp_path, *words, *again, "--resume-anyway").returncode == 0
    assert read_lines(path)[0]["resumed"][0].startswith("numpy was 0")
    statuses: dict[int, list[str]] = {}  # of each N: a loaded machine may spend 0.001 s before the first case
    for case in read_lines(path)[1]:
        statuses.setdefault(case["batch"], []).append(case["status"])
    assert statuses.pop(40) == ["SKIPPED", "OK"]
    assert statuses[33] in (["OK"], ["SKIPPED", "OK"])


def test_what_is_too_slow_is_known_after_a_resume(tmp_path: Path) -> None:
    """A gradient that the journal shows to be slow is not begun at twice the samples."""
    words = ("--benchmark-only", "--backend", "numpy", "-k", "test_gradient", "--batch", "200", "--hidden", "8")
    path = begun(tmp_path, SLOW)
    header, *rows = path.read_text().splitlines()
    selection = {"profile": "quick", "batch": "200", "hidden": "8"}
    first = json.loads(header)
    first["settings"]["selection"] = selection
    path.write_text("\n".join([json.dumps(first), *rows]) + "\n")
    done = bench(tmp_path, *words, "--resume", str(path))
    assert "about 16 s a call, the limit is 10 s" in done.stdout, done.stdout + done.stderr
