"""`pytest bench` as a user runs it, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def command(results: Path, *words: str) -> list[str]:
    """The command line of a short run, without ceilings."""
    plugins = ["-p", "no:cacheprovider", "-p", "tests.without_ceilings"]
    return [sys.executable, "-m", "pytest", "bench", "-q", *plugins, "--results", str(results), *words]


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
