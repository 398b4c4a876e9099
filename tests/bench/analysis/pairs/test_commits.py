"""The verdicts on two commits: on journals of their sides, with drift, noise and failures planted."""

from pathlib import Path

import numpy as np
import pytest
from journals import line, write

from bench.analysis.frames import Run, read
from bench.analysis.pairs import commits, regressions
from bench.reporting import changes
from bench.reporting.tables.verdicts import with_reasons


def commits_of(tmp_path: Path, times: dict[str, tuple[float, float]], drift: float = 1.0) -> list[Run]:
    """NEW and OLD, in turns on a fake clock: seconds of each backend at both, while the machine becomes slower."""
    found = []
    for side, word in enumerate(("new", "old")):
        rng = np.random.default_rng(side)
        lines = [
            line(name, **{"pass": n}, seconds=(seconds[side] * drift ** (n / 11) * noise).tolist())
            for name, seconds in times.items()
            for n, noise in enumerate(np.exp(rng.normal(0, 0.01, (12, 9))))
        ]
        found.append(read(write(tmp_path / f"{word}.jsonl", *lines)))
    return found


@pytest.mark.parametrize(
    ("at_new", "recipe", "word", "times", "finding"),
    [
        (1.1e-3, 1.0, "SLOWER", 1 / 1.1, "slower"),
        (0.9e-3, 1.0, "FASTER", 1 / 0.9, "within"),
        (1e-3, 1.0, "SAME", 1.0, "within"),
        (1.02e-3, 1.0, "SAME", 1 / 1.02, "within"),  # two processes of the same code may differ by as much
        (1.3e-3, 1.3, "SAME", 1.0, "inconclusive"),  # what has changed for unchanged code too is not the commit's doing
        (1.3e-3, 1.15, "SLOWER", 1.15 / 1.3, "slower"),
    ],
)
def test_two_commits(tmp_path: Path, at_new: float, recipe: float, word: str, times: float, finding: str) -> None:
    """Paired passes cancel a drift, and the recipes take out what has changed for unchanged code."""
    seconds = {"numpy": (at_new, 1e-3), "textbook-numpy": (2e-3 * recipe, 2e-3)}
    new, old = commits_of(tmp_path, seconds, drift=2.0)
    frame, control = commits.two_commits(new, old, ["numpy"])
    assert list(frame.verdict) == [word]
    assert list(regressions.findings(frame, 0.05)) == [finding]
    assert frame.times_faster[0] == pytest.approx(times, abs=0.02)
    assert control.ratio == pytest.approx(1 / recipe, abs=0.02)


def test_two_commits_without_a_steady_control(tmp_path: Path) -> None:
    """Without a recipe only what is beyond a machine's drift is claimed; beside a noisy one, what exceeds its noise."""
    frame, control = commits.two_commits(*commits_of(tmp_path, {"numpy": (1.3e-3, 1e-3)}), ["numpy"])
    assert np.isnan(control.ratio)
    assert "no unchanged recipe" in with_reasons(frame).reason[0]
    new, old = commits_of(tmp_path, {"numpy": (1.1e-3, 1e-3), "textbook-numpy": (2e-3, 2e-3)})
    for row in new.cases.to_dict("records"):
        if row["backend"] == "textbook-numpy":
            for number, block in row["passes"].items():
                block[:] = [second * (1.5 if number % 3 else 0.7) for second in block]
    frame, _ = commits.two_commits(new, old, ["numpy"])
    assert "by which unchanged recipes differ" in with_reasons(frame).reason[0]


def test_a_case_that_fails_at_the_newer_commit(tmp_path: Path) -> None:
    """It is a row that a gate fails on, with its reason."""
    write(tmp_path / "old.jsonl", line(), line("textbook-numpy"))
    failed = {**line(status="DISAGREES", reason="w1 is off"), "seconds": None}
    write(tmp_path / "new.jsonl", failed, line("textbook-numpy"))
    new, old = (read(tmp_path / f"{word}.jsonl") for word in ("new", "old"))
    frame, _ = commits.two_commits(new, old, ["numpy"])
    assert list(frame.failed) == [True]
    assert changes.worse(frame, 0.05) == ["numpy, gradient N = 800: numpy is DISAGREES: w1 is off"]
