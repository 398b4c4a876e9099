"""Viewing is not publishing: which run each table shows, what is written where, and what is removed."""

from pathlib import Path
from typing import Any

import pytest
from journals import CURVE, digest, learned, line, write

from bench import compare, report
from bench.analysis.runs import runs
from bench.reporting.tables.summary import summary

FULL, NEWER = "20260101T000000Z-aaaa", "20260102T000000Z-bbbb"
SIZES = (32, 100, 800, 5000, 65536)


def timed(*sizes: int, **changes: Any) -> list[dict[str, Any]]:
    """A gradient of two backends at these sizes."""
    seconds = [1e-3 * (1 + k / 100) for k in range(8)]
    return [line(name, batch=n, seconds=seconds, **changes) for name in ("numpy", "torch-cpu") for n in sizes]


def full(results: Path, name: str = FULL, **header: Any) -> Path:
    """A run of every size, with a scaling and a training."""
    more = [*timed(10**6, work="scaling"), learned(curve=CURVE)]
    return write(results / "raw" / "m" / f"{name}.jsonl", *timed(*SIZES), *more, **header)


def shown_in(results: Path, table: str) -> set[str]:
    """The runs that a table names."""
    text = (results / "tables" / f"{table}.md").read_text()
    return {name for name in (FULL, NEWER) if name in text}


@pytest.mark.usefixtures("without_figures")
def test_a_smaller_run_replaces_no_larger_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A smoke run is printed, and no table loses a row; the message says how to publish it."""
    full(tmp_path)
    report.report(tmp_path)
    before = {**digest(tmp_path), "index.html": ""}  # whose history has every run
    write(tmp_path / "raw" / "m" / f"{NEWER}.jsonl", *timed(800), code={"content_hash": "of other sources"})
    capsys.readouterr()
    report.main(["--results", str(tmp_path)])
    said = capsys.readouterr()
    assert {**digest(tmp_path), "index.html": ""} == before
    assert f"Run {NEWER}" in said.out
    assert f"{FULL} has measured more and stays in the tables; --run {NEWER} shows this one there" in said.err


@pytest.mark.usefixtures("without_figures")
def test_each_table_shows_the_newest_run_that_fills_it(tmp_path: Path) -> None:
    """A newer run over the same sizes is in the tables of its times; scaling and training stay those of the older."""
    full(tmp_path)
    write(tmp_path / "raw" / "m" / f"{NEWER}.jsonl", *timed(*SIZES))
    report.report(tmp_path)
    assert {table: shown_in(tmp_path, table) for table in ("throughput", "summary", "scaling", "convergence")} == {
        "throughput": {NEWER}, "summary": {NEWER}, "scaling": {FULL}, "convergence": {FULL},
    }  # fmt: skip
    page = (tmp_path / "README.md").read_text()
    assert page.count("\n## ") == 1
    assert "(tables/scaling.md)" in page
    assert NEWER in page


@pytest.mark.usefixtures("without_figures")
def test_more_passes_count(tmp_path: Path) -> None:
    """A run of one pass does not replace one of twelve passes over the same cases."""
    many = [{**row, "pass": number} for number in range(12) for row in timed(800)]
    write(tmp_path / "raw" / "m" / f"{FULL}.jsonl", *many)
    write(tmp_path / "raw" / "m" / f"{NEWER}.jsonl", *timed(800))
    report.report(tmp_path)
    assert shown_in(tmp_path, "throughput") == {FULL}


@pytest.mark.usefixtures("without_figures")
def test_a_run_that_is_named_is_shown_in_every_table(tmp_path: Path) -> None:
    """--run publishes a smaller run, and the tables that it has nothing for say so."""
    full(tmp_path)
    write(tmp_path / "raw" / "m" / f"{NEWER}.jsonl", *timed(800))
    report.main(["--results", str(tmp_path), "--run", NEWER])
    assert shown_in(tmp_path, "throughput") == shown_in(tmp_path, "scaling") == {NEWER}


@pytest.mark.parametrize("words", [["--show"], [NEWER], ["JOURNAL"]])
def test_looking_writes_nothing(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--show, the name of a run, and a journal that somebody sent are printed, and no file is made or changed."""
    full(tmp_path)
    sent = write(tmp_path / "sent" / f"{NEWER}.jsonl", *timed(800))
    write(tmp_path / "raw" / "m" / f"{NEWER}.jsonl", *timed(800))
    before = sorted(tmp_path.rglob("*"))
    report.main(["--results", str(tmp_path), *(str(sent) if word == "JOURNAL" else word for word in words)])
    assert sorted(tmp_path.rglob("*")) == before
    assert NEWER in capsys.readouterr().out


