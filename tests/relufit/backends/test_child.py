"""Scripts in processes of their own: their lines, their ends, and the bound on their silence."""

import time

import pytest

from relufit.backends import child


@pytest.mark.parametrize(
    ("script", "end"),
    [
        ("print('a'); print('b')", "crashed its process (exit 0)"),
        ("print('a'); print('b', flush=True); raise SystemExit('enough')", "crashed its process (exit 1): enough"),
        ("print('a'); print('b', flush=True); import os; os.abort()", "crashed its process (exit -6)"),
    ],
)
def test_lines_are_read_and_the_end_is_told(script: str, end: str) -> None:
    """Each line is read as it comes; the end of the process is its exit code and its last words."""
    lines: list[str] = []
    assert child.run(script, lambda line: lines.append(line) or 60.0, 60.0).startswith(end)  # type: ignore[func-returns-value]
    assert lines == ["a\n", "b\n"]


def test_each_line_has_its_own_bound() -> None:
    """A script that is silent for longer than the last line allows is ended; the time before counts for nothing."""
    lines: list[str] = []

    def read(line: str) -> float:
        lines.append(line)
        return 0.2 if len(lines) == 2 else 60.0

    start = time.monotonic()
    with pytest.raises(child.Silent):
        child.run("import time\nfor wait in (0.3, 0.3, 999): print(flush=True); time.sleep(wait)", read, 60.0)
    assert len(lines) == 2
    assert time.monotonic() - start < 30
