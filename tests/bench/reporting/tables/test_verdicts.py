"""Verdicts in words: why one is not more."""

from bench.reporting.tables.verdicts import reason


def test_reasons_are_numbers() -> None:
    """A reason says what was seen and what would be needed; a claim has none."""
    row = {"verdict": "UNSURE", "blocks": 5, "times_faster": 1.3, "least": 0.5, "detail": "of drift", "low": 0.9,
           "high": 1.1234, "p_different": 0.0625}  # fmt: skip
    reasons = {kind: reason({**row, "kind": kind}) for kind in ("few", "drift", "wide", "weak", "loaded")}
    assert reasons == {
        "few": "5 blocks of 6 that an interval needs",
        "drift": "30 % is within the 50 % of drift",
        "wide": "between 0.9 and 1.12 times",
        "weak": "ranks of 5 blocks, in a table of this length: p = 0.062",
        "loaded": "of drift",
    }
    assert reason({**row, "verdict": "FASTER", "kind": ""}) == ""
    assert reason({**row, "verdict": "SAME", "kind": ""}) == "within 5 %"
