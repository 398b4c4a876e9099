"""The report: every file from raw journals alone, the same bytes each time, whatever the journals hold."""

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from journals import BAD_LINES, CURVE, digest, followed, journal, learned, line, write

from bench import report
from bench.reporting.page import TABLES


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a report of every kind of work, and what it printed."""
    folder, printed = tmp_path_factory.mktemp("report"), io.StringIO()
    path = journal(folder)
    before = path.read_bytes()
    with contextlib.redirect_stdout(printed):
        report.main(["--results", str(folder)])
    assert path.read_bytes() == before, "the raw journal is only read"
    return folder, printed.getvalue()


def test_every_file_is_written_and_the_main_table_printed(written: tuple[Path, str]) -> None:
    """The report writes tables, figures and a page, and prints the answer, a table and absent backends."""
    folder, printed = written
    names = set(digest(folder))
    tables = set(TABLES) - {"solvers", "crossover", "cpu_gpu", "reduced"}
    assert {f"tables/{name}.{ending}" for name in tables for ending in ("md", "csv")} <= names
    assert {
        f"figures/{n}-a-machine.{e}"
        for n in ("throughput", "convergence", "trajectory", "fits")
        for e in ("png", "svg")
    } <= names
    page = (folder / "README.md").read_text()
    assert "| numpy" in page
    assert "One backend cannot run here: cupy; tables/backends has each reason." in page
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert {"tables/throughput.md", "figures/fits-a-machine.png"} <= set(links)
    assert all((folder / link).exists() for link in links if not link.startswith("../"))
    assert "numpy" in printed
    assert "One backend cannot run here: cupy; tables/backends has each reason." in printed
    assert "DISAGREES" not in page


def test_the_same_journals_give_the_same_bytes(written: tuple[Path, str], tmp_path: Path) -> None:
    """The same journals give the same bytes, figures too: no dates, no random identifiers."""
    journal(tmp_path)
    report.report(tmp_path)
    assert digest(tmp_path) == digest(written[0])


GOOD_LINES = [line(), line("torch-cpu", batch=32), followed(), learned(curve=CURVE)]


@pytest.mark.parametrize(
    "lines",
    [
        BAD_LINES,
        [
            line(work="unheard-of"),
            line(status="CRASHED", reason="<script>alert(1)</script>|\n`x`", seconds=None, iterations=None, steps=None),
            line(batch=10**12),
            line(seconds=[float(f"1e-{k}") for k in range(8)]),
            line("a backend with | and *", batch=5),
        ],
        [learned(target="unknown"), learned(target="sin", status="SKIPPED", test_mse=None, train_seconds=None)],
        [learned(curve=CURVE, hidden=77), learned(curve=CURVE, dtype="float64"), line(hidden=77)],
        [learned(loss=None), learned(status="CRASHED", test_mse=None, step=None, curve=None)],
        [
            followed(target="unknown"),
            followed("a", status="SKIPPED", distance=None),
            followed("b", distance=[0.0] * 4),
            followed("c", order="own", step=None, distance=None, flips=None),
            followed("d", status="OOM", flips=[1]),
            followed("e", status="DIVERGED", step=[], distance=[], flips=[]),
        ],
    ],
)
def test_odd_lines_never_break_the_report(lines: list[Any], tmp_path: Path) -> None:
    """Odd lines break no report, alone or among good ones, and a reason breaks no table."""
    write(tmp_path / "both" / "raw" / "m" / "r.jsonl", *GOOD_LINES, *lines)
    report.report(tmp_path / "both")
    for text in (tmp_path / "both" / "tables").glob("*.md"):
        rows = [row for row in text.read_text().splitlines() if row.startswith("|")]
        assert all(row.endswith("|") for row in rows), text
    good = [value for value in lines if not isinstance(value, str)]
    if good:
        write(tmp_path / "alone" / "raw" / "m" / "r.jsonl", *good)
        report.report(tmp_path / "alone")


@pytest.mark.usefixtures("without_figures")
def test_a_run_without_anything_missing_is_reported(tmp_path: Path) -> None:
    """Where every backend is there and every case is OK, the page gives no reason for anything."""
    path = journal(tmp_path)
    head, *rest = path.read_text().splitlines()
    whole = json.loads(head) | {"backends": {"numpy": {"reason": None, "facts": {}}}}
    path.write_text("\n".join([json.dumps(whole), *rest]) + "\n")
    report.report(tmp_path)
    assert "cannot run here" not in (tmp_path / "README.md").read_text()


@pytest.mark.usefixtures("undrawn")
def test_every_target_that_was_learned_is_drawn(tmp_path: Path) -> None:
    """Every target that was learned is drawn, not only sin and x^2."""
    write(tmp_path / "raw" / "m" / "r.jsonl", learned(target="abs", curve=CURVE))
    report.report(tmp_path)
    assert (tmp_path / "figures" / "fits-m.png").is_file()
    assert (tmp_path / "figures" / "convergence-m.png").is_file()


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    "work", ["forward", "gradient", "step", "latency", "agreement", "memory", "trajectory", "convergence"]
)
def test_a_run_of_one_kind_of_work_is_reported(work: str, tmp_path: Path) -> None:
    """A run that was killed early, or that was asked for one thing, still has its tables."""
    if work == "convergence":
        only = learned(curve=CURVE)
    elif work == "trajectory":
        only = followed()
    else:
        only = line(work=work, optimizer="adam" if work == "step" else "")
    write(tmp_path / "raw" / "m" / "r.jsonl", only)
    report.report(tmp_path)
    assert "numpy" in (tmp_path / "tables" / "summary.md").read_text()


@pytest.mark.usefixtures("undrawn")
def test_two_runs_of_one_machine_have_figures_of_their_own(tmp_path: Path) -> None:
    """The figures of two runs of one machine are named after the runs, so that none is overwritten."""
    names = ["20260101T000000Z-aaaa", "20260102T000000Z-bbbb"]
    for name in names:
        write(tmp_path / "raw" / "a-machine" / f"{name}.jsonl", learned(curve=CURVE))
    report.main(["--results", str(tmp_path), "--run", *names])
    drawn = {path.name for path in (tmp_path / "figures").glob("fits-*.png")}
    assert drawn == {f"fits-a-machine-{name}.png" for name in names}


@pytest.mark.usefixtures("without_figures")
def test_an_own_width_is_not_published_as_another(tmp_path: Path) -> None:
    """A run at H = 77 alone says H = 77 over its main table."""
    write(tmp_path / "raw" / "m" / "r.jsonl", line(hidden=77), learned(hidden=77, curve=CURVE))
    report.report(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "H = 77, float32." in page
    assert "H = 512" not in page


@pytest.mark.parametrize("words", [["--run", "nosuch"], ["--results", "/nonexistent"], ["--nosuch"]])
def test_bad_input_is_a_sentence_and_exit_code_2(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bad input ends with exit code 2 and no traceback."""
    journal(tmp_path)
    with pytest.raises(SystemExit) as caught:
        report.main([*(["--results", str(tmp_path)] if "--results" not in words else []), *words])
    assert caught.value.code == 2
    assert capsys.readouterr().err


def test_results_that_cannot_be_written_are_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that stands where a folder should be is one sentence."""
    journal(tmp_path)
    (tmp_path / "tables").write_text("in the way")
    with pytest.raises(SystemExit) as caught:
        report.main(["--results", str(tmp_path)])
    assert caught.value.code == 2
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.usefixtures("without_figures")
def test_complaints_go_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A complaint goes to stderr with file and line, and the report goes on."""
    path = journal(tmp_path, "20260101T000000Z-aaaa", "broken {")
    report.main(["--results", str(tmp_path)])
    captured = capsys.readouterr()
    number = len(path.read_text().splitlines())
    assert f"{path}:{number}: skipped" in captured.err
    assert "numpy" in captured.out
    assert json.loads(path.read_text().splitlines()[0])["kind"] == "run"
