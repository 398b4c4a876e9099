"""How a value out of a journal is read: as its type and in its range, or refused in a sentence (ValueError).

What a file holds is whatever somebody wrote into it, so no type accepts another: no text for a number, no number for a
flag, no list for a table.
"""

from collections.abc import Callable
from math import inf, isnan
from typing import Any

NAME_LENGTH, TEXT_LENGTH = 200, 500  # characters: a longer name is refused, a longer text is cut
ENTRIES = 200  # the most of a table inside a line: backends, packages, variables, compared quantities
WHOLE_LIMIT, NUMBER_LIMIT = 2**53, 1e18  # above any size, rate or count
LEAST_SECONDS, SECONDS_LIMIT = 1e-15, 1e9


def as_name(value: Any) -> str:
    """A short text that can be printed as it stands."""
    if not isinstance(value, str) or not value.isprintable() or len(value) > NAME_LENGTH:
        raise ValueError(f"{value!r:.40} is not a printable name of up to {NAME_LENGTH} characters")
    return value


def as_text(value: Any) -> str:
    """A text in one line, cut where it is long."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40} is not a text")
    return in_one_line(value[:TEXT_LENGTH]) + ("..." if len(value) > TEXT_LENGTH else "")


def in_one_line(text: str) -> str:
    """The text with blanks for what cannot be printed: line ends, escapes that steer a terminal, lone surrogates."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def as_whole(value: Any, least: int = 1) -> int:
    """A count or a size."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < WHOLE_LIMIT:
        raise ValueError(f"{value!r:.40} is not an integer >= {least}")
    return value


def as_flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r:.40} is not true or false")
    return value


def as_number(value: Any, least: float = 0.0, limit: float = NUMBER_LIMIT, or_nan: bool = True) -> float:
    """A number from `least` to below `limit`, or nan where that is allowed; nan and inf are texts in a journal."""
    if isinstance(value, bool) or not (isinstance(value, (int, float)) or value in ("nan", "inf", "-inf")):
        raise ValueError(f"{value!r:.40} is not a number")
    found = float(value)
    if isnan(found) and not or_nan:
        raise ValueError(f"{value!r:.40} is not a number")
    if not (isnan(found) or least <= found < limit or found == limit == inf):
        raise ValueError(f"{value!r:.40} is out of range")
    return found


def as_gpus(value: Any) -> list[str]:
    """The names of a machine's GPUs."""
    if not isinstance(value, list) or not all(isinstance(gpu, dict) for gpu in value[:ENTRIES]):
        raise ValueError(f"{value!r:.40} is not a list of GPUs")
    return [as_text(gpu.get("name")) for gpu in value[:ENTRIES]]


def as_list(value: Any, kind: Callable[[Any], Any], least: int = 0) -> list[Any]:
    """At least `least` values, each read by `kind`."""
    if not isinstance(value, list) or len(value) < least:
        raise ValueError(f"{value!r:.40} is not a list of at least {least} values")
    return [kind(item) for item in value]


def as_table(value: Any, kind: Callable[[Any], Any]) -> dict[str, Any]:
    """Values by name, each read by `kind`."""
    if not isinstance(value, dict) or len(value) > ENTRIES:
        raise ValueError(f"{value!r:.40} is not a table of at most {ENTRIES} entries")
    return {as_name(key): kind(item) for key, item in value.items()}


def as_word(value: Any) -> str:
    """A text, or a count as a text."""
    return as_text(value) if isinstance(value, str) else str(as_whole(value, 0))
