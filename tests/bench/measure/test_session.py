"""One run of `pytest bench`: what it measures in which order, and how its time is shared."""

from contextlib import closing
from math import isnan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from journals import write

from bench.grid.case import Case
from bench.journal.reader import read_lines
from bench.journal.writer import Journal
from bench.measure import session, timing
from bench.measure.session import MAX_CASE_SECONDS, Budget, Session
from bench.measure.timing import SHARE_FOR_ROUNDS
from bench.measure.trial import Unsuitable
from relufit import RelufitError
from relufit.backends.numpy import NumpyBackend


def run(**options: Any) -> Session:
    """A run with these options, of two backends."""
    usual: dict[str, Any] = dict.fromkeys(
        ("target", "batch", "hidden", "dtype", "seconds", "resume", "device", "within", "gpu_memory")
    )
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


def test_a_deadline_counts_all_that_is_not_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the start of the process: imports and probing are spent, ceilings, skipped rows and the end are kept."""
    now = 100.0
    monkeypatch.setattr(session.time, "monotonic", lambda: now)
    monkeypatch.setattr(session, "seconds_since_start", lambda: 3.0)
    limited = run(profile="headline", within=60.0)
    assert limited.deadline == 157.0
    now = 110.0
    kept = session.CEILING_SECONDS + session.ENDING_SECONDS + 100 * session.SKIP_SECONDS
    assert limited.budget({"a": 40, "b": 60}, timed=True).seconds == pytest.approx(47.0 - kept)
    assert limited.budget({"a": 40, "b": 60}, timed=False).seconds is None
    assert run(profile="headline", within=60.0, seconds=1.0).budget({"a": 1}, timed=True).seconds == 1.0
    now = 160.0
    late = limited.budget({"a": 1}, timed=True)
    with pytest.raises(Unsuitable, match="the time budget of 0 s was spent"):
        late.next_share("a")
    assert run().deadline == session.inf


def test_ceilings_are_not_measured_after_the_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are measured again where they fit, by what they took at the begin."""
    now = 0.0
    monkeypatch.setattr(session.time, "monotonic", lambda: now)
    monkeypatch.setattr(session, "seconds_since_start", lambda: 0.0)
    again: list[Any] = []
    monkeypatch.setattr(session, "measure_ceilings_again", lambda *given: again.append(given))
    limited = run(within=60.0, threads=None)
    limited.journal = Journal.begin(tmp_path, {"machine": {"slug": "m"}, "ceiling_seconds": 8.0})
    for now in (60 - 8 - session.ENDING_SECONDS - 1, 60 - 8 - session.ENDING_SECONDS + 1):  # noqa: B007
        limited.measure_ceilings_again()
    assert len(again) == 1
    limited.journal.close()


def test_a_case_may_not_take_more_than_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A case is limited by the part of its backend, and at the end by what is left of the whole."""
    now = 0.0
    monkeypatch.setattr(session.time, "monotonic", lambda: now)
    shared = Budget(10, {"a": 1, "b": 1})
    assert shared.most_seconds("a") == 5
    now = 8.0
    assert shared.most_seconds("a") == 2
    assert Budget(None, {"a": 1}).most_seconds("a") == session.inf


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


def test_only_backends_with_a_precision_have_its_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend without a reduced precision has no row of it; where none of a run has it, a sentence says so."""
    usual = run()
    assert {case.dtype for case, _, _ in usual.keys("gradient")} == {"float32"}
    asked = run(dtype="bfloat16,float32", isolate=False)
    with pytest.raises(RelufitError, match="--dtype bfloat16: no products in bfloat16 here by numpy, textbook-numpy"):
        asked.demand_precisions()
    run(dtype="bfloat16", isolate=True).demand_precisions()  # the process of another backend may have it
    monkeypatch.setattr(NumpyBackend, "precisions", ("bfloat16",))
    asked.demand_precisions()
    found = {(case.dtype, name) for case, name, _ in asked.keys("gradient")}
    assert found == {("float32", "numpy"), ("float32", "textbook-numpy"), ("bfloat16", "numpy")}


def test_peaks_of_products_are_a_line_of_the_journal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each precision of the cases has its rate, the highest of its backends; runs without one have no such line."""
    monkeypatch.setattr(NumpyBackend, "precisions", ("bfloat16",))
    monkeypatch.setattr(session.product_peaks, "rate", lambda backend: 3e9 if backend.precision else 0.0)
    for threads, cores in ((1, "one_core"), (None, "all_cores")):
        path = write(tmp_path / f"{cores}.jsonl")
        with closing(Journal.resume(path)) as journal:
            session.measure_products(journal, [(Case("gradient", 800), "numpy", 0)], threads)
            assert "ceilings" not in path.read_text()
            session.measure_products(journal, [(Case("gradient", 800, dtype="bfloat16"), "numpy", 0)], threads)
        found = read_lines(path)[0]["ceilings"]
        assert found[cores]["products_per_second_bfloat16"] == 3e9
        assert isnan(found[cores]["products_per_second_float16"])
        assert isnan(found[cores]["copy_bytes_per_second"])
