"""The only reader of journals: damaged and foreign lines cost themselves and nothing else."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import BAD_LINES, HEADER, followed, line, write

from bench import report
from bench.analysis import frames, warnings
from bench.analysis.frames import read
from bench.analysis.pairs import regressions
from bench.analysis.runs import runs
from bench.journal.writer import Journal
from bench.reporting import provenance
from bench.reporting.document import markdown
from relufit import RelufitError


def test_a_packed_journal_is_the_same_run(tmp_path: Path) -> None:
    """A packed journal is the same run by name and by content; a broken one is a sentence."""
    path = write(tmp_path / "raw" / "m" / "r.jsonl", line(seconds=[1e-3] * 6))
    plain = runs(tmp_path)[0]
    packed = path.with_suffix(".jsonl.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    found = runs(tmp_path, ["r"])[0]
    assert (found.name, found.slug) == (plain.name, plain.slug)
    assert found.cases.equals(plain.cases)
    packed.write_bytes(packed.read_bytes()[:40])
    with pytest.raises(RelufitError, match="cannot read"):
        runs(tmp_path)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """A journal's lines come back with their types, and absent backends with their reason."""
    journal = Journal.begin(tmp_path, HEADER)
    journal.write(line(seconds=[0.123456789, 1e-9]))
    journal.close()
    run = runs(tmp_path)[0]
    assert (run.name, run.machine, run.threads) == (journal.path.stem, "A CPU, 2 cores", "threads as installed")
    case = run.cases.set_index("backend").loc["numpy"]
    assert case.seconds == [0.1235, 1e-9]
    assert case.agreement == {"w1": {"error": 1.0, "bound": 2.0, "share": 0.5}}
    absent = run.cases.set_index("backend").loc["cupy"]
    assert (absent.status, absent.reason, absent.batch) == ("SKIPPED", "no driver", 800)


def test_a_trajectory_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """A trajectory's steps and signs come back as whole numbers; a recipe without a free run is read too."""
    journal = Journal.begin(tmp_path, HEADER)
    journal.write(followed(step=[25, 50, 75, 123_456], distance=[0.0, 1e-15, 0.123456, 2.0]))
    journal.write(followed("textbook-numpy", order="own", step=None, distance=None, flips=None, pairs=None))
    journal.write(followed("torch-cpu", status="DIVERGED", reason="early", step=[], distance=[], flips=[]))
    journal.close()
    cases = runs(tmp_path)[0].cases.set_index("backend")
    ours = cases.loc["numpy"]
    assert (ours.step, ours.flips, ours.pairs) == ([25, 50, 75, 123_456], [0, 2, 57, 801], 409_600)
    assert ours.distance == [0.0, 1e-15, 0.1235, 2.0]
    assert ours.agreement["w2 after 9 steps"]["share"] == 0.2
    assert cases.loc["textbook-numpy"].distance == []
    assert cases.loc["torch-cpu"].distance == []


@pytest.mark.parametrize("bad", BAD_LINES)
def test_a_bad_line_costs_itself_and_is_named(bad: str, tmp_path: Path) -> None:
    """The complaint names file and line; the other cases are there."""
    complaints: list[str] = []
    path = write(tmp_path / "raw" / "m" / "r.jsonl", line(), bad, line(batch=32))
    run = read(path, complaints.append)
    assert sorted(run.cases[run.cases.backend == "numpy"].batch) == [32, 800]
    assert len(complaints) == 1
    assert complaints[0].startswith(f"{path}:3: skipped: ")
    assert "\n" not in complaints[0]


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 600))
def test_no_bytes_break_the_reader(tmp_path_factory: pytest.TempPathFactory, rubbish: bytes, cut: int) -> None:
    """The reader survives a journal cut anywhere, with anything behind it."""
    path = write(tmp_path_factory.mktemp("fuzz") / "raw" / "m" / "r.jsonl", line())
    path.write_bytes(path.read_bytes()[:cut] + rubbish)
    assert len(read(path).cases) <= 4


@pytest.mark.parametrize("part", ["machine", "code", "settings", "backends", "threads_in_force"])
@pytest.mark.parametrize("value", [None, 3, "x", [1], {"numpy": 1, "packages": 2, "gpus": 3, "facts": []}])
def test_a_damaged_first_line_costs_the_reader_nothing(part: str, value: object, tmp_path: Path) -> None:
    """The reader takes a first line with anything where a table should be."""
    path = tmp_path / "raw" / "m" / "r.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"kind": "run", **HEADER, part: value}) + "\n" + json.dumps(line()) + "\n")
    run = read(path)
    assert run.machine
    assert run.threads
    assert run.slug
    assert markdown(provenance.provenance(run))
    assert "numpy" in frames.in_order(run)


