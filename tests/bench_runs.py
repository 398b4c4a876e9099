"""`pytest bench` as a user runs it, in a process of its own, and `bench.report` of what it wrote, in this process."""

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

from bench import report

ROOT = Path(__file__).resolve().parent.parent
UNUSED = ("cacheprovider", "hypothesispytest", "xdist", "xdist.looponfail")  # to load these takes longer than all else
# Without those plugins and without ceilings; sampling ends at its first look, where on a loaded machine it goes on.
SHORT = [*(f"-pno:{name}" for name in UNUSED), "-ptests.without_ceilings", "--max-noise", "1000"]


def command(results: Path, *words: str) -> list[str]:
    """The command line of a short run, without ceilings."""
    return [sys.executable, "-m", "pytest", "bench", "-q", *SHORT, "--results", str(results), *words]


def bench(results: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    words = words or ("--benchmark-only",)
    return subprocess.run(
        command(results, *words),
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def lines(results: Path) -> list[dict[str, object]]:
    """Every line of every journal."""
    return [json.loads(text) for path in results.rglob("*.jsonl") for text in path.read_text().splitlines()]


def reported(results: Path, *words: str) -> tuple[int, str, str]:
    """Report on a folder: the exit code and what is printed. A process of its own would import pandas and more anew."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            report.main(["--results", str(results), *words])
        except SystemExit as end:
            code = int(end.code or 0)
    return code, out.getvalue(), err.getvalue()
