"""The page index.html: what it consists of, that no text of a journal becomes markup, and that it is reproducible."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from journals import journal, line, write
from pages import HOSTILE, NAMES, check_page, hostile, made, varied

from bench import report
from bench.analysis.runs import runs
from bench.reporting import web
from bench.reporting.tables.answer import answer

pytest.importorskip("altair", reason="altair is not installed: there is no page")
from bench.reporting.web import assembly
from bench.reporting.web.dataset import columns, in_json

MOST_BYTES = 1_600_000


def rows_of(table: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a part of the data."""
    values = {name: found if isinstance(found, list) else [found["words"][at] for at in found["at"]]
              for name, found in table.items()}  # fmt: skip
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def test_the_answer_comes_first_and_needs_no_script(tmp_path: Path) -> None:
    """The sections are in their order, and the answer and main table of each machine are plain HTML."""
    varied(tmp_path)
    found = check_page(made(tmp_path))
    sections = [own["id"] for tag, own in found.elements if tag == "section"]
    assert sections == ["answer", "cases", "charts", "changes", "environment", "downloads"]
    text = re.sub(r"\s+", " ", found.text)
    main = next(run for run in runs(tmp_path) if run.name.endswith("aaaa"))
    for sentence in answer(main):
        assert re.sub(r"\s+", " ", sentence) in text
    assert text.index("Fastest for") < text.index("need JavaScript")
    assert "gradient, N=800, us" in text
    for term in ("certainby a rank test", "*measured under load", "what is inside the clock, for each kind of work"):
        assert term in text
    assert [own["href"] for tag, own in found.elements if tag == "a"][6:8] == ["#machine-1", "#machine-2"]
    assert {"machine-1", "machine-2"} <= {own.get("id") for _, own in found.elements}
    links = [own["href"] for tag, own in found.elements if tag == "a" and not (own["href"] or "#").startswith("#")]
    assert "tables/answer.csv" in links
    assert "raw/a-machine/20260101T000000Z-aaaa.jsonl" in links


def test_the_data_are_those_of_the_journals(tmp_path: Path) -> None:
    """Cases, curves, fits, crossovers and history hold what was measured, and why other cases have no time."""
    varied(tmp_path)
    data = check_page(made(tmp_path)).data
    cases = rows_of(data["cases"])
    places = {setting["slug"]: place for place, setting in enumerate(data["settings"])}
    own = [row for row in cases if row["setting"] == places["a-machine"]]
    (found,) = [
        row
        for row in own
        if (row["backend"], row["work"], row["batch"], row["hidden"]) == ("numpy", "gradient", 65536, 512)
    ]
    assert found["median"] == pytest.approx(65536 * 1.07, rel=1e-3)
    assert found["low"] < found["median"] < found["high"]
    assert found["error"] == 0.5
    (crashed,) = [row for row in own if row["status"] == "CRASHED"]
    assert (crashed["reason"], crashed["median"]) == ("no compiler", None)
    assert [row["reason"] for row in own if row["backend"] == "cupy"] == ["no driver"]
    assert {row["target"] for row in rows_of(data["fits"])} == {"sin", "square"}
    assert [row["mse"] for row in rows_of(data["best"])] == [2e-10]
    (crossing,) = rows_of(data["crossings"])
    assert crossing["low"] < crossing["size"] < crossing["high"]
    history = rows_of(data["history"])
    assert {row["run"][-4:] for row in history} == {"aaaa", "bbbb", "dddd"}
    curve = rows_of(data["curves"])[0]
    assert curve["errors"] == sorted(curve["errors"], reverse=True)
    assert all(chart["layer"] for chart in data["charts"].values())


def test_no_text_of_a_journal_becomes_markup(tmp_path: Path) -> None:
    """Hostile names, reasons, functions, settings and folders are text, and arrive in the data as they are."""
    hostile(tmp_path)
    found = check_page(made(tmp_path))
    assert not re.search("[<>&\u2028\u2029]", found.scripts[0])
    cases = rows_of(found.data["cases"])
    assert set(NAMES) <= {row["backend"] for row in cases}
    assert {"<script>hacked = 1</script>", "__proto__"} <= {row["status"] for row in cases}
    assert "<script>hacked = 1</script>" in found.text
    assert HOSTILE[0] in {row["reason"].partition(";")[0] for row in cases}


