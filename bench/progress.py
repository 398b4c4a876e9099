"""One line while `pytest bench` measures: how many cases are done, which one is in hand, and how much time is left.

It stands in place of pytest's letters and file names; `-v` brings those back, with the tables of pytest-benchmark.
"""

import time
from collections.abc import Callable, Iterator
from math import inf
from typing import Any

import pytest

from bench.journal.plan import Key
from bench.measure.session import Session

PARTS = 10  # lines of a whole run where the line cannot be rewritten, as in a file


class Progress:
    """A plugin of pytest that writes the line; `key_of` gives the case of a test, None of other tests."""

    def __init__(self, reporter: Any, run: Session, key_of: Callable[[pytest.Item], Key | None]) -> None:
        self.reporter, self.run, self.key_of = reporter, run, key_of
        self.done, self.start = 0, inf  # since the first case: what is measured of the machine before takes no budget
        reporter.showfspath = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """No letter for what has passed or was skipped; failures are reported as usual, at the end too."""
        if report.passed or report.skipped:
            return report.outcome if report.when == "call" or report.skipped else "", "", ""
        return None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Write the line before each case."""
        total, self.start = item.session.testscollected, min(self.start, time.monotonic())
        if (key := self.key_of(item)) is not None and self.is_due(total):
            case, name, _ = key
            work = f"{case.optimizer} {case.work}".strip()
            self.write(f"{self.done} of {total} cases done; {name}, {work}, N = {case.batch}; {self.left(total)}")
        yield
        self.done += 1

    def is_due(self, total: int) -> bool:
        """Whether the line is to be written: always on a terminal, else PARTS times in a run."""
        return bool(self.reporter.isatty) or self.done * PARTS // total > (self.done - 1) * PARTS // total

    def left(self, total: int) -> str:
        """The time that is left: of the budget, or by the pace so far."""
        spent = time.monotonic() - self.start
        if self.run.seconds is not None:
            return f"{max(0.0, self.run.seconds - spent):.0f} s of {self.run.seconds:g} s left"
        return f"about {spent / self.done * (total - self.done):.0f} s left" if self.done else "no limit of time"

    def write(self, text: str) -> None:
        """Write the line, over the one before on a terminal, cut to its width."""
        if self.reporter.isatty:
            self.reporter.rewrite(text[: self.reporter._tw.fullwidth - 1], erase=True)
        else:
            self.reporter.write_line(text)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Leave the line empty for what follows."""
        if self.reporter.isatty:
            self.reporter.rewrite("", erase=True)
