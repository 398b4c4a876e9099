"""The file of a table. A pipe is copied to a temporary file, because tables are read more than once."""

import os
import shutil
import stat
import sys
import tempfile
import weakref
from pathlib import Path
from typing import Any, NamedTuple

from relufit.errors import RelufitError, reason

STANDARD_INPUT = "-"
PIECE = 2**20  # bytes of a pipe that are copied at once


class Source(NamedTuple):
    """A regular file, and its name in errors."""

    path: Path
    name: str
    copy: "_Copy | None" = None  # deletes the temporary file when the last reference to it is gone

    def __str__(self) -> str:
        return self.name


class OpenTable(NamedTuple):
    """A source, and its columns and delimiter, as its first lines give them."""

    source: Source
    columns: list[str]
    delimiter: str | None  # None for parquet
    skipped: int = 0  # lines above the one with the names: Excel's sep=;
    spaced: bool = False  # whether there are spaces before quotes that open a cell


class _Copy:
    """A temporary file that is deleted together with this object, at the latest when the process ends."""

    def __init__(self, suffix: str) -> None:
        descriptor, name = tempfile.mkstemp(prefix="relufit-", suffix=suffix)
        self.path, self.file = Path(name), os.fdopen(descriptor, "wb")
        weakref.finalize(self, self.path.unlink, missing_ok=True)


def find_source(path: str | Path) -> Source:
    """The file at `path`, or a copy of the pipe there; "-" is standard input.

    Raises RelufitError if it is missing, neither a regular file nor a pipe, not readable, or too large to copy.
    """
    name = str(path)
    try:
        if name == STANDARD_INPUT:
            return _copied(_standard_input(), "standard input", "")
        kind = os.stat(path).st_mode
        if stat.S_ISREG(kind):
            return Source(Path(path), name)
        if stat.S_ISFIFO(kind):
            with open(path, "rb") as pipe:
                return _copied(pipe, name, Path(path).suffix)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError for a name with \0
        raise RelufitError(f"cannot read {name}: there is no such file") from None
    except OSError as error:
        raise RelufitError(f"cannot read {name}: {reason(error)}") from None
    if stat.S_ISDIR(kind):
        raise RelufitError(f"cannot read {name}: it is a folder")
    raise RelufitError(f"cannot read {name}: it is neither a regular file nor a pipe; write the table to a file first")


def _standard_input() -> Any:
    if sys.stdin is None:
        raise RelufitError("cannot read standard input: it is closed")
    return sys.stdin.buffer


def _copied(stream: Any, name: str, suffix: str) -> Source:
    """Copy a stream of bytes to a temporary file, which may take half of the free space."""
    left = shutil.disk_usage(tempfile.gettempdir()).free // 2
    copy = _Copy(suffix)
    with copy.file as file:
        while piece := stream.read(PIECE):
            left -= len(piece)
            if left < 0:
                raise RelufitError(
                    f"cannot read {name}: the pipe holds more than half of the free space in {tempfile.gettempdir()}; "
                    "write the table to a file first"
                )
            file.write(piece)
    return Source(copy.path, name, copy)
