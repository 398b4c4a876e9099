"""What tests of reports share: reports without figures, which take longer than all the rest, and one browser."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from browser import MISSING, REQUIRED, Browser


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


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests: to start it takes seconds."""
    if MISSING and REQUIRED:
        pytest.fail(f"RELUFIT_REQUIRE names browser, but {', '.join(MISSING)} is missing", pytrace=False)
    if MISSING:
        pytest.skip(f"no page in a browser: {', '.join(MISSING)} is missing")
    found = Browser()
    yield found
    found.driver.quit()


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    """The browser with a window of usual size in the light scheme, whatever the test before has done."""
    chromium.size(1200)
    chromium.scheme("light")
    return chromium