def test_the_scripts_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made of the scripts is kept for the next process; where it cannot be kept, it is made again."""
    made: list[str] = []
    monkeypatch.setattr(assembly.vl_convert, "javascript_bundle", lambda code: made.append(code) or "a </script> \r\n")
    monkeypatch.setattr(assembly, "CACHE", tmp_path / "new" / "cache")
    first, again = (assembly._bundle.__wrapped__() for _ in range(2))
    assert first == again == "(() => {\na <\\/script> \r\n\n})();"
    assert len(made) == len(list((tmp_path / "new" / "cache").iterdir())) == 1
    (tmp_path / "file").touch()
    monkeypatch.setattr(assembly, "CACHE", tmp_path / "file")
    assert assembly._bundle.__wrapped__() == first
    assert len(made) == 2


def test_json_ends_no_script() -> None:
    """No text in JSON holds a sign that begins markup, and it is read back as it was."""
    for text in HOSTILE:
        assert not re.search("[<>&\u2028\u2029]", in_json({text: [text]}))
        assert json.loads(in_json({text: [text]})) == {text: [text]}


def test_columns_of_rows() -> None:
    """Texts are places among distinct ones; numbers have four digits, and nan and infinities are absent."""
    rows = [{"a": "x", "b": 1234.567, "c": [1.0, float("inf")]}, {"a": "x", "b": float("nan"), "c": []}]
    assert columns(rows) == {"a": {"words": ["x"], "at": [0, 0]}, "b": [1235, None], "c": [[1, None], []]}
    assert columns([]) == {}


def test_the_same_journals_give_the_same_page(tmp_path: Path) -> None:
    """The same journals give the same bytes in any folder, also the second time."""
    varied(tmp_path / "one")
    varied(tmp_path / "two")
    first = made(tmp_path / "one")
    assert made(tmp_path / "two") == first
    assert made(tmp_path / "one") == first
    assert str(tmp_path) not in first
    assert len(first.encode()) < MOST_BYTES


@pytest.mark.usefixtures("without_figures")
def test_without_altair_the_report_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without altair all else is written, one sentence says what to install, and no older page is left."""
    journal(tmp_path)
    (tmp_path / web.NAME).write_text("of an older report")
    monkeypatch.setattr(web, "find_spec", lambda name: None if name == "altair" else name)
    report.main(["--results", str(tmp_path)])
    assert (
        'index.html was not written: it needs altair and vl-convert-python; pip install "relufit[page]"'
        in capsys.readouterr().err
    )
    assert not (tmp_path / web.NAME).exists()
    assert (tmp_path / "README.md").is_file()


@pytest.mark.usefixtures("without_figures")
def test_a_report_has_a_page(tmp_path: Path) -> None:
    """`bench.report` writes the page, whose links lead to files of the report."""
    journal(tmp_path)
    report.main(["--results", str(tmp_path)])
    found = check_page((tmp_path / web.NAME).read_text(encoding="utf-8"))
    links = {own["href"] or "" for tag, own in found.elements if tag == "a"}
    assert {"tables/summary.csv", "tables/summary.md"} <= links
    assert all((tmp_path / link).is_file() for link in links if not link.startswith("#"))


FAILURES = [line(batch=n, status="OOM", seconds=None, reason="too large") for n in (32, 800)]


@pytest.mark.parametrize(
    ("lines", "shown"),
    [([line()], 1), (FAILURES, 2), ([line(batch=n) for n in (32, 800)], 2)],
    ids=["one case", "nothing but failures", "one backend"],
)
def test_little_data_has_a_page(lines: list[dict[str, Any]], shown: int, tmp_path: Path) -> None:
    """One case, nothing but failures and one backend each have a page with what there is."""
    write(tmp_path / "raw" / "m" / "20260101T000000Z-aaaa.jsonl", *lines)
    cases = rows_of(check_page(made(tmp_path)).data["cases"])
    assert len([row for row in cases if row["work"] == "gradient"]) == shown
    assert [row["status"] for row in cases if row["backend"] == "cupy"] == ["SKIPPED"]


def test_two_runs_of_one_second_are_two(tmp_path: Path) -> None:
    """Two runs that began in one second are apart in the settings and in the history."""
    for name in ("20260101T000000Z-aaaa", "20260101T000000Z-bbbb"):
        write(tmp_path / "raw" / "m" / f"{name}.jsonl", line(), line("torch-cpu"))
    names = ["20260101T000000Z-aaaa", "20260101T000000Z-bbbb"]
    data = check_page(made(tmp_path, runs(tmp_path, names))).data
    assert len({setting["slug"] for setting in data["settings"]}) == 2
    assert {row["run"] for row in rows_of(data["history"])} == set(names)


@pytest.mark.slow
def test_the_committed_journals_fit_into_the_page() -> None:
    """The page of all committed journals is no larger than a page may be."""
    results = Path(__file__).resolve().parents[3] / "results"
    if not (results / "raw").is_dir():
        pytest.skip("results/raw is not there")
    from bench.reporting.page import _by_slug
    from bench.reporting.web.assembly import assemble

    assert len(assemble(results, [], _by_slug(runs(results)), []).encode()) < MOST_BYTES
