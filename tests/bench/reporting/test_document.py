"""Each format holds what the frame holds, always in the same bytes; no text out of a journal breaks any of them."""

import re
from pathlib import Path

import pandas as pd
import pytest
from journals import journal, line, write

from bench import report
from bench.analysis.frames import read
from bench.reporting import document, page
from bench.reporting.document import Document, Heading, Table, Words
from bench.reporting.tables.throughput import THROUGHPUT

NASTY = '<script>x</script> | 50 % of a_b & {c} #1 ~ ^ \\n $d$ `e` "f" [g]'
LONG = pd.DataFrame({
    "backend": ["numpy", "torch-cpu", None], "batch": [32, 800, 65536], "median_us": [1 / 3, 1e-9, float("nan")],
    "reason": [None, NASTY, "why"],
})  # fmt: skip
PARTS: Document = [
    Heading(1, "A 1 % heading"),
    Words("of `some_code`, *stress* and a [link](to)"),
    NASTY,
    Table(LONG.rename(columns={"median_us": "median, us"})),
]


# The tables of a run over the grid.
ORDINARY = [name for name in page.TABLES if name not in ("solvers", "crossover", "cpu_gpu", "reduced")]


def written(folder: Path, name: str, long: pd.DataFrame = LONG, parts: Document = PARTS) -> Path:
    """A file of a format."""
    path = folder / f"table.{document.FORMATS[name].suffix}"
    document.FORMATS[name].write(long, parts, path)
    return path


@pytest.mark.parametrize("name", document.FORMATS)
def test_the_same_frame_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    """The same frame gives the same bytes in each format."""
    first = written(tmp_path, name).read_bytes()
    assert first
    assert written(tmp_path, name, LONG.copy(deep=True)).read_bytes() == first


def test_parquet_comes_back_as_it_was(tmp_path: Path) -> None:
    """Parquet keeps every number in full, every type and every text, and the columns of an empty table."""
    for frame in (LONG, LONG[:0], THROUGHPUT.long(read(journal(tmp_path)))):
        back = pd.read_parquet(written(tmp_path, "parquet", frame))
        pd.testing.assert_frame_equal(back, frame, check_exact=True)


def test_csv_comes_back_with_six_digits(tmp_path: Path) -> None:
    """CSV keeps six digits of a number, and texts whole, whatever they hold."""
    back = pd.read_csv(written(tmp_path, "csv"))
    pd.testing.assert_frame_equal(back, LONG, rtol=1e-5)
    assert back.reason[1] == NASTY


def test_latex_is_booktabs_with_readable_headings(tmp_path: Path) -> None:
    """LaTeX has rules, headings with their units, and the sections of the Markdown."""
    text = written(tmp_path, "latex").read_text()
    assert text.startswith("% \\usepackage[T1]{fontenc} \\usepackage{booktabs")
    assert "\\section*{A 1 \\% heading}\n\nof \\texttt{some\\_code}, \\emph{stress} and a link\n\n" in text
    assert "\\toprule\nbackend & batch & median, us & reason \\\\\n\\midrule\nnumpy & 32 & 0.33" in text
    assert "\\bottomrule\n\\end{tabular}\n" in text


def test_nothing_in_a_text_is_a_command_of_latex(tmp_path: Path) -> None:
    """Each special sign of a text is escaped: braces close, and all rows have the same columns."""
    text = written(tmp_path, "latex").read_text()
    assert (
        "\\textless{}script\\textgreater{}x\\textless{}/script\\textgreater{} \\textbar{} 50 \\% of a\\_b \\&" in text
    )
    assert "\\{c\\} \\#1 \\textasciitilde{} \\textasciicircum{} \\textbackslash{}n \\$d\\$" in text
    assert '\\textasciigrave{}e\\textasciigrave{} "f" {[}g{]}' in text
    bare = re.sub(r"\\[\\&%$#_{}]", "", text)
    assert bare.count("{") == bare.count("}")
    rows = re.search(r"\\midrule\n(.*)\\bottomrule", text, flags=re.DOTALL)
    assert rows is not None
    assert [len(re.findall(r"(?<!\\)&", row)) for row in rows[1].splitlines()] == [3, 3, 3]


def test_a_letter_that_pdflatex_has_not_is_a_question_mark(tmp_path: Path) -> None:
    """A letter that pdflatex lacks is a question mark; a long table may break over pages."""
    frame = pd.DataFrame({"backend": ["985±3%", "数🙂"] * 20})
    text = written(tmp_path, "latex", parts=[Table(frame)]).read_text()
    assert "985±3\\% \\\\\n?? \\\\\n" in text
    assert "\\begin{longtable}" in text


@pytest.mark.usefixtures("without_figures")
def test_the_report_writes_what_is_asked_for(tmp_path: Path) -> None:
    """The formats asked for stand beside Markdown and CSV, twice the same; a nasty reason is in all of them."""
    extra = line("torch-cpu", batch=5, status="CRASHED", reason=NASTY, seconds=None)
    for folder in ("a", "b"):
        journal(tmp_path / folder, "20260101T000000Z-aaaa", extra)
        report.main(["--results", str(tmp_path / folder), "--format", "parquet, latex,csv"])
    files = sorted((tmp_path / "a" / "tables").iterdir())
    assert {path.name for path in files} == {f"{n}.{e}" for n in ORDINARY for e in ("csv", "md", "parquet", "tex")}
    for path in files:
        assert path.read_bytes() == (tmp_path / "b" / "tables" / path.name).read_bytes()
    frame, text = (tmp_path / "a" / "tables" / f"throughput.{ending}" for ending in ("parquet", "csv"))
    columns = ["backend", "batch", "status", "reason", "run"]
    read_back = pd.read_csv(text).fillna({"reason": ""})  # an empty text is nothing between two commas
    pd.testing.assert_frame_equal(pd.read_parquet(frame)[columns], read_back[columns])
    assert NASTY in set(pd.read_parquet(frame).reason)


@pytest.mark.usefixtures("without_figures")
def test_a_run_without_cases_takes_no_types_away(tmp_path: Path) -> None:
    """Numbers of one machine stay numbers beside another that has no such cases."""
    write(tmp_path / "raw" / "a" / "r.jsonl", line())
    write(tmp_path / "raw" / "b" / "s.jsonl", line(work="scaling", seconds=[1 / 3] * 6))
    report.report(tmp_path, formats=["parquet"])
    frame = pd.read_parquet(tmp_path / "tables" / "scaling.parquet")
    assert (frame.batch.dtype, frame.median_seconds.dtype) == ("int64", "float64")
    assert "0.333333," in (tmp_path / "tables" / "scaling.csv").read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [("excel", "--format 'excel' is not known; there are csv, markdown, parquet, latex"), ("csv,", "'' is not known"),
     ("parquet", "--format parquet needs pyarrow, which is not installed: pip install pyarrow"),
     ("csv,latex", "--format latex needs jinja2, which is not installed: pip install jinja2")],
)  # fmt: skip
def test_a_format_that_cannot_be_written_is_a_sentence(
    words: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An impossible format is refused with exit code 2 before any file is written."""
    journal(tmp_path)
    monkeypatch.setattr(document, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as caught:
        report.main(["--results", str(tmp_path), "--format", words])
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "tables").exists()
