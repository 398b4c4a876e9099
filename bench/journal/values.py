"""How a value out of a journal is read: as its kind and in its range, or refused in a sentence (ValueError).

What a file holds is whatever somebody wrote into it, so no kind takes another for itself: no text for a number, no
number for a flag, no list for a table.
"""

from collections.abc import Callable
from functools import partial
from math import isnan
from typing import Any

NAME_LENGTH, TEXT_LENGTH = 200, 500  # characters: a longer name is none, a longer text is cut
ENTRIES = 200  # of a table inside a line, at the most: backends, packages, variables, compared quantities
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


def as_real(value: Any) -> float:
    """Any number; nan and inf, which JSON has not, are texts in a journal."""
    if isinstance(value, bool) or not (isinstance(value, (int, float)) or value in ("nan", "inf", "-inf")):
        raise ValueError(f"{value!r:.40} is no number")
    return float(value)


def as_number(value: Any, least: float = 0.0, limit: float = NUMBER_LIMIT) -> float:
    """A number in its range, or nan."""
    found = as_real(value)
    if not (isnan(found) or least <= found < limit):
        raise ValueError(f"{value!r:.40} is out of range")
    return found


def as_finite(value: Any, least: float = 0.0, limit: float = NUMBER_LIMIT) -> float:
    """A number in its range."""
    found = as_number(value, least, limit)
    if isnan(found):
        raise ValueError(f"{value!r:.40} is no number")
    return found


def as_error(value: Any) -> float:
    """An error or a loss: any number that is not negative, for training may diverge."""
    found = as_real(value)
    if found < 0:
        raise ValueError(f"{value!r:.40} is negative")
    return found


def as_gpus(value: Any) -> list[str]:
    """The names of a machine's GPUs, of which it may have none."""
    if not isinstance(value, list) or not all(isinstance(gpu, dict) for gpu in value[:ENTRIES]):
        raise ValueError(f"{value!r:.40} is no list of GPUs")
    return [as_text(gpu.get("name")) for gpu in value[:ENTRIES]]


as_rate = partial(as_number, least=LEAST_SECONDS)  # which is divided by
as_duration = partial(as_number, limit=SECONDS_LIMIT)


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
