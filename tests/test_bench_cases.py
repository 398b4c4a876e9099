"""The grid and the options that choose from it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench import conftest
from bench.cases import PROFILES, Case, draw, grid
from bench.cost import working_bytes
from bench.trial import Unsuitable
from relufit import RelufitError, Sizes

NONE: dict[str, Any] = dict.fromkeys(("backend", "target", "batch", "hidden", "dtype"))


def select(**options: Any) -> tuple[list[Case], list[str]]:
    """What the command line would choose."""
    return conftest.select(SimpleNamespace(**{**NONE, "profile": "quick", **options}))


def test_the_full_grid_holds_what_is_promised() -> None:
    """Every batch, width, dtype, kind of work, initialisation and target; the quick profile is its beginning."""
    cases = grid("full")
    for work in ("forward", "gradient", "step"):
        found = {(c.batch, c.hidden, c.dtype) for c in cases if c.work == work}
        assert {
            (n, h, t) for n in (32, 800, 8192, 65536) for h in (64, 512, 2048) for t in ("float32", "float64")
        } <= found
    learned = {(c.target, c.scheme, c.optimizer) for c in cases if c.work == "convergence"}
    assert len(learned) == 2 * 4 * 2
    assert {c.work for c in cases} == {
        "forward", "gradient", "step", "latency", "to_device", "to_host", "memory", "agreement", "convergence",
    }  # fmt: skip
    assert len(cases) == len(set(cases))
    timed = [c for c in grid("quick") if c.work != "convergence"]
    assert [c for c in cases[: len(grid("quick"))] if c.work != "convergence"] == timed


def test_an_unknown_profile_is_named() -> None:
    """With those that exist."""
    with pytest.raises(RelufitError, match="quick or full"):
        grid("huge")
    assert PROFILES == ("quick", "full")


def test_options_choose() -> None:
    """Each option keeps the cases that it names, and the work that it does not concern."""
    cases, names = select(backend="numpy, torch-cpu", batch="800", hidden="512", dtype="float64")
    assert names == ["numpy", "torch-cpu"]
    assert {c.batch for c in cases if c.work in ("forward", "gradient", "step", "agreement")} == {800}
    assert {(c.hidden, c.dtype) for c in cases} == {(512, "float64")}
    assert {c.target for c in select(target="square")[0] if c.work == "convergence"} == {"square"}


def test_an_own_size_is_added_to_the_grid() -> None:
    """A batch or width that the grid does not have takes the place of the usual one."""
    cases, _ = select(batch="1234")
    assert {c.work for c in cases if c.batch == 1234} >= {"forward", "gradient", "step", "memory"}
    cases, _ = select(hidden="77", batch="99")
    assert {(c.batch, c.hidden) for c in cases if c.work == "gradient"} == {(99, 77)}


@pytest.mark.parametrize(
    "options",
    [{"backend": "nosuch"}, {"target": "nosuch"}, {"dtype": "int8"}, {"batch": "0"}, {"batch": "x"}, {"hidden": "-1"},
     {"hidden": "1.5"}, {"profile": "nosuch"}],
)  # fmt: skip
def test_bad_options_are_named(options: dict[str, str]) -> None:
    """One sentence with what was given."""
    with pytest.raises(RelufitError) as caught:
        select(**options)
    assert next(iter(options.values())) in str(caught.value)


def test_a_case_draws_the_same_inputs_each_time() -> None:
    """In its dtype and sizes; as many samples as asked for."""
    case = Case("gradient", 20, 6, "float64", 3, 2)
    params, x, y = draw(case)
    assert (x.shape, y.shape, params.w1.shape, params.w2.shape) == ((20, 3), (20, 2), (3, 6), (6, 2))
    assert {a.dtype.name for a in (*params, x, y)} == {"float64"}
    np.testing.assert_array_equal(x, draw(case)[1])
    assert len(draw(case, 7)[1]) == 7


def test_ids_tell_cases_apart() -> None:
    """No two tests of one kind have the same name."""
    for work in {c.work for c in grid("full")}:
        ids = [c.id for c in grid("full") if c.work == work]
        assert len(ids) == len(set(ids))


def test_working_memory_is_estimated() -> None:
    """Five (N, H) arrays for a gradient, two for a forward, none for a transfer."""
    sizes = Sizes(1000, 1, 100, 1)
    assert working_bytes(sizes, "float32", "gradient") == 5 * 400_000
    assert working_bytes(sizes, "float64", "forward") == 2 * 800_000
    assert working_bytes(sizes, "float32", "to_device") == 0


def test_the_budget_is_shared_over_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evenly, not above the cap; spent, it says so."""
    now = 0.0
    monkeypatch.setattr(conftest.time, "monotonic", lambda: now)
    budget = conftest.Budget(10, 20)
    assert budget.next_share() == 0.5
    now = 5.25
    assert budget.next_share() == pytest.approx(4.75 / 19)
    now = 10.5
    with pytest.raises(Unsuitable, match="time budget of 10 s"):
        budget.next_share()
    assert conftest.Budget(1000, 1).next_share() == conftest.MAX_CASE_SECONDS
    assert conftest.Budget(None, 5).next_share() == conftest.FULL_CASE_SECONDS
