"""bench.compare as a user runs it: two backends of a run, two runs, its own resolution, and a verdict for CI."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from journals import HEADER, MACHINE, line, write, write_aa

from bench import compare, report
from bench.analysis import comparison, regressions, resolution
from bench.analysis.frames import Run, newest_aa, read, runs
from bench.reporting import verdict_tables
from bench.reporting.changes import changes_in_words
from bench.reporting.document import markdown

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
    return list(verdict_tables.with_reasons(frame).reason)


def changes(results: Path) -> tuple[pd.DataFrame, list[str]]:
    """The verdicts on the run `new` against `old`, and what is said of all cases."""
    new, old = (runs(results, [name])[0] for name in ("new", "old"))
    found = regressions.two_runs(new, old)
    return found.verdicts, changes_in_words(new, old, found)


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


def fail_on(results: Path, *words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, output and errors of the gate on two runs."""
    return table(results, "new", "old", "--fail-on", "slower:5%", *words, capsys=capsys)


@pytest.mark.parametrize(("status", "reason"), [("SKIPPED", "the time budget of 20 s was spent"), (None, "absent")])
def test_a_case_that_vanished_is_a_finding(
    status: str | None, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A case that had a time and is skipped, or in no line, is a row with its reason, is counted, and ends with 1."""
    kept = [line("numpy", **measured) for measured in rounds(1e-3, 1)]
    lost = [line("numpy", batch=32, **measured) for measured in rounds(1e-3, 2)]
    write(tmp_path / "raw" / "m" / "old.jsonl", *kept, *lost)
    skipped = [] if status is None else [line("numpy", batch=32, status=status, reason=reason, seconds=None)]
    write(tmp_path / "raw" / "m" / "new.jsonl", *kept, *skipped)
    code, out, errors = fail_on(tmp_path, capsys=capsys)
    assert code == 1
    assert f"numpy, gradient N = 32: vanished; numpy is {status or 'absent'}" in errors
    assert reason in out
    assert "1 within 5 %, 0 slower, 0 failed, 1 vanished, 0 inconclusive" in out
    assert table(tmp_path, "new", "old", capsys=capsys)[0] == 0
    assert table(tmp_path, "old", "new", "--fail-on", "slower:5%", capsys=capsys)[0] == 0  # a new case is none


def test_a_backend_that_is_not_installed_any_more_vanished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A backend whose import fails now has vanished in each of its cases, with that reason."""
    journal(tmp_path, "old", {"numpy": 1e-3, "numba": 1e-4})
    backends = {"numpy": {"reason": None, "facts": {}}, "numba": {"reason": "not installed", "facts": {}}}
    journal(tmp_path, "new", {"numpy": 1e-3}, backends=backends)
    code, out, errors = fail_on(tmp_path, capsys=capsys)
    assert code == 1
    assert errors.count("vanished; numba is SKIPPED: not installed") == 4
    assert "4 vanished" in out


def test_runs_without_a_shared_case_are_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All cases vanished ends with 1; where there never was a time, nothing was decided, and the message says so."""
    write(tmp_path / "raw" / "m" / "old.jsonl", line(batch=32))
    write(tmp_path / "raw" / "m" / "new.jsonl", line(batch=64))
    code, out, _ = fail_on(tmp_path, capsys=capsys)
    assert code == 1
    assert "the two runs share no case" in out
    write(tmp_path / "raw" / "m" / "old.jsonl", line(batch=32, status="SKIPPED", reason="no time", seconds=None))
    code, out, errors = fail_on(tmp_path, capsys=capsys)
    assert code == 3
    assert "0 within 5 %, 0 slower, 0 failed, 0 vanished, 0 inconclusive" in out
    assert "no case has a time on both sides" in errors


def test_a_check_that_fails_now_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Work without a clock that ended well and disagrees now fails the gate, whatever the times are."""
    times = [line("numpy", **measured) for measured in rounds(1e-3, 1)]
    check = line("numpy", work="agreement", seconds=None)
    write(tmp_path / "raw" / "m" / "old.jsonl", *times, check)
    write(tmp_path / "raw" / "m" / "new.jsonl", *times, {**check, "status": "DISAGREES", "reason": "w2 is off"})
    code, out, errors = fail_on(tmp_path, capsys=capsys)
    assert code == 1
    assert "numpy, agreement N = 800: numpy is DISAGREES: w2 is off" in errors
    assert "1 within 5 %, 0 slower, 1 failed" in out


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


@pytest.mark.parametrize(
    ("others", "times"), [({"numpy": 1e-3}, 3.0), ({"numpy": 1e-3, "jax-cpu": 2e-3, "torch-cpu": 3e-3}, 1.3)]
)
def test_the_control_is_the_other_backends(
    others: dict[str, float], times: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A backend that is slower in half of its cases does not hide that behind its own median."""
    half_slower(tmp_path, others, times)
    code, out, errors = fail_on(tmp_path, capsys=capsys)
    assert code == 1
    assert errors.count("SLOWER by") == 2
    assert errors.count("numba, gradient") == 2
    assert f"{4 * len(others) + 2} within 5 %, 2 slower, 0 failed, 0 vanished, 0 inconclusive" in out


def test_a_named_control(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four cases of a backend that the user names as unchanged resolve 20 %; a name that is not shared is refused."""
    half_slower(tmp_path, {"numpy": 1e-3}, 1.2)
    assert fail_on(tmp_path, capsys=capsys)[0] == 3
    code, out, errors = fail_on(tmp_path, "--control", "numpy", capsys=capsys)
    assert code == 1
    assert errors.count("numba, gradient") == 2
    assert "times as fast, of numpy" in out
    code, _, errors = fail_on(tmp_path, "--control", "nosuch", capsys=capsys)
    assert code == 2
    assert "--control names nosuch, which the two runs do not have in common" in errors


def test_without_a_control_the_message_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A single backend that takes 20 % longer is inconclusive, three times as long is slower, the same is within."""
    journal(tmp_path, "old", {"numpy": 1e-3})
    for times, code in ((1.2, 3), (3.0, 1), (1.0, 0)):
        journal(tmp_path, "new", {"numpy": 1e-3 * times})
        found, out, errors = fail_on(tmp_path, capsys=capsys)
        assert found == code
        assert "there is no control" in out
        assert "--commits OLD NEW" in out
    journal(tmp_path, "new", {"numpy": 1.2e-3})
    errors = fail_on(tmp_path, capsys=capsys)[2]
    assert "4 of 4 cases are inconclusive: measure both again with --passes 12" in errors


def test_passes_are_not_advised_for_work_that_they_do_not_repeat(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gradient of a scaling table that took 20 % longer is to be measured again, not more often."""
    for name, seconds in (("old", 1e-3), ("new", 1.2e-3)):
        write(tmp_path / "raw" / "m" / f"{name}.jsonl", line(work="scaling", **rounds(seconds, seed=1, passes=1)[0]))
    code, _, errors = fail_on(tmp_path, capsys=capsys)
    assert code == 3
    assert "1 of 1 cases are inconclusive: measure again on a quieter machine" in errors
    assert "--passes" not in errors


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
    text = markdown(verdict_tables.VERDICTS.document(run))
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
    said = verdict_tables.resolution_in_words(run)
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
