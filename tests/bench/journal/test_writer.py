"""A journal that is continued: what a process that was killed has left, whole or cut off."""

from pathlib import Path
from typing import Any

import pytest

from bench.analysis.frames import read
from bench.grid.case import Case
from bench.journal.status import row
from bench.journal.writer import Journal, in_flight_file
from relufit.errors import RelufitError

HEADER: dict[str, Any] = {"machine": {"slug": "m"}}


def test_a_journal_is_gone_on_with(tmp_path: Path) -> None:
    """A line that was cut off costs itself, the case in flight becomes a row, cut words are ignored."""
    journal = Journal.begin(tmp_path, HEADER)
    journal.begin_case(row(Case("forward", 32), "numpy"))
    journal.close()
    with journal.path.open("a") as file:
        file.write('{"kind":"case","back')
    complaints: list[str] = []
    Journal.resume(journal.path).close()
    cases = read(journal.path, complaints.append).cases
    assert [(case.status, case.batch) for case in cases.itertuples()] == [("CRASHED", 32)]
    assert len(complaints) == 1
    in_flight_file(journal.path).write_text('{"kin')
    Journal.resume(journal.path).close()
    assert len(read(journal.path).cases) == 1
    with pytest.raises(RelufitError, match="no journal"):
        Journal.resume(tmp_path / "none.jsonl")


def test_a_case_that_was_written_has_finished(tmp_path: Path) -> None:
    """A process that is killed, or hangs, after the line and before the next case loses nothing of it."""
    journal = Journal.begin(tmp_path, HEADER)
    done, cut = row(Case("forward", 32), "numpy"), row(Case("forward", 64), "numpy")
    journal.begin_case(done)
    journal.write({**done, "status": "OK", "seconds": [1e-3]})
    journal.close()
    journal = Journal.resume(journal.path, "TIMEOUT", "as isolate says")
    assert not in_flight_file(journal.path).exists()
    assert [(case.status, case.batch) for case in read(journal.path).cases.itertuples()] == [("OK", 32)]
    journal.begin_case(cut)
    journal.close()
    with journal.path.open("a") as file:
        file.write('{"kind":"case","backend":"numpy","work":"forward","batch":64')
    Journal.resume(journal.path).close()
    assert [(case.status, case.batch) for case in read(journal.path).cases.itertuples()] == [
        ("OK", 32),
        ("CRASHED", 64),
    ]
