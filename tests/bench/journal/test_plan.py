"""What a run planned stands in its journal, and what of it is not measured is counted."""

import json
from itertools import product
from pathlib import Path
from typing import Any

from journals import HEADER, line, write

from bench.grid.case import Case
from bench.journal import plan
from bench.journal.reader import read_lines
from bench.journal.status import PROCESS_ENDED

CASES = [Case("gradient", 800), Case("forward", 40, hidden=8)]


def planned(path: Path, keys: list[plan.Key], *lines: Any) -> dict[str, Any]:
    """The header of a journal with this plan and these lines."""
    groups = json.loads(json.dumps(plan.compact(keys)))
    return read_lines(write(path, *lines, plan=groups))[0]


def test_a_plan_comes_back_as_it_was(tmp_path: Path) -> None:
    """Cases, backends and passes of any selection are kept, and a product of them takes a single group."""
    every = list(product(CASES, ["numpy", "numba"], range(3)))
    assert len(plan.compact(every)) == 1
    for keys in (every, every[1:], every[::5], []):
        header = planned(tmp_path / "r.jsonl", keys)
        assert plan.expand(header["plan"]) == set(keys)
        assert (header["planned"], header["unmeasured"]) == (len(keys), len(keys))


def test_a_later_plan_is_added(tmp_path: Path) -> None:
    """A process that continues a run has a line of its own for what it measures."""
    later = {"kind": "plan", "plan": plan.compact([(CASES[1], "numba", 0)])}
    header = planned(tmp_path / "r.jsonl", [(CASES[0], "numpy", 0)], later)
    assert (header["planned"], header["unmeasured"]) == (2, 2)


def test_what_has_no_line_was_not_measured(tmp_path: Path) -> None:
    """A skipped case is done, as is a backend that cannot run; what ended with the run or by the user is not."""
    keys = [(Case("gradient", n), "numpy", 0) for n in (1, 2, 3, 4)] + [(CASES[0], "cupy", 0)]
    done = [line(batch=1), line(batch=2, status="SKIPPED", reason="no time", seconds=None)]
    assert "cupy" in HEADER["backends"]
    path = tmp_path / "r.jsonl"
    header = planned(path, keys, *done)
    assert plan.in_words(header) == "2 of 5 cases were not measured: the run ended"
    interrupted = line(batch=3, status="INTERRUPTED", reason="the user", seconds=None)
    assert planned(path, keys, *done, interrupted)["unmeasured"] == 2
    crashed = line(batch=3, status="CRASHED", reason=PROCESS_ENDED, seconds=None)
    assert planned(path, keys, *done, crashed)["unmeasured"] == 2
    assert planned(path, keys, *done, {**crashed, "reason": "ValueError"})["unmeasured"] == 1
    complete = planned(path, keys, *done, crashed, line(batch=4))
    assert complete["unmeasured"] == 0
    assert plan.in_words(complete) == ""


def test_a_damaged_plan_is_complained_of(tmp_path: Path) -> None:
    """A plan that is not one, or is too large, is left out with a complaint, and the cases count."""
    huge = [{"backends": ["numpy"] * 200, "passes": list(range(10_000)), "cases": [{"work": "forward", "batch": 1}]}]
    for damaged in ("all", [1], [{"backends": ["numpy"], "passes": [0], "cases": [{"work": 3}]}], huge):
        said: list[str] = []
        header, cases = read_lines(write(tmp_path / "r.jsonl", line(), plan=damaged), said.append)
        assert header["plan"] == []
        assert len(cases) == 1
        assert len(said) == 1
        assert "plan" in said[0]


def test_a_journal_of_before_has_no_plan(tmp_path: Path) -> None:
    """A journal without a plan says nothing of what is missing."""
    assert plan.in_words(read_lines(write(tmp_path / "r.jsonl", line()))[0]) == ""
