"""What `pytest bench` prints while it measures: one line of progress, and pytest-benchmark's tables with -v alone."""

import re
from pathlib import Path

from bench_runs import bench

WORDS = ("--benchmark-only", "--backend", "numpy", "--batch", "32", "--hidden", "8", "--seconds", "3")


def test_progress_names_cases_done_the_one_in_hand_and_the_time_left(tmp_path: Path) -> None:
    """Without a terminal there are some ten lines; no letters, no file names, no ranking of calls."""
    done = bench(tmp_path, *WORDS)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = re.findall(r"^(\d+) of (\d+) cases done; numpy, [\w ]+, N = \d+; (\d+) s of 3 s left$", done.stdout, re.M)
    assert 5 <= len(lines) <= 12
    numbers = [int(number) for number, _, _ in lines]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 0
    assert int(lines[0][2]) >= 2
    assert "test_throughput.py" not in done.stdout
    assert "Name (time in" not in done.stdout


def test_verbose_brings_back_the_tables_of_pytest_benchmark(tmp_path: Path) -> None:
    """-v lists each test, and the tables of pytest-benchmark."""
    done = bench(tmp_path, *WORDS, "-vv", "-k", "gradient")  # `bench` gives -q too
    assert "test_gradient" in done.stdout
    assert "Name (time in" in done.stdout
    assert "cases done" not in done.stdout
