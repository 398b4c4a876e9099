"""What tests of reports share: to draw the figures of a journal takes longer than all the rest of a report."""

from contextlib import nullcontext
from pathlib import Path

import pytest


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports have their tables and their page, and draw nothing."""

    def no_figures(run: object, folder: Path, label: str) -> dict[Path, object]:
        return {}

    monkeypatch.setattr("bench.reporting.figures.figures_of", no_figures)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports make their figures, and write them as empty files."""

    def touch(figure: object, path: Path) -> None:
        path.touch()
        path.with_suffix(".svg").touch()

    monkeypatch.setattr("bench.reporting.drawing.drawer", lambda processes: nullcontext(touch))
