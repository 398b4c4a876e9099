"""The table of statuses: what stands elsewhere agrees with it, and exceptions find theirs."""

from pathlib import Path

import pytest
from journals import line, make, write

from bench import report
from bench.journal import resume
from bench.journal.status import Disagreement, Status, status_of, statuses
from bench.measure.trial import Unsuitable

GUIDE = Path(__file__).resolve().parents[3] / "bench" / "README.md"


class OutOfMemoryError(Exception):
    """As cupy's and torch's are called."""


def test_the_guide_says_what_each_status_means() -> None:
    """bench/README.md has a line for each status, in their order."""
    yes = {True: "yes", False: ""}
    rows = [f"| {s} | {s.meaning} | {yes[s.failed]} | {yes[s.retried]} |" for s in Status]
    assert "\n".join(rows) in GUIDE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (Disagreement("w1 is off"), ("DISAGREES", "w1 is off")),
        (Unsuitable("no float64"), ("SKIPPED", "no float64")),
        (MemoryError(), ("OOM", "MemoryError")),
        (OutOfMemoryError("2 GiB"), ("OOM", "2 GiB")),
        *(
            (RuntimeError(said), ("OOM", said))
            for said in (
                "CUDA error: out of memory",
                "cudaErrorMemoryAllocation: out of memory",
                "CUDA_ERROR_OUT_OF_MEMORY: out of memory",
                "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes",
            )
        ),
        (RuntimeError("RESOURCE_EXHAUSTED: 2 GiB"), ("OOM", "RESOURCE_EXHAUSTED: 2 GiB")),
        (ValueError("first\nsecond"), ("CRASHED", "ValueError: first")),
    ],
)
def test_an_exception_has_a_status_and_a_reason(error: Exception, found: tuple[str, str]) -> None:
    """The status is the exception's own, or told by its type or text; the reason is its first line."""
    assert status_of(error) == found


def test_what_pytest_skips_is_skipped() -> None:
    """A skip of pytest's is SKIPPED with its reason."""
    with pytest.raises(pytest.skip.Exception) as caught:
        pytest.skip("no driver")
    assert status_of(caught.value) == ("SKIPPED", "no driver")


def test_statuses_are_found_by_what_they_are() -> None:
    """A question to the table is answered with words that compare as those of a journal."""
    assert statuses(has_numbers=True) == ["OK", "DIVERGED"]
    assert {"DISAGREES", "UNSOUND", "DIVERGED", "TIMEOUT", "OOM", "CRASHED"} == set(statuses(failed=True))


def test_an_interrupted_case_is_measured_again(tmp_path: Path) -> None:
    """--resume leaves out what has ended, whatever became of it, but for a case that its user ended."""
    lines = [line(batch=n, status=s, reason="so it was") for n, s in ((32, "CRASHED"), (64, "INTERRUPTED"))]
    path = write(tmp_path / "raw" / "m" / "r.jsonl", line(), *lines)
    assert {case.batch for case, _, _ in resume.finished(path)} == {800, 32}


@pytest.mark.usefixtures("without_figures")
def test_a_status_that_is_unknown_is_shown_as_it_stands(tmp_path: Path) -> None:
    """A journal may hold a status of another version."""
    run = make(tmp_path, line(), line("torch-cpu", status="MELTED", reason="too hot"))
    assert set(run.cases.status) == {"OK", "MELTED", "SKIPPED"}
    report.report(tmp_path)
    assert "MELTED" in (tmp_path / "tables" / "throughput.md").read_text()
