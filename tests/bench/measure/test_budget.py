"""How the time of a run is shared."""

import pytest

from bench.measure import budget, timing
from bench.measure.budget import MAX_CASE_SECONDS, SHARE_FOR_ROUNDS, Budget, Unsuitable


def test_the_budget_is_shared_over_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is shared evenly over what is left, never above the cap; a spent budget says so."""
    now = 0.0
    monkeypatch.setattr(budget.time, "monotonic", lambda: now)
    shared = Budget(10, 20)
    assert shared.next_share() == 0.5
    now = 5.25
    assert shared.next_share() == pytest.approx(4.75 / 19)
    now = 10.5
    with pytest.raises(Unsuitable, match="time budget of 10 s"):
        shared.next_share()
    assert Budget(1000, 1).next_share() == MAX_CASE_SECONDS
    assert Budget(None, 5, 0.5).next_share() == 0.5
    assert Budget(1000, 1, 10.0).next_share() == 10.0  # what a case has without a limit it may have with one


def test_rounds_fill_the_time_where_there_is_no_limit() -> None:
    """A round lasts a millisecond under a limit; without one, rounds fill the time of a case."""
    assert Budget(10, 20, 3.0).round_seconds == timing.ROUND_SECONDS
    assert Budget(None, 20, 3.0).round_seconds * timing.MAX_ROUNDS == pytest.approx(SHARE_FOR_ROUNDS * 3.0)
    assert Budget(None, 20, 1e-3).round_seconds == timing.ROUND_SECONDS
