"""One run of `pytest bench`: what it measures in which order, and how its time is shared."""

from types import SimpleNamespace
from typing import Any

import pytest

from bench.measure import session, timing
from bench.measure.session import MAX_CASE_SECONDS, Budget, Session
from bench.measure.timing import SHARE_FOR_ROUNDS
from bench.measure.trial import Unsuitable


def run(**options: Any) -> Session:
    """A run with these options, of two backends."""
    usual: dict[str, Any] = dict.fromkeys(("target", "batch", "hidden", "dtype", "seconds", "resume", "device"))
    usual |= {"profile": "quick", "backend": "numpy,textbook-numpy", "passes": 1}
    given = {**usual, "collectonly": False, "resume_anyway": False, **options}
    return Session(SimpleNamespace(**given))


def test_backends_take_turns_within_a_case() -> None:
    """Pass by pass and case by case, the backends in one order, in the next pass in the other; others come first."""
    three = run(passes=3)
    keys = sorted((key for work in ("step", "gradient", "agreement") for key in three.keys(work)), key=three.turn)
    first = [name for _, name, _ in keys[:2]]
    assert [(case.work, number) for case, _, number in keys[:2]] == [("gradient", 0)] * 2
    assert [name for case, name, number in keys if case == keys[0][0] and number == 1] == first[::-1]
    assert [number for _, _, number in keys] == sorted(number for _, _, number in keys)
    assert {number for case, _, number in keys if case.work == "agreement"} == {0}
    assert three.turn(None) < min(map(three.turn, keys))


def test_the_quick_profile_has_a_limit_and_others_have_none() -> None:
    """The quick profile is limited, others are where an option says so, and what times nothing never is."""
    assert run().seconds == session.QUICK_SECONDS
    assert run(profile="headline").seconds is None
    assert run(profile="headline", seconds=7.0).seconds == 7.0
    assert run().budget({"a": 3}, timed=False).seconds is None


def test_the_budget_is_shared_over_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is shared evenly over what is left, never above the cap; a spent budget says so."""
    now = 0.0
    monkeypatch.setattr(session.time, "monotonic", lambda: now)
    shared = Budget(10, {"a": 20})
    assert shared.next_share("a") == 0.5
    now = 5.25
    assert shared.next_share("a") == pytest.approx(4.75 / 19)
    now = 10.5
    with pytest.raises(Unsuitable, match="time budget of 10 s"):
        shared.next_share("a")
    assert Budget(1000, {"a": 1}).next_share("a") == MAX_CASE_SECONDS
    assert Budget(None, {"a": 5}, 0.5).next_share("a") == 0.5
    assert Budget(1000, {"a": 1}, 10.0).next_share("a") == 10.0  # what a case has without a limit it may have with one


def test_a_share_is_kept_for_every_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that has spent its part is refused what is kept for the others: a quarter of their first shares."""
    now = 0.0
    monkeypatch.setattr(session.time, "monotonic", lambda: now)
    shared = Budget(10, {"slow": 10, "quick": 10})
    assert shared.parts == {"slow": 5, "quick": 5}
    shared.next_share("slow")
    now = 6.0
    assert shared.next_share("quick") == pytest.approx(4 / 19)
    assert shared.next_share("slow") == pytest.approx(4 / 18)  # more is left than is kept for the others
    now = 9.0
    assert shared.next_share("quick") == pytest.approx(1 / 17)
    with pytest.raises(Unsuitable, match="slow has spent its part of 10 s"):
        shared.next_share("slow")
    assert shared.next_share("quick") > 0


def test_rounds_fill_the_time_where_there_is_no_limit() -> None:
    """A round lasts a millisecond under a limit; without one, rounds fill the time of a case."""
    assert Budget(10, {"a": 20}, 3.0).round_seconds == timing.ROUND_SECONDS
    assert Budget(None, {"a": 20}, 3.0).round_seconds * timing.MAX_ROUNDS == pytest.approx(SHARE_FOR_ROUNDS * 3.0)
    assert Budget(None, {"a": 20}, 1e-3).round_seconds == timing.ROUND_SECONDS
