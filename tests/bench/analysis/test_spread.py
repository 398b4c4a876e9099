"""What runs and passes of one case disagree by is shown beside the interval of one run, and limits what is claimed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from journals import HEADER, MACHINE, line, write

from bench.analysis import throughput
from bench.analysis.frames import Run
from bench.analysis.pairs import comparison
from bench.analysis.runs import runs
from bench.reporting import number_format
from bench.reporting.number_format import NO_BREAK
from bench.reporting.tables.summary import legend_of_summary, summary

OTHER_VERSION = {"machine": {**MACHINE, "packages": {"numpy": "3.0"}}}


def rounds(seconds: float) -> list[float]:
    """Nine rounds of 1 % about this time."""
    return [seconds * (1 + (k - 4) / 400) for k in range(9)]


def journal(results: Path, name: str, times: dict[str, float], profile: str = "full", **header: Any) -> None:
    """A run with one gradient of each backend."""
    settings = {**HEADER["settings"], "profile": profile}  # type: ignore[dict-item]
    lines = [line(backend, seconds=rounds(seconds)) for backend, seconds in times.items()]
    write(results / "raw" / "m" / f"{name}.jsonl", *lines, **{"settings": settings, **header})


def full(results: Path) -> Run:
    """The run of the profile `full`."""
    return next(run for run in runs(results) if run.profile == "full")


def row_of(run: Run, backend: str = "numpy") -> dict[str, Any]:
    """The times of a backend."""
    return dict(throughput.throughput(run).set_index("backend").loc[backend])


def test_runs_that_disagree_stand_beside_the_interval(tmp_path: Path) -> None:
    """The range of both runs takes the place of the interval of the one that is shown, in the digits it supports."""
    journal(tmp_path, "2025", {"numpy": 727e-6}, profile="headline")
    journal(tmp_path, "2026", {"numpy": 1860e-6})
    row = row_of(full(tmp_path))
    assert (row["between_low_us"], row["between_high_us"]) == pytest.approx((727, 1860))
    expected = "1 860 (700 to 1 900 in 2 runs)".replace("1 ", f"1{NO_BREAK}")
    assert number_format.time_cell(row) == expected
    assert expected in summary(full(tmp_path)).to_string()
    assert number_format.duration_cell(row) == "1.86 ms (0.7 to 1.9 ms in 2 runs)"


@pytest.mark.parametrize(
    ("seconds", "header"), [(1.861e-3, {}), (727e-6, OTHER_VERSION), (727e-6, {"code": {"content_hash": "abc"}})]
)
def test_runs_that_agree_or_are_of_something_else_do_not(seconds: float, header: Any, tmp_path: Path) -> None:
    """Runs whose intervals meet, and those of other versions or sources, say nothing beside the time."""
    journal(tmp_path, "2025", {"numpy": seconds}, profile="headline", **header)
    journal(tmp_path, "2026", {"numpy": 1860e-6})
    assert " in " not in number_format.time_cell(row_of(full(tmp_path)))


def test_the_wider_spread_decides_what_is_claimed(tmp_path: Path) -> None:
    """Twice as fast in one run and half as fast in the other is no claim; twice and four times as fast is one."""
    for older, word in ((0.5, "UNSURE"), (4.0, "FASTER")):
        journal(tmp_path, "2025", {"numpy": 1e-3 / older, "torch-cpu": 1e-3}, profile="headline")
        journal(tmp_path, "2026", {"numpy": 0.5e-3, "torch-cpu": 1e-3})
        row = comparison.against_baseline(full(tmp_path)).set_index("a").loc["numpy"]
        assert row.verdict == word
        assert row.times_faster == pytest.approx(2)
        assert min(2, older) >= row.low >= min(1.9, older - 0.1)
        assert max(2.1, older + 0.1) >= row.high >= max(2, older)


def test_passes_that_disagree_stand_beside_the_interval(tmp_path: Path) -> None:
    """Passes of one run whose intervals do not meet are shown, and limit a claim that has too few for pairs."""
    lines = [line(backend, seconds=rounds(seconds), **{"pass": number})
             for backend, times in (("numpy", (1e-3, 3e-3)), ("torch-cpu", (2e-3, 2e-3)))
             for number, seconds in enumerate(times)]  # fmt: skip
    write(tmp_path / "raw" / "m" / "r.jsonl", *lines, settings={"profile": "full"})
    assert row_of(full(tmp_path))["between"] == "2 passes"
    assert row_of(full(tmp_path), "torch-cpu")["between"] == ""
    assert list(comparison.against_baseline(full(tmp_path)).verdict) == ["UNSURE"]


def test_without_torch_there_is_a_baseline(tmp_path: Path) -> None:
    """A run without torch is compared with numpy, and says so; --baseline takes another, an unknown one is refused."""
    journal(tmp_path, "2026", {"numba": 1e-4, "numpy": 1e-3, "jax-cpu": 5e-4})
    run = full(tmp_path)
    assert row_of(run, "numba")["times_faster_than_baseline"] == pytest.approx(10)
    assert set(comparison.against_baseline(run).b) == {"numpy"}
    assert throughput.baseline_in_words(run).startswith("The baseline is numpy, for torch-cpu has no time in this run")
    (asked,) = runs(tmp_path, baseline="jax-cpu")
    assert set(comparison.against_baseline(asked).b) == {"jax-cpu"}
    assert throughput.baseline_in_words(asked) == ""
    with pytest.raises(Exception, match="--baseline 'torch-cpu' is in none of these runs; there are numpy, "):
        runs(tmp_path, baseline="torch-cpu")


def test_a_time_under_load_is_marked_and_claims_nothing(tmp_path: Path) -> None:
    """A time under load has a mark, a line that says what was running, and the verdict UNSURE (loaded)."""
    load = {"watched_seconds": 1.0, "cores_of_others": 0.8}
    lines = [line(seconds=rounds(1e-5), **load), line("torch-cpu", seconds=rounds(51e-5))]
    write(tmp_path / "raw" / "m" / "r.jsonl", *lines, settings={"profile": "full"})
    run = full(tmp_path)
    row = row_of(run)
    assert number_format.time_cell(row) == "10.0±1%*"
    assert number_format.ratio_cell(row, "times_faster_than_baseline") == "10.0 us*, 51x"
    assert "* Measured under load: numpy, gradient N = 800: other processes had 0.8 cores." in map(
        str, legend_of_summary(run)
    )
    verdict = comparison.against_baseline(run).iloc[0]
    assert (verdict.verdict, verdict.kind, verdict.detail) == (
        "UNSURE",
        "loaded",
        "numpy: other processes had 0.8 cores",
    )
    assert np.isclose(verdict.times_faster, 51)
