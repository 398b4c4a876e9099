"""The root of every error a user can cause, so that one `except` (and one exit code) covers them all.

Also helpers for the text of messages.
"""

import os
import re


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
