"""bench.compare as a user runs it: two backends of a run, two runs, its own resolution, and a verdict for CI."""

import json
from pathlib import Path

import pytest
from compared import PACKAGES, changes, journal, reasons, rounds, table
from journals import HEADER, MACHINE, line, write, write_aa

from bench import report
from bench.analysis.frames import Run, read
from bench.analysis.pairs import comparison, regressions
from bench.analysis.runs import runs


def test_two_backends_of_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In pairs of passes a backend that is 30 % faster is FASTER at each size, and an equal one the SAME."""
    journal(tmp_path, "r", {"numpy": 1e-3, "numba": 1e-3 / 1.3, "jax-cpu": 1e-3})
    run = runs(tmp_path)[0]
    assert list(comparison.two_backends(run, "numba", "numpy").verdict) == ["FASTER"] * 4
    assert list(comparison.two_backends(run, "numpy", "numba").verdict) == ["SLOWER"] * 4
    assert list(comparison.two_backends(run, "numpy", "jax-cpu").verdict) == ["SAME"] * 4
    code, out, _ = table(tmp_path, "numba", "numpy", capsys=capsys)
    assert code == 0
    assert out.count("FASTER") == 4
    assert "numba against numpy, run r" in out
    assert "No A/A run" in out


def test_drift_cancels_between_passes(tmp_path: Path) -> None:
    """A machine that becomes twice as slow in the course of the run changes no verdict."""
    lines = [
        line(backend, **{**measured, "seconds": [s * 2 ** (n / 11) for s in measured["seconds"]]})
        for place, (backend, seconds) in enumerate((("numpy", 1e-3), ("numba", 1e-3 / 1.1)))
        for n, measured in enumerate(rounds(seconds, seed=place))
    ]
    frame = comparison.two_backends(read(write(tmp_path / "r.jsonl", *lines)), "numba", "numpy")
    assert list(frame.verdict) == ["FASTER"]
    assert frame.times_faster[0] == pytest.approx(1.1, abs=0.02)


def test_a_single_pass_may_have_drifted(tmp_path: Path) -> None:
    """A difference of 30 % within one pass is UNSURE, with the reason; five times is FASTER."""
    for ratio, word, kind in ((1.3, "UNSURE", "drift"), (5, "FASTER", "")):
        frame = comparison.two_backends(_single(tmp_path, ratio), "numba", "numpy")
        assert (frame.verdict[0], frame.kind[0]) == (word, kind)
    assert "--passes 12" in "".join(reasons(comparison.two_backends(_single(tmp_path, 1.3), "numba", "numpy")))


def _single(tmp_path: Path, ratio: float) -> Run:
    lines = [line("numpy", **rounds(1e-3, 0, 1)[0]), line("numba", **rounds(1e-3 / ratio, 1, 1)[0])]
    return read(write(tmp_path / "single.jsonl", *lines))


def test_what_has_no_time_has_no_verdict(tmp_path: Path) -> None:
    """A case that only one of two backends has is a row that says which failed, and why."""
    refused = {**line("numba", status="SKIPPED", reason="no such thing"), "seconds": None}
    frame = comparison.two_backends(read(write(tmp_path / "r.jsonl", line(), refused)), "numpy", "numba")
    assert list(frame.verdict) == ["UNSURE"]
    assert reasons(frame) == ["numba is SKIPPED: no such thing"]


def test_two_runs_and_fail_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A backend that became 40 % slower fails at a limit of 5 % and passes at 60 %; the others are the control."""
    times = {"numpy": 1e-3, "numba": 1e-4, "jax-cpu": 2e-3, "torch-cpu": 3e-3}
    journal(tmp_path, "old", times)
    journal(tmp_path, "new", {**times, "numba": 1.4e-4})
    frame = regressions.two_runs(*(runs(tmp_path, [name])[0] for name in ("new", "old"))).verdicts
    words = frame.set_index("a").verdict
    assert set(words["numba"]) == {"SLOWER"}
    assert "SLOWER" not in set(words.drop("numba"))
    code, out, errors = table(tmp_path, "new", "old", "--fail-on", "slower:5%", capsys=capsys)
    assert code == 1
    assert "new against old" in out
    assert errors.count("SLOWER by") == 4
    assert table(tmp_path, "new", "old", "--fail-on", "slower:60%", capsys=capsys)[0] == 0
    assert table(tmp_path, "old", "new", "--fail-on", "slower:5%", capsys=capsys)[0] == 0
    assert table(tmp_path, "new", "old", capsys=capsys)[0] == 0


def test_between_runs_nothing_is_claimed_that_the_machine_does_not_resolve(tmp_path: Path) -> None:
    """A change of 40 % is not claimed where the A/A run cannot tell apart what differs by half."""
    times = {"numpy": 1e-3, "numba": 1e-4, "jax-cpu": 2e-3, "torch-cpu": 3e-3}
    journal(tmp_path, "old", times)
    journal(tmp_path, "new", {**times, "numba": 1.4e-4})
    name = write_aa(tmp_path / "raw" / "m", apart=1.5)
    frame = regressions.two_runs(*(runs(tmp_path, [name])[0] for name in ("new", "old"))).verdicts
    numba = frame.set_index("a").loc["numba"]
    assert set(numba.verdict) == {"UNSURE"}
    assert all(f"that the A/A run {name} resolves" in reason for reason in reasons(numba))


