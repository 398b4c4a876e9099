"""The progress bar, on a terminal that is not there."""

from contextlib import suppress

import pytest

from relufit import fit
from relufit.solvers.progress import progress_bar, progress_line


def test_it_shows_epochs_and_loss(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress goes to stderr, so that stdout stays clean; before the first loss is known it shows none."""
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
    """Progress is silent where it is not wanted, and by default where stderr is no terminal."""
    with progress_bar(3, shown=False) as show:
        show(1, 1.0)
    fit("sin", hidden=4, epochs=2)
    fit("sin", solver="spline", tolerance=0.1)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_a_search_shows_its_last_words_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Longer words leave nothing behind shorter ones, and in the end, even by an error, the line is empty."""
    with suppress(KeyboardInterrupt), progress_line(shown=True) as show:
        show(512, 1.25e-10)
        show(8, 0.5)
        raise KeyboardInterrupt
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [part.rstrip() for part in captured.err.split("\r")] == ["", "512 units: 1.25e-10", "8 units: 0.5", "", ""]
    assert len(captured.err.split("\r")[2]) >= len("512 units: 1.25e-10")
    fit("sin", solver="spline", tolerance=0.1, progress=True)
    assert "\r1 unit: " in capsys.readouterr().err
