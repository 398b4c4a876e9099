"""The root of every error a user can cause, so that one `except` (and one exit code) covers them all.

Also helpers for the text of messages, and the checks of single arguments.
"""

import os
import re
from collections.abc import Iterable
from math import inf, isfinite, nan, ulp
from numbers import Real

import numpy as np

LARGEST_COUNT = 2**63 - 1
NARROWEST, WIDEST = 1e-140, 1e140  # width of a domain: squares of its 2^18th part, a step of differences, are finite
# Floating-point numbers in a domain. With these, a spline of 64 units is within 1 % of one with dense numbers; with
# 2^12 it has twice the error, and with 2^4 it is meaningless.
LEAST_NUMBERS = 2**16


class RelufitError(Exception):
    """Bad input, or something this machine lacks: one sentence with what was given, what is valid, what to do."""


def reason(error: Exception) -> str:
    """The message of an error of the system or of a library, as the end of a sentence, without error numbers."""
    number = error.errno if isinstance(error, OSError) else None
    match = re.search(r"\(os error (\d+)\)", str(error))  # how libraries written in Rust format it
    if number is None and match is not None:
        number = int(match[1])
    lines = [os.strerror(number)] if number is not None else str(error).strip().splitlines()
    message = lines[0] if lines else f"a {type(error).__name__}"
    return message[:1].lower() + message[1:] if message[1:2].islower() else message


def counted(number: int, noun: str) -> str:
    """A number and its noun, in the plural unless the number is 1: "1 hidden unit", "2 hidden units"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def check_count(name: str, value: object, least: int = 1) -> int:
    """Return `value` as an int of at least `least`, or raise RelufitError naming it."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise RelufitError(f"{name} must be an integer >= {least}, not {value!r:.60}")
    if value > LARGEST_COUNT:
        raise RelufitError(f"{name} must be at most {LARGEST_COUNT}, which fits into 64 bits")
    return int(value)


def check_choice(name: str, value: object, choices: Iterable[str]) -> str:
    """Return `value` if it is one of these names, or raise RelufitError that lists them."""
    choices = list(choices)
    if not isinstance(value, str) or value not in choices:
        raise RelufitError(f"unknown {name} {value!r:.60}; choose one of {', '.join(choices)}")
    return value


def check_positive(name: str, value: object, *, or_zero: bool = False) -> float:
    """Return a number of any type (numpy's, a Fraction) as a finite float above 0, or raise RelufitError naming it."""
    try:
        number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else nan
    except OverflowError:  # an integer of more than 308 digits
        number = nan
    if not (0 < number < inf or (or_zero and number == 0)):
        raise RelufitError(f"{name} must be a {'number >= 0' if or_zero else 'positive number'}, not {value!r}")
    return number


def check_seed(seed: object) -> int:
    """Return `seed` as an int of at least 0, or raise RelufitError."""
    return check_count("seed", seed, least=0)


def check_domain(domain: object) -> tuple[float, float]:
    """Return (low, high) as finite floats with low < high with enough floats between them, or raise RelufitError."""
    try:
        low, high = (float(end) for end in domain)  # type: ignore[attr-defined]
    except (TypeError, ValueError, OverflowError):
        raise RelufitError(f"a domain must be a pair (low, high) of numbers, not {domain!r:.60}") from None
    if not (isfinite(low) and isfinite(high) and low < high):
        raise RelufitError(f"a domain needs finite ends with low < high, not ({low}, {high})")
    largest, width = max(abs(low), abs(high)), high - low
    if width < NARROWEST or largest > WIDEST:
        raise RelufitError(
            f"the domain ({low:g}, {high:g}) is too {'narrow' if width < NARROWEST else 'wide'}: squares of distances "
            f"below {NARROWEST:g} or above {WIDEST:g} underflow or overflow; measure x in another unit"
        )
    numbers = width / ulp(largest)  # near the end that is farther from 0
    if numbers < LEAST_NUMBERS:
        raise RelufitError(
            f"the domain ({low!r}, {high!r}) holds only about {numbers:.0f} floating-point numbers, and needs "
            f"{LEAST_NUMBERS}; widen it, or shift x so that it is near 0"
        )
    return low, high
