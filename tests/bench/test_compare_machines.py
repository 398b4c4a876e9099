"""Runs of two machines, which are compared by ratios, and A/A runs, which say what can be told apart."""

import json
import re
from pathlib import Path

import pytest
from compared import fail_on, journal, reasons, rounds, table
from journals import HEADER, line, write, write_aa

from bench.analysis.pairs import comparison, regressions, resolution
from bench.analysis.runs import newest_aa, runs
from bench.reporting.document import markdown
from bench.reporting.tables.verdicts import VERDICTS, resolution_in_words


def test_a_faster_machine_does_not_hide_a_slower_backend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where all others became 1.5 times as fast, a backend that did not is inconclusive."""
    times = {"numpy": 1e-3, "jax-cpu": 2e-3, "torch-cpu": 3e-3}
    journal(tmp_path, "old", {**times, "numba": 1e-4})
    journal(tmp_path, "new", {**{name: seconds / 1.5 for name, seconds in times.items()}, "numba": 1e-4})
    code, out, _ = fail_on(tmp_path, capsys=capsys)
    assert code == 3
    assert "12 within 5 %, 0 slower, 0 failed, 0 vanished, 4 inconclusive" in out


def test_machines_without_a_shared_baseline_are_inconclusive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of two machines of which one has no baseline compare nothing, and that is no success."""
    monkeypatch.setenv("COLUMNS", "300")
    journal(tmp_path, "old", {"numpy": 1e-3, "torch-cpu": 1e-3}, folder="another")
    journal(tmp_path, "new", {"numpy": 1e-3})
    assert fail_on(tmp_path, capsys=capsys)[0] == 1  # torch-cpu vanished
    journal(tmp_path, "old", {"numpy": 1e-3}, folder="another")
    code, out, _ = fail_on(tmp_path, capsys=capsys)
    assert code == 3
    assert "0 within 5 %" in out


def test_two_machines_that_share_only_the_baseline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table is empty, and a line under it says why and what to measure; a backend refused there changes nothing."""
    journal(tmp_path, "new", {"torch-cpu": 3e-3, "numba": 1e-4})
    path = journal(tmp_path, "old", {"torch-cpu": 1e-3}, folder="another")
    refused = json.dumps(line("numba", status="SKIPPED", reason="too old", seconds=None))
    for lines in ("", f"{refused}\n"):
        path.write_text(path.read_text() + lines)
        code, out, errors = fail_on(tmp_path, capsys=capsys)
        assert code == 3
        assert "only the baseline torch-cpu was measured in both runs; measure what is to be compared with it" in out
        assert "--passes 12 --backend torch-cpu,numba" in out
        assert "no case has a time on both sides: the lines under the table say why" in errors


def test_machines_are_compared_by_ratios(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A machine that is three times as fast in all counts as the same by ratios to the baseline."""
    times = {"torch-cpu": 3e-3, "numpy": 1e-3, "numba": 1e-4, "jax-cpu": 2e-3}
    journal(tmp_path, "here", times, folder="m")
    journal(tmp_path, "there", {name: seconds / 3 for name, seconds in times.items()}, folder="another")
    frame = regressions.two_runs(*(runs(tmp_path, [name])[0] for name in ("here", "there"))).verdicts
    ratios = frame[frame.a != "torch-cpu"].times_faster
    assert ratios.between(0.95, 1.05).all()
    assert "torch-cpu" not in set(frame.a)
    assert "two machines: ratios to the baseline" in table(tmp_path, "here", "there", capsys=capsys)[1]


def test_an_a_a_run_says_what_can_be_told_apart(tmp_path: Path) -> None:
    """What the A/A run does not resolve is not claimed in other runs, and it is not listed among them."""
    aa = {**HEADER, "settings": {"profile": "aa", "threads": None}}
    lines = [line(**measured) for measured in rounds(1e-3, seed=3, passes=24, noise=0.5)]
    write(tmp_path / "raw" / "m" / "aa.jsonl", *lines, **aa)
    journal(tmp_path, "r", {"numpy": 1e-3, "numba": 1e-3 / 1.1})
    (run,) = runs(tmp_path)
    assert run.name == "r"
    assert run.aa is not None
    least, because = resolution.resolution(run, line())
    assert 0.1 < least < 2
    assert because == "that the A/A run aa resolves"
    frame = comparison.two_backends(run, "numba", "numpy")
    assert set(frame.kind) == {"drift"}
    assert "that the A/A run aa resolves" in reasons(frame)[0]
    text = markdown(VERDICTS.document(run))
    assert "A/A run aa: a difference below" in text or text == "No cases."
    assert newest_aa(tmp_path / "raw" / "nowhere") is None
    assert len(resolution.resolution_table(runs(tmp_path, ["aa"])[0])) == 1


def test_each_case_has_the_limit_that_the_a_a_run_gave_it(tmp_path: Path) -> None:
    """A case that the machine resolves is claimed although another is noisy; of others the widest counts."""
    passes = [
        line(batch=batch, **{"pass": n}, seconds=[1e-3 * (apart if n % 2 else 1) * (1 + 1e-4 * n)] * 7)
        for batch, apart in ((100, 1.02), (800, 1.5))
        for n in range(24)
    ]
    aa = write(tmp_path / "raw" / "m" / "aa.jsonl", *passes, settings={"profile": "aa", "threads": None}).stem
    journal(tmp_path, "r", {"numpy": 1e-3, "numba": 1e-3 / 1.3})
    (run,) = runs(tmp_path)
    words = comparison.two_backends(run, "numba", "numpy").set_index("batch").verdict
    assert words.to_dict() == {100: "FASTER", 200: "UNSURE", 400: "UNSURE", 800: "UNSURE"}
    said = resolution_in_words(run)
    assert re.fullmatch(f"A/A run {aa}: a difference below 2.* to 50.* %, by its case, is not told apart .*", said)


def test_of_few_passes_the_a_a_run_is_not_mentioned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Below six passes, where an A/A run plays no part, the note says what does: 50 %, and how to tell more."""
    write_aa(tmp_path / "raw" / "m", apart=1.5)
    lines = [line(name, **rounds(1e-3, seed, 1)[0]) for seed, name in enumerate(("numpy", "numba"))]
    write(tmp_path / "raw" / "m" / "r.jsonl", *lines)
    _, out, _ = table(tmp_path, "numpy", "numba", capsys=capsys)
    assert (
        "With fewer than 6 passes only differences above 50 % are reported; for smaller ones measure with --passes 12."
        in out
    )
    assert "A/A" not in out
