"""The table of kinds of work: what stands elsewhere agrees with it."""

import re
from pathlib import Path

import pytest

from bench.grid.profiles import PROFILES, grid
from bench.grid.workloads import WORKLOADS, named, workload

ROOT = Path(__file__).resolve().parents[3]


def test_the_guide_says_what_is_inside_the_clock() -> None:
    """bench/README.md has the sentence of each row, in their order."""
    guide = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")
    rows = [f"| {name} | {kind.clock} |" for name, kind in WORKLOADS.items()]
    assert "\n".join(rows) in guide


def test_every_kind_of_work_is_run_by_one_function() -> None:
    """Each row but the difference of two has one marked function; each profile has cases of known work only."""
    marked = [
        name
        for path in (ROOT / "bench").glob("test_*.py")
        for name in re.findall(r'pytest\.mark\.work\("(\w+)"\)', path.read_text(encoding="utf-8"))
    ]
    assert sorted(marked) == sorted(WORKLOADS.keys() - {"backward"})
    assert {case.work for profile in PROFILES for case in grid(profile)} <= set(marked)


def test_kinds_of_work_are_found_by_what_they_are() -> None:
    """Questions to the table; work that no row has is in none of the answers."""
    assert named(timed=True, repeated=False) == ["scaling"]
    assert named(cost="gradient") == ["gradient", "scaling"]
    assert workload("unheard of") not in WORKLOADS.values()
    assert workload("unheard of").timed


@pytest.mark.parametrize("name", WORKLOADS)
def test_no_row_contradicts_itself(name: str) -> None:
    """What passes repeat is timed, what learns goes over minibatches, and every row has its words."""
    kind = workload(name)
    assert kind.timed or not kind.repeated
    assert kind.minibatches or not kind.learns
    assert kind.title
    assert kind.clock
    assert kind.table
