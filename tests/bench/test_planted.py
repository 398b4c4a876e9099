"""What is new is said once: a planted kind of work, status or field appears everywhere without another list.

Each is planted by the lines that a real one would take: a row, a function and a case of a profile; a member of the enum
and an exception; a field of the schema.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bench_runs import ROOT, SHORT, lines
from journals import line, make, write

from bench import report
from bench.analysis.frames import read
from bench.analysis.pairs import regressions
from bench.grid.workloads import WORKLOADS, Shown, Workload
from bench.journal import resume, schema
from bench.journal.status import Status, status_of, statuses
from bench.reporting import changes

ROW = Workload("doubling", "Doubling of a column", "us", "x + x on the device", columns=(Shown(40),))
PLUGIN = f"""
import numpy as np, pytest
from bench.grid.case import Case
from bench.grid.profiles import PROFILES
from bench.grid.workloads import WORKLOADS, Shown, Workload
from bench.measure.rounds import time_rounds

WORKLOADS["doubling"] = {ROW}
PROFILES["quick"] = lambda: [Case("doubling", 40)]

@pytest.mark.work("doubling")
def test_doubling(trial):
    x = trial.backend.to_device(np.ones((trial.case.batch, 1), trial.case.dtype))
    time_rounds(trial, lambda: x + x)
"""


@pytest.mark.usefixtures("without_figures")
def test_a_planted_kind_of_work_is_measured_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row, a function and a case of a profile: the work is in journal, tables, page and terminal, in each pass."""
    file = tmp_path / "test_planted_work.py"
    file.write_text(PLUGIN)
    words = ["-pbench.conftest", f"-p{file.stem}", str(file), "--benchmark-only", "--backend", "numpy", "--passes", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *SHORT, *words, "--results", str(tmp_path)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "numpy, doubling, N = 40" in done.stdout
    cases = lines(tmp_path)[1:]
    assert [(case["work"], case["status"], case.get("pass", 0)) for case in cases] == [
        ("doubling", "OK", 0), ("doubling", "OK", 1)
    ]  # fmt: skip
    monkeypatch.setitem(WORKLOADS, "doubling", ROW)
    report.report(tmp_path)
    (row,) = pd.read_csv(tmp_path / "tables" / "throughput.csv").to_dict("records")
    assert (row["work"], row["backend"], row["status"]) == ("doubling", "numpy", "OK")
    assert row["median_us"] > 0
    assert "Doubling of a column, us; H = 512, float32" in (tmp_path / "tables" / "throughput.md").read_text()
    assert "doubling, N=40, us" in (tmp_path / "README.md").read_text()
    assert "doubling" in capsys.readouterr().out


@pytest.fixture
def melted(monkeypatch: pytest.MonkeyPatch) -> Status:
    """A status that is a failure and is tried again."""
    status = Status.__new_member__(Status, "MELTED", "it became too hot", True, retried=True)  # type: ignore[attr-defined]
    status._name_ = "MELTED"
    monkeypatch.setitem(Status._member_map_, "MELTED", status)
    monkeypatch.setitem(Status._value2member_map_, "MELTED", status)
    monkeypatch.setattr(Status, "_member_names_", [*Status._member_names_, "MELTED"])
    return status


@pytest.mark.usefixtures("without_figures")
def test_a_planted_status_fails_is_shown_and_is_tried_again(
    melted: Status, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A member of the enum and an exception: the status is in journal, tables and terminal, and fails a comparison."""

    class Melting(RuntimeError):
        status = melted

    status, reason = status_of(Melting("110 degrees"))
    failed = {**line(status=status, reason=reason, seconds=None), "pass": 1}
    path = write(tmp_path / "raw" / "m" / "r.jsonl", line(), failed, line("torch-cpu"))
    assert {number for _, name, number in resume.finished(path) if name == "numpy"} == {0}
    assert melted in statuses(failed=True)
    assert [*resume.ended_badly(path)] == ["numpy: 1 MELTED"]
    report.report(tmp_path)
    assert "MELTED" in capsys.readouterr().out
    for table in ("throughput.md", "throughput.csv"):
        assert "MELTED" in (tmp_path / "tables" / table).read_text()
    new, old = read(path), make(tmp_path / "old", line(), line("torch-cpu"))
    assert any("110 degrees" in text for text in changes.worse(regressions.two_runs(new, old)[0], 0.05))


def test_a_planted_field_is_read_checked_and_a_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field of the schema: a number in each row, nan where it is absent, and a complaint where it is wrong."""
    monkeypatch.setitem(schema.MEASURED, "joules", schema.NUMBER)
    said: list[str] = []
    wrong = line("jax-cpu", joules="many")
    path = write(tmp_path / "raw" / "m" / "r.jsonl", line(joules=2.5), line("torch-cpu"), wrong)
    joules = read(path, said.append).cases.set_index("backend").joules
    monkeypatch.undo()
    assert joules["numpy"] == 2.5
    assert np.isnan(joules[["torch-cpu", "cupy"]]).all()
    assert len(said) == 1
    assert "joules: 'many' is not a number" in said[0]
