"""A table is one declaration: a planted column stands in every format, and each table says which runs it is for."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from journals import CURVE, journal, learned, line, make

from bench import report
from bench.reporting import page
from bench.reporting.document import markdown
from bench.reporting.number_format import digits
from bench.reporting.tables.spec import Column


def plant(monkeypatch: pytest.MonkeyPatch, table: str, column: Column) -> None:
    """Declare another column of a table."""
    declared = page.TABLES[table]
    monkeypatch.setitem(page.TABLES, table, replace(declared, columns=(*declared.columns, column)))


@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize("table", ["convergence", "throughput"])
def test_a_planted_column_is_one_entry(table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field of the journal becomes a column of the .csv, and of a flat table for readers, by one entry."""
    plant(monkeypatch, table, Column("load_average", "load average", digits))
    journal(tmp_path, "20260101T000000Z-aaaa", line(load_average=1.2345), learned(curve=CURVE, load_average=1.2345))
    report.report(tmp_path)
    frame = pd.read_csv(tmp_path / "tables" / f"{table}.csv")
    assert 1.2345 in set(frame.load_average)
    text = (tmp_path / "tables" / f"{table}.md").read_text()
    assert ("load average" in text and "1.23 " in text) == (table == "convergence")


def test_a_table_is_for_the_runs_that_it_names(tmp_path: Path) -> None:
    """A run in float32 on a CPU has no table of solvers, crossovers, CPU against GPU, or reduced precision."""
    run = make(tmp_path, line())
    others = {"solvers", "crossover", "cpu_gpu", "reduced"}
    assert {name for name, table in page.TABLES.items() if not table.is_for(run)} == others


def test_a_table_without_rows_says_so(tmp_path: Path) -> None:
    """A table without rows reads "No cases." in Markdown, and its .csv still has the declared columns."""
    run = make(tmp_path, line())
    for name in ("ensembles", "scaling", "convergence", "agreement", "trajectory"):
        assert markdown(page.TABLES[name].document(run)) == "No cases."
        assert "backend" in page.TABLES[name].long(run).columns
