"""The machines of old journals: told apart by their ceilings, without a change of what was measured."""

import gzip
import json
from pathlib import Path

import pytest
from journals import line, write

from bench.analysis.runs import runs
from bench.journal import identify
from bench.journal.reader import read_rows

OLD = {"slug": "amd-epyc-2-cores", "cpu": "AMD EPYC", "cores": 2, "gpus": []}


def journal(results: Path, name: str, rate: float | None, machine: dict[str, object] = OLD) -> Path:
    ceilings = {} if rate is None else {"one_core": {identify.CEILING: rate}}
    path = results / "raw" / "amd-epyc-2-cores" / f"{name}.jsonl"
    return write(path, line(seconds=[1e8 / (rate or 1e9)] * 7), machine=machine, ceilings=ceilings)


def test_two_processors_of_one_name_are_two_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs at 44 and at 136 G multiply-adds/s come to two folders and headings; no line of a case changes."""
    paths = [journal(tmp_path, name, rate) for name, rate in (("1", 44e9), ("2", 46e9), ("3", 136e9), ("4", None))]
    packed = paths[1].with_suffix(".jsonl.gz")
    packed.write_bytes(gzip.compress(paths[1].read_bytes()))
    paths[1].unlink()
    before = {path.name.partition(".")[0]: str(read_rows(path)[1]) for path in (paths[0], packed, *paths[2:])}
    identify.main(["--results", str(tmp_path)])
    found = {path.name.partition(".")[0]: path for path in (tmp_path / "raw").glob("*/*")}
    assert {name: str(read_rows(path)[1]) for name, path in found.items()} == before
    assert found["1"].parent == found["2"].parent != found["3"].parent
    assert found["4"].parent.name == "amd-epyc-2-cores"
    assert len(capsys.readouterr().err.splitlines()) == 3
    assert {run.name: run.machine for run in runs(tmp_path)} == {
        "2": "AMD EPYC (45 G multiply-adds/s a core), 2 cores",
        "3": "AMD EPYC (140 G multiply-adds/s a core), 2 cores",
        "4": "AMD EPYC, 2 cores",
    }


def test_to_repeat_it_changes_nothing(tmp_path: Path) -> None:
    """Journals keep their folders and bytes; one that names its processor keeps them at the first time too."""
    known = journal(tmp_path, "0", 44e9, {**OLD, "family": 25})
    journal(tmp_path, "1", 44e9)
    before = known.read_bytes()
    identify.main(["--results", str(tmp_path)])
    once = {path: path.read_bytes() for path in (tmp_path / "raw").glob("*/*")}
    assert once[known] == before
    identify.main(["--results", str(tmp_path)])
    assert {path: path.read_bytes() for path in (tmp_path / "raw").glob("*/*")} == once


def test_a_folder_without_journals_is_removed(tmp_path: Path) -> None:
    """Where all runs have moved, no empty folder stays."""
    path = journal(tmp_path, "1", 44e9)
    identify.main(["--results", str(tmp_path)])
    assert not path.parent.exists()
    (new,) = (tmp_path / "raw").glob("*/*")
    assert json.loads(new.read_text().splitlines()[0])["machine"]["slug"] == new.parent.name
