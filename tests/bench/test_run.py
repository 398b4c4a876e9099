"""`pytest bench` as a user runs it, in a process of its own: journals, options, skips, and being killed."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from bench_runs import ROOT, bench, command, lines, reported

from bench import conftest


def test_a_short_run_writes_gated_times(tmp_path: Path) -> None:
    """The journal has a line for the run and one for each case, each time with its agreement, rounds and faults."""
    # As a user types it, with everything that a run measures.
    words = ("--backend", "numpy,textbook-numpy,cupy", "--batch", "40", "--hidden", "8", "--seconds", "20")
    run = [sys.executable, "-m", "pytest", "bench", "--benchmark-only", *words, "--results", str(tmp_path)]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "python -m bench.report" in done.stdout
    skipped = [line.partition("] ")[2] for line in done.stdout.splitlines() if line.startswith("SKIPPED [")]
    assert len(skipped) == len(set(skipped))  # each reason once, however many cases it is of
    assert {"cupy", "the textbook class has plain gradient descent only"} <= {
        text.partition(":")[0] for text in skipped
    }
    head, *cases, last = lines(tmp_path)
    assert head["kind"] == "run"
    assert (last["kind"], set(last["ceilings"])) == ("ceilings", set(head["ceilings"]))  # type: ignore[call-overload]
    assert {"machine", "code", "settings", "backends", "threads_in_force", "timer_seconds", "ceilings"} <= set(head)
    timed = [case for case in cases if case["work"] in ("forward", "gradient", "step") and case["status"] == "OK"]
    assert {case["backend"] for case in timed} >= {"numpy", "textbook-numpy"}
    for case in timed:
        assert (case["batch"], case["hidden"]) == (40, 8)
        assert len(case["seconds"]) >= 6  # type: ignore[arg-type]
        assert all(0 < second < 1 for second in case["seconds"])  # type: ignore[attr-defined]
        checks = case["agreement"]
        assert len(checks) == 1 or set(checks) > {"gradient"}  # type: ignore[arg-type,call-overload]
        assert all(0 <= check["share"] <= 1 for check in checks.values())  # type: ignore[attr-defined]
    learned = [case for case in cases if case["work"] == "convergence" and case["status"] == "OK"]
    assert learned
    assert all(len(case["test_mse"]) == len(case["train_seconds"]) == 50 for case in learned)  # type: ignore[arg-type]
    followed = [case for case in cases if case["work"] == "trajectory" and case["status"] == "OK"]
    assert [case["backend"] for case in followed] == ["numpy"]
    assert len(followed[0]["agreement"]) == 4  # type: ignore[arg-type]
    assert len(followed[0]["step"]) == len(followed[0]["distance"]) == 20  # type: ignore[arg-type]
    assert followed[0]["pairs"] == 800 * 8
    assert {case["order"] for case in timed} == {"shared", "own"}
    refused = [case for case in cases if case["status"] == "SKIPPED"]
    assert {case["reason"] for case in refused} == {"the textbook class has plain gradient descent only"}
    code, _, said = reported(tmp_path)
    assert code == 0, said


def test_disabled_it_runs_every_body_and_writes_nothing(tmp_path: Path) -> None:
    """--benchmark-disable runs every body once and writes nothing: it is the smoke test of CI."""
    done = bench(
        tmp_path, "--benchmark-disable", "--seconds", "0.001", "--backend", "numpy", "--batch", "33", "--hidden", "4"
    )
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
    assert "skipped" not in done.stdout
    assert list(tmp_path.rglob("*")) == []


def test_other_tests_stay_in_a_run_of_both(tmp_path: Path) -> None:
    """`pytest tests bench` runs every test of tests/, also one whose parameter is called key or name."""
    (tmp_path / "test_other.py").write_text(
        "import pytest\n@pytest.mark.parametrize('key', [('a', 'b', 0), 3])\ndef test_key(key): pass\n"
        "@pytest.mark.parametrize('name', 'xy')\ndef test_name(name): pass\n"
    )
    done = bench(tmp_path, str(tmp_path / "test_other.py"), "--backend", "numpy", "--batch", "33", "--collect-only")
    assert (done.stdout.count("::test_key["), done.stdout.count("::test_name[")) == (2, 2)
    assert "test_gradient[batch=33-numpy]" in done.stdout


@pytest.mark.parametrize("words", [("--backend", "nosuch"), ("--passes", "1.5")])
def test_bad_options_are_a_sentence(words: tuple[str, str], tmp_path: Path) -> None:
    """A bad option is one sentence before any work, with pytest's own exit code for wrong usage."""
    done = bench(tmp_path, "--benchmark-only", *words)
    assert done.returncode == 4
    (said,) = [text for text in done.stderr.splitlines() if text.strip()]
    assert words[1] in said
    assert "Traceback" not in done.stdout
    assert list(tmp_path.rglob("*")) == []


