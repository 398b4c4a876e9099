"""The record of a run: one line of JSON for the run, then one for each finished case, on disk as soon as it is known.

Append-only: a run that is killed loses only the case in flight. A file beside the journal names that case, so that
--resume can record it and continue. bench/journal/reader.py is the only reader.
"""

import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bench.journal.status import PROCESS_ENDED, Status
from relufit.errors import RelufitError

SCHEMA = 2  # since 2, fields of the usual case and None are left out
RESULTS = Path("results")


class Unwritable(RelufitError):
    """A line cannot be written, as on a full disk."""


class Journal:
    """One file of one run: results/raw/<machine>/<run>.jsonl."""

    def __init__(self, path: Path, mode: str) -> None:
        self.path, self._now = path, in_flight_file(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _open_alone(path, mode)
        except BlockingIOError:
            raise RelufitError(f"{path} is being written by a run that has not ended: wait for it, or end it") from None
        except OSError as error:
            raise RelufitError(f"cannot write results to {path}: {error.strerror}; choose another --results") from None

    @classmethod
    def begin(cls, results: Path, header: dict[str, Any]) -> "Journal":
        """A new run, whose first line is the header."""
        run = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(2)}"
        journal = cls(results / "raw" / header["machine"]["slug"] / f"{run}.jsonl", "x")
        journal.write({"kind": "run", "schema": SCHEMA, "run": run, **header})
        return journal

    @classmethod
    def resume(cls, path: Path, status: str = Status.CRASHED, reason: str = PROCESS_ENDED) -> "Journal":
        """Continue a run that ended early; the case in flight becomes a row with this status and reason."""
        if not path.is_file():
            raise RelufitError(f"there is no journal {path} to resume")
        journal, content = cls(path, "a"), path.read_bytes()
        if not content.endswith(b"\n"):
            journal._append(b"\n")  # a line that was cut off; the reader complains of it
        if journal._now.exists():
            journal.give_up_case(status, reason, content)
        return journal

    def give_up_case(self, status: str, reason: str, content: bytes) -> None:
        """Write a line for the case in flight, unless the content of the journal has one."""
        try:
            row = json.loads(self._now.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):  # there is no case in flight, or its record was cut off
            row = None
        # A case that was killed between its line and `end_case` has finished, and a later line would count instead.
        if isinstance(row, dict) and b"\n" not in content[row.pop("begun_at_byte", len(content)) :]:
            self.write({**row, "status": status, "reason": reason})
        self.end_case()

    def begin_case(self, row: dict[str, Any]) -> None:
        """Record the case in flight; the file is replaced at once, so that a reader finds all of it or nothing.

        Raises Unwritable.
        """
        unfinished = self._now.with_suffix(".next")
        with self._or_unwritable():
            unfinished.write_text(json.dumps({**row, "begun_at_byte": self._bytes()}), encoding="utf-8")
            unfinished.replace(self._now)

    def end_case(self) -> None:
        """Remove the record of the case in flight: the case has ended, and its line is written."""
        self._now.unlink(missing_ok=True)

    def write(self, *lines: dict[str, Any]) -> None:
        """Append lines, usually one, and force them to disk. Raises Unwritable."""
        present = [{key: value for key, value in line.items() if value is not None} for line in lines]
        texts = [json.dumps(_compact(line), separators=(",", ":")) + "\n" for line in present]
        self._append("".join(texts).encode())

    def _append(self, content: bytes) -> None:
        """Write all of it, or nothing: a line that was cut off would cost the next one too."""
        before = self._bytes()
        with self._or_unwritable():
            try:
                while content:
                    content = content[self._file.write(content) :]
                os.fsync(self._file.fileno())
            except OSError:
                self._file.seek(before)
                self._file.truncate()
                raise

    def _bytes(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    @contextmanager
    def _or_unwritable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unwritable(f"cannot write to {self.path}: {error.strerror}; what it holds is kept") from None

    def close(self) -> None:
        """Close the file; what was written is there already."""
        self._file.close()


def _open_alone(path: Path, mode: str) -> IO[bytes]:
    """Open a file that no other process writes until it is closed. Raises BlockingIOError where one does."""
    file = path.open(f"{mode}b", buffering=0)
    try:
        import fcntl
    except ImportError:  # Windows
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return file


def in_flight_file(journal: Path) -> Path:
    """The file that holds the case in flight of a run."""
    return journal.with_suffix(".now")


def _compact(value: Any, digits: int = 6) -> Any:
    """The same value with floats of 6 digits, 4 in lists (no two rounds agree in the third); nan and inf as text."""
    if isinstance(value, dict):
        return {key: _compact(item, 3 if key == "agreement" else digits) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_compact(item, min(digits, 4)) for item in value]
    if hasattr(value, "item"):  # a number of numpy's
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if abs(value) < float("inf") else str(value)
    return value
