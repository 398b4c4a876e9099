"""SIGKILL at random moments of a run: no finished case is lost, and the run can be resumed; two runs at once."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bench_runs import ROOT, command

from bench.grid.case import Case
from bench.journal.reader import read_lines
from bench.journal.schema import CASE_FIELDS
from bench.journal.writer import in_flight_file

SEED = 0
ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # a process with threads is not to be forked


def rows(path: Path, said: list[str]) -> list[tuple[str, str]]:
    """Each line of a journal: the case as tests/killed_runs.py names it, and its status."""
    lines = read_lines(path, said.append)[1]
    cases = [(Case(**{name: line[name] for name in CASE_FIELDS}), line) for line in lines]
    return [(f"{case.work} {case.id} {line['backend']}", line["status"]) for case, line in cases]


@pytest.fixture(scope="module", params=[16, pytest.param(50, marks=pytest.mark.slow)])
def killed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[tuple[int, int, list[str]]]]:
    """The folder of the runs, and of each its number, the signal that ended it and what it had finished."""
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    folder = tmp_path_factory.mktemp("killed")
    words = [sys.executable, "-m", "tests.killed_runs", str(folder), str(request.param), str(SEED)]
    done = subprocess.run(words, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    found = [tuple(json.loads(line)) for line in done.stdout.splitlines()]
    assert [number for number, _, _ in found] == list(range(request.param + 1))
    return folder, found


def journal_of(folder: Path, number: int) -> Path | None:
    """The journal of a run; None where it was killed before it began one."""
    return next((folder / str(number)).rglob("*.jsonl"), None)


def test_no_finished_case_is_lost(killed: tuple[Path, list[Any]]) -> None:
    """Every case that had ended stands in the journal, whole and in order; at most the last line is cut."""
    folder, found = killed
    _, ended, every = found[0]
    assert ended == 0
    assert len(every) > 10
    for number, ended, finished in found[1:]:
        path, said = journal_of(folder, number), list[str]()
        written = [] if path is None else rows(path, said)
        assert ended in (0, signal.SIGKILL)
        assert finished == every[: len(finished)]
        assert [name for name, _ in written[: len(finished)]] == finished, number
        assert len(written) <= len(finished) + 1, number
        cut = [text for text in said if "no line describes the run" not in text]
        assert len(cut) <= 1, said
    # The moments were spread over the run: before it began its journal, and at many places within.
    count = len(found) - 1
    assert sum(ended == signal.SIGKILL for _, ended, _ in found) > count * 0.7
    assert len({len(finished) for _, _, finished in found}) > min(5, count // 5)


def test_a_killed_run_is_gone_on_with(killed: tuple[Path, list[Any]]) -> None:
    """A resumed run has every case once, the one in flight as CRASHED, and measures nothing twice."""
    folder, found = killed
    every, resumed, wanted = set(found[0][2]), 0, max(1, len(found) // 25)
    for number, _, finished in found[1:]:
        path = journal_of(folder, number)
        if path is None or not finished or not in_flight_file(path).exists() or resumed == wanted:
            continue
        resumed += 1
        before, in_flight = path.read_bytes().rpartition(b"\n")[0], len(rows(path, [])) == len(finished)
        words = ["--benchmark-only", "--backend", "numpy", "--batch", "16", "--hidden", "4", "--resume", str(path)]
        done = subprocess.run(
            command(folder, *words), cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == int(in_flight), done.stdout  # a case in which the run was killed has failed
        assert path.read_bytes().startswith(before)
        written = rows(path, [])
        names = [name for name, _ in written]
        assert sorted(names) == sorted(every), number
        crashed = [name for name, status in written if status == "CRASHED"]
        assert crashed == ([names[len(finished)]] if in_flight else [])  # else it was killed after the case's line
        assert not in_flight_file(path).exists()
    assert resumed == wanted


def test_two_runs_at_once_do_not_harm_each_other(tmp_path: Path) -> None:
    """Two runs at once have a journal each, with all their cases."""
    words = ["--benchmark-only", "--backend", "numpy", "--batch", "16", "--hidden", "4", "--seconds", "1"]
    both = [subprocess.Popen(command(tmp_path, *words), cwd=ROOT, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(300) for process in both] == [0, 0]
    said: list[str] = []
    first, second = (rows(path, said) for path in sorted(tmp_path.rglob("*.jsonl")))
    assert {name for name, _ in first} == {name for name, _ in second}
    assert len(first) == len(second) == len(set(first))
    assert said == []
    assert {path.suffix for path in tmp_path.rglob("*.*")} == {".jsonl"}
