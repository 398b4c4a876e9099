"""Figures as files: the same bytes from one process and from several, and none is lost."""

import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from journals import CURVE, digest, followed, learned, line, write

from bench.analysis.frames import read
from bench.reporting import drawing, figures


def written(folder: Path, cores: int) -> dict[str, Any]:
    """What two figures of a journal are as files, drawn with this many cores."""
    folder.mkdir()
    lines = [line(batch=32), line(batch=800), learned(curve=CURVE), followed()]
    run = read(write(folder / "run.jsonl", *lines))
    found = figures.figures_of(run, folder, "label")
    with drawing.drawn({path: found[path] for path in [*found][:2]}, cores):
        pass
    return digest(folder)


def test_other_processes_draw_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of two figures are the same, drawn here or by other processes; nothing is drawn here by these."""
    here = written(tmp_path / "here", 1)
    assert len([name for name in here if name.endswith((".png", ".svg"))]) == 4
    monkeypatch.setattr(drawing, "MANY", 2)
    assert written(tmp_path / "elsewhere", 3) == here


def test_what_a_process_that_ended_has_not_drawn_is_drawn_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system ends the processes that draw, the figures are all there."""
    monkeypatch.setattr(drawing, "MANY", 2)
    submit = ProcessPoolExecutor.submit
    monkeypatch.setattr(ProcessPoolExecutor, "submit", lambda pool, *given: submit(pool, os._exit, 1))
    assert len([name for name in written(tmp_path / "run", 2) if name.endswith((".png", ".svg"))]) == 4


def test_a_figure_that_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is missing is an OSError, from other processes too."""
    run = read(write(tmp_path / "run.jsonl", line(batch=32), line(batch=800)))
    found = figures.figures_of(run, tmp_path / "missing", "label")
    for few in (9, 1):
        monkeypatch.setattr(drawing, "MANY", few)
        with pytest.raises(OSError, match="missing"), drawing.drawn(found, 2):
            pass