@pytest.mark.parametrize(
    ("part", "value"),
    [("machine", {"cpu": 3}), ("machine", {"gpus": [1]}), ("code", {"dirty": "no"}), ("settings", {"threads": "../x"}),
     ("settings", {"environment": {"A": None}}), ("backends", {"numpy": {"reason": 3}}), ("backends", {"\x00": {}}),
     ("ceilings", {"one_core": {"copy_bytes_per_second": -1}}), ("threads_in_force", {"omp": 1.5})],
)  # fmt: skip
def test_what_is_wrong_in_the_first_line_is_named_and_left_out(part: str, value: object, tmp_path: Path) -> None:
    """A wrong field of the first line is named and left out, and nothing else of it."""
    complaints: list[str] = []
    path = write(tmp_path / "raw" / "m" / "r.jsonl", line())
    head = {"kind": "run", **HEADER, "code": {"commit": "c0ffee"}}
    head[part] = value
    path.write_text("\n".join(map(json.dumps, (head, line()))))
    run = read(path, complaints.append)
    assert len(complaints) == 1
    assert complaints[0].startswith(f"{path}:1: left out: {part}")
    assert run.slug == "m"
    assert part == "code" or run.header["code"]["commit"] == "c0ffee"


def test_a_text_of_several_lines_becomes_one(tmp_path: Path) -> None:
    """A text is read as one line without what steers a terminal; a long one is cut."""
    reason = "\x1b[31mfirst\nsecond\x1b[0m" + "x" * 1000
    run = read(write(tmp_path / "raw" / "m" / "r.jsonl", line(status="CRASHED", reason=reason)))
    found = run.cases.query("backend == 'numpy'").reason.iloc[0]
    assert found.startswith(" [31mfirst second [0mxxx")
    assert found.isprintable()
    assert len(found) < 600


def test_a_repeated_case_counts_once(tmp_path: Path) -> None:
    """The last line of a case is its result."""
    path = write(tmp_path / "raw" / "m" / "r.jsonl", line(seconds=[1.0]), line(seconds=[2.0]))
    numpy_rows = read(path).cases.query("backend == 'numpy'")
    assert numpy_rows.seconds.tolist() == [[2.0]]


def test_without_a_first_line_the_folder_names_the_machine(tmp_path: Path) -> None:
    """A journal without a first line is complained of and read on; the folder names its machine."""
    complaints: list[str] = []
    path = tmp_path / "raw" / "some-machine" / "r.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(line()) + "\n")
    run = read(path, complaints.append)
    assert run.machine.startswith("some-machine")
    assert len(run.cases) == 1
    assert len(complaints) == 1


def test_the_newest_run_of_each_machine_and_thread_setting_is_taken(tmp_path: Path) -> None:
    """The newest run of each machine and setting is taken, unless runs are named."""
    for machine, name, threads in (("a", "2026", None), ("a", "2027", None), ("a", "2025", 1), ("b", "2020", None)):
        header = {"kind": "run", **HEADER, "settings": {"threads": threads}}
        path = tmp_path / "raw" / machine / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(header) + "\n" + json.dumps(line()) + "\n")
    assert [(run.slug, run.name) for run in runs(tmp_path)] == [("a", "2027"), ("a-threads-1", "2025"), ("b", "2020")]
    assert [run.name for run in runs(tmp_path, ["2026", "2027"])] == ["2026", "2027"]
    with pytest.raises(RelufitError, match="no run '1999'"):
        runs(tmp_path, ["1999"])


def test_two_processors_of_one_name_are_not_mixed(tmp_path: Path) -> None:
    """Two processors in one folder are two machines; the A/A run of one says nothing of the other."""
    folder, facts = tmp_path / "raw" / "amd-epyc-2-cores", {"cpu": "AMD EPYC", "cores": 2, "family": 25}
    for name, profile, model in (("2025", "aa", 1), ("2026", "quick", 1), ("2027", "quick", 17)):
        settings = {"profile": profile, "threads": None}
        write(folder / f"{name}.jsonl", line(), machine={**facts, "model": model}, settings=settings)
    found = {run.name: run for run in runs(tmp_path)}
    assert sorted(found) == ["2026", "2027"]
    assert found["2026"].machine_slug != found["2027"].machine_slug
    assert found["2026"].aa is not None
    assert found["2027"].aa is None
    assert [run.name for run in found["2026"].others] == ["2025"]
    assert not found["2027"].others
    assert regressions.two_runs(found["2027"], found["2026"]).away