@pytest.mark.usefixtures("without_figures")
def test_a_report_is_written_elsewhere(tmp_path: Path) -> None:
    """--out writes every file to another folder, also of journals to look at; results stay as they are."""
    full(tmp_path / "results")
    report.main(["--results", str(tmp_path / "results"), "--out", str(tmp_path / "out")])
    assert {path.name for path in (tmp_path / "results").iterdir()} == {"raw"}
    assert {"README.md", "tables"} <= {path.name for path in (tmp_path / "out").iterdir()}
    report.main(["--results", str(tmp_path / "results"), FULL, "--out", str(tmp_path / "other")])
    assert (tmp_path / "other" / "tables" / "throughput.csv").is_file()


def test_journals_and_run_do_not_go_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What looks and what publishes in one command is refused in a sentence."""
    full(tmp_path)
    with pytest.raises(SystemExit) as caught:
        report.main([FULL, "--run", FULL, "--results", str(tmp_path)])
    assert caught.value.code == 2
    assert "do not go together" in capsys.readouterr().err


@pytest.mark.usefixtures("undrawn")
def test_what_shows_no_run_any_more_is_removed(tmp_path: Path) -> None:
    """Figures and tables of runs that are gone are removed; files of others in these folders stay."""
    path = full(tmp_path)
    report.report(tmp_path)
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    assert "throughput-m.png" in figures
    (tmp_path / "figures" / "mine.png").write_bytes(b"")
    (tmp_path / "tables" / "mine.csv").write_text("")
    (tmp_path / "tables" / "crossover.md").write_text("of a run that is gone")
    (tmp_path / "raw" / "other").mkdir()
    path.rename(tmp_path / "raw" / "other" / path.name)
    report.report(tmp_path)
    left = {path.name for path in (tmp_path / "figures").iterdir()}
    assert left == {name.replace("-m.", "-other.") for name in figures} | {"mine.png"}
    assert (tmp_path / "tables" / "mine.csv").exists()
    assert not (tmp_path / "tables" / "crossover.md").exists()


@pytest.mark.usefixtures("without_figures")
def test_two_backends_are_compared_in_the_newest_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """bench.compare takes the newest run, also where tables show a larger one."""
    full(tmp_path)
    write(tmp_path / "raw" / "m" / f"{NEWER}.jsonl", *timed(800))
    assert compare.main(["numpy", "torch-cpu", "--results", str(tmp_path)]) == 0
    assert NEWER in capsys.readouterr().out


@pytest.mark.parametrize(
    ("sizes", "selection", "found"),
    [
        ((32, 800, 65536), {}, ["gradient\nN=800\nus", "gradient\nN=65536\nms"]),
        ((100, 5000), {"batch": "100,5000"}, ["gradient\nN=100\nus", "gradient\nN=5000\nus"]),
        ((100, 800, 30_000), {"batch": "100,30000,800"},
         ["gradient\nN=100\nus", "gradient\nN=800\nus", "gradient\nN=30000\nms"]),
        ((32,), {}, ["gradient\nN=32\nus"]),
    ],
)  # fmt: skip
def test_the_main_table_has_the_sizes_asked_for(
    sizes: tuple[int, ...], selection: dict[str, str], found: list[str], tmp_path: Path
) -> None:
    """The usual sizes, those of --batch, or else those that the run has: never names without numbers."""
    settings = {"profile": "quick", "threads": None, "selection": selection}
    write(tmp_path / "raw" / "m" / "r.jsonl", *timed(*sizes), settings=settings)
    assert list(summary(runs(tmp_path)[0]).columns) == ["backend", *found]


@pytest.mark.usefixtures("without_figures")
def test_reduced_precision_is_shown_from_the_run_that_has_it(tmp_path: Path) -> None:
    """A later run of bfloat16 alone stands in its table, beside the fuller run in the others."""
    full(tmp_path)
    write(tmp_path / "raw" / "m" / f"{NEWER}.jsonl", *timed(800, dtype="bfloat16"))
    report.report(tmp_path)
    assert (shown_in(tmp_path, "reduced"), shown_in(tmp_path, "throughput")) == ({NEWER}, {FULL})
