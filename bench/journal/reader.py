"""From raw journals to dictionaries: the only reader of results/raw.

A line that cannot be used (truncated, foreign, of wrong types) is skipped with a complaint that names file and line,
and the rest of the file counts.
"""

import gzip
import json
import zlib
from functools import partial
from pathlib import Path
from typing import Any

from bench.journal.schema import Complain, read_backend, read_case, read_header
from bench.journal.values import in_one_line
from relufit.errors import RelufitError


def read_lines(path: Path, complain: Complain = lambda text: None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The header of a journal, with every part that is read later, and its cases, a line for each pass."""
    try:
        content = path.read_bytes()
        lines = (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()
    except (OSError, EOFError, zlib.error) as error:  # the file's, or of what was packed
        raise RelufitError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    header: dict[str, Any] = {}
    cases: list[dict[str, Any]] = []
    joined: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(lines, 1):
        leave_out = partial(_say, complain, f"{path}:{number}: left out")
        try:
            value = json.loads(line)
            kind = value.get("kind") if isinstance(value, dict) else None
            if kind == "backend":  # that came to the run later
                joined |= read_backend(value, leave_out)
            elif kind != "run":
                cases.append(read_case(value))
            elif header:
                raise ValueError("another line that describes a run: the first one counts")
            else:
                header = read_header(value, leave_out)
        except (ValueError, RecursionError) as error:  # not JSON, not text, or not one of our lines
            _say(complain, f"{path}:{number}: skipped", str(error))
    if not header:
        complain(f"{path}: no line describes the run; its machine is taken from the folder's name")
        header = read_header({})
    return {**header, "backends": {**joined, **header["backends"]}}, cases


def _say(complain: Complain, where: str, what: str) -> None:
    """Say what is wrong, in a line that steers no terminal, whatever the file held."""
    complain(f"{in_one_line(where)}: {in_one_line(what)[:120]}")
