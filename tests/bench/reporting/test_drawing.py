"""Figures as files: the same bytes from one process and from several, and none is lost."""

import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from journals import CURVE, digest, learned, line, write

from bench.analysis.frames import read
from bench.reporting import drawing, figures


def written(folder: Path, processes: int) -> dict[str, Any]:
    """What two figures of a journal are as files, drawn by so many other processes."""
    folder.mkdir()
    run = read(write(folder / "run.jsonl", line(batch=32), line(batch=800), learned(curve=CURVE)))
    found = figures.figures_of(run, folder, "label")
    with drawing.drawer(processes) as draw:
        for path in [*found][:2]:
            draw(found[path], path)
    assert len([*folder.glob("*.png"), *folder.glob("*.svg")]) == 4
    return digest(folder)


def test_other_processes_draw_the_same_bytes(tmp_path: Path) -> None:
    """The files of two figures are the same, drawn here or by two other processes."""
    assert written(tmp_path / "elsewhere", 2) == written(tmp_path / "here", 0)


def test_what_a_process_that_ended_has_not_drawn_is_drawn_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system ends the processes that draw, the figures are all there."""
    submit = ProcessPoolExecutor.submit
    monkeypatch.setattr(ProcessPoolExecutor, "submit", lambda pool, *given: submit(pool, os._exit, 1))
    written(tmp_path / "run", 1)


@pytest.mark.parametrize("processes", [0, 1])
def test_a_figure_that_cannot_be_written_is_an_error(processes: int, tmp_path: Path) -> None:
    """A folder that is missing is an OSError, from other processes too."""
    run = read(write(tmp_path / "run.jsonl", line(batch=32), line(batch=800)))
    ((path, figure),) = figures.figures_of(run, tmp_path / "missing", "label").items()
    with pytest.raises(OSError, match="missing"), drawing.drawer(processes) as draw:
        draw(figure, path)
