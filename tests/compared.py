"""Runs that tests of bench.compare write, and what the command says of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from journals import line, write

from bench import compare
from bench.analysis.pairs import regressions
from bench.analysis.runs import runs
from bench.reporting.changes import changes_in_words
from bench.reporting.tables.verdicts import with_reasons

PACKAGES = {"numpy": "2.4.6"}


def rounds(seconds: float, seed: int, passes: int = 12, noise: float = 0.01) -> list[dict[str, Any]]:
    """The seconds of each pass of a steady case."""
    rng = np.random.default_rng(seed)
    return [
        {"seconds": (seconds * np.exp(rng.normal(0, noise, 9))).tolist(), **({"pass": n} if n else {})}
        for n in range(passes)
    ]


def journal(results: Path, name: str, times: dict[str, float], folder: str = "m", **header: Any) -> Path:
    """A run of a dozen passes over gradients at some sizes, each backend with a time at N = 800."""
    lines = [
        line(backend, batch=batch, **measured)
        for place, (backend, seconds) in enumerate(times.items())
        for batch in (100, 200, 400, 800)
        for measured in rounds(seconds * batch / 800, seed=batch + 7 * place + len(name) * 1000)
    ]
    return write(results / "raw" / folder / f"{name}.jsonl", *lines, **header)


def table(results: Path, *words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, output and errors of the command."""
    code = compare.main([*words, "--results", str(results)])
    said = capsys.readouterr()
    return code, " ".join(said.out.split()), said.err


def reasons(frame: pd.DataFrame) -> list[str]:
    """Why each verdict is not more."""
    return list(with_reasons(frame).reason)


def changes(results: Path) -> tuple[pd.DataFrame, list[str]]:
    """The verdicts on the run `new` against `old`, and what is said of all cases."""
    new, old = (runs(results, [name])[0] for name in ("new", "old"))
    found = regressions.two_runs(new, old)
    return found.verdicts, changes_in_words(new, old, found)


def fail_on(results: Path, *words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, output and errors of the gate on two runs."""
    return table(results, "new", "old", "--fail-on", "slower:5%", *words, capsys=capsys)


def half_slower(results: Path, others: dict[str, float], times: float) -> None:
    """Two runs between which numba became slower in half of its cases, and the others did not change."""
    for name, factor in (("old", 1.0), ("new", times)):
        journal(results, name, {"numba": 1e-4, **others})
        path = results / "raw" / "m" / f"{name}.jsonl"
        found = [json.loads(text) for text in path.read_text().splitlines()]
        for case in found:
            if case.get("backend") == "numba" and case["batch"] in (100, 200):
                case["seconds"] = [factor * second for second in case["seconds"]]
        path.write_text("\n".join(map(json.dumps, found)) + "\n")
