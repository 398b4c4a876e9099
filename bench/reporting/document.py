"""What the report consists of, and each format that it is written in, always in the same bytes.

Headings, paragraphs and cells are plain text, some of it out of journals that others wrote: a renderer escapes it, so
that it can be read as nothing else. Only `Words`, which are constants of our own, hold markup. CSV and parquet hold the
long frame of a table, a row for each case; Markdown and LaTeX the tables that people read.
"""

import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.reporting.number_format import NO_BREAK
from relufit.errors import RelufitError

if TYPE_CHECKING:
    import pandas as pd  # not loaded here, so that `bench.report --help` is quick

# LaTeX breaks tables of this many rows over pages, and columns of sentences over lines.
LONG_TABLE, WIDE_COLUMNS = 40, {"note", "reason", "state", "facts"}
LATEX = str.maketrans({
    **{sign: f"\\{sign}" for sign in "&%$#_{}"}, **{sign: f"{{{sign}}}" for sign in "[]"},
    "\\": r"\textbackslash{}", NO_BREAK: "~", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
})  # fmt: skip
FORMULA = ("=", "+", "-", "@")  # a text that begins with one of these is computed by a spreadsheet


class Heading(NamedTuple):
    """A heading of a level from 1 on."""

    level: int
    text: str


class Words(NamedTuple):
    """A paragraph of our own, with the `code`, *emphasis* and [links](to) of Markdown."""

    text: str


class Table(NamedTuple):
    """A table; a frame without rows says that there are no cases."""

    frame: "pd.DataFrame"


class Items(NamedTuple):
    """A list of plain texts."""

    texts: list[str]


Element = Heading | Words | Items | Table | str  # a str is a paragraph of plain text
Document = list[Element]
NO_CASES = "No cases."


def markdown(document: Document) -> str:
    """A document as Markdown."""
    return "\n\n".join(map(_in_markdown, document))


def _in_markdown(element: Element) -> str:
    match element:
        case Heading(level, text):
            return f"{'#' * level} {plain(text)}"
        case Words(text):
            return text
        case Items(lines):
            return "\n".join(f"- {plain(line)}" for line in lines)
        case Table(frame):
            return NO_CASES if frame.empty else _pipes(texts(frame))
    return plain(element)


def _pipes(cells: list[list[str]]) -> str:
    """A table as Markdown. Columns are padded, since people read the text itself too."""
    title, *rows = ([*map(plain, row)] for row in cells)
    columns = zip(title, *rows, strict=True)
    widths = [max(len(name) + 2, *map(len, column)) for name, *column in columns]
    line = "|".join(":".ljust(width + 2, "-") for width in widths)
    padded = [" | ".join(map(str.ljust, row, widths)) for row in (title, *rows)]
    return "\n".join([f"| {padded[0]} |", f"|{line}|", *(f"| {row} |" for row in padded[1:])])


def texts(frame: "pd.DataFrame") -> list[list[str]]:
    """The titles of a frame and its rows, with every cell as text in one line; what is absent is empty."""
    cells = frame.astype(object).where(frame.notna(), "").to_numpy()
    return [[str(cell).replace("\n", " ") for cell in row] for row in ([*frame.columns], *cells)]


def plain(text: str) -> str:
    """A text that Markdown shows as it stands: no HTML, no link or picture, no code or formula, and no | of a table.

    A < before a blank opens no tag, and _ after a letter or digit no emphasis (CommonMark 0.31, sections 6.6 and 6.2):
    they stay readable.
    """
    text = re.sub(r"[\\`*~$|]|(?<![^\W_])_", r"\\\g<0>", text.replace("&", "&amp;"))
    return re.sub(r"<(?! )", "&lt;", text).replace(">", "&gt;").replace("](", "]\\(")


def write_csv(long: "pd.DataFrame", document: Document, path: Path) -> None:
    """Write the long frame, with numbers of six digits; a text that a spreadsheet would compute begins with a '."""
    safe = lambda cell: f"'{cell}" if isinstance(cell, str) and cell[:1] in FORMULA else cell  # noqa: E731
    words = {name: long[name].map(safe) for name in long.select_dtypes(exclude="number")}
    long.assign(**words).to_csv(path, index=False, float_format="%.6g", lineterminator="\n")


def write_latex(long: "pd.DataFrame", document: Document, path: Path) -> None:
    """Write the tables that people read, to be included in a document; the first line says which packages they need."""
    packages = r"% \usepackage[T1]{fontenc} \usepackage{booktabs,longtable}"
    write_text(path, "\n\n".join([packages, *map(_in_latex, document)]))


def write_text(path: Path, text: str) -> None:
    """Write a text with the same bytes on every system."""
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def _in_latex(element: Element) -> str:
    match element:
        case Heading(level, text):
            return f"\\{'sub' * (level - 1)}section*{{{_escaped(text)}}}"
        case Words(text):
            text = re.sub(r"[^`*]+", lambda found: _escaped(found[0]), re.sub(r"\[(.*?)\]\(.*?\)", r"\1", text))
            return re.sub(r"\*(.*?)\*", r"\\emph{\1}", re.sub(r"`(.*?)`", r"\\texttt{\1}", text))
        case Items(lines):
            items = "\n".join(rf"\item {_escaped(line)}" for line in lines)
            return f"\\begin{{itemize}}\n{items}\n\\end{{itemize}}"
        case Table(frame):
            return NO_CASES if frame.empty else _tabular(frame)
    return _escaped(element)


def _tabular(frame: "pd.DataFrame") -> str:
    title, *rows = texts(frame)
    columns = "".join(r"p{0.4\linewidth}" if name in WIDE_COLUMNS else "l" for name in title)
    escaped = type(frame)([[*map(_escaped, row)] for row in rows], columns=[*map(_escaped, title)])
    long = len(rows) >= LONG_TABLE
    return str(escaped.to_latex(index=False, escape=False, column_format=columns, longtable=long)).rstrip()


def _escaped(text: str) -> str:
    """A text that LaTeX shows as it stands; pdflatex has no letters beyond Latin 1."""
    return text.encode("latin-1", "replace").decode("latin-1").translate(LATEX)


class Format(NamedTuple):
    """How a table is written, under which ending, and which library that needs beside pandas."""

    suffix: str
    write: Callable[["pd.DataFrame", Document, Path], None]
    library: str | None = None
    is_read: bool = False  # by people: it holds the tables, and is split where these are long; else the long frame


FORMATS = {
    "csv": Format("csv", write_csv),
    "markdown": Format("md", lambda _, document, path: write_text(path, markdown(document)), is_read=True),
    "parquet": Format("parquet", lambda long, _, path: long.to_parquet(path, engine="pyarrow", index=False), "pyarrow"),
    "latex": Format("tex", write_latex, "jinja2", is_read=True),
}
USUAL = ("csv", "markdown")


def chosen(names: Sequence[str]) -> list[Format]:
    """The usual formats and those of these names. Raises RelufitError for one that is unknown or lacks its library."""
    wanted = dict.fromkeys([*USUAL, *(name.strip() for name in names)])
    for name in wanted:
        if name not in FORMATS:
            raise RelufitError(f"--format {name!r} is not known; there are {', '.join(FORMATS)}")
        if (library := FORMATS[name].library) is not None and find_spec(library) is None:
            raise RelufitError(f"--format {name} needs {library}, which is not installed: pip install {library}")
    return [FORMATS[name] for name in wanted]
