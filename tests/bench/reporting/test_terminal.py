"""Tables in the terminal: a number stays in one line, however narrow the terminal, and whatever its encoding is."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from bench_runs import ROOT
from journals import line, write

from bench.reporting import terminal
from bench.reporting.number_format import digits


def test_a_number_is_not_broken_at_its_thousands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where cells do not fit side by side each has a line, and 12 300 reads as one number with a plain space."""
    monkeypatch.setenv("COLUMNS", "32")
    cell = f"4.7x ({digits(12_300)} to {digits(13_400)})"
    terminal.print_table(
        pd.DataFrame({"A": ["numpy"], "B": [cell], "C": [cell]}), "title", [f"{'x' * 30} {digits(12_300)}"]
    )
    printed = capsys.readouterr().out
    assert printed.count("12 300") == 3
    assert printed.count("13 400)") == 2
    assert max(map(len, printed.splitlines())) <= 32


@pytest.mark.parametrize(("encoding", "found"), [("ascii", "7+-2 -- ?"), ("cp866", "7+-2 ── ?"), ("utf-8", "7±2 ── Ω")])
def test_a_terminal_of_any_encoding_shows_what_it_can(encoding: str, found: str) -> None:
    """A sign that a terminal lacks is replaced: no table ends in a traceback."""
    assert terminal.encodable("7±2 ── Ω", encoding) == found


def test_a_report_in_ascii_is_printed_whole(tmp_path: Path) -> None:
    """`python -m bench.report` ends well where standard output is ASCII."""
    write(tmp_path / "raw" / "m" / "r.jsonl", line(seconds=[1e-3 * (1 + k / 100) for k in range(9)]))
    command = [sys.executable, "-m", "bench.report", "--show", "--results", str(tmp_path)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "+-" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_words_stay_whole_where_there_is_room(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long word is never folded: another column breaks between its words, or each cell gets a line."""
    frame = pd.DataFrame({"A": ["numpy"], "B": ["0.0755±16%"], "C": ["four words of prose"], "D": ["1 of 2 or 3 of 4"]})
    for columns, side_by_side in (("32", True), ("20", False)):
        monkeypatch.setenv("COLUMNS", columns)
        terminal.print_table(frame, "title", [])
        printed = capsys.readouterr().out
        assert "0.0755±16%" in printed
        assert ("  B: 0.0755±16%" in printed) != side_by_side
        assert max(map(len, printed.splitlines())) <= int(columns)