def test_a_machine_that_changed_is_no_backend_that_did(tmp_path: Path) -> None:
    """If all cases are 20 % slower nothing is claimed, and the notes say what most cases changed by."""
    times = {"numpy": 1e-3, "numba": 1e-4, "jax-cpu": 2e-3}
    journal(tmp_path, "old", times)
    journal(tmp_path, "new", {name: 1.2 * seconds for name, seconds in times.items()})
    frame, notes = changes(tmp_path)
    assert set(frame.verdict) == {"UNSURE"}
    assert any("by which most cases changed: the median one is 0.83" in note for note in notes)


def test_few_cases_are_no_control(tmp_path: Path) -> None:
    """Two runs with one backend support only claims beyond the drift of a machine."""
    journal(tmp_path, "old", {"numpy": 1e-3})
    journal(tmp_path, "new", {"numpy": 1.4e-3})
    frame, notes = changes(tmp_path)
    assert set(frame.kind) == {"drift"}
    assert any("fewer than 8 cases" in note for note in notes)


def test_new_and_gone_cases_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """New and vanished cases are listed, a whole backend as such; one that has failed since makes CI fail."""
    write(tmp_path / "raw" / "m" / "old.jsonl", line(), line(batch=32), line("numba"), line("jax-cpu"))
    failed = {**line("jax-cpu", status="CRASHED", reason="signal 11"), "seconds": None}
    write(tmp_path / "raw" / "m" / "new.jsonl", line(), line(batch=64), line("torch-cpu"), failed)
    code, out, errors = table(tmp_path, "new", "old", "--fail-on", "slower:5%", capsys=capsys)
    assert "new: numpy, gradient N = 64" in out
    assert "new: torch-cpu, all 1 cases" in out
    assert "gone: numpy, gradient N = 32" in out
    assert "gone: numba, all 1 cases" in out
    assert code == 1
    assert "jax-cpu, gradient N = 800: jax-cpu is CRASHED: signal 11" in errors


@pytest.mark.usefixtures("without_figures")
def test_the_report_compares_with_an_older_run(tmp_path: Path) -> None:
    """`--against` writes a table of its own, the same bytes each time; the run itself is refused."""
    times = {"numpy": 1e-3, "numba": 1e-4, "jax-cpu": 2e-3}
    journal(tmp_path, "1-old", times)
    journal(tmp_path, "2-new", {**times, "numba": 3e-4})
    report.main(["--results", str(tmp_path), "--against", "1-old"])
    first = (tmp_path / "tables" / "against.md").read_bytes()
    assert b"SLOWER" in first
    assert b"| numba" in first
    report.main(["--results", str(tmp_path), "--against", "1-old"])
    assert (tmp_path / "tables" / "against.md").read_bytes() == first
    with pytest.raises(SystemExit, match="2"):
        report.main(["--results", str(tmp_path), "--run", "1-old", "--against", "1-old"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "takes two backends or two runs"),
        (("numpy",), "takes two backends or two runs"),
        (("numpy", "nosuch"), "'nosuch' is neither a run nor a backend of r: numpy, numba, cupy"),
        (("numpy", "cupy"), "cupy could not run on that machine: no driver"),
        (("r", "numpy"), "are not of one kind"),
        (("numpy", "numba", "--run", "nosuch"), "there is no run 'nosuch'"),
        (("numpy", "numba", "--fail-on", "5%"), "--fail-on takes slower:PERCENT%, such as slower:5%, not '5%'"),
    ],
)
def test_bad_input_is_a_sentence(
    words: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bad input ends with exit code 2 and one sentence."""
    journal(tmp_path, "r", {"numpy": 1e-3, "numba": 1e-4})
    code, _, errors = table(tmp_path, *words, capsys=capsys)
    assert code == 2
    assert message in errors


def test_journals_of_before_can_be_compared(tmp_path: Path) -> None:
    """Journals of before, without passes or watchers, can still be compared."""
    text = json.dumps(line(seconds=[1e-3] * 7))
    run = read(write(tmp_path / "r.jsonl", text, line("numba", seconds=[1e-4] * 7)))
    assert list(comparison.two_backends(run, "numba", "numpy").verdict) == ["FASTER"]


def test_settings_that_differ_are_said(tmp_path: Path) -> None:
    """Versions, threads and Python are named where two runs differ in them."""
    machine = {**MACHINE, "packages": PACKAGES, "python": "CPython 3.11.7"}
    journal(tmp_path, "old", {"numpy": 1e-3}, **{**HEADER, "machine": machine})
    machine = {**machine, "packages": {"numpy": "2.5.0", "jax": "0.11"}, "python": "CPython 3.12.1"}
    newer = {**HEADER, "machine": machine, "settings": {"profile": "quick", "threads": 1}}
    journal(tmp_path, "new", {"numpy": 1e-3}, **newer)
    _, notes = changes(tmp_path)
    said = "\n".join(notes)
    assert "numpy: 2.5.0, was 2.4.6" in said
    assert "jax: 0.11, was none" in said
    assert "Python: CPython 3.12.1, was CPython 3.11.7" in said
    assert "setting: 1 thread, allocations as installed, was threads as installed" in said
