"""The progress bar, on a terminal that is not there."""

import pytest

from relufit import fit
from relufit.progress import progress_bar


def test_it_shows_epochs_and_loss(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On stderr, so that stdout stays clean; before the first loss is known there is none."""
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes the captured stream for a terminal
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar(30, shown=True) as show:
        show(7, 0.125)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "7/30" in captured.err
    assert "loss 0.125" in captured.err
    assert "nan" not in captured.err


def test_it_is_silent_where_it_is_not_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    """And where stderr is no terminal, which is the default of fit."""
    with progress_bar(3, shown=False) as show:
        show(1, 1.0)
    fit("sin", hidden=4, epochs=2)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
