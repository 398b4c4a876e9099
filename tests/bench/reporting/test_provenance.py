"""The fairness ledger: what all rows share is said once, and a row that differs carries a letter that says in what."""

from pathlib import Path
from typing import Any

from journals import HEADER, line, write

from bench import report
from bench.analysis import derived
from bench.analysis.frames import Run, read
from bench.reporting import provenance
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
    blocks = report.section(run, "throughput", [Table(derived.throughput(run)[["backend", "batch"]])])
    text = markdown(blocks)
    letter = provenance.marks(run)["torch-cpu"]
    assert f"torch-cpu ({letter})" in text
    assert "numpy (" not in text
    assert text.index("torch-cpu (") < text.index("Run r, profile quick")


def test_it_says_what_a_reader_needs(tmp_path: Path) -> None:
    """The ledger gives versions, threads in force, variables, load, and what is inside the clock."""
    run = make(tmp_path, *LINES)
    paragraph, _ = provenance.ledger(run, "convergence")
    for part in (
        "Run r",
        "commit",
        "Threads in force",
        "Variables",
        "Load average",
        "Inside the clock: the calls of train",
    ):
        assert part in str(paragraph)
    assert "no clock" not in str(paragraph)


def test_more_letters_than_the_alphabet_has() -> None:
    """Letters beyond the alphabet go on with a1."""
    names = provenance._names()
    assert [next(names) for _ in range(27)][-2:] == ["z", "a1"]


def test_a_gpu_tells_its_clock(tmp_path: Path) -> None:
    """The ledger gives the range of a GPU's clock while rows were measured."""
    run = make(tmp_path, line("numpy", gpu={"sm_mhz": 1980}), line("numba", gpu={"sm_mhz": 1500}))
    assert "GPU clock 1500 to 1980 MHz." in str(provenance.ledger(run)[0])
