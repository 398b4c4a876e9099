"""The fairness ledger: what all rows share is said once, and a row that differs carries a letter that says in what."""

from pathlib import Path
from typing import Any

from journals import HEADER, line, write

from bench.analysis import throughput
from bench.analysis.frames import Run, read
from bench.reporting import page, provenance
from bench.reporting.document import Table, markdown

FACTS = {
    "numpy": {"threads": "2", "blas": "OpenBLAS 0.3"},
    "numba": {"threads": "2"},
    "torch-cpu": {"threads": "1", "tf32": "off"},
    "torch-recipe": {"threads": "2"},
}


def make(tmp_path: Path, *lines: dict[str, Any]) -> Run:
    """A run of four backends with these facts."""
    backends = {name: {"reason": None, "facts": facts} for name, facts in FACTS.items()}
    backends["cupy"] = {"reason": "no driver", "facts": {}}
    return read(write(tmp_path / "r.jsonl", *lines, **{**HEADER, "backends": backends}))


LINES = (
    line("numpy", algorithm="dense"),
    line("numba", algorithm="dense"),
    line("numba", batch=32, algorithm="hinge"),
    line("torch-cpu", algorithm="dense"),
    line("torch-recipe", algorithm="dense", order="own"),
)


def test_rows_that_differ_are_marked(tmp_path: Path) -> None:
    """Each difference has a letter, explained; what most rows share or do not tell has none."""
    run = make(tmp_path, *LINES)
    letters, text = provenance.marks(run), provenance.differences(run)
    assert letters["numpy"] == ""
    for name, what in (
        ("torch-cpu", "threads 1"),
        ("torch-recipe", "order of samples own"),
        ("numba", "dense / hinge"),
    ):
        assert len(letters[name]) == 1
        assert f"({letters[name]}) " in text
        assert what in text.partition(f"({letters[name]}) ")[2].partition("(")[0]
    assert "threads 2" in text.partition("(")[0]
    assert "TF32 off" in text.partition("(")[0]
    assert "cupy" not in letters


def test_the_letters_stand_in_the_tables(tmp_path: Path) -> None:
    """The letters stand at the names of the rows, and the ledger under the table."""
    run = make(tmp_path, *LINES)
    blocks = page.section(run, "throughput", [Table(throughput.throughput(run)[["backend", "batch"]])])
    text = markdown(blocks)
    letter = provenance.marks(run)["torch-cpu"]
    assert f"torch-cpu ({letter})" in text
    assert "numpy (" not in text
    assert text.index("torch-cpu (") < text.index("Run r, profile quick")


def test_it_says_what_a_reader_needs(tmp_path: Path) -> None:
    """The ledger gives versions, threads in force, variables, load, and what is inside the clock."""
    run = make(tmp_path, *LINES)
    paragraph, _ = provenance.provenance(run, "convergence")
    for part in (
        "Run r",
        "commit",
        "Threads in force",
        "Environment",
        "Load average",
        "Inside the clock: the calls of train",
    ):
        assert part in str(paragraph)
    assert "no clock" not in str(paragraph)


def test_a_run_that_ended_early_says_so(tmp_path: Path) -> None:
    """A paragraph says how many of the planned cases were not measured; a complete run has none."""
    plan = [
        {"backends": ["numpy", "numba"], "passes": [0], "cases": [{"work": "gradient", "batch": n} for n in (1, 2)]}
    ]
    path = write(tmp_path / "r.jsonl", line(batch=1), line("numba", batch=1, status="CRASHED", seconds=None), plan=plan)
    assert provenance.provenance(read(path))[0] == "2 of 4 cases were not measured: the run ended."


def test_more_letters_than_the_alphabet_has() -> None:
    """Letters beyond the alphabet go on with a1."""
    names = provenance._names()
    assert [next(names) for _ in range(27)][-2:] == ["z", "a1"]


def test_a_gpu_tells_its_clock(tmp_path: Path) -> None:
    """The ledger gives the range of a GPU's clock while rows were measured."""
    run = make(tmp_path, line("numpy", gpu={"sm_mhz": 1980}), line("numba", gpu={"sm_mhz": 1500}))
    assert "GPU clock 1500 to 1980 MHz." in str(provenance.provenance(run)[0])
