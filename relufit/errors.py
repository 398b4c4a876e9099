"""The root of every error a user can cause, so that one `except` (and one exit code) covers them all.

Also helpers for the text of messages.
"""

import os
import re


class RelufitError(Exception):
    """Bad input, or something this machine lacks: one sentence with what was given, what is valid, what to do."""


def reason(error: Exception) -> str:
    """What the system or a library says went wrong, as the end of a sentence: in its words, without its numbers."""
    number = error.errno if isinstance(error, OSError) else None
    told = re.search(r"\(os error (\d+)\)", str(error))  # as libraries in Rust put it, and most of what is around it
    if number is None and told is not None:
        number = int(told[1])
    lines = [os.strerror(number)] if number is not None else str(error).strip().splitlines()
    said = lines[0] if lines else f"a {type(error).__name__}"
    return said[:1].lower() + said[1:] if said[1:2].islower() else said


def counted(number: int, noun: str) -> str:
    """A number and its noun, in the plural but for 1: "1 hidden unit", "2 hidden units"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