def test_a_precision_that_no_backend_has_is_a_sentence(tmp_path: Path) -> None:
    """Reduced precision with backends that lack it is wrong usage, and no run without a row."""
    done = bench(tmp_path, "--benchmark-only", "--backend", "numpy", "--dtype", "bfloat16", "--batch", "33")
    assert done.returncode == 4
    assert "--dtype bfloat16: no products in bfloat16 here by numpy; add one that has" in done.stdout + done.stderr
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.slow
def test_reduced_precision_has_rows_and_a_peak(tmp_path: Path) -> None:
    """A short run has rows of bfloat16 of the backend that has it, gated, with their ceiling, and none of the other."""
    pytest.importorskip("torch")
    words = ("--backend", "numpy,torch-cpu", "--dtype", "float32,bfloat16", "--batch", "40", "--hidden", "8")
    done = bench(tmp_path, "--benchmark-only", *words, "-k", "gradient", "--seconds", "20")
    assert done.returncode == 0, done.stdout + done.stderr
    found = lines(tmp_path)
    rows = {(line["backend"], line.get("dtype", "float32")): line for line in found if line["kind"] == "case"}
    assert set(rows) == {("numpy", "float32"), ("torch-cpu", "float32"), ("torch-cpu", "bfloat16")}
    assert 0 < rows["torch-cpu", "bfloat16"]["agreement"]["gradient"]["share"] < 1  # type: ignore[index]
    ceilings = [line["ceilings"]["all_cores"] for line in found if line["kind"] == "ceilings"]  # type: ignore[index]
    assert all(rates["products_per_second_bfloat16"] > 1e8 for rates in ceilings)
    assert len(ceilings) == 2  # at the begin and at the end


@pytest.mark.parametrize(
    "words", [("--threads", "0"), ("--seconds", "-1"), ("--seconds", "abc"), ("--passes", "0"), ("--max-noise", "0")]
)
def test_numbers_of_options_are_above_0(words: tuple[str, str]) -> None:
    """A number that an option cannot have is refused where the command line is parsed."""
    parser = pytest.Parser(_ispytest=True)
    conftest.pytest_addoption(parser)
    with pytest.raises(pytest.UsageError, match=f"^{words[0]} must be .*, not '{words[1]}'$"):
        parser.parse(words)


def test_results_that_cannot_be_written_are_a_sentence(tmp_path: Path) -> None:
    """Results that cannot be written are one sentence, before anything is timed."""
    (tmp_path / "raw").write_text("a file")
    done = bench(tmp_path, "--benchmark-only", "--backend", "numpy")
    assert done.returncode == 4
    assert "choose another --results" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_finished_run_has_nothing_left_to_resume(tmp_path: Path) -> None:
    """--resume of a finished journal adds nothing and ends well; with other options it is refused in a sentence."""
    words = ("--benchmark-only", "--backend", "numpy", "--hidden", "8", "-k", "test_forward", "--batch")
    assert bench(tmp_path, *words, "40,33").returncode == 0
    (path,) = tmp_path.rglob("*.jsonl")
    before = path.read_bytes()
    again = bench(tmp_path, *words, "33,40", "--resume", str(path))
    assert again.returncode == 0, again.stdout
    assert "nothing is left to do" in again.stdout
    other = bench(tmp_path, *words, "33", "--resume", str(path))
    assert other.returncode == 4
    assert "was measured with --profile quick --batch 33,40 --hidden 8, not with" in other.stderr
    assert "--profile quick --batch 33 --hidden 8; --resume needs the same options" in other.stderr
    assert path.read_bytes() == before


def test_a_spent_budget_is_a_reason(tmp_path: Path) -> None:
    """Cases that the time did not suffice for are rows."""
    done = bench(tmp_path, "--benchmark-only", "--backend", "numpy", "--seconds", "0.5")
    assert done.returncode == 0, done.stdout
    cases = lines(tmp_path)[1:]
    assert any("time budget of 0.5 s" in str(case.get("reason")) for case in cases)


