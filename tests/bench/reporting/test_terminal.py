"""Tables in the terminal: a number stays in one line, however narrow its column is."""

import pandas as pd
import pytest

from bench.reporting import terminal
from bench.reporting.number_format import digits


def test_a_number_is_not_broken_at_its_thousands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column too narrow for its cells breaks between words, and 12 300 reads as one number with a plain space."""
    monkeypatch.setenv("COLUMNS", "32")
    cell = f"4.7x ({digits(12_300)} to {digits(13_400)})"
    terminal.print_table(
        pd.DataFrame({"A": ["numpy"], "B": [cell], "C": [cell]}), "title", [f"{'x' * 30} {digits(12_300)}"]
    )
    printed = capsys.readouterr().out
    assert printed.count("12 300") == 3
    assert printed.count("13 400)") == 2
    assert max(map(len, printed.splitlines())) <= 32


def test_words_stay_whole_where_there_is_room(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long word in one column is not folded while another could break between its words; in less room it is."""
    frame = pd.DataFrame({"A": ["numpy"], "B": ["0.0755±16%"], "C": ["four words of prose"], "D": ["1 of 2 or 3 of 4"]})
    for columns, whole in (("32", True), ("20", False)):
        monkeypatch.setenv("COLUMNS", columns)
        terminal.print_table(frame, "title", [])
        printed = capsys.readouterr().out
        assert ("0.0755±16%" in printed) == whole
        assert max(map(len, printed.splitlines())) <= int(columns)
