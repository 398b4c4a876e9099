"""The types of a journal's values: how each is read, or refused in a sentence (ValueError), and what stands for it.

What a file holds is whatever somebody wrote into it, so no type accepts another: no text for a number, no number for a
flag, no list for a table. A value that is absent or null is nan for a measured number, 0 for a count, False for a flag,
and an empty text, list or table; no reader of a journal has to look for None.
"""

from collections.abc import Callable
from functools import partial
from math import inf, isnan, nan
from typing import Annotated, Any, NamedTuple

NAME_LENGTH, TEXT_LENGTH = 200, 500  # characters: a longer name is refused, a longer text is cut
ENTRIES = 200  # the most of a table inside a line: backends, packages, variables, compared quantities
WHOLE_LIMIT, NUMBER_LIMIT = 2**53, 1e18  # above any size, rate or count
LEAST_SECONDS, SECONDS_LIMIT = 1e-15, 1e9


def as_name(value: Any) -> str:
    """A text that can be printed as it stands, and is short."""
    if not isinstance(value, str) or not value.isprintable() or len(value) > NAME_LENGTH:
        raise ValueError(f"{value!r:.40} is no name")
    return value


def as_text(value: Any) -> str:
    """A text in one line, cut where it is long."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40} is no text")
    return in_one_line(value[:TEXT_LENGTH]) + ("..." if len(value) > TEXT_LENGTH else "")


def in_one_line(text: str) -> str:
    """The text with blanks for what cannot be printed: line ends, escapes that steer a terminal, lone surrogates."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def as_whole(value: Any, least: int = 1) -> int:
    """A count or a size."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < WHOLE_LIMIT:
        raise ValueError(f"{value!r:.40} is no whole number from {least} on")
    return value


def as_flag(value: Any) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r:.40} is neither true nor false")
    return value


def as_number(value: Any, least: float = 0.0, limit: float = NUMBER_LIMIT, or_nan: bool = True) -> float:
    """A number from `least` to below `limit`, or nan where that is allowed; nan and inf are texts in a journal."""
    if isinstance(value, bool) or not (isinstance(value, (int, float)) or value in ("nan", "inf", "-inf")):
        raise ValueError(f"{value!r:.40} is no number")
    found = float(value)
    if isnan(found) and not or_nan:
        raise ValueError(f"{value!r:.40} is no number")
    if not (isnan(found) or least <= found < limit or found == limit == inf):
        raise ValueError(f"{value!r:.40} is out of range")
    return found


def as_gpus(value: Any) -> list[str]:
    """The names of a machine's GPUs, of which it may have none."""
    if not isinstance(value, list) or not all(isinstance(gpu, dict) for gpu in value[:ENTRIES]):
        raise ValueError(f"{value!r:.40} is no list of GPUs")
    return [as_text(gpu.get("name")) for gpu in value[:ENTRIES]]


def as_list(value: Any, kind: Callable[[Any], Any], least: int = 0) -> list[Any]:
    """Values of a kind, so many at least."""
    if not isinstance(value, list) or len(value) < least:
        raise ValueError(f"{value!r:.40} is no list of values")
    return [kind(item) for item in value]


def as_table(value: Any, kind: Callable[[Any], Any]) -> dict[str, Any]:
    """Values of a kind by name."""
    if not isinstance(value, dict) or len(value) > ENTRIES:
        raise ValueError(f"{value!r:.40} is no table, or too long a one")
    return {as_name(key): kind(item) for key, item in value.items()}


def as_word(value: Any) -> str:
    """A text, or a count in words."""
    return as_text(value) if isinstance(value, str) else str(as_whole(value, 0))


class Read(NamedTuple):
    """How a value is read, and what stands for one that is absent or null."""

    read: Callable[[Any], Any]
    absent: Any


def _number(**limits: Any) -> Read:
    return Read(partial(as_number, **limits), nan)


def _list(length: int = 0, **limits: Any) -> Read:
    return Read(partial(as_list, kind=partial(as_number, **limits), least=length), [])


Text = Annotated[str, Read(as_text, "")]
Flag = Annotated[bool, Read(as_flag, False)]
Count = Annotated[int, Read(as_whole, 0)]
Number = Annotated[float, _number()]
Difference = Annotated[float, _number(least=-NUMBER_LIMIT)]  # of a host's counters, which some hosts correct
Multiple = Annotated[float, _number(least=1)]
Rate = Annotated[float, _number(least=LEAST_SECONDS)]  # which is divided by
Duration = Annotated[float, _number(limit=SECONDS_LIMIT)]
Error = Annotated[float, _number(limit=inf)]  # or a loss: training may diverge
Rounds = Annotated[list[float], _list(1, least=LEAST_SECONDS, limit=SECONDS_LIMIT, or_nan=False)]
DeviceRounds = Annotated[list[float], _list(1, limit=SECONDS_LIMIT, or_nan=False)]
Times = Annotated[list[float], _list(limit=SECONDS_LIMIT, or_nan=False)]
Counts = Annotated[list[float], _list(or_nan=False)]
Errors = Annotated[list[float], _list(limit=inf)]
Reals = Annotated[list[float], _list(least=-inf, limit=inf)]
Names = Annotated[list[str], Read(as_gpus, [])]
Texts = Annotated[dict[str, str], Read(partial(as_table, kind=as_word), {})]
