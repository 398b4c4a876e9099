"""Tables in the terminal: a number stays in one line, however narrow its column is."""

import pandas as pd
import pytest

from bench import terminal
from bench.cells import digits


def test_a_number_is_not_broken_at_its_thousands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column too narrow for its cells breaks between words, and 12 300 reads as one number with a plain space."""
    monkeypatch.setenv("COLUMNS", "32")
    cell = f"4.7x ({digits(12_300)} to {digits(13_400)})"
    terminal.show(pd.DataFrame({"A": ["numpy"], "B": [cell], "C": [cell]}), "title", [f"{'x' * 30} {digits(12_300)}"])
    printed = capsys.readouterr().out
    assert printed.count("12 300") == 3
    assert printed.count("13 400)") == 2
    assert max(map(len, printed.splitlines())) <= 32