def test_variables_that_choose_kernels_are_a_setting(tmp_path: Path) -> None:
    """A run under OPENBLAS_CORETYPE, or with one thread by a variable, stands beside the usual one and says so."""
    for name, environment in (
        ("2025", {}),
        ("2026", {"OPENBLAS_CORETYPE": "Haswell"}),
        ("2027", {"OMP_NUM_THREADS": "1"}),
    ):
        settings = {"profile": "quick", "threads": None, "environment": environment}
        write(tmp_path / "raw" / "m" / f"{name}.jsonl", line(), settings=settings)
    found = {run.name: run for run in runs(tmp_path)}
    assert len({run.slug for run in found.values()}) == 3
    assert found["2026"].setting == "threads as installed, allocations as installed, OPENBLAS_CORETYPE=Haswell"
    assert found["2027"].setting == "OMP_NUM_THREADS=1, allocations as installed"
    (row,) = (row for row in found["2026"].cases.to_dict("records") if row["status"] == "OK")
    (note,) = (note for note in warnings.notes(found["2026"].header, row) if note.word == "other kernels")
    assert note.detail == "OPENBLAS_CORETYPE=Haswell"


@pytest.mark.usefixtures("undrawn")
def test_runs_of_other_settings_stand_side_by_side(tmp_path: Path) -> None:
    """The newest runs of each setting and of the profiles headline and solvers stand side by side."""
    kept = {"MALLOC_MMAP_THRESHOLD_": "1", "MALLOC_TRIM_THRESHOLD_": "1"}
    made = {
        "2025": {"profile": "full", "threads": None, "environment": {}},
        "2026": {"profile": "headline", "threads": 1, "environment": {"OMP_NUM_THREADS": "1"}},
        "2027": {"profile": "headline", "threads": 1, "environment": kept},
        "2028": {"profile": "headline", "threads": 1, "environment": {"OMP_NUM_THREADS": "1"}},
        "2029": {"profile": "solvers", "threads": None, "environment": {}},
    }
    for name, setting in made.items():
        path = tmp_path / "raw" / "a" / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"kind": "run", **HEADER, "settings": setting}) + "\n" + json.dumps(line()) + "\n")
    found = runs(tmp_path)
    assert [(run.name, run.slug) for run in found] == [
        ("2025", "a"), ("2028", "a-headline-threads-1"), ("2027", "a-headline-threads-1-kept"),
        ("2029", "a-solvers"),
    ]  # fmt: skip
    assert [run.setting for run in found] == [
        "threads as installed, allocations as installed",
        "1 thread, allocations as installed",
        "1 thread, allocations kept",
        "threads as installed, allocations as installed",
    ]
    report.report(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert page.count("\n## ") == 1  # a section for each machine
    assert "## A CPU, 2 cores\n" in page
    tables = "".join(path.read_text() for path in (tmp_path / "tables").glob("*.md"))
    for run, kind in zip(found, ("", ": headline", ": headline", ": solvers"), strict=True):
        assert f"## A CPU, 2 cores, {run.setting}{kind}\n" in tables
    assert len(list((tmp_path / "figures").glob("throughput-*.png"))) == 4


def test_what_a_line_leaves_out_is_the_usual_case(tmp_path: Path) -> None:
    """Only what differs from it is written; what is written is read back whole."""
    short = {"kind": "case", "backend": "numpy", "status": "OK", "work": "gradient", "batch": 32, "seconds": [1.0]}
    case = read(write(tmp_path / "raw" / "m" / "r.jsonl", short)).cases.query("backend == 'numpy'").iloc[0]
    assert (case["hidden"], case["dtype"], case["target"], case["inputs"]) == (512, "float32", "sin", 1)


def test_no_cases_is_a_sentence(tmp_path: Path) -> None:
    """A folder without cases is one sentence that says what to do."""
    with pytest.raises(RelufitError, match="run pytest bench"):
        runs(tmp_path)
    write(tmp_path / "raw" / "m" / "r.jsonl")
    with pytest.raises(RelufitError, match="run pytest bench"):
        runs(tmp_path)


def test_a_journal_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    """A journal that cannot be written is one sentence, before any work."""
    (tmp_path / "raw").write_text("a file where a folder should be")
    with pytest.raises(RelufitError, match="choose another --results"):
        Journal.begin(tmp_path, HEADER)


def test_floats_that_are_no_numbers_survive(tmp_path: Path) -> None:
    """JSON has no nan and inf: they are text in the file and numbers in the frame."""
    journal = Journal.begin(tmp_path, HEADER)
    journal.write(line(loss=[float("nan"), float("inf")]))
    journal.close()
    text = journal.path.read_text()
    assert all(json.loads(part, parse_constant=lambda name: pytest.fail(name)) for part in text.splitlines())
    values = runs(tmp_path)[0].cases.query("backend == 'numpy'").loss.iloc[0]
    assert np.isnan(values[0])
    assert values[1] == np.inf
