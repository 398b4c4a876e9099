"""Parse values of the command line: numbers, intervals, names. Errors name the option and show the given text."""

import ast
import re
from collections.abc import Sequence

import numpy as np

from relufit.errors import RelufitError
from relufit.targets.expressions import Expression, syntax_tree

WITHOUT_VALUE = ("--json", "--help")  # options that take no value
# Options in error messages of the library.
_OPTION = re.compile(r"\b(batch_size|learning_rate|test_fraction)\b|\b(solver|hidden|backend)='([\w-]+)'")


def as_options(sentence: str) -> str:
    """Rewrite the options in an error message of the library for the command line: --batch-size for batch_size."""

    def option(found: re.Match[str]) -> str:
        name, assigned, value = found.groups()
        return f"--{name.replace('_', '-')}" if name else f"--{assigned} {value}"

    return _OPTION.sub(option, sentence)


def whole(option: str, text: str | None, least: int = 1, others: str = "") -> int | None:
    """Parse an integer; `others` names what else the option takes, for the error."""
    try:
        return None if text is None else int(text)
    except ValueError:
        raise RelufitError(f"{option} takes an integer >= {least}{others}, not {text!r}") from None


def number(option: str, text: str | None) -> float | None:
    """Parse a floating-point number."""
    try:
        return None if text is None else float(text)
    except ValueError:
        raise RelufitError(f"{option} takes a number, such as 0.01 or 1e-6, not {text!r}") from None


def hidden_units(text: str | None) -> int | str | None:
    """Parse a number of units, or auto."""
    return text if text == "auto" else whole("--hidden", text, others=", or auto")


def domain(text: str | None) -> tuple[float, float] | None:
    """Parse both ends of an interval, with or without parentheses."""
    if text is None:
        return None
    ends = split_outside(text)
    if len(ends) == 1 and text.strip()[:1] + text.strip()[-1:] in ("()", "[]"):
        ends = split_outside(text.strip()[1:-1])
    if len(ends) != 2 or not all(end.strip() for end in ends):
        raise RelufitError(f"--domain takes LOW,HIGH, such as --domain=-2*pi,2*pi, not {text!r}")
    low, high = (expression("--domain", end) for end in ends)
    return low, high


def expression(option: str, text: str) -> float:
    """Evaluate a constant expression such as pi/2 to a finite number."""
    try:
        uses_x = any(isinstance(node, ast.Name) and node.id == "x" for node in ast.walk(syntax_tree(text)))
        value = float(Expression(text)(np.zeros(1))[0])
    except RelufitError as error:
        raise RelufitError(f"{option}: {error}") from None
    if uses_x:
        raise RelufitError(f"{option} takes numbers, not {text.strip()!r}, which is an expression in x")
    if not np.isfinite(value):
        raise RelufitError(f"{option} takes finite numbers, not {text.strip()!r}")
    return value


def split_outside(text: str) -> list[str]:
    """Split text at its commas, except for those inside parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def names(text: str | None) -> str | list[str] | None:
    """Parse a name, or several separated by commas."""
    if text is None or "," not in text:
        return text if text is None else text.strip()
    return [name.strip() for name in text.split(",")]


def shield_minus(words: Sequence[str]) -> list[str]:
    """Put a space before expressions such as "-sin(x)", which typer would parse as options.

    All options here begin with two dashes, and the word after an option is its value, whatever it begins with.
    """
    shielded = list(words)
    if not shielded or shielded[0] not in ("fit", "limit"):
        return shielded
    for place in range(1, len(shielded)):
        before = shielded[place - 1]
        is_value = before.startswith("--") and "=" not in before and before not in WITHOUT_VALUE
        if not is_value and _is_negative(shielded[place]):
            shielded[place] = " " + shielded[place]
    return shielded


def _is_negative(word: str) -> bool:
    """Whether a word is an expression that begins with minus, or holds characters that no option has."""
    if not word.startswith("-") or word.startswith("--") or word == "-":
        return False
    if not word[1:].replace("-", "").isalnum():
        return True
    try:
        syntax_tree(word)
    except RelufitError:
        return False
    return True