def test_a_backend_that_disagrees_gets_no_time(tmp_path: Path) -> None:
    """A backend that disagrees fails the run, and its row says by how much and has no time."""
    plugin = tmp_path / "plant.py"
    plugin.write_text(
        "from relufit.backends.numpy import NumpyBackend\n"
        "from relufit import Params\n"
        "right = NumpyBackend.loss_and_grads\n"
        "def wrong(self, params, samples):\n"
        "    loss, grads = right(self, params, samples)\n"
        "    return loss, Params(*(g * g.dtype.type(1.001) for g in grads))\n"
        "NumpyBackend.loss_and_grads = wrong\n"
    )
    words = (
        "--benchmark-only",
        "-p",
        "plant",
        "--backend",
        "numpy",
        "--batch",
        "800",
        "--hidden",
        "512",
        "-k",
        "test_gradient",
    )
    done = bench(tmp_path / "results", *words, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    (case,) = lines(tmp_path / "results")[1:]
    assert case["status"] == "DISAGREES"
    assert "is allowed" in str(case["reason"])
    assert "seconds" not in case


ENDING = """
import os, pytest
from relufit.backends.numpy import NumpyBackend
right = NumpyBackend.forward
def ending(self, params, x):
    if len(x) == 33:
        {what}
    return right(self, params, x)
NumpyBackend.forward = ending
"""


@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize("what", ["os._exit(0)", "pytest.exit('enough', returncode=0)"])
def test_a_backend_cannot_end_a_run_with_success(what: str, tmp_path: Path) -> None:
    """A process that ends itself with code 0 ends the run with 1; run and report say how many cases are missing."""
    (tmp_path / "ending.py").write_text(ENDING.format(what=what))
    words = ("--benchmark-only", "-p", "ending", "--backend", "numpy", "--batch", "40,33,50", "--hidden", "8")
    done = bench(tmp_path, *words, "-k", "test_forward", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    missing = re.search(r"bench: (\d) of 3 cases were not measured: the run ended; --resume .*jsonl", done.stderr)
    assert missing is not None, done.stderr
    cases = [str(case["status"]) for case in lines(tmp_path)[1:]]
    assert cases == ["OK"] * (3 - int(missing[1])) + ["CRASHED"]
    code, printed, complaints = reported(tmp_path, "--fail-on", "DISAGREES")
    assert code == 1
    sentence = f"{missing[1]} of 3 cases were not measured: the run ended"
    assert sentence in " ".join(printed.split())
    assert sentence in complaints
    assert sentence in (tmp_path / "README.md").read_text()


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(("run", "report", "code"), [(0, 0, 0), (1, 0, 1), (0, 2, 2)])
def test_make_bench_reports_in_any_case(run: int, report: int, code: int, tmp_path: Path) -> None:
    """`make bench` writes the report after a run that failed too, and fails where either fails."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\n[ "$2" = pytest ] && exit {run}\necho reported\nexit {report}\n')
    python.chmod(0o755)
    (tmp_path / "installed").touch()
    done = subprocess.run(["make", "bench", f"VENV={tmp_path}"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "reported" in done.stdout
    assert (done.returncode != 0) == (code != 0)
    assert code == 0 or f"Error {code}" in done.stderr


def test_required_backends_fail_where_they_are_missing(tmp_path: Path) -> None:
    """A backend that RELUFIT_REQUIRE names fails the benchmarks where it is missing."""
    (tmp_path / "absent.py").write_text(
        "from relufit import backends\n"
        "backends.TABLE['absent'] = backends.Row('absent:Absent', 'cpu', 'no_such_library', 'no-such-library')\n"
    )
    words = ("--benchmark-only", "-p", "absent", "--backend", "absent", "-k", "test_latency")
    assert bench(tmp_path, *words, PYTHONPATH=str(tmp_path)).returncode == 0
    assert bench(tmp_path, *words, PYTHONPATH=str(tmp_path), RELUFIT_REQUIRE="absent").returncode == 1


def test_passes_go_over_the_timed_cases_again(tmp_path: Path) -> None:
    """Each pass goes the other way round, with witnesses; what is learned or compared is measured once."""
    words = ("--benchmark-only", "--backend", "numpy,textbook-numpy", "--batch", "40", "--hidden", "8", "--passes", "3")
    assert bench(tmp_path, *words, "-k", "test_gradient or test_agreement").returncode == 0
    cases = [case for case in lines(tmp_path)[1:] if case["status"] == "OK"]
    timed = [(case["backend"], case.get("pass", 0)) for case in cases if case["work"] == "gradient"]
    first, second = timed[0][0], timed[1][0]
    assert timed == [(first, 0), (second, 0), (second, 1), (first, 1), (first, 2), (second, 2)]
    assert {case.get("pass", 0) for case in cases if case["work"] == "agreement"} == {0}
    for case in cases:
        if case["work"] == "gradient":
            watched = ("watched_seconds", "cores_used", "cores_of_others", "read_back_seconds", "agreement")
            assert all(name in case for name in watched), case


@pytest.mark.usefixtures("without_figures")
@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
@pytest.mark.parametrize("after", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_killed_it_loses_the_case_in_flight_only(after: int, tmp_path: Path) -> None:
    """What had finished before a kill is on disk, whole, and can be reported."""
    child = subprocess.Popen(
        command(tmp_path, "--benchmark-only", "--backend", "numpy"), cwd=ROOT, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while (
        sum(path.read_text().count("\n") for path in tmp_path.rglob("*.jsonl")) <= after and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    measuring = psutil.Process(child.pid).children()
    child.send_signal(signal.SIGKILL)
    child.wait()
    if sys.platform == "linux":  # it has the process that measures end with the one that watches it
        assert psutil.wait_procs(measuring, 30)[1] == []
    (path,) = tmp_path.rglob("*.jsonl")
    whole = [json.loads(text) for text in path.read_text().splitlines(keepends=True) if text.endswith("\n")]
    assert len(whole) > after
    assert all(case["status"] == "OK" for case in whole[1:])
    code, printed, complaints = reported(tmp_path)
    assert code == 0, complaints
    assert "numpy" in printed
