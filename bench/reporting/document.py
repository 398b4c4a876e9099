"""What a page of the report consists of, and how it looks in Markdown; reporting/exports.py has the other formats.

Headings, paragraphs and cells are plain text, some of it out of journals that others wrote: a renderer escapes it, so
that it can be read as nothing else. Only `Words`, which are constants of our own, hold markup.
"""

import re
from typing import NamedTuple

import pandas as pd


class Heading(NamedTuple):
    """A heading of a level from 1 on."""

    level: int
    text: str


class Words(NamedTuple):
    """A paragraph of our own, with the `code`, *emphasis* and [links](to) of Markdown."""

    text: str


class Table(NamedTuple):
    """A table; a frame without rows says that there are no cases."""

    frame: pd.DataFrame


Block = Heading | Words | Table | str  # a str is a paragraph of plain text
NO_CASES = "No cases."


def markdown(blocks: list[Block]) -> str:
    """The blocks as Markdown."""
    return "\n\n".join(map(_in_markdown, blocks))


def _in_markdown(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {plain(text)}"
        case Words(text):
            return text
        case Table(frame):
            return NO_CASES if frame.empty else _table(texts(frame).map(plain).rename(columns=plain))
    return plain(block)


def _table(cells: pd.DataFrame) -> str:
    return str(cells.to_markdown(index=False, disable_numparse=True))


def texts(frame: pd.DataFrame) -> pd.DataFrame:
    """The same frame with every cell and title as text in one line; what is absent is empty."""
    filled = frame.astype(object).where(frame.notna(), "")
    return filled.map(_in_one_line).rename(columns=_in_one_line)


def _in_one_line(value: object) -> str:
    return str(value).replace("\n", " ")


def plain(text: str) -> str:
    """A text that Markdown shows as it stands: no HTML, no link or picture, no code or formula, and no | of a table.

    A < before a blank opens no tag, and _ after a letter or digit no emphasis (CommonMark 0.31, sections 6.6 and 6.2):
    they stay readable.
    """
    text = re.sub(r"[\\`*~$|]|(?<![^\W_])_", r"\\\g<0>", text.replace("&", "&amp;"))
    return re.sub(r"<(?! )", "&lt;", text).replace(">", "&gt;").replace("](", "]\\(")
