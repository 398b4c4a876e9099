"""From raw journals to tidy frames: the only reader of results/raw.

A line that cannot be used (truncated, foreign, of wrong types) is skipped with a complaint that names file and line,
and the rest of the file counts. Backends that could not run stand in the frame with their reason.
"""

import gzip
import json
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from bench.fields import CASE_FIELDS, Complain, in_one_line, read_case, read_header
from relufit.errors import RelufitError


@dataclass(frozen=True)
class Run:
    """One journal: its first line and a frame with one row for each case and backend."""

    path: Path
    header: dict[str, Any]
    cases: pd.DataFrame

    @property
    def name(self) -> str:
        """The run's identifier, which begins with its date."""
        return name_of(self.path)

    @property
    def machine(self) -> str:
        """The hardware, in words."""
        machine = self.header["machine"]
        return ", ".join(
            [*machine["gpus"], machine["cpu"] or self.path.parent.name, f"{machine['cores'] or '?'} cores"]
        )

    @property
    def threads(self) -> str:
        """The thread setting, in words."""
        asked = self.header["settings"]["threads"]
        return "threads as installed" if asked is None else f"{asked} thread" + ("s" if asked != 1 else "")

    @property
    def allocations(self) -> str:
        """Whether the C library keeps large blocks that were freed, in words: MALLOC_* variables make it do so.

        As installed it returns them to the system, and every large array pays for its page faults again.
        """
        variables = self.header["settings"]["environment"]
        kept = {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"} <= set(variables)
        return "allocations kept" if kept else "allocations as installed"

    @property
    def setting(self) -> str:
        """Under which settings of the process it was measured, in words."""
        return f"{self.threads}, {self.allocations}"

    @property
    def slug(self) -> str:
        """Machine and setting as part of a file's name; the headline profile is a run of its own kind."""
        asked = self.header["settings"]["threads"]
        return "".join(
            [
                self.path.parent.name,
                "-headline" if self.header["settings"]["profile"] == "headline" else "",
                "" if asked is None else f"-threads-{asked}",
                "-kept" if self.allocations == "allocations kept" else "",
            ]
        )


def runs(results: Path, names: list[str] | None = None, complain: Complain = lambda text: None) -> list[Run]:
    """The runs of these names or files; without names, the newest of each machine and setting (`Run.slug`).

    Raises RelufitError where there is none, or a name is unknown.
    """
    found = {name_of(path): path for path in sorted((results / "raw").glob("*/*.jsonl*"))}
    for name in names or []:
        if name not in found and not Path(name).is_file():
            raise RelufitError(
                f"there is no run {name!r} under {results / 'raw'}; there are {', '.join(found) or 'none'}"
            )
    chosen = [found.get(name, Path(name)) for name in names] if names else sorted(found.values(), key=lambda p: p.stem)
    loaded = [run for run in (read(path, complain) for path in chosen) if not run.cases.empty]
    if not loaded:
        raise RelufitError(
            f"there are no finished cases under {results / 'raw'}; run pytest bench --benchmark-only first"
        )
    newest = {run.path if names else run.slug: run for run in loaded}
    return sorted(newest.values(), key=lambda run: (run.slug, run.name))


def name_of(path: Path) -> str:
    """The run of a journal: RUN.jsonl, or RUN.jsonl.gz, as a long one that is finished may be packed."""
    return path.name.partition(".")[0]


def read(path: Path, complain: Complain = lambda text: None) -> Run:
    """Read one journal. Raises RelufitError where the file cannot be read at all."""
    try:
        content = path.read_bytes()
        lines = (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()
    except (OSError, EOFError, zlib.error) as error:  # the file's, or of what was packed
        raise RelufitError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    header: dict[str, Any] = {}
    cases = []
    for number, line in enumerate(lines, 1):
        try:
            value = json.loads(line)
            if not (isinstance(value, dict) and value.get("kind") == "run"):
                cases.append(read_case(value))
            elif header:
                raise ValueError("another line that describes a run: the first one counts")
            else:
                header = read_header(value, partial(_complain, complain, f"{path}:{number}: left out"))
        except (ValueError, RecursionError) as error:  # not JSON, not text, or not one of our lines
            _complain(complain, f"{path}:{number}: skipped", str(error))
    if not header:
        complain(f"{path}: no line describes the run; its machine is taken from the folder's name")
    frame = pd.DataFrame(cases).drop_duplicates([*CASE_FIELDS, "backend"], keep="last") if cases else pd.DataFrame()
    header = header or read_header({})
    return Run(path, header, _with_absent(frame, header) if cases else frame)


def _complain(complain: Complain, where: str, what: str) -> None:
    """Say what is wrong in a line of the terminal, whatever the file held."""
    complain(f"{in_one_line(where)}: {in_one_line(what)[:120]}")


def _with_absent(frame: pd.DataFrame, header: dict[str, Any]) -> pd.DataFrame:
    """Add a row for each case and each backend that could not run here, with the reason."""
    absent = {name: state["reason"] for name, state in header["backends"].items() if state["reason"] is not None}
    known = frame[CASE_FIELDS].drop_duplicates()
    rows = [known.assign(backend=name, status="SKIPPED", reason=reason) for name, reason in absent.items()]
    return pd.concat([frame, *rows], ignore_index=True) if rows else frame
