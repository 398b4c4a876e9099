"""Messages about cells that cannot be read: what is wrong, and what to write instead."""

import re
from typing import Any

from relufit.reading.arrow import COMMA, load_pyarrow, parses

TIME = "2024-01-31 12:00:00"  # an example of a valid time
LIKE_A_TIME = re.compile(r"\s*(\d{1,4}[-/:]\d{1,2}\b|\d{1,2}\.\d{1,2}\.\d{2,4}\b)")


def describe(text: str, kind: Any, delimiter: str | None, may_be_time: bool) -> str:
    """Describe the text of a cell that is not of this `kind` (see arrow.parse), as the end of a sentence."""
    pyarrow = load_pyarrow()
    cell, is_number = pyarrow.array([text]), str(kind) in ("double", COMMA)
    called = {"double": "a number", "bool": "true or false", COMMA: "a number with a decimal comma"}
    plain = f"which is not {called.get(str(kind), 'a time like those above')}"
    if not may_be_time:
        if _is_time(cell, "s") or (is_number and LIKE_A_TIME.match(text)):
            return f"{plain}; times may stand in x only"
    elif _is_time(cell, "s") and not _is_time(cell, "ns"):
        return "a time out of range; those from 1678 to 2261 are read"
    elif is_number and not _is_time(cell, "s") and LIKE_A_TIME.match(text):
        return f"{plain}; times are read as {TIME}"
    if kind == pyarrow.float64() and "," in text and parses(cell, COMMA):
        if delimiter == ";":
            return f"{plain}: none of the first rows has a decimal comma, so write this one with a point too"
        return f"{plain}; write it with a point, or delimit the cells by semicolons"
    return plain


def _is_time(cell: Any, unit: str) -> bool:
    """Whether a cell of text (1,) is a time, with or without a zone."""
    pyarrow = load_pyarrow()
    return any(parses(cell, pyarrow.timestamp(unit, zone)) for zone in (None, "UTC"))
