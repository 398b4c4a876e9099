"""The formats of the report's tables: each written from the same long frame and the same blocks, always the same bytes.

CSV and parquet hold the long frame, a row for each case; Markdown and LaTeX the tables that people read.
"""

import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from bench.reporting.document import NO_CASES, Block, Heading, Table, Words, markdown, texts
from bench.reporting.number_format import NO_BREAK
from relufit.errors import RelufitError

# What LaTeX has to break: tables of so many rows over pages, columns of sentences over lines.
LONG_TABLE, WIDE = 40, {"note", "reason", "state", "facts"}
LATEX = str.maketrans({
    **{sign: f"\\{sign}" for sign in "&%$#_{}"}, **{sign: f"{{{sign}}}" for sign in "[]"},
    "\\": r"\textbackslash{}", NO_BREAK: "~", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
})  # fmt: skip
FORMULA = ("=", "+", "-", "@")  # what a spreadsheet takes a text for that begins so


def write_csv(long: pd.DataFrame, blocks: list[Block], path: Path) -> None:
    """Write the long frame, with numbers of six digits; a text that a spreadsheet would compute begins with a '."""
    safe = long.map(lambda cell: f"'{cell}" if isinstance(cell, str) and cell[:1] in FORMULA else cell)
    safe.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")


def write_parquet(long: pd.DataFrame, blocks: list[Block], path: Path) -> None:
    """Write the long frame as it is."""
    long.to_parquet(path, engine="pyarrow", index=False)


def write_latex(long: pd.DataFrame, blocks: list[Block], path: Path) -> None:
    """Write the tables that people read, to be included in a document; the first line says which packages they need."""
    packages = r"% \usepackage[T1]{fontenc} \usepackage{booktabs,longtable}"
    write_text(path, "\n\n".join([packages, *map(_in_latex, blocks)]))


def write_text(path: Path, text: str) -> None:
    """Write a text with the same bytes on every system."""
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def _in_latex(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"\\{'sub' * (level - 1)}section*{{{_escaped(text)}}}"
        case Words(text):
            text = re.sub(r"[^`*]+", lambda found: _escaped(found[0]), re.sub(r"\[(.*?)\]\(.*?\)", r"\1", text))
            return re.sub(r"\*(.*?)\*", r"\\emph{\1}", re.sub(r"`(.*?)`", r"\\texttt{\1}", text))
        case Table(frame):
            return NO_CASES if frame.empty else _tabular(texts(frame))
    return _escaped(block)


def _tabular(cells: pd.DataFrame) -> str:
    columns = "".join(r"p{0.4\linewidth}" if name in WIDE else "l" for name in cells.columns)
    escaped, long = cells.map(_escaped).rename(columns=_escaped), len(cells) >= LONG_TABLE
    return str(escaped.to_latex(index=False, escape=False, column_format=columns, longtable=long)).rstrip()


def _escaped(text: str) -> str:
    """A text that LaTeX shows as it stands; pdflatex has no letters beyond Latin 1."""
    return text.encode("latin-1", "replace").decode("latin-1").translate(LATEX)


class Format(NamedTuple):
    """How a table is written, under which ending, and which library that needs beside pandas."""

    suffix: str
    write: Callable[[pd.DataFrame, list[Block], Path], None]
    library: str | None = None


FORMATS = {
    "csv": Format("csv", write_csv),
    "markdown": Format("md", lambda long, blocks, path: write_text(path, markdown(blocks))),
    "parquet": Format("parquet", write_parquet, "pyarrow"),
    "latex": Format("tex", write_latex, "jinja2"),
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
